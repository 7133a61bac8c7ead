/* XXH3 uses vectors of the width that the compiler's flags allow. Compiled for any x86-64 it takes three
 * times as long as compiled for AVX2, which shows when files are read. So there is a second copy for CPUs
 * that have AVX2.
 */
#include "lib/base/hash.h"

/* From so many bytes on the second copy is worth a call. */
enum { LARGE = 1024 };

void hash_update(XXH3_state_t *state, const void *bytes, size_t n)
{
#if defined(KITH_HASH_AVX2)
	if (n >= LARGE && __builtin_cpu_supports("avx2")) {
		hash_update_avx2(state, bytes, n);
		return;
	}
#endif
	if (n > 0)
		XXH3_64bits_update(state, bytes, n);
}
