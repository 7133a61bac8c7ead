/* What the fragments in docs/getting-started.md speak of. test_pages.py puts them where it says so, each call
 * checked, and a look at what they found behind them. */
#include <kith/kith.h>

#include <stdio.h>
#include <stdlib.h>

#include "ok.h"

enum { DIM = 128, N = 4000, NQ = 20, K = 5 };

static float x[N * DIM], more[1000 * DIM], dist[NQ * K];
static uint8_t bytes[N * DIM];
static int64_t ids[NQ * K];

int main(void)
{
	const float *q = x, *sample = x;
	const uint8_t *queries = bytes;
	int64_t n = N, nq = NQ, k = K, ntrain = N;
	kith_index *index;
	kith_filter *filter;
	int found = 0;

	for (int i = 0; i < N * DIM; i++) {
		bytes[i] = (uint8_t)rand();
		x[i] = (float)bytes[i] / 255;
	}
	for (int i = 0; i < 1000 * DIM; i++)
		more[i] = (float)rand() / (float)RAND_MAX;
	OK(kith_filter_range(&filter, 0, 10));
	OK(kith_index_new(&index, DIM, KITH_L2, "Flat"));
	OK(kith_index_add(index, n, x, NULL, NULL));

	FRAGMENTS

	for (int i = 0; i < NQ; i++)
		found += ids[i * K] == i;
	OK(kith_index_get(index, 1, ids, dist));
	printf("%d of %d found themselves\n", found, NQ);
	printf("%lld vectors, %s\n", (long long)kith_index_size(index), kith_index_tag(index, "added"));
	kith_index_free(index);
	kith_filter_free(filter);
	return found < NQ / 2;
}
