/* Values of --set and --sweep: "nprobe=16,max_codes=20000", "nprobe=1:256". */
#ifndef KITH_TOOLS_SETTINGS_H
#define KITH_TOOLS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "cli.h"

enum setting_kind { SETTING_INT64, SETTING_UINT64, SETTING_FLOAT };

/* One name that can be set: a member of an options struct. A table of settings ends with an empty one. */
struct setting {
	const char *name;
	size_t offset;
	double min, max;
	double value; /* out */
	enum setting_kind kind;
	bool given; /* out */
};

/* Most settings of a table, with its end. */
enum { SETTINGS_MAX = 16 };

/* What a search, and what building an index can be told: table gets all of it, nothing given yet. */
void search_settings(struct setting table[SETTINGS_MAX]);
void build_settings(struct setting table[SETTINGS_MAX]);

/* Write what was given into the options that the table is about. */
void settings_apply(const struct setting *table, void *options);

/* Read the value of the option just returned. False: an error was printed, end with EXIT_USAGE. */
bool settings_read(const struct cli *cli, int option, struct setting *table);

/* What was given, as a JSON object, and as text: "nprobe=16 k_factor=4". */
json_t *settings_json(const struct setting *table);
void settings_text(const struct setting *table, char *out, size_t size);

/* The values that one setting runs through, in the order given. */
enum { SWEEP_VALUES = 64 };
struct sweep {
	int setting; /* number in the table */
	int n;
	double value[SWEEP_VALUES];
};

/* Read "NAME=PART,…", a part being a number or FROM:TO, which doubles from FROM and ends with TO. Reading one
 * name a second time replaces its values. sweeps [SETTINGS_MAX], *n of them so far. */
bool sweep_read(const struct cli *cli, int option, const struct setting *table, struct sweep *sweeps, int *n);

#endif
