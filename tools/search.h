/* Exact nearest neighbours from file to file, in bounded memory. */
#ifndef KITH_TOOLS_SEARCH_H
#define KITH_TOOLS_SEARCH_H

#include <kith/kith.h>

#include "files.h"

struct search {
	/* What to do. */
	struct input *base, *query;
	kith_metric metric;
	int64_t k;
	int threads;               /* 0: OpenMP's default */
	const kith_filter *filter; /* NULL: all rows */

	/* Where results go: writers of dimension k (i32, f32), NULL: nowhere. */
	kith_vecs_writer *ids_out, *dist_out;

	/* Results [keep × k] of the first queries; room of the caller. */
	int64_t keep;
	int64_t *ids;
	float *dist;

	/* Message after an interruption. */
	const char *after;

	/* Out. */
	kith_type type; /* elements that were compared */
	double seconds;
};

/* Run it; returns an exit code. The files of base and query must have one dimension. */
int search_run(struct search *s);

#endif
