/* The values of --set and --sweep, such as "nprobe=16,max_codes=20000" and "nprobe=1:256". */
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
	double fallback;     /* the library's default; 0: no limit */
	const char *whose;   /* the indexes that use it: "inverted files" */
	const char *aliases; /* its names in other programs, in small letters without '-' and '_' */
	double value;
	enum setting_kind kind;
	bool given;     /* whether the user gave the value */
	bool effective; /* whether the value is the default, and in use */
	bool automatic; /* whether, in addition, the library chooses the value query by query */
};

/* The largest number of settings in a table, with the empty one at its end. */
enum { SETTINGS_MAX = 16 };

/* Fill a table with the settings of a search, or of building an index, none of which is given yet. */
void search_settings(struct setting table[SETTINGS_MAX]);
void build_settings(struct setting table[SETTINGS_MAX]);

/* Write the settings that were given into the options that the table is about. */
void settings_apply(const struct setting *table, void *options);

/* Read the value of --set. False: an error was printed; end with EXIT_USAGE. */
bool settings_read(const struct cli *cli, struct setting *table);
/* Whether an index uses a setting. For a setting of building, the index must not be trained yet. */
bool setting_used(const struct setting *setting, const kith_index *index);

/* Warn of settings that were given and that the index does not use. */
void settings_warn(const struct setting *table, const kith_index *index);

/* Complete the table with the defaults of the settings that the index uses, and drop those that it does not
 * use. With k > 0, values are changed as a search for k changes them: nprobe is at most the number of lists,
 * and efSearch at least the number of candidates that are needed. */
void settings_complete(struct setting *table, const kith_index *index, int64_t k);

/* The setting of a table that `word` means, in any spelling ("ef-search"); NULL: none. */
const struct setting *setting_meant(const struct setting *table, const char *word);

/* The settings that are given or in use, as a JSON object and as text: "nprobe=16 k_factor=4". */
json_t *settings_json(const struct setting *table);
void settings_text(const struct setting *table, char *out, size_t size);

/* Print them as a part of a line: "nprobe = 16, k_factor = 4, ". */
void settings_print(const struct setting *table);

/* The values of one setting that --sweep gives, in their order. */
enum { SWEEP_VALUES = 64 };
struct sweep {
	int setting; /* number in the table */
	int n;
	double value[SWEEP_VALUES];
};

/* Read the value of --sweep, "NAME=PART,…". A part is a number or FROM:TO, which stands for FROM, its doubles
 * below TO, and TO. A name that is given again replaces its values. sweeps [SETTINGS_MAX] has *n so far.
 * False: an error was printed. */
bool sweep_read(const struct cli *cli, const struct setting *table, struct sweep *sweeps, int *n);

#endif
