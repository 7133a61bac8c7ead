/* Samples for learning rotations. */
#ifndef KITH_LEARN_SAMPLE_H
#define KITH_LEARN_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/tile/rows.h"

/* A random sample of rows, in their order. */
struct sample {
	int64_t n, dim;
	float *x;     /* [n × dim] (row − mean) / unit */
	double *mean; /* [dim] of the rows of the sample; zero unless centred */
	double unit;  /* a power of two, such that components of x are at most 1 */
};

/* Draw up to `max` of the rows; centred: subtract their mean. Errors: NOMEM, CANCELLED. */
kith_status sample_init(
    struct sample *sample, const struct rows *rows, int64_t max, uint64_t seed, bool centred);
void sample_free(struct sample *sample);

/* The principal axes: the eigenvalues of Σ x xᵀ / n in descending order, values [dim], and the eigenvectors
 * as the rows of axes [dim × dim]. Variances are the eigenvalues times unit². Errors: those of
 * matrix_eigen. */
kith_status sample_axes(const struct sample *sample, int threads, double *values, double *axes);

#endif
