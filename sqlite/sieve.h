/* The conditions of a query, compiled so that they can be tested on columns in memory (cells.h).
 * Conditions that cannot be tested there are left out. So rows that pass the sieve may still fail the
 * query, but all rows that pass the query pass the sieve. */
#ifndef KITH_SQLITE_SIEVE_H
#define KITH_SQLITE_SIEVE_H

#include "live.h"
#include "query.h"

struct sieve_test {
	enum cells_kind kind;
	const void *values; /* the column's values, by id */
	int nullable;       /* 0: `values` are rowids, which are never NULL */
	union {
		struct {
			int64_t lo, hi;
		} i;
		struct {
			double lo, hi;
		} f;
	} range;           /* from lo to hi, both included; empty if lo > hi */
	int outside;       /* 1: values outside of the range pass */
	int null;          /* 1: NULL passes */
	uint8_t *pass;     /* for texts: whether each text passes, by its number */
	int64_t *integers; /* for IN: [listed], sorted, in place of the range; NULL: use the range */
	double *reals;     /* for IN: the same as doubles */
	int64_t listed;
};

struct sieve {
	int n;
	int complete;             /* the tests are all of the query's conditions on rows */
	struct sieve_test *tests; /* refer to the index's cells, so its lock must be held */
};

/* Compile those of the query's conditions that can be tested on the cells of l. */
int sieve_make(
    struct sieve *s, struct table *t, const struct live *l, const struct plan *p, const struct query *q);
void sieve_free(struct sieve *s);

/* Comparison functions for qsort and bsearch. */
int sieve_compare_integers(const void *a, const void *b);
int sieve_compare_reals(const void *a, const void *b);

/* Whether an id passes. */
int sieve_passes(const struct sieve *s, int64_t id);

/* Set the bits [(n + 7) / 8] of the ids that are alive and pass. Returns their number. */
int64_t sieve_bits(const struct sieve *s, const struct live *l, uint8_t *bits);

/* List the columns of a query's conditions that can be held in memory: columns [MAX_TERMS]. Returns their
 * number. */
int sieve_columns(const struct table *t, const struct plan *p, int *columns);

#endif
