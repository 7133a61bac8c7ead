/* NEON (AArch64, nothing beyond armv8-a): prototypes of the kernels in this folder and the helpers that its
 * files share.
 *
 * A loop over a row takes whole vectors and then one tail, which load_part puts together from narrower loads,
 * so that nothing beyond a row is read. A template is an ALWAYS_INLINE function whose first arguments are
 * compile-time constants. Rows are loaded as bytes, since they may begin at any address. */
#ifndef KITH_KERNELS_NEON_H
#define KITH_KERNELS_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "kernels/kernels.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#include "kernels/group.h"

/* For a short loop over an array of sums that must be kept in registers. gcc must be told to unroll it. clang
 * unrolls it anyway; if told to, it does so too late. */
#ifdef __clang__
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define KERNEL(name, type, test, bench, avx2, avx512, amx, neon) IF_##neon(type name##_neon;)
#include "kernels/kernels.def"

/* Load up to 15 bytes; the rest is zero. Two loads that may overlap, or three bytes, cover every length. */
ALWAYS_INLINE uint8x16_t load_part(const void *p, int64_t n)
{
	const unsigned char *c = p;
	uint64_t a = 0, b = 0;
	if (n >= 8) {
		memcpy(&a, c, 8);
		memcpy(&b, c + n - 8, 8);
		b = b >> 1 >> (127 - 8 * n);
	} else if (n >= 4) {
		uint32_t first, last;
		memcpy(&first, c, 4);
		memcpy(&last, c + n - 4, 4);
		a = first | (uint64_t)last << (8 * (n - 4));
	} else if (n > 0) {
		a = c[0] | (uint64_t)c[n / 2] << (8 * (n / 2)) | (uint64_t)c[n - 1] << (8 * (n - 1));
	}
	return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(a), vcreate_u64(b)));
}

#endif
