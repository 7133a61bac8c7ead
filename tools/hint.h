/* Hints at what a user may have meant, which end an error message. */
#ifndef KITH_TOOLS_HINT_H
#define KITH_TOOLS_HINT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

/* The options that begin with `word`, if there are several: "'--train', '--train-size'". */
bool hint_candidates(const struct command *command, const char *word, char *out, size_t size);

/* A hint for an option or a letter that the command does not have; word: as it was typed. False: there is no
 * hint. */
bool hint_option(const struct cli *cli, const char *word, char *out, size_t size);
bool hint_letter(const struct command *command, char letter, char *out, size_t size);

/* Find a file in the folder of `path`, which does not exist, whose name differs from it by a few letters or
 * by its extension. False: there is none. */
bool hint_file(const char *path, char *out, size_t size);

/* Whether a word, which is an abbreviation of one of the command's options, is also the name of one of its
 * operands, or of an option of another command. */
bool hint_misleading(const struct command *command, const char *word);

/* The option that a letter stands for in all commands that have it; NULL: none. */
const char *hint_meaning(char letter);

/* A hint for an operand too many. Returns out. */
const char *hint_operand(const struct command *command, const char *operand, char *out, size_t size);

/* Errors about files of the wrong kind. Return an exit code, EXIT_OK if nothing is wrong. */
int hint_index_and_queries(const char *index, const char *query); /* the operands of kith search */
int hint_spec(
    const char *option, const char *spec, bool can_load);     /* a factory string that is a file's name */
int hint_vectors_named(const char *option, const char *path); /* an index with the name of a vector file */
/* Whether a name ends as those of vector files, of index files, and of vector files of KITH_I64 do. */
bool names_vectors(const char *path);
bool names_index(const char *path);

bool names_wide(const char *path);

#endif
