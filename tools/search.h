/* Exact nearest neighbours from file to file, in bounded memory. */
#ifndef KITH_TOOLS_SEARCH_H
#define KITH_TOOLS_SEARCH_H

#include <kith/kith.h>

#include "files.h"

struct search {
	/* What is asked for. */
	struct input *base, *query;
	kith_metric metric;
	int64_t k;
	int threads;               /* 0: OpenMP's default */
	const kith_filter *filter; /* NULL: all rows */

	/* Writers of dimension k for ids (i32) and distances (f32); NULL: none. */
	kith_vecs_writer *ids_out, *dist_out;

	/* The results [keep × k] of the first queries, in the caller's memory. */
	int64_t keep;
	int64_t *ids;
	float *dist;

	const char *after; /* what a message about an interruption ends with; NULL: nothing */
	/* Set by search_run. */
	kith_type type; /* as which vectors were compared */
	double seconds;
};

/* Search; base and query must have one dimension. Returns an exit code. */
int search_run(struct search *s);

#endif
