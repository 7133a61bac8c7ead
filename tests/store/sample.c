/* See sample.h. */
#include "tests/store/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes bytes_of(const kith_index *index, const char *extra_tag)
{
	struct bytes b = {0};
	struct blob_writer w;
	struct blob_sink sinks[] = {{NULL, NULL}, {bytes_append, &b}};
	uint64_t size = 0;
	for (int i = 0; i < 2; i++) {
		OK(blob_writer_begin(&w, sinks[i], size));
		index_write(index, &w);
		if (extra_tag)
			blob_write(&w, extra_tag, "something", 9);
		OK(blob_finish(&w));
		size = w.offset;
		blob_writer_free(&w);
	}
	REQUIRE(size == b.n);
	return b;
}

kith_status open_bytes(kith_index **out, struct bytes *b, bool verify)
{
	struct blob_reader r;
	*out = NULL;
	kith_status status = blob_reader_begin(
	    &r, (struct blob_source){bytes_fetch, b, b->n, "'memory'", NULL, false, false}, verify);
	if (status == KITH_OK)
		status = index_read(out, &r, NULL);
	blob_reader_free(&r);
	return status;
}

struct bytes read_file(const char *name)
{
	struct bytes b = {0};
	char part[4096];
	FILE *file = fopen(name, "rb");
	REQUIRE(file);
	for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
		bytes_append(&b, part, n);
	fclose(file);
	return b;
}

void write_file(const char *name, const char *data, size_t n)
{
	FILE *file = fopen(name, "wb");
	REQUIRE(file && fwrite(data, 1, n, file) == n && fclose(file) == 0);
}

/* ---- indexes ---- */

const char *const specs[SPECS] = {"Flat", "SQ8_direct", "SQ8_direct_signed", "SQfp16", "SQbf16", "SQ8", "SQ6",
    "SQ4", "SQ8_uniform", "PQ4", "PQ2x4", "PQ4x6", "RaBitQ", "IVF7,RaBitQ3", "IVF7,Flat", "IVF7,SQ8_direct",
    "IVF7,SQfp16", "IVF7,SQ8", "IVF7,PQ4", "IVF7,PQ4x4", "PCA4,Flat", "OPQ4_8,IVF7,PQ4x4", "RR8,Flat",
    "L2norm,Flat", "Pad10,Flat", "IVF7,SQ4,RFlat", "PCA4,IVF3,SQ8,RFlat", "PQ2x4,Refine(SQ8)",
    "Shards3(IVF3,Flat)", "HNSW4", "HNSW3,SQ8", "HNSW3,PQ4", "HNSW2,SQ8_direct", "PCA4,HNSW4,SQ8,RFlat",
    "IVF7_HNSW2,SQ8_direct", "PCA4,IVF40_HNSW3,PQ2x4"};
const kith_metric metrics[3] = {KITH_L2, KITH_IP, KITH_COSINE};

/* Small whole numbers, which every codec can keep. */
float *make_data(uint64_t seed, int64_t n)
{
	struct rng rng = {seed};
	float *x = make(n * DIM, sizeof *x);
	for (int64_t i = 0; i < n * DIM; i++)
		x[i] = (float)rng_below(&rng, 100);
	return x;
}

/* NULL: this build does not know the spec. */
kith_index *make_empty(const char *spec, kith_metric metric)
{
	kith_index *index;
	kith_status status = kith_index_new(&index, DIM, metric, spec);
	if (status == KITH_UNSUPPORTED ||
	    (status == KITH_INVALID && strstr(kith_last_error(), "unknown word")))
		return NULL;
	support_ok(status, spec, __FILE__, __LINE__);
	return index;
}

/* n vectors, with ids of their own if `listed`, some of them removed again. NULL: this spec is not built yet.
 */
kith_index *build(const char *spec, kith_metric metric, int64_t n, bool listed)
{
	kith_index *index = make_empty(spec, metric);
	kith_filter *some;
	if (!index)
		return NULL;
	float *x = make_data(1, N);
	int64_t ids[N];
	for (int64_t i = 0; i < n; i++)
		ids[i] = 3 * ((i * 7) % N) + 1;
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, n, x, listed && n % 7 ? ids : NULL, NULL));
	if (listed) {
		OK(kith_filter_range(&some, 5, 20));
		OK(kith_index_remove(index, some, NULL));
		kith_filter_free(some);
	}
	free(x);
	return index;
}

static void search(const kith_index *index, float *dist, int64_t *ids)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	float *q = make_data(2, NQ);
	options.nprobe = 4;
	options.efSearch = K; /* few, so that it searches the graph */
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	free(q);
}

/* Two indexes are one to whoever asks. */
void same(const kith_index *a, const kith_index *b)
{
	float dist[2][NQ * K], x[2][DIM];
	int64_t ids[2][NQ * K], all[2][N + 10];
	REQUIRE(!strcmp(kith_index_describe(a), kith_index_describe(b)));
	REQUIRE(kith_index_dim(a) == kith_index_dim(b) && kith_index_metric(a) == kith_index_metric(b));
	REQUIRE(kith_index_type(a) == kith_index_type(b) && kith_index_size(a) == kith_index_size(b));
	REQUIRE(kith_index_trained(a) == kith_index_trained(b));
	if (!kith_index_trained(a))
		return;
	size_t n = (size_t)kith_index_size(a);
	OK(kith_index_ids(a, all[0]));
	OK(kith_index_ids(b, all[1]));
	REQUIRE(!memcmp(all[0], all[1], n * sizeof all[0][0]));
	for (size_t i = 0; i < n; i += 17) {
		OK(kith_index_get(a, 1, &all[0][i], x[0]));
		OK(kith_index_get(b, 1, &all[0][i], x[1]));
		REQUIRE(!memcmp(x[0], x[1], sizeof x[0]));
	}
	search(a, dist[0], ids[0]);
	search(b, dist[1], ids[1]);
	REQUIRE(!memcmp(dist[0], dist[1], sizeof dist[0]) && !memcmp(ids[0], ids[1], sizeof ids[0]));
}

/* Whatever was opened can be used. */
void use(kith_index *index)
{
	float dist[NQ * K], *x = make(kith_index_dim(index) * NQ, sizeof *x);
	int64_t ids[NQ * K], id, n = kith_index_size(index);
	if (kith_index_trained(index)) {
		OK(kith_index_search(index, NQ, x, K, dist, ids, NULL));
		OK(kith_index_search(index, 1, x, K, dist, ids, NULL));
		int64_t *all = make(n, sizeof *all);
		OK(kith_index_ids(index, all));
		for (int64_t i = 0; i < n; i++) {
			id = all[i];
			REQUIRE(kith_index_has(index, id));
			OK(kith_index_get(index, 1, &id, x));
		}
		free(all);
	}
	free(x);
}

const char *const small_specs[SMALL] = {"Flat", "SQ8_direct", "IVF3,Flat", "SQ8", "IVF3,PQ2x4", "IVF3,SQfp16",
    "PCA4,IVF3,SQ8,RFlat", "HNSW2,SQ8", "IVF5_HNSW2,SQ8", "RaBitQ2"};

void same_bytes(const kith_index *a, const kith_index *b)
{
	struct bytes x = bytes_of(a, NULL), y = bytes_of(b, NULL);
	REQUIRE(x.n == y.n && !memcmp(x.data, y.data, x.n));
	free(x.data);
	free(y.data);
}

static bool fine(kith_status status)
{
	REQUIRE(status == KITH_OK || status == KITH_FORMAT);
	return status == KITH_OK;
}

void use_unvalidated(kith_index *index)
{
	int64_t n = kith_index_size(index), *all = make(n + 1, sizeof *all), ids[NQ * K];
	float dist[NQ * K], *x = make(kith_index_dim(index) * NQ, sizeof *x);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_index *copy = NULL;
	kith_filter *some;
	kith_ranges *ranges;
	options.nprobe = 2;
	options.efSearch = K;
	if (kith_index_trained(index)) {
		fine(kith_index_search(index, NQ, x, K, dist, ids, &options));
		fine(kith_index_search(index, 1, x, K, dist, ids, NULL));
		OK(kith_filter_range(&some, 0, 3 * N / 2));
		options.filter = some;
		fine(kith_index_search(index, NQ, x, K, dist, ids, &options));
		kith_filter_free(some);
		if (fine(kith_index_range(index, 1, x, 5, &ranges, NULL)))
			kith_ranges_free(ranges);
		OK(kith_index_ids(index, all));
		for (int64_t i = 0; i < n; i += 5) {
			REQUIRE(kith_index_has(index, all[i]));
			fine(kith_index_get(index, 1, &all[i], x));
		}
		if (fine(kith_index_clone(&copy, index)))
			use(copy);
		kith_index_free(copy);
		struct bytes b = bytes_of(index, NULL);
		free(b.data);
		OK(kith_filter_range(&some, 0, 30));
		memset(x, 0, (size_t)kith_index_dim(index) * sizeof *x);
		if (fine(kith_index_remove(index, some, NULL)) &&
		    kith_index_add(index, 1, x, NULL, NULL) == KITH_OK)
			use(index);
		kith_filter_free(some);
	}
	free(all);
	free(x);
}
