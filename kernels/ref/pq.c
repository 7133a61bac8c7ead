/* Product quantizers, plain C. */
#include "kernels/ref/ref.h"

#include <math.h>
#include <string.h>

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
    uint16_t *pos, float *min, float *second)
{
	*pos = 0;
	*min = *second = INFINITY;
	for (int64_t c = 0; c < k; c += PQ_LANES, panels += PQ_LANES * d) {
		float key[PQ_LANES];
		for (int l = 0; l < PQ_LANES; l++)
			key[l] = half[c + l];
		for (int64_t i = 0; i < d; i++)
			for (int l = 0; l < PQ_LANES; l++)
				key[l] -= x[i] * panels[i * PQ_LANES + l];
		for (int l = 0; l < PQ_LANES; l++) {
			float other = key[l] < *min ? *min : key[l];
			*second = other < *second ? other : *second;
			*pos = key[l] < *min ? (uint16_t)(c + l) : *pos;
			*min = key[l] < *min ? key[l] : *min;
		}
	}
}

void pq_nearest_ref(const float *x, size_t stride, int64_t n, int64_t d, const float *panels,
    const float *half, int64_t k, uint16_t *pos, float *min, float *second)
{
	for (int64_t j = 0; j < n; j++)
		nearest(x + (size_t)j * stride, d, panels, half, k, &pos[j], &min[j], &second[j]);
}

static uint32_t sum_of(const struct pq_find *find, int bits, int64_t v)
{
	const uint8_t *codes = find->codes + v / PQ_BLOCK * PQ_BLOCK * find->bytes + v % PQ_BLOCK;
	uint32_t sum = 0;
	for (int64_t b = 0; b < find->bytes; b++) {
		uint8_t code = codes[b * PQ_BLOCK];
		if (bits == 8)
			sum += find->tables[b * 256 + code];
		else
			sum += (uint32_t)find->tables[b * 32 + code % 16] +
			       find->tables[b * 32 + 16 + code / 16];
	}
	return sum;
}

static int64_t find_codes(const struct pq_find *find, int bits, uint32_t *hit)
{
	int64_t found = 0;
	for (int64_t v = 0; v < find->n; v++) {
		float key = find->offset + find->scale * (float)sum_of(find, bits, v);
		if (find->code_norms)
			key += 0.5f * find->code_norms[v];
		float *min = find->min ? &find->min[v % PQ_BLOCK] : NULL;
		if (min)
			*min = key < *min ? key : *min;
		else if (key <= find->limit)
			hit[found++] = (uint32_t)v;
	}
	return found;
}

int64_t pq_find8_ref(const struct pq_find *find, uint32_t *hit)
{
	return find_codes(find, 8, hit);
}

int64_t pq_find4_ref(const struct pq_find *find, uint32_t *hit)
{
	return find_codes(find, 4, hit);
}

static float rabitq_key(const struct rabitq_find *find, int64_t v)
{
	const uint8_t *code = find->codes + v / PQ_BLOCK * PQ_BLOCK * find->bytes + v % PQ_BLOCK;
	int32_t sum = 0;
	for (int64_t g = 0; g < find->groups; g++)
		for (int b = 0; b < find->bits; b++, code += PQ_BLOCK)
			sum += (find->tables[g * 32 + *code % 16] + find->tables[g * 32 + 16 + *code / 16])
			       << b;
	uint32_t bits = 0;
	float factor;
	for (int i = 0; i < 4; i++)
		bits |= (uint32_t)code[i * PQ_BLOCK] << 8 * i;
	memcpy(&factor, &bits, sizeof factor);
	float key = -factor * (find->offset + find->scale * (float)sum);
	return find->terms ? key + 0.5f * find->terms[v] : key;
}

int64_t rabitq_find_ref(const struct rabitq_find *find, uint32_t *hit, float *key)
{
	int64_t found = 0;
	for (int64_t v = 0; v < find->n; v++) {
		float k = rabitq_key(find, v);
		if (!(k > find->limit)) {
			hit[found] = (uint32_t)v;
			key[found++] = k;
		}
	}
	return found;
}
