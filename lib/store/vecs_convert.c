/* One element type to another, a row at a time by way of doubles: a double holds every u8, i8, i32, u32 and
 * f32 exactly, so eight sources and five targets need thirteen loops instead of forty. The odd i64 above 2^53
 * is rounded, but then it is far outside of i32 and refused all the same; as i64 it is copied.
 */
#include "lib/store/vecs.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Elements converted at a time, on the stack. */
enum { STEP = 512 };

#define WIDEN(T)                                                                                             \
	for (size_t i = 0; i < n; i++) {                                                                     \
		T v;                                                                                         \
		memcpy(&v, src + i * sizeof v, sizeof v);                                                    \
		x[i] = (double)v;                                                                            \
	}                                                                                                    \
	break

/* IEEE binary16, exactly. */
static double half_value(uint16_t half)
{
	int exponent = half >> 10 & 31, fraction = half & 1023;
	double magnitude = exponent == 31  ? (fraction ? (double)NAN : (double)INFINITY)
	                   : exponent == 0 ? ldexp(fraction, -24)
	                                   : ldexp(1024 + fraction, exponent - 25);
	return half & 0x8000 ? -magnitude : magnitude;
}

static void widen(const uint8_t *src, enum vecs_cell cell, size_t n, double *x)
{
	switch (cell) {
	case CELL_F32:
		WIDEN(float);
	case CELL_U8:
		WIDEN(uint8_t);
	case CELL_I8:
		WIDEN(int8_t);
	case CELL_I32:
		WIDEN(int32_t);
	case CELL_F16:
		for (size_t i = 0; i < n; i++) {
			uint16_t v;
			memcpy(&v, src + i * sizeof v, sizeof v);
			x[i] = half_value(v);
		}
		break;
	case CELL_U32:
		WIDEN(uint32_t);
	case CELL_F64:
		WIDEN(double);
	case CELL_I64:
		WIDEN(int64_t);
	}
}

/* The comparison is false for NaN. */
#define NARROW(T, low, high)                                                                                 \
	for (size_t i = 0; i < n; i++) {                                                                     \
		if (!(x[i] >= (low) && x[i] <= (high) && x[i] == trunc(x[i])))                               \
			return i;                                                                            \
		T v = (T)x[i];                                                                               \
		memcpy(dst + i * sizeof v, &v, sizeof v);                                                    \
	}                                                                                                    \
	break

/* Elements stored before one that does not fit. */
static size_t narrow(const double *x, size_t n, kith_type type, uint8_t *dst)
{
	switch (type) {
	case KITH_F32:
		for (size_t i = 0; i < n; i++) {
			if (fabs(x[i]) > FLT_MAX && !isinf(x[i]))
				return i;
			float v = (float)x[i];
			memcpy(dst + i * sizeof v, &v, sizeof v);
		}
		break;
	case KITH_U8:
		NARROW(uint8_t, 0, UINT8_MAX);
	case KITH_I8:
		NARROW(int8_t, INT8_MIN, INT8_MAX);
	case KITH_I32:
		NARROW(int32_t, INT32_MIN, INT32_MAX);
	case KITH_I64:
		NARROW(int64_t, -0x1p63, 0x1.fffffffffffffp62); /* the largest double below 2^63 */
	}
	return n;
}

bool vecs_convert(const void *src, size_t src_stride, enum vecs_cell cell, int64_t n, int64_t dim,
    kith_type type, void *dst, struct vecs_misfit *misfit)
{
	const size_t from = vecs_cell_size(cell), to = vecs_cell_size((enum vecs_cell)type), d = (size_t)dim;
	const uint8_t *row = src;
	uint8_t *out = dst;
	double x[STEP];
	for (int64_t i = 0; i < n; i++, row += src_stride, out += d * to) {
		if (cell == (enum vecs_cell)type) {
			memcpy(out, row, d * to);
			continue;
		}
		for (size_t j = 0; j < d; j += STEP) {
			size_t m = d - j < STEP ? d - j : STEP;
			widen(row + j * from, cell, m, x);
			size_t good = narrow(x, m, type, out + j * to);
			if (good < m) {
				*misfit = (struct vecs_misfit){i, (int64_t)(j + good), x[good]};
				return false;
			}
		}
	}
	return true;
}

void vecs_swap(void *cells, enum vecs_cell cell, size_t n)
{
	uint8_t *p = cells;
	const size_t size = vecs_cell_size(cell);
	for (size_t i = 0; i < n; i++, p += size)
		for (size_t a = 0, b = size - 1; a < b; a++, b--) {
			uint8_t t = p[a];
			p[a] = p[b];
			p[b] = t;
		}
}
