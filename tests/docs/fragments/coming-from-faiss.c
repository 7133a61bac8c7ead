/* What the fragment in docs/coming-from-faiss.md speaks of: the file that its commands have made. */
#include <kith/kith.h>

#include <stdio.h>

#include "ok.h"

enum { DIM = 32, NQ = 3, K = 5 };

int main(void)
{
	static float q[NQ * DIM], dist[NQ * K];
	int64_t nq = NQ, k = K, ids[NQ * K];

	FRAGMENTS

	printf("%s, nprobe %lld\n", kith_index_describe(index), (long long)options.nprobe);
	kith_index_free(index);
	return options.nprobe != 1;
}
