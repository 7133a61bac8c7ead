/* What a user may have meant: sentences that follow an error. */
#ifndef KITH_TOOLS_HINT_H
#define KITH_TOOLS_HINT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

/* The options that `word` is the beginning of, if there are several: "'--train', '--train-size'". */
bool hint_candidates(const struct command *command, const char *word, char *out, size_t size);

/* For an option that the command does not have; `word` as it was typed. False: nothing comes near. */
bool hint_option(const struct cli *cli, const char *word, char *out, size_t size);
bool hint_letter(const struct command *command, char letter, char *out, size_t size);

/* The name of a file in the same folder that differs from `path`, which is not there, by a slip of the finger
 * or by its extension. False: there is none. */
bool hint_file(const char *path, char *out, size_t size);

/* An abbreviation of one of the command's options that is the name of something else: an option of other
 * commands, or an operand. */
bool hint_misleading(const struct command *command, const char *word);

/* The long option that a letter stands for, in all commands that have it; NULL: none. */
const char *hint_meaning(char letter);

/* For an operand too many. Returns out. */
const char *hint_operand(const struct command *command, const char *operand, char *out, size_t size);

/* Errors about files in each other's places. They return an exit code; EXIT_OK where nothing is wrong. */
int hint_index_and_queries(const char *index, const char *query); /* operands of kith search */
int hint_spec(
    const char *option, const char *spec, bool can_load);     /* a factory string that is a file's name */
int hint_vectors_named(const char *option, const char *path); /* an index named as vectors are */

/* Does the name end as those of vector files do, and as those of index files? */
bool names_vectors(const char *path);
bool names_index(const char *path);

/* And those of vector files that can hold KITH_I64? */
bool names_wide(const char *path);

#endif
