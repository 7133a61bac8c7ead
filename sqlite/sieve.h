/* The conditions of a query, tried on columns in memory (cells.h). What cannot be tried there is left out:
 * rows that pass a sieve may then still fail, but none that passes the query is lost. */
#ifndef KITH_SQLITE_SIEVE_H
#define KITH_SQLITE_SIEVE_H

#include "live.h"
#include "query.h"

struct sieve_test {
	enum cells_kind kind;
	const void *values; /* by id */
	int nullable;       /* 0: the rowids, of which none is NULL */
	union {
		struct {
			int64_t lo, hi;
		} i;
		struct {
			double lo, hi;
		} f;
	} range;           /* both ends belong to it; empty: lo > hi */
	int outside;       /* 1: those outside of it pass */
	int null;          /* 1: NULL passes */
	uint8_t *pass;     /* of texts, by their numbers */
	int64_t *integers; /* IN: [listed] sorted, in place of the range; NULL: the range */
	double *reals;     /* the same */
	int64_t listed;
};

struct sieve {
	int n;
	int complete;             /* these are all conditions on rows */
	struct sieve_test *tests; /* point into the index's cells: its lock is held as long */
};

/* Those of the query's conditions that l's cells can answer. */
int sieve_make(
    struct sieve *s, struct table *t, const struct live *l, const struct plan *p, const struct query *q);
void sieve_free(struct sieve *s);

/* For qsort and bsearch: the order of a list's numbers. */
int sieve_compare_integers(const void *a, const void *b);
int sieve_compare_reals(const void *a, const void *b);

int sieve_passes(const struct sieve *s, int64_t id);

/* bits [(n + 7) / 8] of ids that are alive and pass; returns how many. */
int64_t sieve_bits(const struct sieve *s, const struct live *l, uint8_t *bits);

/* The columns that a query's conditions could be tried on: columns [MAX_TERMS]; returns how many. */
int sieve_columns(const struct table *t, const struct plan *p, int *columns);

#endif
