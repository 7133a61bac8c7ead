/* A service in miniature: choose the search options for a recall, answer queries, tell how that goes. */
#include <kith/kith.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 20000, QUERIES = 500, DIM = 16, K = 10 };

static float base[N * DIM], query[QUERIES * DIM], dist[QUERIES * K];
static int64_t truth[QUERIES * K], ids[QUERIES * K];

static void fill(float *x, int64_t n)
{
	for (int64_t i = 0; i < n * DIM; i++)
		x[i] = (float)rand() / (float)RAND_MAX;
}

/* The cheapest options that find 95% of the true neighbours of queries like these. */
static kith_status choose(const kith_index *index, kith_search_options *search)
{
	kith_tune_result result = {.size = sizeof result};
	kith_tune_options options = KITH_TUNE_OPTIONS;
	options.result = &result;
	kith_status status = kith_knn(DIM, KITH_L2, KITH_F32, N, base, QUERIES, query, K, dist, truth, NULL);
	if (status == KITH_OK)
		status = kith_index_tune(index, QUERIES, query, K, truth, 0.95, search, &options);
	if (status == KITH_OK)
		printf(
		    "nprobe %lld finds %.3f of the neighbours\n", (long long)search->nprobe, result.recall);
	return status;
}

static kith_status serve(const kith_index *index, const kith_search_options *search)
{
	static char text[16384];
	kith_index_counters counters = {.size = sizeof counters};
	kith_status status = kith_index_stats_reset(index);
	for (int i = 0; status == KITH_OK && i < QUERIES; i++)
		status = kith_index_search(index, 1, query + (int64_t)i * DIM, K, dist, ids, search);
	if (status == KITH_OK)
		status = kith_index_stats(index, &counters);
	if (status == KITH_OK)
		status = kith_index_stats_text(index, "example", text, sizeof text, NULL);
	if (status == KITH_OK)
		printf("%lld searches, 99 of 100 within %.0f us\n%s", (long long)counters.searches,
		    1e6 * kith_latency_quantile(&counters, 0.99), text);
	return status;
}

int main(void)
{
	kith_index *index;
	kith_search_options search = KITH_SEARCH_OPTIONS;
	fill(base, N);
	fill(query, QUERIES);
	kith_status status = kith_index_new(&index, DIM, KITH_L2, "IVF128,SQ8");
	if (status == KITH_OK)
		status = kith_index_train(index, N, base, NULL);
	if (status == KITH_OK)
		status = kith_index_add(index, N, base, NULL, NULL);
	if (status == KITH_OK)
		status = choose(index, &search);
	if (status == KITH_OK)
		status = serve(index, &search);
	if (status != KITH_OK)
		fprintf(stderr, "kith: %s\n", kith_last_error());
	kith_index_free(index);
	return status != KITH_OK;
}
