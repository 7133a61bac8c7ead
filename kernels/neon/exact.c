/* Double-precision distances with the same bits on every instruction set.
 *
 * The 32 lanes of kernels.h are sixteen vectors of two. They are stored to memory for the last few elements
 * and the tree at the end, which are plain C. */
#include "kernels/neon/neon.h"

#include "lib/base/rounding.h"

#include <math.h>

enum op { L2SQ, IP, L1, LINF };

enum { LANES = 32, VECS = 16 };

ALWAYS_INLINE float64x2_t accumulate(enum op op, float64x2_t sum, float64x2_t x, float64x2_t y)
{
	if (op == IP)
		return vfmaq_f64(sum, x, y);
	if (op == L1)
		return vaddq_f64(sum, vabdq_f64(x, y));
	if (op == LINF)
		return vmaxq_f64(sum, vabdq_f64(x, y));
	float64x2_t t = vsubq_f64(x, y);
	return vfmaq_f64(sum, t, t);
}

ALWAYS_INLINE double exact(enum op op, const float *x, const float *y, int64_t d)
{
	float64x2_t sum[VECS];
	UNROLL
	for (int v = 0; v < VECS; v++)
		sum[v] = vdupq_n_f64(0);
	int64_t i = 0;
	for (; i + LANES <= d; i += LANES) {
		UNROLL
		for (int v = 0; v < VECS; v += 2) {
			float32x4_t a = vld1q_f32(x + i + 2 * v), b = vld1q_f32(y + i + 2 * v);
			sum[v] = accumulate(
			    op, sum[v], vcvt_f64_f32(vget_low_f32(a)), vcvt_f64_f32(vget_low_f32(b)));
			sum[v + 1] = accumulate(op, sum[v + 1], vcvt_high_f64_f32(a), vcvt_high_f64_f32(b));
		}
	}
	double lane[LANES];
	UNROLL
	for (int v = 0; v < VECS; v++)
		vst1q_f64(lane + 2 * v, sum[v]);
	for (int l = 0; i < d; i++, l++) {
		double a = x[i], b = y[i], t = a - b;
		lane[l] = op == IP     ? fma(a, b, lane[l])
		          : op == L1   ? lane[l] + fabs(t)
		          : op == LINF ? greater(lane[l], fabs(t))
		                       : fma(t, t, lane[l]);
	}
	for (int w = LANES / 2; w > 0; w /= 2) {
		for (int j = 0; j < w; j++)
			lane[j] = op == LINF ? greater(lane[j], lane[j + w]) : lane[j] + lane[j + w];
	}
	return lane[0];
}

double l2sq_exact_neon(const float *x, const float *y, int64_t d)
{
	return exact(L2SQ, x, y, d);
}

double ip_exact_neon(const float *x, const float *y, int64_t d)
{
	return exact(IP, x, y, d);
}

double l1_exact_neon(const float *x, const float *y, int64_t d)
{
	return exact(L1, x, y, d);
}

double linf_exact_neon(const float *x, const float *y, int64_t d)
{
	return exact(LINF, x, y, d);
}
