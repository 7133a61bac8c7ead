/* See golden.h. The factory strings, the operations on each index, and the cases without an index. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <kith/kith.h>

#include "tests/golden/golden.h"
#include "tests/support/bytes.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

enum { DIM = 24, N = 900, NQ = 36, SINGLE = 6, K = 10 };

/* Every codec in each of the plain structures, with every metric. */
static const char *const structures[] = {"", "IVF16,", "HNSW8,"};
static const char *const codecs[] = {"Flat", "U8", "I8", "SQfp16", "SQbf16", "SQ8", "SQ6", "SQ4",
    "SQ8_uniform", "SQ8_quantile", "PQ8", "PQ8x4fs", "PQ12x6", "RaBitQ", "RaBitQ4"};
static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

/* Other combinations, with every metric. */
static const char *const more[] = {"IVF16_whole,PQ8", "IVF16_whole,SQ8", "IVF48_HNSW8,Flat",
    "IVF48_HNSW8,PQ8x4fs", "PQ8,RFlat", "IVF16,PQ8x4fs,Refine(SQ8)", "HNSW8,SQ8,RFlat", "PCA12,Flat",
    "PCAWR12,IVF16,SQ8", "OPQ8,PQ8", "OPQ4_16,IVF16,PQ4", "RR16,PQ8,RFlat", "L2norm,Flat", "Pad32,HNSW8",
    "Shards3(IVF16,SQ8)", "Shards2(HNSW8)", "PCA12,(PQ6,RFlat)"};

/* The numbers of Lp with p = 3 and 1.75: the bits of −3 and −1.75. */
#define LP3    ((kith_metric)-0x3fc00000)
#define LP1_75 ((kith_metric)-0x40200000)

/* Larger indexes, whose work is divided into pieces. */
static const struct {
	const char *spec;
	kith_metric metric;
	int64_t n, nq, dim;
} large[] = {
    {"Flat", KITH_L2, 9000, 300, 40},
    {"Flat", KITH_IP, 9000, 300, 40},
    {"U8", KITH_L2, 9000, 300, 48},
    {"SQ8", KITH_COSINE, 9000, 100, 40},
    {"PQ16x4fs", KITH_L2, 9000, 100, 32},
    {"PQ6x10", KITH_L2, 2000, 40, 24},
    {"IVF64,RaBitQ2", KITH_L2, 8000, 200, 32},
    {"IVF64,Flat", KITH_L2, 8000, 200, 32},
    {"IVF64,PQ8", KITH_IP, 8000, 200, 32},
    {"IVF64,PQ16x4fs", KITH_L2, 8000, 200, 32},
    {"HNSW16", KITH_L2, 4000, 60, 32},
    {"HNSW16", KITH_COSINE, 2000, 60, 32},
    {"HNSW12,U8", KITH_L2, 2500, 60, 32},
    {"HNSW16", KITH_IP, 1200, 60, 32},
    {"Flat", KITH_L1, 2000, 60, 40},
    {"Flat", KITH_LINF, 2000, 60, 40},
    {"IVF16,Flat", KITH_L1, 2000, 60, 32},
    {"IVF16,Flat", KITH_LINF, 2000, 60, 32},
    {"HNSW8", KITH_L1, 900, 40, 24},
    {"HNSW8", KITH_LINF, 900, 40, 24},
    {"Flat", KITH_CANBERRA, 2000, 60, 40},
    {"Flat", KITH_BRAY_CURTIS, 2000, 60, 40},
    {"Flat", KITH_JENSEN_SHANNON, 2000, 60, 40},
    {"Flat", KITH_JACCARD, 2000, 60, 40},
    {"Flat", KITH_NAN_EUCLIDEAN, 2000, 60, 40},
    {"Flat", LP3, 2000, 60, 40},
    {"Flat", LP1_75, 2000, 60, 40},
    {"IVF16,Flat", KITH_JACCARD, 2000, 60, 32},
    {"IVF16,Flat", LP3, 2000, 60, 32},
};

enum {
	STRUCTURES = sizeof structures / sizeof *structures,
	CODECS = sizeof codecs / sizeof *codecs,
	METRICS = sizeof metrics / sizeof *metrics,
	MORE = sizeof more / sizeof *more,
	LARGE = sizeof large / sizeof *large,
	PLAIN_CASES = STRUCTURES * CODECS * METRICS,
	INDEX_CASES = PLAIN_CASES + MORE * METRICS + LARGE,
};

/* ---- data ---- */

/* Clusters, with some repeated and some zero vectors, as floats or as bytes. */
static void *make_data(uint64_t seed, kith_type type, int64_t n, int64_t dim)
{
	enum { CLUSTERS = 20, TWICE = 50, ZERO = 300 };
	struct rng rng = {seed};
	float *centers = make_gauss(7, CLUSTERS, dim), *x = make_gauss(seed, n, dim);
	for (int64_t i = 0; i < n; i++) {
		const float *center = centers + rng_below(&rng, CLUSTERS) * dim;
		for (int64_t j = 0; j < dim; j++)
			x[i * dim + j] = i % ZERO == ZERO - 1 ? 0 : x[i * dim + j] * 0.5F + center[j];
		if (i % TWICE == TWICE - 1)
			memcpy(x + i * dim, x + (i - 1) / 2 * dim, (size_t)dim * sizeof *x);
	}
	free(centers);
	if (type == KITH_F32)
		return x;
	int8_t *bytes = make(n * dim, 1);
	for (int64_t i = 0; i < n * dim; i++) {
		int value = (int)(x[i] * 25) + (type == KITH_U8 ? 128 : 0), low = type == KITH_U8 ? 0 : -128;
		bytes[i] = (int8_t)(value < low ? low : value > low + 255 ? low + 255 : value);
	}
	free(x);
	return bytes;
}

/* Floats as a metric compares them: without negative elements, or with missing ones. */
static void suit_metric(kith_metric metric, kith_type type, int64_t n, void *x)
{
	float *floats = x;
	for (int64_t i = 0; type == KITH_F32 && i < n; i++) {
		if (metric == KITH_JENSEN_SHANNON || metric == KITH_JACCARD)
			floats[i] = fabsf(floats[i]);
		if (metric == KITH_NAN_EUCLIDEAN && i % 31 == 0)
			floats[i] = NAN;
	}
}

/* ---- operations on an index ---- */

struct life {
	struct row *row;
	kith_index *index;
	kith_metric metric;
	kith_type type;
	int64_t n, nq, dim;
	const char *x, *q;
	kith_add_options add;
	kith_search_options search;
	float radius;
};

static const void *vector(const struct life *life, const char *of, int64_t i)
{
	return of + (size_t)(i * life->dim) * kith_type_size(life->type);
}

static void find_spec(struct life *life, int i, char *spec, size_t size)
{
	life->n = N;
	life->nq = NQ;
	life->dim = DIM;
	life->metric = metrics[i % METRICS];
	if (i < PLAIN_CASES) {
		int pair = i / METRICS;
		snprintf(spec, size, "%s%s", structures[pair / CODECS], codecs[pair % CODECS]);
	} else if (i < PLAIN_CASES + MORE * METRICS) {
		snprintf(spec, size, "%s", more[(i - PLAIN_CASES) / METRICS]);
	} else {
		int l = i - PLAIN_CASES - MORE * METRICS;
		snprintf(spec, size, "%s", large[l].spec);
		life->metric = large[l].metric;
		life->n = large[l].n;
		life->nq = large[l].nq;
		life->dim = large[l].dim;
	}
}

static void build(struct life *life)
{
	int64_t first = life->n * 9 / 10;
	int64_t *ids = make(life->n, sizeof *ids);
	for (int64_t i = 0; i < life->n; i++)
		ids[i] = 3 * i + 5;
	float *train = make_data(1, KITH_F32, life->n, life->dim);
	suit_metric(life->metric, KITH_F32, life->n * life->dim, train);
	for (int64_t i = 0; life->type != KITH_F32 && i < life->n * life->dim; i++)
		train[i] =
		    life->type == KITH_U8 ? ((const uint8_t *)life->x)[i] : ((const int8_t *)life->x)[i];
	OK(kith_index_train(life->index, life->n, train, &life->add));
	OK(kith_index_add_as(life->index, life->type, first, life->x, ids, &life->add));
	OK(kith_index_add_as(
	    life->index, life->type, life->n - first, vector(life, life->x, first), ids + first, &life->add));
	free(train);
	free(ids);
}

static void add_saved(struct life *life, const char *column)
{
	struct bytes saved = saved_bytes(life->index);
	row_add(life->row, column, saved.data, saved.n);
	free(saved.data);
}

/* The file that is exported for FAISS, if its format can represent the index. */
static void add_exported(struct life *life)
{
	char folder[SCRATCH_FOLDER], file[SCRATCH_PATH];
	scratch_make(folder);
	scratch_path(file, folder, "index.faiss");
	kith_status status = kith_index_export_faiss(life->index, file);
	REQUIRE(status == KITH_OK || status == KITH_UNSUPPORTED);
	if (status == KITH_OK) {
		struct bytes bytes = {make(1 << 23, 1), 0};
		FILE *stream = fopen(file, "rb");
		REQUIRE(stream);
		bytes.n = fread(bytes.data, 1, 1 << 23, stream);
		fclose(stream);
		row_add(life->row, "faiss", bytes.data, bytes.n);
		free(bytes.data);
	}
	scratch_remove(folder);
}

static void add_vectors(struct life *life)
{
	int64_t n = kith_index_size(life->index);
	int64_t *ids = make(n, sizeof *ids);
	float *x = make(n * life->dim, sizeof *x);
	OK(kith_index_ids(life->index, ids));
	OK(kith_index_get(life->index, n, ids, x));
	row_add(life->row, "get", x, (size_t)(n * life->dim) * sizeof *x);
	free(ids);
	free(x);
}

/* Search all queries at once, and choose the radius for range searches from the results. */
static void add_batch(struct life *life, const char *column)
{
	int64_t nq = life->nq;
	float *dist = make(nq * K, sizeof *dist);
	int64_t *ids = make(nq * K, sizeof *ids);
	OK(kith_index_search_as(life->index, life->type, nq, life->q, K, dist, ids, &life->search));
	row_add_found(life->row, column, nq * K, ids, dist);
	life->radius = dist[nq / 2 * K + K / 2];
	free(dist);
	free(ids);
}

/* Search a few queries one by one, which must give the same as in the batch. */
static void add_single(struct life *life)
{
	float dist[SINGLE * K], *many = make(life->nq * K, sizeof *many);
	int64_t ids[SINGLE * K], *many_ids = make(life->nq * K, sizeof *many_ids);
	for (int64_t i = 0; i < SINGLE; i++)
		OK(kith_index_search_as(life->index, life->type, 1, vector(life, life->q, i), K, dist + i * K,
		    ids + i * K, &life->search));
	OK(kith_index_search_as(
	    life->index, life->type, life->nq, life->q, K, many, many_ids, &life->search));
	if (memcmp(dist, many, sizeof dist) != 0 || memcmp(ids, many_ids, sizeof ids) != 0)
		ck_abort_msg("%s: single queries get another answer than a batch", life->row->name);
	row_add_found(life->row, "single", SINGLE * K, ids, dist);
	free(many);
	free(many_ids);
}

/* Search with a filter that passes a range, and with one that passes few ids. */
static void add_filtered(struct life *life)
{
	int64_t nq = life->nq, few = life->n / 30;
	float *dist = make(2 * nq * K, sizeof *dist);
	int64_t *ids = make(2 * nq * K, sizeof *ids), *rare = make(few, sizeof *rare);
	kith_search_options search = life->search;
	for (int64_t i = 0; i < few; i++)
		rare[i] = 5 + 3 * (i * 29);
	for (int i = 0; i < 2; i++) {
		kith_filter *filter;
		OK(i ? kith_filter_ids(&filter, few, rare)
		     : kith_filter_range(&filter, life->n, 2 * life->n));
		search.filter = filter;
		OK(kith_index_search_as(
		    life->index, life->type, nq, life->q, K, dist + i * nq * K, ids + i * nq * K, &search));
		kith_filter_free(filter);
	}
	row_add_found(life->row, "filter", 2 * nq * K, ids, dist);
	free(dist);
	free(ids);
	free(rare);
}

static void add_range(struct life *life, const char *column, int exact)
{
	kith_search_options search = life->search;
	kith_ranges *ranges;
	int64_t total = 0;
	search.exact_range = exact;
	OK(kith_index_range_as(life->index, life->type, life->nq, life->q, life->radius, &ranges, &search));
	int64_t *ids = make(kith_ranges_total(ranges) + life->nq, sizeof *ids);
	float *dist = make(kith_ranges_total(ranges) + life->nq, sizeof *dist);
	for (int64_t i = 0; i < life->nq; i++) {
		const float *one_dist;
		const int64_t *one;
		int64_t n;
		OK(kith_ranges_get(ranges, i, &n, &one_dist, &one));
		memcpy(ids + total, one, (size_t)n * sizeof *ids);
		memcpy(dist + total, one_dist, (size_t)n * sizeof *dist);
		total += n;
		ids[total++] = -1 - i; /* marks the end of a list */
	}
	row_add_found(life->row, column, total, ids, dist);
	kith_ranges_free(ranges);
	free(ids);
	free(dist);
}

/* Remove some vectors, replace some, and compact and reorder the index. */
static void change(struct life *life)
{
	enum { UPDATED = 20 };
	int64_t ids[UPDATED], removed;
	kith_filter *filter;
	OK(kith_filter_range(&filter, life->n, life->n + 300));
	OK(kith_index_remove(life->index, filter, &removed));
	kith_filter_free(filter);
	REQUIRE(removed == 100);
	for (int64_t i = 0; i < UPDATED; i++)
		ids[i] = 5 + 3 * (i * 7);
	OK(kith_index_update_as(life->index, life->type, UPDATED, vector(life, life->x, 50), ids));
	add_saved(life, "changed");
	OK(kith_index_compact(life->index, &life->add));
	OK(kith_index_reorder(life->index, &life->add));
	add_saved(life, "compact");
	add_batch(life, "after");
}

static void run_life(struct row *row, int i, int threads)
{
	struct life life = {.row = row, .add = KITH_ADD_OPTIONS, .search = KITH_SEARCH_OPTIONS};
	char spec[NAME_SIZE / 2];
	find_spec(&life, i, spec, sizeof spec);
	snprintf(row->name, sizeof row->name, "%s:%s:%lld", spec, kith_metric_name(life.metric),
	    (long long)life.n);
	OK(kith_index_new(&life.index, life.dim, life.metric, spec));
	life.type = kith_index_type(life.index);
	life.add.threads = life.search.threads = threads;
	life.add.efConstruction = 30;
	life.search.nprobe = 5;
	life.search.efSearch = 30;
	char *x = make_data(1, life.type, life.n, life.dim), *q = make_data(2, life.type, life.nq, life.dim);
	suit_metric(life.metric, life.type, life.n * life.dim, x);
	suit_metric(life.metric, life.type, life.nq * life.dim, q);
	life.x = x;
	life.q = q;
	build(&life);
	add_saved(&life, "saved");
	add_exported(&life);
	add_vectors(&life);
	add_batch(&life, "batch");
	add_single(&life);
	add_filtered(&life);
	add_range(&life, "range", 0);
	add_range(&life, "all", 1);
	change(&life);
	kith_index_free(life.index);
	free(x);
	free(q);
}

/* ---- without an index ---- */

static void run_knn(struct row *row, int i, int threads)
{
	enum { MANY = 5000, ASKED = 300, WIDE = 72, KEPT = 100 };
	static const kith_type types[] = {KITH_F32, KITH_U8, KITH_I8};
	snprintf(row->name, sizeof row->name, "knn:%s", kith_type_name(types[i]));
	void *x = make_data(3, types[i], MANY, WIDE), *q = make_data(4, types[i], ASKED, WIDE);
	float *dist = make(ASKED * KEPT, sizeof *dist);
	int64_t *ids = make(ASKED * KEPT, sizeof *ids);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = threads;
	for (int m = 0; m < METRICS; m++) {
		OK(kith_knn(WIDE, metrics[m], types[i], MANY, x, ASKED, q, KEPT, dist, ids, &options));
		row_add_found(row, kith_metric_name(metrics[m]), (int64_t)ASKED * KEPT, ids, dist);
	}
	free(x);
	free(q);
	free(dist);
	free(ids);
}

static void run_kmeans(struct row *row, int i, int threads)
{
	static const char *const names[] = {
	    "random", "plusplus", "spherical", "hierarchical", "weights", "fewer"};
	enum { POINTS = 3000, CENTROIDS = 50 };
	int64_t found, n = i == 5 ? 30 : POINTS;
	double objective;
	snprintf(row->name, sizeof row->name, "kmeans:%s", names[i]);
	float *x = make_data(5, KITH_F32, POINTS, DIM), *weights = make(POINTS, sizeof *weights);
	float *centroids = make(CENTROIDS * DIM, sizeof *centroids);
	int32_t *labels = make(POINTS, sizeof *labels);
	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	options.threads = threads;
	options.init = i == 1 ? KITH_KMEANS_PLUSPLUS : KITH_KMEANS_RANDOM;
	options.spherical = i == 2;
	options.hierarchical = i == 3;
	options.weights = i == 4 ? weights : NULL;
	options.fewer = i == 5;
	for (int64_t j = 0; j < POINTS; j++)
		weights[j] = (float)(j % 7);
	OK(kith_kmeans(DIM, n, x, CENTROIDS, centroids, labels, &found, &objective, &options));
	row_add(row, "centroids", centroids, (size_t)(found * DIM) * sizeof *centroids);
	row_add(row, "labels", labels, (size_t)n * sizeof *labels);
	row_add(row, "objective", &objective, sizeof objective);
	free(x);
	free(weights);
	free(centroids);
	free(labels);
}

static void run_pq(struct row *row, int i, int threads)
{
	static const int bits[] = {4, 6, 8, 10};
	enum { POINTS = 1500, PARTS = 8, ASKED = 5 };
	int64_t ncentroids = (int64_t)1 << bits[i];
	kith_pq *pq;
	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	options.threads = threads;
	snprintf(row->name, sizeof row->name, "pq:%d", bits[i]);
	float *x = make_data(6, KITH_F32, POINTS, DIM), *decoded = make(POINTS * DIM, sizeof *decoded);
	OK(kith_pq_new(&pq, DIM, PARTS, bits[i]));
	OK(kith_pq_train(pq, POINTS, x, &options));
	int64_t code_size = (int64_t)kith_pq_code_size(pq);
	uint8_t *codes = make(POINTS * code_size, 1);
	float *tables = make(ASKED * PARTS * ncentroids, sizeof *tables);
	OK(kith_pq_encode(pq, POINTS, x, codes, threads));
	OK(kith_pq_decode(pq, POINTS, codes, decoded));
	row_add(row, "codebooks", kith_pq_centroids(pq), (size_t)(ncentroids * DIM) * sizeof(float));
	row_add(row, "codes", codes, (size_t)(POINTS * code_size));
	row_add(row, "decoded", decoded, POINTS * DIM * sizeof *decoded);
	for (int m = 0; m < 2; m++) {
		OK(kith_pq_tables(pq, metrics[m], ASKED, x, tables));
		row_add(row, m ? "ip" : "l2", tables, (size_t)(ASKED * PARTS * ncentroids) * sizeof *tables);
		OK(kith_pq_distances(pq, tables, POINTS, codes, decoded));
		row_add(row, m ? "ip_sums" : "l2_sums", decoded, POINTS * sizeof *decoded);
	}
	kith_pq_free(pq);
	free(x);
	free(codes);
	free(tables);
	free(decoded);
}

static const struct {
	void (*run)(struct row *row, int i, int threads);
	int n;
} groups[] = {{run_life, INDEX_CASES}, {run_knn, 3}, {run_kmeans, 6}, {run_pq, 4}};
enum { GROUPS = sizeof groups / sizeof *groups };

int golden_cases(void)
{
	int n = 0;
	for (int i = 0; i < GROUPS; i++)
		n += groups[i].n;
	return n;
}

void golden_run(struct row *row, int i, int threads)
{
	int group = 0;
	while (i >= groups[group].n)
		i -= groups[group++].n;
	groups[group].run(row, i, threads);
}
