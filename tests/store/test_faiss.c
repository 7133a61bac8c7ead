/* FAISS's index files: what is exported comes back as it was; and files that FAISS 1.15 wrote, in
 * shared/faiss beside the source tree or in $KITH_FAISS, give the answers that FAISS gave. */
#include "tests/store/test_faiss.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"

struct bytes export_bytes(const kith_index *index)
{
	struct bytes b = {0};
	OK(faiss_export(index, (struct blob_sink){bytes_append, &b}));
	return b;
}

kith_status import_bytes(kith_index **out, struct bytes *b, kith_search_options *options)
{
	struct blob_source source = {.read = bytes_fetch, .owner = b, .size = b->n, .name = "'memory'"};
	return faiss_import(out, &source, false, options);
}

static float *make_data(uint64_t seed, int64_t n)
{
	struct rng rng = {seed};
	float *x = make(n * DIM, sizeof *x);
	for (int64_t i = 0; i < n * DIM; i++)
		x[i] = (float)rng_below(&rng, 100);
	return x;
}

kith_index *build_index(const char *spec, kith_metric metric, int64_t n, bool listed)
{
	kith_index *index;
	kith_filter *some;
	float *x = make_data(1, N);
	int64_t ids[N];
	for (int64_t i = 0; i < n; i++)
		ids[i] = 3 * ((i * 7) % N) + 1;
	OK(kith_index_new(&index, DIM, metric, spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, n, x, listed ? ids : NULL, NULL));
	if (listed) {
		OK(kith_filter_range(&some, 5, 20));
		OK(kith_index_remove(index, some, NULL));
		kith_filter_free(some);
	}
	free(x);
	return index;
}

void use_index(kith_index *index)
{
	int64_t dim = kith_index_dim(index), n = kith_index_size(index), ids[NQ * K], removed;
	float dist[NQ * K], *x = make(dim * NQ, sizeof *x);
	kith_ranges *ranges;
	kith_filter *some;
	OK(kith_index_search(index, NQ, x, K, dist, ids, NULL));
	OK(kith_index_search(index, 1, x, K, dist, ids, NULL));
	OK(kith_index_range(index, 1, x, 100, &ranges, NULL));
	kith_ranges_free(ranges);
	int64_t *all = make(n, sizeof *all);
	OK(kith_index_ids(index, all));
	for (int64_t i = 0; i < n; i++) {
		REQUIRE(kith_index_has(index, all[i]));
		OK(kith_index_get(index, 1, &all[i], x));
	}
	free(all);
	OK(kith_filter_range(&some, 0, 50));
	OK(kith_index_remove(index, some, &removed));
	kith_filter_free(some);
	free(x);
}

/* ---- there and back ---- */

static const char *const specs[] = {"Flat", "SQ8_direct", "SQ8_direct_signed", "SQfp16", "SQbf16", "SQ8",
    "SQ6", "SQ4", "PQ4", "PQ2x4", "PQ4x6", "IVF7,Flat", "IVF7,SQ8_direct", "IVF7,SQfp16", "IVF7,SQ8",
    "IVF7_whole,SQ8", "IVF7,PQ4", "IVF7,PQ4x4", "IVF7_whole,PQ2x5", "PCA4,Flat", "PCAW4,Flat", "PCAR4,SQ8",
    "OPQ4_8,IVF7,PQ4x4", "RR8,Flat", "RR12,Flat", "L2norm,Flat", "Pad10,Flat", "IVF7,SQ4,RFlat",
    "PCA4,IVF3,SQ8,RFlat", "PQ2x4,Refine(SQ8)", "PCA6,(PQ2x4,RFlat)", "L2norm,PCA4,Flat", "HNSW4,Flat",
    "HNSW4,SQ8", "HNSW4,PQ4x4", "HNSW4,SQ8_direct", "PCA4,HNSW4,Flat", "HNSW4,SQ4,RFlat", "IVF7_HNSW2,Flat",
    "IVF40_HNSW3,SQ8", "IVF7_HNSW4_whole,PQ4"};
enum { SPECS = sizeof specs / sizeof *specs };

static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

bool near(const float *a, const float *b, int64_t n, double relative)
{
	double scale = 0;
	for (int64_t i = 0; i < n; i++)
		scale = fabs((double)b[i]) > scale ? fabs((double)b[i]) : scale;
	for (int64_t i = 0; i < n; i++)
		if (!(fabs((double)a[i] - (double)b[i]) <= relative * fmax(scale, 1e-3)))
			return false;
	return true;
}

static void search(
    const kith_index *index, const float *q, const kith_search_options *options, float *dist, int64_t *ids)
{
	OK(kith_index_search(index, NQ, q, K, dist, ids, options));
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* Two indexes answer alike: distances, and ids but where distances are equal but for rounding. */
static void same_answers(const kith_index *a, const kith_index *b, const kith_search_options *options)
{
	float dist[2][NQ * K], *q = make_data(2, NQ);
	int64_t ids[2][NQ * K];
	search(a, q, options, dist[0], ids[0]);
	search(b, q, options, dist[1], ids[1]);
	for (int i = 0; i < NQ * K; i++) {
		REQUIRE((ids[0][i] < 0) == (ids[1][i] < 0));
		if (ids[0][i] < 0)
			continue;
		float scale = fmaxf(fabsf(dist[1][i]), 1e-3F);
		REQUIRE(fabsf(dist[0][i] - dist[1][i]) <= 1e-5F * scale);
		bool tied = (i % K > 0 && fabsf(dist[1][i] - dist[1][i - 1]) <= 1e-4F * scale) ||
		            (i % K == K - 1) || fabsf(dist[1][i] - dist[1][i + 1]) <= 1e-4F * scale;
		REQUIRE(tied || ids[0][i] == ids[1][i]);
	}
	free(q);
}

/* Codes of unit vectors are ranked by the cosine of what they stand for, which is not quite as long;
 * FAISS, and the transform that comes back, by the inner product, as transforms do here. What comes
 * back has the same codes: the cosines of those are what the index said. */
static bool divides_by_length(const kith_index *index)
{
	const char *spec = kith_index_describe(index);
	bool transforms = strncmp(spec, "PCA", 3) == 0 || strncmp(spec, "OPQ", 3) == 0 || spec[0] == 'R';
	return kith_index_metric(index) == KITH_COSINE && (strstr(spec, "SQ") || strstr(spec, "PQ")) &&
	       !transforms;
}

static void same_cosines(const kith_index *index, const kith_index *back, const kith_search_options *options)
{
	float dist[NQ * K], *q = make_data(2, NQ), x[DIM];
	int64_t ids[NQ * K];
	search(index, q, options, dist, ids);
	for (int i = 0; i < NQ * K; i++) {
		double product = 0, qq = 0, xx = 0;
		if (ids[i] < 0)
			continue;
		OK(kith_index_get(back, 1, &ids[i], x));
		for (int j = 0; j < DIM; j++) {
			double a = (double)q[i / K * DIM + j], b = (double)x[j];
			product += a * b;
			qq += a * a;
			xx += b * b;
		}
		REQUIRE(fabs((double)dist[i] - product / sqrt(qq * xx)) <= 1e-5);
	}
	free(q);
}

/* The same ids, and the same vectors under them. */
static void same_vectors(const kith_index *a, const kith_index *b)
{
	int64_t n = kith_index_size(a), all[2][N];
	float x[2][DIM];
	REQUIRE(kith_index_size(b) == n && kith_index_dim(a) == kith_index_dim(b));
	OK(kith_index_ids(a, all[0]));
	OK(kith_index_ids(b, all[1]));
	qsort(all[0], (size_t)n, sizeof all[0][0], by_value);
	qsort(all[1], (size_t)n, sizeof all[1][0], by_value);
	REQUIRE(!memcmp(all[0], all[1], (size_t)n * sizeof all[0][0]));
	for (int64_t i = 0; i < n; i += 7) {
		OK(kith_index_get(a, 1, &all[0][i], x[0]));
		OK(kith_index_get(b, 1, &all[0][i], x[1]));
		REQUIRE(near(x[0], x[1], DIM, 1e-5));
	}
}

/* Export, import; then the same once more, to equal bytes. */
static void check_round_trip(kith_index *index)
{
	kith_index *back, *again;
	kith_search_options found = KITH_SEARCH_OPTIONS;
	struct bytes a = export_bytes(index), b;
	OK(import_bytes(&back, &a, &found));
	found.nprobe = 3;
	found.efSearch = N; /* a graph whose dead nodes were dropped has other ways */
	found.k_factor = 2;
	same_vectors(index, back);
	if (divides_by_length(index))
		same_cosines(index, back, &found);
	else
		same_answers(index, back, &found);
	b = export_bytes(back);
	OK(import_bytes(&again, &b, NULL));
	REQUIRE(!strcmp(kith_index_describe(back), kith_index_describe(again)));
	/* Cosine comes back as the transform that it became; means pass through a map, which rounds. */
	if (kith_index_metric(index) != KITH_COSINE) {
		bool exact = !strstr(kith_index_describe(index), "PCA");
		REQUIRE(!strcmp(kith_index_describe(index), kith_index_describe(back)));
		REQUIRE(a.n == b.n && (!exact || !memcmp(a.data, b.data, a.n)));
	}
	/* It goes on. */
	float *x = make_data(3, 5);
	OK(kith_index_add(back, 5, x, NULL, NULL));
	free(x);
	use_index(back);
	free(a.data);
	free(b.data);
	kith_index_free(again);
	kith_index_free(back);
}

/* Bytes are not kept at unit length, which FAISS would need. */
static bool has_no_cosine(const char *spec)
{
	return strstr(spec, "direct") != NULL;
}

START_TEST(round_trip)
{
	static const int64_t sizes[] = {0, 1, 65, N};
	for (size_t m = 0; m < 3; m++)
		for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
			for (int listed = 0; listed < 2; listed++) {
				kith_index *index = build_index(specs[_i], metrics[m], sizes[s], listed);
				struct bytes b = {0};
				if (metrics[m] == KITH_COSINE && has_no_cosine(specs[_i]))
					FAILS(faiss_export(index, (struct blob_sink){bytes_append, &b}),
					    KITH_UNSUPPORTED, "unit length");
				else
					check_round_trip(index);
				free(b.data);
				kith_index_free(index);
			}
}
END_TEST

/* Saved natively, what was imported opens again. */
START_TEST(native)
{
	char folder[SCRATCH_FOLDER], mine[SCRATCH_PATH], theirs[SCRATCH_PATH];
	scratch_make(folder);
	scratch_path(mine, folder, "a.kith");
	scratch_path(theirs, folder, "a.faiss");
	kith_index *index = build_index(specs[_i], KITH_L2, 100, true), *imported, *opened;
	OK(kith_index_export_faiss(index, theirs));
	OK(kith_index_import_faiss(&imported, theirs, NULL));
	OK(kith_index_save(imported, mine));
	OK(kith_index_open(&opened, mine, 0));
	same_vectors(index, opened);
	same_answers(imported, opened, NULL);
	kith_index_free(opened);
	OK(kith_index_open(&opened, theirs, 0));
	same_answers(imported, opened, NULL);
	kith_index_free(opened);
	kith_index_free(imported);
	kith_index_free(index);
	REQUIRE(scratch_count(folder) == 2);
	scratch_remove(folder);
}
END_TEST

/* ---- FAISS's own ---- */

static bool faiss_path(char *path, size_t size, const char *name, const char *end)
{
	const char *folder = getenv("KITH_FAISS"), *root = getenv("KITH_SOURCE_ROOT");
	if (folder)
		snprintf(path, size, "%s/%s%s", folder, name, end);
	else
		snprintf(path, size, "%s/../shared/faiss/%s%s", root ? root : ".", name, end);
	return access(path, R_OK) == 0;
}

static void *read_all(const char *name, const char *end, kith_type type, kith_vecs_info *info)
{
	char path[4096];
	kith_vecs *vecs;
	info->size = sizeof *info;
	REQUIRE(faiss_path(path, sizeof path, name, end));
	OK(kith_vecs_open(&vecs, path));
	OK(kith_vecs_info_get(vecs, info));
	void *x = make(info->n * info->dim, kith_type_size(type));
	OK(kith_vecs_read(vecs, 0, info->n, type, x));
	kith_vecs_close(vecs);
	return x;
}

static const struct {
	const char *name;
	double tolerance; /* FAISS rounds queries to bf16 where the CPU can multiply those */
} samples[] = {{"Flat", 1e-4}, {"Flat-IP", 1e-4}, {"IVF16_Flat", 1e-4}, {"IVF16_Flat-IP", 1e-4},
    {"IVF16_PQ8", 1e-4}, {"IVF16_PQ8-IP", 1e-4}, {"IVF16_PQ8-noresidual", 1e-4}, {"PQ8", 1e-4},
    {"PQ8-IP", 1e-4}, {"SQ8", 1e-4}, {"SQ4", 1e-4}, {"SQfp16", 1e-4}, {"SQbf16", 1e-2}, {"IVF16_SQ8", 1e-4},
    {"IVF16_SQfp16", 1e-4}, {"IDMap_Flat", 1e-4}, {"IDMap2_IVF16_Flat", 1e-4}, {"PCA16_IVF16_Flat", 1e-4},
    {"OPQ8_IVF16_PQ8", 1e-4}, {"RR16_Flat", 1e-4}, {"L2norm_Flat-IP", 1e-4}, {"IVF16_PQ8_RFlat", 1e-4},
    {"IVF16_HNSW8_Flat", 1e-4}, {"IVF16_Flat-sparse", 1e-4}};
enum { SAMPLES = sizeof samples / sizeof *samples };

START_TEST(theirs)
{
	char path[4096];
	kith_vecs_info info;
	kith_search_options found = KITH_SEARCH_OPTIONS;
	kith_index *index;
	if (!faiss_path(path, sizeof path, samples[_i].name, ".faiss"))
		return;
	OK(kith_index_import_faiss(&index, path, &found));
	float *q = read_all("query", ".fvecs", KITH_F32, &info);
	int64_t nq = info.n;
	int32_t *want = read_all(samples[_i].name, ".ids.ivecs", KITH_I32, &info);
	float *want_dist = read_all(samples[_i].name, ".dist.fvecs", KITH_F32, &info);
	int64_t k = info.dim, *ids = make(nq * k, sizeof *ids);
	float *dist = make(nq * k, sizeof *dist);
	OK(kith_index_search(index, nq, q, k, dist, ids, &found));
	for (int64_t i = 0; i < nq * k; i++) {
		if (want[i] < 0) {
			REQUIRE(ids[i] < 0);
			continue;
		}
		double off = fabs((double)dist[i] - (double)want_dist[i]);
		REQUIRE(off <= samples[_i].tolerance * fmax(fabs((double)want_dist[i]), 1e-3));
		bool tied = samples[_i].tolerance > 1e-4 || (i % k > 0 && want_dist[i] == want_dist[i - 1]) ||
		            (i % k < k - 1 && want_dist[i] == want_dist[i + 1]);
		REQUIRE(tied || ids[i] == want[i]);
	}
	free(q);
	free(want);
	free(want_dist);
	free(ids);
	free(dist);
	kith_index_free(index);
}
END_TEST

/* Share of the k best of `want` that are among those of `got`. */
static double recall(int64_t nq, int64_t k, const int64_t *want, const int64_t *got)
{
	int64_t found = 0;
	for (int64_t i = 0; i < nq * k; i++)
		for (int64_t j = i / k * k; j < (i / k + 1) * k; j++)
			found += want[i] == got[j];
	return (double)found / (double)(nq * k);
}

static const char *const graphs[] = {"HNSW16", "HNSW16-IP", "HNSW16_SQ8", "HNSW16_PQ8"};
enum { GRAPHS = sizeof graphs / sizeof *graphs };

/* Graphs find no less than FAISS found with the same efSearch. The truth is about vectors as decoded. */
START_TEST(their_graphs)
{
	char path[4096];
	kith_vecs_info info;
	kith_search_options found = KITH_SEARCH_OPTIONS;
	kith_index *index, *flat;
	if (!faiss_path(path, sizeof path, graphs[_i], ".faiss"))
		return;
	OK(kith_index_import_faiss(&index, path, &found));
	REQUIRE(found.efSearch == 16);
	float *q = read_all("query", ".fvecs", KITH_F32, &info);
	int64_t nq = info.n, dim = info.dim, n = kith_index_size(index), *all = make(n, sizeof *all);
	int32_t *given = read_all(graphs[_i], ".ids.ivecs", KITH_I32, &info);
	int64_t k = info.dim, *ids[3];
	float *dist = make(nq * k, sizeof *dist), *x = make(n * dim, sizeof *x);
	for (int i = 0; i < 3; i++)
		ids[i] = make(nq * k, sizeof *ids[i]);
	OK(kith_index_ids(index, all));
	OK(kith_index_get(index, n, all, x));
	OK(kith_index_new(&flat, dim, kith_index_metric(index), "Flat"));
	OK(kith_index_add(flat, n, x, all, NULL));
	OK(kith_index_search(flat, nq, q, k, dist, ids[0], NULL));
	OK(kith_index_search(index, nq, q, k, dist, ids[1], &found));
	for (int64_t i = 0; i < nq * k; i++)
		ids[2][i] = given[i];
	REQUIRE(recall(nq, k, ids[0], ids[1]) >= recall(nq, k, ids[0], ids[2]));
	for (int i = 0; i < 3; i++)
		free(ids[i]);
	free(q);
	free(all);
	free(given);
	free(dist);
	free(x);
	kith_index_free(flat);
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faiss");
	TCase *t = tcase_create("faiss");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, round_trip, 0, SPECS);
	tcase_add_loop_test(t, native, 0, SPECS);
	tcase_add_loop_test(t, theirs, 0, SAMPLES);
	tcase_add_loop_test(t, their_graphs, 0, GRAPHS);
	suite_add_tcase(suite, t);
	add_hand(suite);
	add_bad(suite);
	return run_suite(suite);
}
