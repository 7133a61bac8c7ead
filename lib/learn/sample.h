/* What rotations are learnt from. */
#ifndef KITH_LEARN_SAMPLE_H
#define KITH_LEARN_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/tile/rows.h"

/* Up to `most` of the rows, drawn by the seed, in their order. */
struct sample {
	int64_t n, dim;
	float *x;     /* [n × dim], less the mean (if centred), divided by unit */
	double *mean; /* [dim] of the rows as they are; zero unless centred */
	double unit;  /* a power of two: components of x are about one at most */
};

/* Errors: NOMEM. */
kith_status sample_init(
    struct sample *sample, const struct rows *rows, int64_t max, uint64_t seed, bool centred);
void sample_free(struct sample *sample);

/* Principal axes: eigenvalues, descending, of Σ x xᵀ / n, as rows are scaled here (times unit² they are the
 * variances), and eigenvectors as rows: values [dim], axes [dim × dim]. Errors: NOMEM. */
kith_status sample_axes(const struct sample *sample, int threads, double *values, double *axes);

#endif
