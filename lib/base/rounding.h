/* Rounding from double to float in a given direction, so that bounds stay bounds. */
#ifndef KITH_BASE_ROUNDING_H
#define KITH_BASE_ROUNDING_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The next float towards +∞ (step 1) or −∞ (−1) of one that is finite, or the infinity that it comes from. */
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

/* A float above x, but by very little: float_up without its search for the next one. */
static inline float float_above(double x)
{
	return (float)(x + fabs(x) * 0x1p-23);
}

/* The greater of two numbers, for loops: gcc 12 for Arm fails at one of fmax. */
static inline double greater(double a, double b)
{
	return a > b ? a : b;
}

#endif
