/* The BLAS, which may not be there. */
#ifndef KITH_SEARCH_BLAS_H
#define KITH_SEARCH_BLAS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether there is one; at its first call it is looked for. Threads: safe. */
bool blas_load(void);

/* One line of text: which it is, or why there is none. */
void blas_describe(char *text, size_t size);

/* Threads that a search on BLAS tiles may use. There is one. */
int blas_search_threads(int threads);

#endif
