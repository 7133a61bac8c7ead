/* Principal component analysis. */
#ifndef KITH_LEARN_PCA_H
#define KITH_LEARN_PCA_H

#include "lib/learn/linear.h"

struct pca {
	int64_t out;  /* components kept: 1 … dim */
	bool centred; /* the mean is taken away first; else axes are those of Σ x xᵀ, which suit inner
	                 products best */
	bool whiten;  /* to unit variance; directions without variance become zero */
	bool rotate;  /* at random, at last */
	uint64_t seed;
	int threads;
};

/* Learn the map and its inverse from rows, n >= pca->out of them. Errors: NOMEM. */
kith_status pca_learn(
    const struct pca *pca, const struct rows *rows, struct linear *forward, struct linear *inverse);

#endif
