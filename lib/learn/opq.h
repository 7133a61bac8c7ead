/* Optimized product quantization (Ge, He, Ke & Sun, CVPR 2013). */
#ifndef KITH_LEARN_OPQ_H
#define KITH_LEARN_OPQ_H

#include <kith/library.h>

#include "lib/learn/linear.h"

/* The smallest number of training vectors, which is that of the centroids of a sub-quantizer. */
enum { OPQ_MIN = 256 };

struct opq {
	int64_t out; /* a multiple of m */
	int64_t m;   /* number of sub-quantizers of the product quantizer */
	uint64_t seed;
	int threads;
	kith_progress progress; /* NULL: none */
	void *progress_data;
};

/* Learn a rotation of rows (n >= OPQ_MIN) to `out` dimensions, and its inverse. Errors: NOMEM, CANCELLED. */
kith_status opq_learn(
    const struct opq *opq, const struct rows *rows, struct linear *forward, struct linear *inverse);

#endif
