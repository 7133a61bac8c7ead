/* Made-up data of the kinds that people index, each with what makes it hard: test_kinds.c says how well each
 * index must do on them. */
#ifndef KITH_TESTS_RECALL_KINDS_H
#define KITH_TESTS_RECALL_KINDS_H

#include "tests/support/support.h"

struct kind {
	const char *name;
	int64_t dim;
	/* Draw vectors x [n × dim] of a set that has `set` in all. */
	void (*draw)(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x);
	double a, b, c; /* what the generator makes of them stands beside it */
	bool unit;      /* every vector is divided by its length */
	/* Draws queries; NULL: as the set. */
	void (*draw_queries)(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x);
};

struct data {
	int64_t n, nq, dim;
	float *x, *q; /* [n × dim], [nq × dim] */
};

/* The kind of a name, which there must be. */
const struct kind *kind_of(const char *name);

struct data data_make(const char *name, int64_t n, int64_t nq);
void data_free(struct data *data);

/* Share of the k nearest of each query that ids [nq × k] has, as exact keys in double say: what is as near as
 * the k-th is one of them, every id counts once. */
double data_recall(const struct data *data, kith_metric metric, int64_t k, const int64_t *ids);

#endif
