/* Dense matrices in double precision, for learning rotations. They are stored row by row, and results do not
 * depend on the number of threads. After a cancel (progress_stopped), results of functions without a status
 * are undefined; the others return CANCELLED. */
#ifndef KITH_LEARN_MATRIX_H
#define KITH_LEARN_MATRIX_H

#include <stdint.h>

#include <kith/status.h>

/* out [m × n] = a [m × k] · b [k × n]. */
void matrix_multiply(
    int64_t m, int64_t k, int64_t n, const double *a, const double *b, int threads, double *out);

/* out [n × m] = transpose of a [m × n]. */
void matrix_transpose(int64_t m, int64_t n, const double *a, double *out);

/* rows [count × n] = rows 0 … count − 1 of the product H_last … H_0 of reflections H_k = I − v_k v_kᵀ.
 * v [(last + 1) × n]: v_k is zero before component k + skip, and its squared norm is 2 or 0. */
void matrix_reflections(
    int64_t n, int64_t last, int64_t skip, const double *v, int64_t count, int threads, double *rows);

/* eigen.c: the eigenvalues of the symmetric matrix a [n × n] in descending order, and its unit eigenvectors
 * as the rows of vectors [n × n]. a is overwritten. Errors: NOMEM, CANCELLED, INTERNAL (a is not finite). */
kith_status matrix_eigen(int64_t n, double *a, double *values, double *vectors, int threads);

/* polar.c: replace a [m × n] by the orthonormal matrix nearest to it, U Vᵀ for a = U Σ Vᵀ. Its rows are
 * orthonormal if m <= n and its columns if n <= m, whatever the rank of a. Errors: as matrix_eigen. */
kith_status matrix_polar(int64_t m, int64_t n, double *a, int threads);

#endif
