/* Passes over one array, plain C: splitting floats and joining them, widening bytes, checking lists, finding
 * elements that are not finite, selecting small keys. */
#include "kernels/ref/ref.h"

#include <string.h>

static inline uint32_t bits(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof u);
	return u;
}

int64_t find_nonfinite_ref(const float *x, int64_t n)
{
	const uint32_t exponent = 0x7f800000;
	for (int64_t i = 0; i < n; i++)
		if ((bits(x[i]) & exponent) == exponent)
			return i;
	return -1;
}

/* Whether a number is twice in the list. Each number writes its index to a place of a hash table, which need
 * not be cleared. If every number finds its own index there again, all numbers are different. Otherwise all
 * are compared with each other. */
static bool has_repeats(const uint32_t *list, int64_t n)
{
	enum { PLACES = 4096 };
	uint16_t place[PLACES];
	int64_t shared = 0;
	for (int64_t i = 0; i < n; i++)
		place[list[i] % PLACES] = (uint16_t)i;
	for (int64_t i = 0; i < n; i++)
		shared += place[list[i] % PLACES] != (uint16_t)i;
	for (int64_t i = 0; shared > 0 && i < n; i++)
		for (int64_t j = 0; j < i; j++)
			if (list[i] == list[j])
				return true;
	return false;
}

bool good_list_ref(const uint32_t *list, int64_t width, uint32_t limit, uint32_t except)
{
	int64_t n = 0;
	uint32_t bad = 0;
	while (n < width && list[n] != UINT32_MAX)
		n++;
	for (int64_t i = 0; i < n; i++)
		bad |= (uint32_t)(list[i] >= limit) | (uint32_t)(list[i] == except);
	for (int64_t i = n; i < width; i++)
		bad |= (uint32_t)(list[i] != UINT32_MAX);
	return !bad && !has_repeats(list, n);
}

void split_ref(const float *x, int64_t n, uint16_t *hi, uint16_t *lo)
{
	for (int64_t i = 0; i < n; i++) {
		uint32_t u = bits(x[i]);
		hi[i] = (uint16_t)((u + 0x8000) >> 16);
		lo[i] = (uint16_t)u;
	}
}

void join_ref(const uint16_t *hi, const uint16_t *lo, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i++) {
		uint32_t u = ((uint32_t)hi[i] - (lo[i] >> 15)) << 16 | lo[i];
		memcpy(&x[i], &u, sizeof u);
	}
}

void widen_u8_ref(const uint8_t *x, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = x[i];
}

void widen_i8_ref(const int8_t *x, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = x[i];
}

int64_t select_le_ref(const float *keys, int64_t n, float bound, uint32_t *pos)
{
	int64_t found = 0;
	for (int64_t i = 0; i < n; i++)
		if (keys[i] <= bound)
			pos[found++] = (uint32_t)i;
	return found;
}

void hadamard_ref(float *x, int64_t n)
{
	for (int64_t half = 1; half < n; half *= 2)
		for (int64_t block = 0; block < n; block += 2 * half)
			for (int64_t i = block; i < block + half; i++) {
				float a = x[i], b = x[i + half];
				x[i] = a + b;
				x[i + half] = a - b;
			}
}
