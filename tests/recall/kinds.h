/* Synthetic data similar to the kinds of data that are indexed in practice, each with its own difficulty.
 * test_kinds.c has the recall that indexes must reach on them. */
#ifndef KITH_TESTS_RECALL_KINDS_H
#define KITH_TESTS_RECALL_KINDS_H

#include "tests/support/support.h"

struct kind {
	const char *name;
	int64_t dim;
	/* Draw vectors x [n × dim] of a set with `set` vectors in total. */
	void (*draw)(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x);
	double a, b, c; /* parameters of the generator, which describes them */
	bool unit;      /* normalise every vector to unit length */
	/* Draw queries; NULL: they are drawn like the set. */
	void (*draw_queries)(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x);
};

struct data {
	int64_t n, nq, dim;
	float *x, *q; /* [n × dim], [nq × dim] */
};

/* The kind with a name, which must exist. */
const struct kind *kind_of(const char *name);

struct data data_make(const char *name, int64_t n, int64_t nq);
void data_free(struct data *data);

/* The fraction of the k nearest neighbours of each query that are in ids [nq × k], by exact keys in double
 * precision. Every vector as near as the k-th counts as a neighbour; repeated ids count once. */
double data_recall(const struct data *data, kith_metric metric, int64_t k, const int64_t *ids);

#endif
