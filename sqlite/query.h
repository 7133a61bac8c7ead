/* A query as xFilter gets it: the values of the plan's terms. */
#ifndef KITH_SQLITE_QUERY_H
#define KITH_SQLITE_QUERY_H

#include "distance.h"
#include "plan.h"
#include "table.h"
#include "values.h"

/* The bounds of a query on the distance and the similarity. */
struct bounds {
	double min, max;  /* of the distance */
	int above, below; /* 1: min, or max, itself is excluded */
	double similar_min, similar_max;
	int similar_above, similar_below;
};

int bounds_allow(const struct bounds *b, kith_metric metric, double distance);

struct query {
	const struct column *column; /* the column of MATCH; NULL: there is no MATCH */
	struct vector vector;
	int64_t k;   /* INT64_MAX: all rows, in the order of distance */
	int no_rows; /* a NULL where there must be a value: no rows */
	struct bounds bounds;
	int64_t ef, nprobe; /* 0: not given */
	double recall;      /* 0: not given */
	const char *filter; /* the text of filter_value */
	sqlite3_value *filter_value, *filter_args;
	sqlite3_value **values; /* [terms] copies of the values of conditions; NULL for other terms */
	int terms;
	int lists;         /* the number of IN terms */
	struct values *in; /* [lists] their values */
};

int query_begin(struct query *q, struct table *t, const struct plan *p, sqlite3_value **argv);
void query_end(struct query *q);

#endif
