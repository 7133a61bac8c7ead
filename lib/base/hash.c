/* XXH3 is written for vectors of any width, which the compiler's flags decide: what is compiled for every
 * x86-64 takes three times as long as what is compiled for AVX2, and a file that is read is hashed in no less
 * time than a third of that which copying takes. So there is a second copy for CPUs that have it.
 */
#include "lib/base/hash.h"

/* From here on it is worth a call. */
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
