/* Timed searches of a saved index from C, which overhead.py compares with the same searches from Python:
 *
 *   bench_call INDEX QUERIES K BATCH CALLS ROUNDS
 *
 * makes CALLS calls with BATCH queries each, which are taken in order from the file of queries, ROUNDS times.
 * It prints the CPU seconds of a call in each round.
 */
#include <kith/kith.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct run {
	kith_index *index;
	float *queries, *dist;
	int64_t *ids, n, dim, k, batch, calls;
};

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int load(struct run *r, const char *index, const char *queries)
{
	kith_vecs *vecs = NULL;
	kith_vecs_info info = {.size = sizeof info};
	if (kith_index_open(&r->index, index, 0) || kith_vecs_open(&vecs, queries) ||
	    kith_vecs_info_get(vecs, &info))
		return 1;
	r->n = info.n;
	r->dim = info.dim;
	r->queries = malloc((size_t)(r->n * r->dim) * sizeof *r->queries);
	r->dist = malloc((size_t)(r->batch * r->k) * sizeof *r->dist);
	r->ids = malloc((size_t)(r->batch * r->k) * sizeof *r->ids);
	int bad = !r->queries || !r->dist || !r->ids || r->dim != kith_index_dim(r->index) ||
	          r->n < r->batch || kith_vecs_read(vecs, 0, r->n, KITH_F32, r->queries);
	kith_vecs_close(vecs);
	return bad;
}

static int round_of_calls(const struct run *r)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = 1;
	int64_t at = 0;
	for (int64_t i = 0; i < r->calls; i++) {
		if (kith_index_search(
		        r->index, r->batch, r->queries + at * r->dim, r->k, r->dist, r->ids, &options))
			return 1;
		at = at + 2 * r->batch <= r->n ? at + r->batch : 0;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(stderr, "usage: bench_call INDEX QUERIES K BATCH CALLS ROUNDS\n");
		return 2;
	}
	struct run r = {.k = atoll(argv[3]), .batch = atoll(argv[4]), .calls = atoll(argv[5])};
	long rounds = atol(argv[6]);
	int bad = r.k < 1 || r.batch < 1 || r.calls < 1 || load(&r, argv[1], argv[2]);
	for (long i = 0; i < rounds && !bad; i++) {
		double start = seconds();
		bad = round_of_calls(&r);
		printf("%.9g\n", (seconds() - start) / (double)r.calls);
	}
	if (bad)
		fprintf(stderr, "bench_call: bad arguments, or %s\n", kith_last_error());
	kith_index_free(r.index);
	free(r.queries);
	free(r.dist);
	free(r.ids);
	return bad;
}
