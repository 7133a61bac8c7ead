/* Linear maps and sums of outer products over many vectors, on the tile kernels. */
#ifndef KITH_LEARN_LINEAR_H
#define KITH_LEARN_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/base/blob.h"
#include "lib/tile/rows.h"

/* y = A x + b. Zero-initialise. */
struct linear {
	int64_t in, out;
	float *panels; /* A, its rows in tile panels (pack in kernels.h): [ceil(out / 64) × in × 64] */
	float *shift;  /* [ceil(out / 64) × 64] b and zeros */
};

/* a [out × in] row-major; b [out], NULL: zero. NOMEM leaves *map all zero. */
kith_status linear_init(struct linear *map, int64_t in, int64_t out, const double *a, const double *b);

/* The reverse: a [out × in], b [out]. */
void linear_get(const struct linear *map, float *a, float *b);

/* The forward map, y = a (x − mean), and the inverse one, x = inverse · y + mean. inverse [in × out], NULL:
 * the transpose of a, which is then orthonormal; mean [in], NULL: zero. NOMEM leaves both all zero. */
kith_status linear_init_both(struct linear *forward, struct linear *inverse_map, int64_t in, int64_t out,
    const double *a, const double *inverse, const double *mean);
kith_status linear_copy(struct linear *to, const struct linear *from);
bool linear_same(const struct linear *a, const struct linear *b);
size_t linear_memory(const struct linear *map);
void linear_free(struct linear *map);

/* To a file and back: section `matrix` and section `shift`. */
void linear_save(const struct linear *map, const char *matrix, const char *shift, struct blob_writer *w);
kith_status linear_load(struct linear *map, int64_t in, int64_t out, const char *matrix, const char *shift,
    struct blob_reader *r);

/* y [x->n × out] of all rows. Every sum runs over the components of its vector in order, so the bits of a y
 * depend on its x alone: not on the threads, nor on what else is in the batch. Errors: NOMEM, CANCELLED. */
kith_status linear_apply(const struct linear *map, const struct rows *x, int threads, float *y);

/* sums [p × q] = Σ_i x_i y_iᵀ of n pairs, x [n × p], y [n × q]. Summed in float over a few hundred vectors,
 * in double beyond. The same bits whatever the threads. y == x: symmetric, at half the cost. Errors: NOMEM,
 * CANCELLED. */
kith_status linear_outer(
    int64_t n, int64_t p, const float *x, int64_t q, const float *y, int threads, double *sums);

#endif
