/* The BLAS, which may not be there. */
#ifndef KITH_TILE_BLAS_H
#define KITH_TILE_BLAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether there is one; at its first call it is looked for. Threads: safe. */
bool blas_load(void);

/* One line of text: which it is, or why there is none. */
void blas_describe(char *text, size_t size);

/* Products [nq × n] of queries [nq × dim] with rows [n × dim]. There is one. */
void blas_multiply(
    int64_t dim, const float *queries, int64_t nq, const float *rows, int64_t n, float *products);

/* Threads that a search on BLAS tiles may use. There is one. */
int blas_search_threads(int threads);

#endif
