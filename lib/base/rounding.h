/* Rounding from double to float in a given direction, so that bounds stay bounds. */
#ifndef KITH_BASE_ROUNDING_H
#define KITH_BASE_ROUNDING_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The float next to f towards +∞ (step 1) or −∞ (step −1). f is finite, or an infinity that the step
 * leaves. */
static inline float float_next(float f, int step)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof bits);
	if (bits << 1 == 0)
		bits = step > 0 ? 1 : UINT32_C(0x80000001);
	else
		bits += bits >> 31 ? (uint32_t)-step : (uint32_t)step;
	memcpy(&f, &bits, sizeof f);
	return f;
}

/* Smallest float >= x, largest float <= x. */
static inline float float_up(double x)
{
	float f = (float)x;
	return (double)f < x ? float_next(f, 1) : f;
}

static inline float float_down(double x)
{
	float f = (float)x;
	return (double)f > x ? float_next(f, -1) : f;
}

/* A float that is >= x by very little: cheaper than float_up. */
static inline float float_above(double x)
{
	return (float)(x + fabs(x) * 0x1p-23);
}

/* The greater of two numbers. gcc 12 for Arm crashes on loops of fmax. */
static inline double greater(double a, double b)
{
	return a > b ? a : b;
}

#endif
