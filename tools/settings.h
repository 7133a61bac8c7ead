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
	double fallback;     /* what the library takes if it is not told; 0: no limit */
	const char *whose;   /* the indexes that use it: "inverted files" */
	const char *aliases; /* what others call it, in small letters without '-' and '_': "ef hnswef" */
	double value;        /* out */
	enum setting_kind kind;
	bool given;     /* out: by the user */
	bool effective; /* out: not given, but in use with its default */
	bool automatic; /* out: the same, and the library chooses it query by query */
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

/* Whether an index uses a setting; of settings of building, an index that was made and not trained yet. */
bool setting_used(const struct setting *setting, const kith_index *index);

/* Tell the user what was given and `index` does not use. */
void settings_warn(const struct setting *table, const kith_index *index);

/* Let the table hold what counts: of what was given that which `index` uses, and the defaults of the rest of
 * it. k > 0: with values as a search for k takes them, at most all lists and at least as many candidates as
 * results. */
void settings_complete(struct setting *table, const kith_index *index, int64_t k);

/* The setting of a table that `word` means, in whatever spelling ("ef-search"); NULL: none. */
const struct setting *setting_meant(const struct setting *table, const char *word);

/* What was given or is in use, as a JSON object, and as text: "nprobe=16 k_factor=4". */
json_t *settings_json(const struct setting *table);
void settings_text(const struct setting *table, char *out, size_t size);

/* The same on stdout, for a line that goes on: "nprobe = 16, k_factor = 4, ". */
void settings_print(const struct setting *table);

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
