/* Rows of digests: written to a file, and compared with one. */
#ifndef KITH_TESTS_TABLE_H
#define KITH_TESTS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MAX_COLUMNS = 12, NAME_SIZE = 64 };

/* What one case gave: columns of a name and one or two digests. */
struct row {
	char isa[16]; /* or "any" */
	char name[NAME_SIZE];
	int n;
	struct column {
		char name[16];
		char digest[24];
	} column[MAX_COLUMNS];
};

struct table {
	struct row *row; /* free() it */
	int n;
};

/* Add a column: the digest of a bytes, of two arrays as "ids/distances", or a word in place of digests. */
void row_add(struct row *row, const char *name, const void *x, size_t bytes);
void row_add_found(struct row *row, const char *name, int64_t n, const int64_t *ids, const float *dist);
void row_add_word(struct row *row, const char *name, const char *word);

void table_append(struct table *table, const struct row *row);

/* False: the file cannot be read or written, or is no table. */
bool table_read(struct table *table, const char *path);
bool table_write(const struct table *table, const char *path);

/* Say on stderr which columns differ from those of `golden`, which are of the same instruction set or of any.
 * Gives the number of differences. */
int row_compare(const struct row *row, const struct table *golden);

/* Say which rows `golden` has that `table` has not, of the instruction sets that are in `table`. */
int table_missing(const struct table *table, const struct table *golden);

/* Put one row "any" in the place of the rows that each case has; a column that is not the same in all of them
 * becomes "differs". */
void table_unite(struct table *table);

#endif
