/* Product quantizers, plain C: panels lane by lane, scans byte by byte. */
#include "kernels/ref/ref.h"

#include <math.h>

void pq_l2sq_ref(const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	for (int64_t c = 0; c < k; c += PQ_LANES, panels += PQ_LANES * d) {
		float sum[PQ_LANES] = {0};
		for (int64_t i = 0; i < d; i++)
			for (int l = 0; l < PQ_LANES; l++) {
				float t = x[i] - panels[i * PQ_LANES + l];
				sum[l] += t * t;
			}
		for (int l = 0; l < PQ_LANES; l++)
			out[c + l] = sum[l];
	}
}

void pq_ip_ref(const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	for (int64_t c = 0; c < k; c += PQ_LANES, panels += PQ_LANES * d) {
		float sum[PQ_LANES] = {0};
		for (int64_t i = 0; i < d; i++)
			for (int l = 0; l < PQ_LANES; l++)
				sum[l] += x[i] * panels[i * PQ_LANES + l];
		for (int l = 0; l < PQ_LANES; l++)
			out[c + l] = sum[l];
	}
}

void pq_range_ref(const float *t, int64_t k, float *low, float *high)
{
	*low = *high = t[0];
	for (int64_t c = 1; c < k; c++) {
		*low = t[c] < *low ? t[c] : *low;
		*high = t[c] > *high ? t[c] : *high;
	}
}

void pq_bytes_ref(const float *t, int64_t k, float start, float steps, uint8_t *out)
{
	for (int64_t c = 0; c < k; c++)
		out[c] = (uint8_t)(int)((t[c] - start) * steps);
}

static void nearest(const float *x, int64_t d, const float *panels, const float *half, int64_t k,
    uint16_t *pos, float *least, float *second)
{
	*pos = 0;
	*least = *second = INFINITY;
	for (int64_t c = 0; c < k; c += PQ_LANES, panels += PQ_LANES * d) {
		float key[PQ_LANES];
		for (int l = 0; l < PQ_LANES; l++)
			key[l] = half[c + l];
		for (int64_t i = 0; i < d; i++)
			for (int l = 0; l < PQ_LANES; l++)
				key[l] -= x[i] * panels[i * PQ_LANES + l];
		for (int l = 0; l < PQ_LANES; l++) {
			float other = key[l] < *least ? *least : key[l];
			*second = other < *second ? other : *second;
			*pos = key[l] < *least ? (uint16_t)(c + l) : *pos;
			*least = key[l] < *least ? key[l] : *least;
		}
	}
}

void pq_nearest_ref(const float *x, size_t stride, int64_t n, int64_t d, const float *panels,
    const float *half, int64_t k, uint16_t *pos, float *least, float *second)
{
	for (int64_t j = 0; j < n; j++)
		nearest(x + (size_t)j * stride, d, panels, half, k, &pos[j], &least[j], &second[j]);
}

void pq_scan8_ref(
    const uint8_t *codes, int64_t bytes, const uint8_t *tables, float scale, float offset, float *key)
{
	uint32_t sum[PQ_BLOCK] = {0};
	for (int64_t b = 0; b < bytes; b++)
		for (int v = 0; v < PQ_BLOCK; v++)
			sum[v] += tables[b * 256 + codes[b * PQ_BLOCK + v]];
	for (int v = 0; v < PQ_BLOCK; v++)
		key[v] = offset + scale * (float)sum[v];
}

void pq_scan4_ref(
    const uint8_t *codes, int64_t bytes, const uint8_t *tables, float scale, float offset, float *key)
{
	uint32_t sum[PQ_BLOCK] = {0};
	for (int64_t b = 0; b < bytes; b++)
		for (int v = 0; v < PQ_BLOCK; v++) {
			uint8_t code = codes[b * PQ_BLOCK + v];
			sum[v] += (uint32_t)tables[b * 32 + code % 16] + tables[b * 32 + 16 + code / 16];
		}
	for (int v = 0; v < PQ_BLOCK; v++)
		key[v] = offset + scale * (float)sum[v];
}
