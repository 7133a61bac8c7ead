/* An optional BLAS. */
#ifndef KITH_TILE_BLAS_H
#define KITH_TILE_BLAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether there is a BLAS; the first call loads it. Safe to call from several threads. */
bool blas_load(void);

/* One line of text: which BLAS it is, or why there is none. */
void blas_describe(char *text, size_t size);

/* The products [nq × n] of queries [nq × dim] and rows [n × dim]. There must be a BLAS. */
void blas_multiply(
    int64_t dim, const float *queries, int64_t nq, const float *rows, int64_t n, float *products);

/* The number of threads that a search with the BLAS may use. There must be one. */
int blas_search_threads(int threads);

#endif
