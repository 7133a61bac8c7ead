/* Principal component analysis. */
#ifndef KITH_LEARN_PCA_H
#define KITH_LEARN_PCA_H

#include "lib/learn/linear.h"

struct pca {
	int64_t out; /* number of components that are kept: 1 … dim */
	bool centred; /* subtract the mean first; else the axes are those of Σ x xᵀ, which are best for inner
	                 products */
	bool whiten; /* scale to unit variance; directions without variance become zero */
	bool rotate; /* apply a random rotation at the end */
	uint64_t seed;
	int threads;
};

/* Learn the map and its inverse from rows, of which there must be at least pca->out. Errors: NOMEM,
 * CANCELLED. */
kith_status pca_learn(
    const struct pca *pca, const struct rows *rows, struct linear *forward, struct linear *inverse);

#endif
