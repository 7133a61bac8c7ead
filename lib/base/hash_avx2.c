/* The only file of lib that is compiled for AVX2: hash.c asks first whether the CPU has it. */
#include "lib/base/hash.h"

void hash_update_avx2(XXH3_state_t *state, const void *bytes, size_t n)
{
	XXH3_64bits_update(state, bytes, n);
}
