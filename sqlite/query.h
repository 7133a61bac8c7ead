/* A query as xFilter gets it: values beside the plan's terms. */
#ifndef KITH_SQLITE_QUERY_H
#define KITH_SQLITE_QUERY_H

#include "distance.h"
#include "plan.h"
#include "table.h"
#include "values.h"

/* Which distances are wanted. */
struct bounds {
	double min, max;  /* of the distance */
	int above, below; /* 1: strictly */
	double similar_min, similar_max;
	int similar_above, similar_below;
};

int bounds_allow(const struct bounds *b, kith_metric metric, double distance);

struct query {
	const struct column *column; /* of MATCH; NULL: there is none */
	struct vector vector;
	int64_t k;   /* INT64_MAX: all, in order of distance */
	int nothing; /* a NULL where there must be a value: no rows */
	struct bounds bounds;
	int64_t ef, nprobe; /* 0: not given */
	double recall;      /* 0: not given */
	const char *filter; /* belongs to the query's values */
	sqlite3_value *filter_value, *filter_args;
	sqlite3_value **values; /* [terms] copies of what xFilter got, of conditions */
	int terms;
	int lists; /* of IN terms */
	struct values *in;
};

int query_begin(struct query *q, struct table *t, const struct plan *p, sqlite3_value **argv);
void query_end(struct query *q);

#endif
