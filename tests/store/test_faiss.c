/* FAISS's index files: what is exported comes back as it was; files of every form that FAISS wrote, made here
 * by hand, mean what FAISS says they do; and files that FAISS 1.15 wrote, in shared/faiss beside the source
 * tree or in $KITH_FAISS, give the answers that FAISS gave. */
#include "tests/store/test_faiss.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"

kith_status bytes_append(void *owner, const void *from, size_t n)
{
	struct bytes *b = owner;
	char *grown = realloc(b->data, b->n + n);
	REQUIRE(grown);
	memcpy(grown + b->n, from, n);
	b->data = grown;
	b->n += n;
	return KITH_OK;
}

kith_status bytes_fetch(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct bytes *b = owner;
	REQUIRE(offset <= b->n && n <= b->n - offset);
	if (n)
		memcpy(out, b->data + offset, n);
	return KITH_OK;
}

struct bytes export_bytes(const kith_index *index)
{
	struct bytes b = {0};
	OK(faiss_export(index, (struct blob_sink){bytes_append, &b}));
	return b;
}

kith_status import_bytes(kith_index **out, struct bytes *b, kith_search_options *options)
{
	struct blob_source source = {bytes_fetch, b, b->n, "'memory'"};
	return faiss_import(out, &source, options);
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
    "HNSW4,SQ8", "HNSW4,PQ4x4", "HNSW4,SQ8_direct", "PCA4,HNSW4,Flat", "HNSW4,SQ4,RFlat"};
enum { SPECS = sizeof specs / sizeof *specs };

static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

static bool near(const float *a, const float *b, int64_t n, double relative)
{
	double scale = 0;
	for (int64_t i = 0; i < n; i++)
		scale = fmax(scale, fabs((double)b[i]));
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
	char folder[64] = "kith-test-faiss-XXXXXX", mine[96], theirs[96];
	REQUIRE(mkdtemp(folder));
	snprintf(mine, sizeof mine, "%s/a.kith", folder);
	snprintf(theirs, sizeof theirs, "%s/a.faiss", folder);
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
	REQUIRE(unlink(mine) == 0 && unlink(theirs) == 0 && rmdir(folder) == 0);
}
END_TEST

/* ---- by hand ---- */

struct hand {
	struct bytes bytes;
	struct faiss_writer w;
};

static void hand_begin(struct hand *h)
{
	h->bytes = (struct bytes){0};
	OK(faiss_writer_begin(&h->w, (struct blob_sink){bytes_append, &h->bytes}));
}

static kith_index *hand_end(struct hand *h, kith_search_options *options)
{
	kith_index *index;
	OK(faiss_writer_end(&h->w));
	OK(import_bytes(&index, &h->bytes, options));
	free(h->bytes.data);
	use_index(index);
	OK(kith_index_add(index, 0, NULL, NULL, NULL));
	return index;
}

/* One vector's codes in a scalar quantizer: what each means, from FAISS's definition. */
static void check_scalar(int type, int bits, bool uniform, const uint8_t *code, size_t size)
{
	enum { D = 5 };
	static const float vmin[D] = {-3, 0.25F, 7, -1e3F, 1}, vdiff[D] = {10, 1, 0.125F, 4e3F, 0};
	struct hand h;
	int64_t zero = 0;
	float x[D];
	hand_begin(&h);
	faiss_put_index(&h.w, "IxSQ", D, 1, FAISS_L2);
	faiss_put_i32(&h.w, type);
	faiss_put_i32(&h.w, 2);
	faiss_put_float(&h.w, 0.5F);
	faiss_put_i64(&h.w, D);
	faiss_put_i64(&h.w, (int64_t)size);
	faiss_put_i64(&h.w, uniform ? 2 : 2 * D);
	faiss_put(&h.w, vmin, (uniform ? 1 : D) * sizeof *vmin);
	faiss_put(&h.w, vdiff, (uniform ? 1 : D) * sizeof *vdiff);
	faiss_put_array(&h.w, code, (int64_t)size, 1);
	struct bytes b;
	OK(faiss_writer_end(&h.w));
	b = h.bytes;
	kith_index *index;
	OK(import_bytes(&index, &b, NULL));
	OK(kith_index_get(index, 1, &zero, x));
	for (int i = 0; i < D; i++) {
		int bit = i * bits, c = 0;
		for (int j = 0; j < bits; j++)
			c |= (code[(bit + j) / 8] >> ((bit + j) % 8) & 1) << j;
		double low = (double)vmin[uniform ? 0 : i], diff = (double)vdiff[uniform ? 0 : i];
		double want = low + (c + 0.5) / ((1 << bits) - 1) * diff;
		REQUIRE(fabs((double)x[i] - want) <= 1e-6 * fmax(fabs(want), fabs(low)));
	}
	free(b.data);
	kith_index_free(index);
}

START_TEST(scalars)
{
	static const uint8_t code[] = {0x21, 0x93, 0xf0, 0x0f, 0x7a};
	check_scalar(FAISS_8BIT, 8, false, code, 5);
	check_scalar(FAISS_8BIT_UNIFORM, 8, true, code, 5);
	check_scalar(FAISS_4BIT, 4, false, code, 3);
	check_scalar(FAISS_4BIT_UNIFORM, 4, true, code, 3);
	check_scalar(FAISS_6BIT, 6, false, code, 4);
}
END_TEST

static void put_quantizer(struct hand *h, int64_t d, int64_t nlist, const float *centroids)
{
	faiss_put_index(&h->w, "IxF2", d, nlist, FAISS_L2);
	faiss_put_array(&h->w, centroids, nlist * d, sizeof *centroids);
}

/* The oldest inverted files: ids come before the codes, list by list; codes are floats or bytes. */
START_TEST(old_lists)
{
	static const float centroids[4] = {0, 0, 10, 10}, first[2] = {1, 2}, second[4] = {9, 8, 11, 12};
	static const int64_t ids[3] = {70, 5, 6};
	kith_search_options found = KITH_SEARCH_OPTIONS;
	struct hand h;
	hand_begin(&h);
	faiss_put_index(&h.w, _i ? "IvFL" : "IvFl", 2, 3, FAISS_L2);
	faiss_put_i64(&h.w, 2);
	faiss_put_i64(&h.w, 1);
	put_quantizer(&h, 2, 2, centroids);
	faiss_put_array(&h.w, ids, 1, sizeof *ids);
	faiss_put_array(&h.w, ids + 1, 2, sizeof *ids);
	faiss_put(&h.w, "\2", 1); /* a hash of where they are */
	faiss_put_i64(&h.w, 0);
	faiss_put_i64(&h.w, 1);
	faiss_put_i64(&h.w, 70);
	faiss_put_i64(&h.w, 0);
	faiss_put_i64(&h.w, _i ? 8 : 2);
	faiss_put(&h.w, first, sizeof first);
	faiss_put_i64(&h.w, _i ? 16 : 4);
	faiss_put(&h.w, second, sizeof second);
	kith_index *index;
	OK(faiss_writer_end(&h.w));
	OK(import_bytes(&index, &h.bytes, &found));
	float x[2], dist[3];
	int64_t got[3];
	REQUIRE(found.nprobe == 1 && !strcmp(kith_index_describe(index), "IVF2,Flat"));
	OK(kith_index_search(index, 1, first, 3, dist, got, &found));
	REQUIRE(got[0] == 70 && got[1] == -1 && dist[0] == 0);
	OK(kith_index_get(index, 1, &ids[2], x));
	REQUIRE(x[0] == 11 && x[1] == 12);
	free(h.bytes.data);
	use_index(index);
	kith_index_free(index);
}
END_TEST

static void put_product(struct hand *h, const float *centroids)
{
	faiss_put_i64(&h->w, 2);
	faiss_put_i64(&h->w, 1);
	faiss_put_i64(&h->w, 4);
	faiss_put_array(&h->w, centroids, 32, sizeof *centroids);
}

/* IndexPQ of old says inner product and means L2. */
START_TEST(old_product)
{
	static const char *const letters[] = {"IxPQ", "IxPo", "IxPq"};
	float centroids[32];
	struct hand h;
	for (int i = 0; i < 32; i++)
		centroids[i] = (float)i;
	hand_begin(&h);
	faiss_put_index(&h.w, letters[_i], 2, 2, FAISS_IP);
	put_product(&h, centroids);
	faiss_put_array(&h.w, "\3\17", 2, 1);
	if (_i > 0) {
		faiss_put_i32(&h.w, 1);
		faiss_put_bool(&h.w, true);
		faiss_put_i32(&h.w, 9);
	}
	kith_index *index = hand_end(&h, NULL);
	REQUIRE(kith_index_metric(index) == (_i < 2 ? KITH_L2 : KITH_IP));
	kith_index_free(index);
}
END_TEST

/* A map that is not orthonormal, with a bias: the way back is its pseudo-inverse. */
static void check_linear(const char *fourcc, int64_t in, int64_t out, const float *a, const float *b,
    const char *spec, bool invertible)
{
	struct hand h;
	kith_index *index;
	float x[3] = {1, -2, 5}, y[4], back[3];
	int64_t zero = 0;
	for (int64_t i = 0; i < out; i++) {
		y[i] = b ? b[i] : 0;
		for (int64_t j = 0; j < in; j++)
			y[i] += a[i * in + j] * x[j];
	}
	hand_begin(&h);
	faiss_put_index(&h.w, "IxPT", in, 1, FAISS_L2);
	faiss_put_i32(&h.w, 1);
	faiss_put_fourcc(&h.w, fourcc);
	if (fourcc[0] == 'P') {
		faiss_put_float(&h.w, -0.5F);
		if (!strcmp(fourcc, "Pcam"))
			faiss_put_float(&h.w, 0);
		faiss_put_bool(&h.w, true);
		if (strcmp(fourcc, "PCAm") != 0)
			faiss_put_i32(&h.w, 0);
		faiss_put_array(&h.w, a, in, sizeof *a); /* a mean, which the bias need not agree with */
		faiss_put_i64(&h.w, 0);
		faiss_put_i64(&h.w, 0);
	}
	faiss_put_bool(&h.w, b != NULL);
	faiss_put_array(&h.w, a, in * out, sizeof *a);
	faiss_put_array(&h.w, b, b ? out : 0, sizeof *a);
	faiss_put_i32(&h.w, in);
	faiss_put_i32(&h.w, out);
	faiss_put_bool(&h.w, true);
	faiss_put_index(&h.w, "IxF2", out, 1, FAISS_L2);
	faiss_put_array(&h.w, y, out, sizeof *y);
	OK(faiss_writer_end(&h.w));
	OK(import_bytes(&index, &h.bytes, NULL));
	REQUIRE(!strcmp(kith_index_describe(index), spec));
	OK(kith_index_get(index, 1, &zero, back));
	REQUIRE(!invertible || near(back, x, in, 1e-5));
	float dist;
	OK(kith_index_search(index, 1, x, 1, &dist, &zero, NULL));
	REQUIRE(dist < 1e-8F);
	/* What cannot be learnt says so. */
	if (strstr(spec, "Linear")) {
		kith_index *empty;
		OK(kith_index_new(&empty, in, KITH_L2, spec));
		FAILS(kith_index_train(empty, 1, x, NULL), KITH_UNSUPPORTED, "Linear");
		kith_index_free(empty);
	}
	free(h.bytes.data);
	kith_index_free(index);
}

START_TEST(linear)
{
	static const float skew[9] = {2, 1, 0, 0, 3, 1, 1, 0, 1}, bias[4] = {5, -6, 7, 0.5F};
	static const float tall[12] = {1, 0, 2, 0, 1, 0, 3, 1, 0, 1, 1, 1},
	                   turn[9] = {0, 1, 0, 0, 0, -1, 1, 0, 0};
	static const float flat[9] = {1, 1, 0, 2, 2, 0, 0, 0, 1};
	check_linear("LTra", 3, 3, skew, bias, "Linear3,Flat", true);
	check_linear("LTra", 3, 4, tall, bias, "Linear4,Flat", true);
	check_linear("LTra", 3, 2, skew, bias, "Linear2,Flat", false);
	check_linear("LTra", 3, 3, flat, NULL, "Linear3,Flat", false);
	check_linear("LTra", 3, 3, turn, NULL, "Linear3,Flat", true);
	check_linear("rrot", 3, 3, turn, NULL, "RR3,Flat", true);
	check_linear("PCAm", 3, 3, skew, bias, "PCAWR3,Flat", true);
	check_linear("PcAm", 3, 3, turn, bias, "PCAWR3,Flat", true);
	check_linear("Pcam", 3, 3, turn, bias, "PCAWR3,Flat", true);
	check_linear("Pcam", 3, 4, tall, bias, "Linear4,Flat", true);
}
END_TEST

/* Ids around ids, and around the lists of an inverted file. */
START_TEST(maps)
{
	static const float x[6] = {0, 0, 1, 1, 2, 2};
	static const int64_t inner[3] = {2, 0, 1}, outer[3] = {100, 200, 300};
	struct hand h;
	float got[2];
	hand_begin(&h);
	faiss_put_index(&h.w, "IxMp", 2, 3, FAISS_L2);
	faiss_put_index(&h.w, "IxM2", 2, 3, FAISS_L2);
	faiss_put_index(&h.w, "IxFl", 2, 3, FAISS_L2);
	faiss_put_array(&h.w, x, 6, sizeof *x);
	faiss_put_array(&h.w, inner, 3, sizeof *inner);
	faiss_put_array(&h.w, outer, 3, sizeof *outer);
	kith_index *index;
	OK(faiss_writer_end(&h.w));
	OK(import_bytes(&index, &h.bytes, NULL));
	for (int i = 0; i < 3; i++) {
		OK(kith_index_get(index, 1, &outer[inner[i]], got));
		REQUIRE(got[0] == x[2 * i]);
	}
	free(h.bytes.data);
	kith_index_free(index);
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
	tcase_add_test(t, scalars);
	tcase_add_loop_test(t, old_lists, 0, 2);
	tcase_add_loop_test(t, old_product, 0, 3);
	tcase_add_test(t, linear);
	tcase_add_test(t, maps);
	tcase_add_loop_test(t, theirs, 0, SAMPLES);
	tcase_add_loop_test(t, their_graphs, 0, GRAPHS);
	suite_add_tcase(suite, t);
	add_bad(suite);
	return run_suite(suite);
}
