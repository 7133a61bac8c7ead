/* The routines of LAPACK that learning takes. They are Fortran's, part of OpenBLAS, whose packages do not all
 * bring a header for them. Matrices are column-major, every argument is a pointer. */
#ifndef KITH_LEARN_LAPACK_H
#define KITH_LEARN_LAPACK_H

#include <cblas.h>

/* Eigenvalues and eigenvectors of a symmetric matrix. */
void dsyevr_(const char *jobz, const char *range, const char *uplo, const blasint *n, double *a,
    const blasint *lda, const double *vl, const double *vu, const blasint *il, const blasint *iu,
    const double *abstol, blasint *m, double *w, double *z, const blasint *ldz, blasint *isuppz, double *work,
    const blasint *lwork, blasint *iwork, const blasint *liwork, blasint *info);

/* Singular values and vectors, by QR iteration: slower than dgesdd_, whose divide and conquer fails to converge
 * now and then where singular values fall off steeply. */
void dgesvd_(const char *jobu, const char *jobvt, const blasint *m, const blasint *n, double *a,
    const blasint *lda, double *s, double *u, const blasint *ldu, double *vt, const blasint *ldvt,
    double *work, const blasint *lwork, blasint *info);

/* QR decomposition; its orthonormal factor. */
void dgeqrf_(const blasint *m, const blasint *n, double *a, const blasint *lda, double *tau, double *work,
    const blasint *lwork, blasint *info);
void dorgqr_(const blasint *m, const blasint *n, const blasint *k, double *a, const blasint *lda,
    const double *tau, double *work, const blasint *lwork, blasint *info);

#endif
