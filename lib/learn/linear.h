/* Linear maps and sums of outer products over many vectors, on the tile kernels. */
#ifndef KITH_LEARN_LINEAR_H
#define KITH_LEARN_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/base/blob.h"
#include "lib/tile/rows.h"

/* y = A x + b. Must be all zero before it is initialised. */
struct linear {
	int64_t in, out;
	float *panels; /* A, with its rows in tile panels (pack in kernels.h): [ceil(out / 64) × in × 64] */
	float *shift;  /* [ceil(out / 64) × 64] b, filled up with zeros */
};

/* Make a map of a [out × in], row by row, and b [out]; NULL: zero. NOMEM leaves *map all zero. */
kith_status linear_init(struct linear *map, int64_t in, int64_t out, const double *a, const double *b);

/* Write out a [out × in] and b [out]. */
void linear_get(const struct linear *map, float *a, float *b);

/* Make the map y = a (x − mean) and its inverse x = inverse · y + mean. inverse [in × out]; NULL: the
 * transpose of a, which must be orthonormal then. mean [in]; NULL: zero. NOMEM leaves both all zero. */
kith_status linear_init_both(struct linear *forward, struct linear *inverse_map, int64_t in, int64_t out,
    const double *a, const double *inverse, const double *mean);
kith_status linear_copy(struct linear *to, const struct linear *from);
bool linear_same(const struct linear *a, const struct linear *b);
size_t linear_memory(const struct linear *map);
void linear_free(struct linear *map);

/* Write a map to two sections of a file, or read it from them; matrix, shift: their tags. */
void linear_save(const struct linear *map, const char *matrix, const char *shift, struct blob_writer *w);
kith_status linear_load(struct linear *map, int64_t in, int64_t out, const char *matrix, const char *shift,
    struct blob_reader *r);

/* Apply a map to all rows of x: y [x->n × out]. Every sum is taken in the order of the components, so that
 * the bits of a result depend only on its vector, and not on threads or on other vectors. Errors: NOMEM,
 * CANCELLED.
 */
kith_status linear_apply(const struct linear *map, const struct rows *x, int threads, float *y);

/* sums [p × q] = Σ_i x_i y_iᵀ of n pairs, x [n × p], y [n × q]. The products of a few hundred vectors are
 * summed in float, and these sums in double. The bits do not depend on the number of threads. If y == x, the
 * result is symmetric and takes half of the work. Errors: NOMEM, CANCELLED. */
kith_status linear_outer(
    int64_t n, int64_t p, const float *x, int64_t q, const float *y, int threads, double *sums);

#endif
