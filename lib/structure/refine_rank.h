/* Ranking candidates by a finer store: refine.c alone uses it. */
#ifndef KITH_STRUCTURE_REFINE_RANK_H
#define KITH_STRUCTURE_REFINE_RANK_H

#include <stdatomic.h>

#include "lib/search/search.h"
#include "lib/structure/ids.h"

enum { RANK_QUERIES = 8 }; /* of a task */

/* A chunk of queries, whose candidates the child has found. */
struct ranking {
	const struct ids *ids; /* of the store */
	bool ip;
	struct rows store, query;
	const struct sink *candidates;
	struct sink *sink;
	float **scratch;       /* [threads][2 × dim] */
	_Atomic int64_t exact; /* distances computed */
	_Atomic bool failed;
};

/* Put the candidates of every query into r->sink, with exact keys. NOMEM, CANCELLED: some are missing. */
kith_status rank_candidates(struct ranking *r, const kith_search_options *options);

#endif
