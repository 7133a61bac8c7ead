/* Half precision (IEEE 754 binary16), for columns of FLOAT16. */
#include <string.h>

#include "vector.h"

float half_to_float(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000U) << 16;
	uint32_t exponent = (h >> 10) & 0x1fU;
	uint32_t mantissa = h & 0x3ffU;
	if (exponent == 0) { /* zero or subnormal: a multiple of 2^-24 */
		float x = (float)mantissa * 0x1p-24F;
		return sign != 0 ? -x : x;
	}
	uint32_t bits = sign | (mantissa << 13) | (exponent == 31 ? 0x7f800000U : (exponent + 112) << 23);
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

uint16_t half_from_float(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	uint32_t sign = (bits >> 16) & 0x8000U;
	uint32_t magnitude = bits & 0x7fffffffU;
	if (magnitude > 0x7f800000U) {
		return (uint16_t)(sign | 0x7e00U);
	}
	if (magnitude >= 0x477ff000U) { /* 65520 and above round to infinity */
		return (uint16_t)(sign | 0x7c00U);
	}
	if (magnitude < 0x38800000U) { /* below 2^-14: adding 0.5 rounds to a multiple of 2^-24 */
		float m;
		memcpy(&m, &magnitude, sizeof m);
		m += 0.5F;
		uint32_t rounded;
		memcpy(&rounded, &m, sizeof rounded);
		return (uint16_t)(sign | (rounded - 0x3f000000U));
	}
	uint32_t odd = (magnitude >> 13) & 1U;
	return (uint16_t)(sign | ((magnitude - 0x38000000U + 0xfffU + odd) >> 13));
}
