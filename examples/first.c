#include <kith/kith.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	enum { N = 10000, DIM = 64, K = 3 };
	static float x[N * DIM], dist[K];
	int64_t ids[K];
	kith_index *index;

	for (int i = 0; i < N * DIM; i++)
		x[i] = (float)rand() / (float)RAND_MAX;
	if (kith_index_new(&index, DIM, KITH_L2, "Flat") || kith_index_add(index, N, x, NULL, NULL) ||
	    kith_index_search(index, 1, x + 42 * DIM, K, dist, ids, NULL)) {
		fprintf(stderr, "kith: %s\n", kith_last_error());
		kith_index_free(index);
		return 1;
	}
	for (int i = 0; i < K; i++)
		printf("neighbour %d: vector %lld, squared distance %g\n", i + 1, (long long)ids[i], dist[i]);
	kith_index_free(index);
	return 0;
}
