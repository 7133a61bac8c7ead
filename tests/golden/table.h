/* Tables of digests, which are written to files and compared with them. */
#ifndef KITH_TESTS_TABLE_H
#define KITH_TESTS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MAX_COLUMNS = 12, NAME_SIZE = 64 };

/* The results of one case: columns with a name and one or two digests. */
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

/* Add a column: the digest of some bytes, the digests of two arrays as "ids/distances", or a word. */
void row_add(struct row *row, const char *name, const void *x, size_t bytes);
void row_add_found(struct row *row, const char *name, int64_t n, const int64_t *ids, const float *dist);
void row_add_word(struct row *row, const char *name, const char *word);

void table_append(struct table *table, const struct row *row);

/* Return false if the file cannot be read or written, or is not a table. */
bool table_read(struct table *table, const char *path);
bool table_write(const struct table *table, const char *path);

/* Print which columns differ from those of `golden` for the same instruction set or for "any". Returns the
 * number of differences. */
int row_compare(const struct row *row, const struct table *golden);

/* Print the rows of `golden` that `table` lacks, for the instruction sets in `table`. Returns their
 * number. */
int table_missing(const struct table *table, const struct table *golden);

/* Replace the rows of each case by one row "any", in which columns that are not the same in all of them
 * become "differs". */
void table_unite(struct table *table);

#endif
