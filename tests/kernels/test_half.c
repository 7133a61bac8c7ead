/* Halves: the nearest one, and what each stands for, in other words than the kernels'. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

static double half_value(int bf16, unsigned half)
{
	int fraction_bits = bf16 ? 7 : 10, min = bf16 ? -133 : -24;
	int exponent = (int)(half & 0x7fff) >> fraction_bits,
	    fraction = (int)half & ((1 << fraction_bits) - 1);
	double x =
	    exponent ? ldexp((1 << fraction_bits) + fraction, exponent - 1 + min) : ldexp(fraction, min);
	return half & 0x8000 ? -x : x;
}

/* x is half h if no neighbour of h is nearer, nor as near and even. */
static int rounds_to(int bf16, double x, unsigned h)
{
	const unsigned max = bf16 ? 0x7f7f : 0x7bff;
	unsigned magnitude = h & 0x7fff;
	double m = fabs(x), off = fabs(m - half_value(bf16, magnitude));
	if (magnitude > max || (h >> 15) != (unsigned)(signbit(x) != 0))
		return 0;
	if (m >= half_value(bf16, max))
		return magnitude == max;
	if (magnitude < max) {
		double above = half_value(bf16, magnitude + 1) - m;
		if (above < off || (above == off && magnitude % 2))
			return 0;
	}
	if (magnitude > 0) {
		double below = m - half_value(bf16, magnitude - 1);
		if (below < off || (below == off && magnitude % 2))
			return 0;
	}
	return 1;
}

/* Floats at, between and just off the halves. */
static void fill_for_halves(int bf16, float *x, int n, int turn)
{
	const int max = bf16 ? 0x7f7f : 0x7bff;
	for (int i = 0; i < n; i++) {
		unsigned h = (unsigned)random_bits() % (unsigned)max;
		if (i % 7 == turn % 7)
			h = i % 2 ? 0 : (unsigned)max - 1;
		double v = (half_value(bf16, h) + half_value(bf16, h + 1)) / 2;
		float f = (float)v;
		int way = (int)(random_bits() % 6);
		f = way == 0   ? nextafterf(f, INFINITY)
		    : way == 1 ? nextafterf(f, 0)
		    : way == 2 ? (float)half_value(bf16, h)
		    : way == 3 ? random_float() * (bf16 ? 3.4e38f : 1e5f)
		    : way == 4 ? random_float() * 0x1p-14f
		               : f;
		x[i] = random_bits() & 1 ? -f : f;
	}
	static const float extremes[] = {
	    3.4028235e38f, -3.4028235e38f, 65504, 65519.996f, -65520, 0, -0.0f, 1e-45f};
	if (n > 0)
		x[turn % n] = extremes[turn % 8];
}

/* At odd addresses too. */
void check_narrow(kernel_narrow_fn *kernel, enum elem elem)
{
	for (int at = 0; at < LENGTH_COUNT * 16; at++) {
		int n = lengths[at / 16], bf16 = elem == BF16;
		size_t odd = (size_t)at % 2;
		static float values[MAX_LENGTH];
		fill_for_halves(bf16, values, n, at % 16);
		const float *x = guard_put(Q, values, (size_t)n * sizeof *x, 0);
		unsigned char *half = guard_room(OUT, (size_t)n * 2 + odd);
		kernel(x, n, half);
		for (int i = 0; i < n; i++) {
			uint16_t h;
			memcpy(&h, half + 2 * i, sizeof h);
			if (!rounds_to(bf16, (double)x[i], h))
				kernel_fail("n = %d: %a becomes %04x", n, (double)x[i], h);
		}
		ck_assert(guard_intact(OUT) && (!odd || half[2 * n] == GUARD_FILL));
	}
}

/* Infinities and NaN have the largest exponent. */
static int widens_to(int bf16, unsigned half, float x)
{
	unsigned infinity = bf16 ? 0x7f80 : 0x7c00, magnitude = half & 0x7fff;
	if (magnitude > infinity)
		return isnan(x);
	double value = magnitude == infinity ? (double)INFINITY : half_value(bf16, magnitude);
	return (double)fabsf(x) == value && !signbit(x) == !(half & 0x8000);
}

/* All halves, in pieces of all lengths at odd addresses. */
void check_widen_half(kernel_widen_fn *kernel, enum elem elem)
{
	for (unsigned from = 0, l = 0, n; from < 0x10000; from += n, l = (l + 1) % LENGTH_COUNT) {
		static uint16_t halves[MAX_LENGTH];
		n = (unsigned)lengths[l];
		for (unsigned i = 0; i < n; i++)
			halves[i] = (uint16_t)(from + i);
		const void *half = guard_put(Q, halves, n * 2, l % 3);
		float *x = guard_room(OUT, n * sizeof *x);
		kernel(half, n, x);
		for (unsigned i = 0; i < n; i++)
			if (!widens_to(elem == BF16, halves[i], x[i]))
				kernel_fail("n = %u: %04x becomes %a", n, halves[i], (double)x[i]);
		ck_assert(guard_intact(OUT));
	}
}
