/* Plain C kernels: complete, and the specification of all others. */
#ifndef KITH_KERNELS_REF_H
#define KITH_KERNELS_REF_H

#include "kernels/kernels.h"

#include <string.h>

static inline float bf16_at(const void *row, int64_t i)
{
	uint16_t h;
	memcpy(&h, (const char *)row + 2 * i, sizeof h);
	uint32_t u = (uint32_t)h << 16;
	float v;
	memcpy(&v, &u, sizeof v);
	return v;
}

/* A binary16 number as a float. Its bits, moved to the places of a float's, have an exponent that is too
 * small, which a power of 2 corrects, except for infinity and NaN. */
static inline float f16_at(const void *row, int64_t i)
{
	uint16_t h;
	memcpy(&h, (const char *)row + 2 * i, sizeof h);
	uint32_t u = (uint32_t)(h & 0x7fff) << 13;
	float v;
	memcpy(&v, &u, sizeof v);
	v *= 0x1p112f;
	memcpy(&u, &v, sizeof u);
	u |= (h & 0x7c00) == 0x7c00 ? 0x7f800000 : 0;
	u |= (uint32_t)(h & 0x8000) << 16;
	memcpy(&v, &u, sizeof v);
	return v;
}

#define KERNEL(name, type, ...) type name##_ref;
#include "kernels/kernels.def"

#endif
