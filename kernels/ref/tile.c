/* Quantizing, packing and tiles, plain C. quantize.h derives the error bound. */
#include "kernels/ref/ref.h"

#include "kernels/quantize.h"

static inline float centred(const float *x, const float *mean, int64_t i)
{
	return mean ? x[i] - mean[i] : x[i];
}

static void quantize_as_is(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info)
{
	int32_t sum = 0, sumsq = 0;
	bool exact = true;
	for (int64_t i = 0; i < d; i++) {
		float c = centred(x, mean, i);
		if (mean && (c + mean[i] != x[i] || x[i] - c != mean[i]))
			exact = false;
		int32_t v = (int32_t)c;
		out[i] = (int8_t)v;
		sum += v;
		sumsq += v * v;
	}
	quantize_integral(exact, sum, sumsq, info);
}

void quantize_ref(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info)
{
	float max = 0;
	bool integral = true;
	for (int64_t i = 0; i < d; i++) {
		float c = centred(x, mean, i);
		max = fmaxf(max, fabsf(c));
		integral &= c >= -128 && c <= 127 && c == truncf(c);
	}
	if (integral) {
		quantize_as_is(x, mean, d, out, info);
		return;
	}
	if (quantize_extreme(max, d, out, info))
		return;

	float scale = max / 127, inv = 1 / scale, residual = 0;
	int32_t sum = 0, sumsq = 0;
	for (int64_t i = 0; i < d; i++) {
		float c = centred(x, mean, i);
		int32_t v = (int32_t)lrintf(c * inv);
		out[i] = (int8_t)v;
		sum += v;
		sumsq += v * v;
		float w = fmaf(-scale, (float)v, c) * inv;
		residual += w * w;
	}
	quantize_scaled(scale, d, mean != NULL, sum, sumsq, residual, info);
}

void pack_ref(const void *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out)
{
	for (int64_t k = 0; k * 4 < bytes; k++) {
		size_t part = (size_t)(bytes - k * 4 < 4 ? bytes - k * 4 : 4);
		for (int64_t r = 0; r < TILE_ROWS; r++) {
			uint32_t dword = 0;
			if (r < n)
				memcpy(&dword, (const char *)rows + (size_t)r * stride + k * 4, part);
			out[k * TILE_ROWS + r] = dword ^ flip;
		}
	}
}

/* Finish a query: copy its keys if one is <= thr. Returns its mask. */
static uint64_t emit(const float key[TILE_ROWS], float thr, float *out)
{
	uint64_t mask = 0;
	for (int r = 0; r < TILE_ROWS; r++)
		mask |= (uint64_t)(key[r] <= thr) << r;
	if (mask)
		memcpy(out, key, TILE_ROWS * sizeof *key);
	return mask;
}

uint64_t tile_f32_ref(const float *panel, int64_t k, const float *q, size_t qstride, int nq, const float *low,
    const float *thr, uint64_t *mask, float *keys)
{
	uint64_t any = 0;
	for (int j = 0; j < nq; j++) {
		float key[TILE_ROWS];
		memcpy(key, low, sizeof key);
		for (int64_t i = 0; i < k; i++)
			for (int r = 0; r < TILE_ROWS; r++)
				key[r] += panel[i * TILE_ROWS + r] * q[(size_t)j * qstride + (size_t)i];
		mask[j] = emit(key, thr[j], keys + j * TILE_ROWS);
		any |= mask[j];
	}
	return any;
}

uint64_t tile_i8_ref(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask, float *keys)
{
	uint64_t any = 0;
	for (int j = 0; j < nq; j++) {
		const int8_t *query = q + (size_t)j * qstride;
		float key[TILE_ROWS];
		for (int r = 0; r < TILE_ROWS; r++) {
			int32_t sum = qbias[j];
			for (int64_t i = 0; i < k; i++) {
				uint8_t u8[4];
				memcpy(u8, &panel[i * TILE_ROWS + r], sizeof u8);
				for (int b = 0; b < 4; b++)
					sum += u8[b] * query[i * 4 + b];
			}
			key[r] = fmaf(qscale[j] * scale[r], (float)sum, low[r]);
		}
		mask[j] = emit(key, thr[j], keys + j * TILE_ROWS);
		any |= mask[j];
	}
	return any;
}
