/* Compiled for AVX2, and nothing else with it: hash.c asks the CPU first. */
#include "lib/base/hash.h"

void hash_update_avx2(XXH3_state_t *state, const void *bytes, size_t n)
{
	XXH3_64bits_update(state, bytes, n);
}
