/* The scalar part of quantize, which all instruction sets share so that they decide alike.
 *
 * A kernel makes one pass that finds max |c| and whether every c is an integer in −128 … 127, and a second
 * one that writes q and the sums. With u = 2^-24, no flushing of denormals and d <= 2^15, the bounds follow
 * from these facts:
 *
 *   c      c_i = fl(x_i − mean_i) is off by at most u |c_i| (a subtraction never underflows inexactly), so
 *          the rounding of all of c has norm <= u · norm(c) <= u · (norm(scale q) + norm(residual)).
 *   exact  Of c − (−mean) and x − c, the one that subtracts the greater operand is exact (Fast2Sum). So the
 *          subtraction was exact if and only if both c + mean == x and x − c == mean.
 *   q      |c_i · inv| <= 127 (1 + 4u) with all roundings, which rounds to 127 at most: no clamping.
 *   w      w_i = fl(r_i · inv), r_i = fma(−scale, q_i, c_i), is the residual in units of scale. r_i has
 *          one rounding: c and scale · q are multiples of 2^-149, so that a denormal result is exact.
 *          inv = fl(1 / scale) and the product have one more each; inv is normal, as
 *          2^-126 <= scale <= 2^128 / 127. A tiny w_i may lose 2^-149 and its square as much again.
 *   sum    Σ w_i² in floats in any order: 3 roundings of each w count twice, the square and up to d
 *          additions once, so true <= (sum + d · 2^-120) / (1 − (d + 7) u) <= … · (1 + (d + 16) · 2u).
 *   rest   The rest is computed in doubles, whose roundings the factor 1 + 2^-40 covers, and is rounded up
 *          to float.
 *
 * |w_i| <= 1/2 plus roundings, so that nothing overflows. In the extreme cases a safe bound is enough: if c
 * overflows, it is infinite; if scale would be denormal, q is zero and the bound is norm(c).
 */
#ifndef KITH_KERNELS_QUANTIZE_H
#define KITH_KERNELS_QUANTIZE_H

#include "kernels/kernels.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static inline float round_up(double x)
{
	x *= 1 + 0x1p-40;
	float f = (float)x;
	return (double)f < x ? nextafterf(f, INFINITY) : f;
}

/* Quantize rows that are too large or too small for a scale. False: it is neither; go on with scale = max /
 * 127. */
static inline bool quantize_extreme(float max, int64_t d, int8_t *out, struct quantized *info)
{
	if (max <= FLT_MAX && max / 127 >= FLT_MIN)
		return false;
	memset(out, 0, (size_t)d);
	/* 1 + 2^-23 covers the rounding of c. */
	float err = max <= FLT_MAX ? round_up(max * sqrt((double)d) * (1 + 0x1p-23)) : INFINITY;
	*info = (struct quantized){.scale = 1, .err = err};
	return true;
}

/* The results if every c is an integer, so that out = c. exact: whether no subtraction was rounded. */
static inline void quantize_integral(bool exact, int32_t sum, int32_t sumsq, struct quantized *info)
{
	double norm = sqrt(sumsq);
	*info = (struct quantized){
	    .scale = 1,
	    .err = exact ? 0 : round_up(norm * 0x1p-24),
	    .norm = round_up(norm),
	    .normsq = (float)sumsq,
	    .sum = sum,
	};
}

/* The results with a scale. residual: Σ w² as above; centred: whether a mean was subtracted. */
static inline void quantize_scaled(
    float scale, int64_t d, bool centred, int32_t sum, int32_t sumsq, float residual, struct quantized *info)
{
	double norm = scale * sqrt(sumsq);
	double terms = (double)d;
	double err = scale * sqrt((residual + terms * 0x1p-120) * (1 + (terms + 16) * 0x1p-23));
	*info = (struct quantized){
	    .scale = scale,
	    .err = round_up(centred ? err + 0x1p-24 * (norm + err) : err),
	    .norm = round_up(norm),
	    .normsq = (float)((double)scale * scale * sumsq),
	    .sum = sum,
	};
}

#endif
