/* Dense matrices in double precision: what learning a rotation takes. All are row-major; the results have the
 * same bits whatever the threads. Once the call that they are a part of is cancelled (progress_stopped) the
 * results of functions that have no status are unspecified; the others say CANCELLED. */
#ifndef KITH_LEARN_MATRIX_H
#define KITH_LEARN_MATRIX_H

#include <stdint.h>

#include <kith/status.h>

/* out [m × n] = a [m × k] · b [k × n]. */
void matrix_multiply(
    int64_t m, int64_t k, int64_t n, const double *a, const double *b, int threads, double *out);

/* out [n × m] = transpose of a [m × n]. */
void matrix_transpose(int64_t m, int64_t n, const double *a, double *out);

/* Rows 0 … count − 1 of the product H_last … H_0 of reflections H_k = I − v_k v_kᵀ, into rows [count × n].
 * v [(last + 1) × n]: v_k is zero before component k + skip, and has squared norm 2 or 0. */
void matrix_reflections(
    int64_t n, int64_t last, int64_t skip, const double *v, int64_t count, int threads, double *rows);

/* eigen.c: eigenvalues of the symmetric matrix a [n × n], descending, and its unit eigenvectors as the rows
 * of vectors [n × n]. a is overwritten. Errors: NOMEM, CANCELLED, INTERNAL (a holds a NaN). */
kith_status matrix_eigen(int64_t n, double *a, double *values, double *vectors, int threads);

/* polar.c: the orthonormal matrix nearest to a [m × n]: U Vᵀ of a = U Σ Vᵀ. Its rows are orthonormal if m <=
 * n, its columns if n <= m, whatever the rank of a. a is overwritten by it. Errors: as matrix_eigen. */
kith_status matrix_polar(int64_t m, int64_t n, double *a, int threads);

#endif
