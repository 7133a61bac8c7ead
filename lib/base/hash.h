/* XXH3-64 over bytes that come in pieces. */
#ifndef KITH_BASE_HASH_H
#define KITH_BASE_HASH_H

/* Inlined, so that the state has a size known here; the library's own is opaque. */
#define XXH_INLINE_ALL
#include <xxhash.h>

/* XXH3_64bits_update with the widest vectors that this CPU has; the hash is the same with all. */
void hash_update(XXH3_state_t *state, const void *bytes, size_t n);

/* hash_avx2.c, on x86: compiled for a CPU that has AVX2. */
void hash_update_avx2(XXH3_state_t *state, const void *bytes, size_t n);

#endif
