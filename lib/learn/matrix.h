/* Dense matrices in double precision, by BLAS and LAPACK: what learning a rotation takes. All are row-major.
 *
 * How many threads they take is the BLAS's own setting, not options.threads, which therefore cannot change a
 * result; OPENBLAS_NUM_THREADS and another BLAS can change the last bits. */
#ifndef KITH_LEARN_MATRIX_H
#define KITH_LEARN_MATRIX_H

#include <stdint.h>

#include <kith/status.h>

/* out [m × n] = a [m × k] · b [k × n]. */
void matrix_multiply(int64_t m, int64_t k, int64_t n, const double *a, const double *b, double *out);

/* out [n × m] = transpose of a [m × n]. */
void matrix_transpose(int64_t m, int64_t n, const double *a, double *out);

/* Eigenvalues of the symmetric matrix a [n × n], descending, and its unit eigenvectors as the rows of vectors
 * [n × n]; the component of each that is largest in magnitude is positive. a is overwritten. Errors: NOMEM,
 * INTERNAL (a holds a NaN). */
kith_status matrix_eigen(int64_t n, double *a, double *values, double *vectors);

/* The orthonormal matrix nearest to a [m × n], which solves Procrustes' problem (Schönemann 1966): U Vᵀ of a =
 * U Σ Vᵀ. Its rows are orthonormal if m <= n, its columns if n <= m, whatever the rank of a. a is overwritten
 * by it. Errors: as matrix_eigen. */
kith_status matrix_polar(int64_t m, int64_t n, double *a);

/* a [m × n], m <= n, of independent gaussian elements becomes one with orthonormal rows, uniform in the sense of
 * Haar: the factor Q of its transpose, each vector with the sign that makes the decomposition unique (Mezzadri
 * 2007). Errors: NOMEM. */
kith_status matrix_orthonormalize(int64_t m, int64_t n, double *a);

#endif
