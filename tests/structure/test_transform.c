/* Transforms: that they keep distances where they should, map back, and survive what indexes must survive. */
#include "tests/structure/common.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 900, DIM = 32, NQ = 60 };

static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

/* Nothing is lost: the index answers as a flat one does. */
static const char *const lossless[] = {"RR,Flat", "RR32,Flat", "RR47,Flat", "PCA32,Flat", "PCAR32,Flat",
    "Pad32,Flat", "Pad77,Flat", "OPQ4,Flat", "OPQ8_40,Flat", "Pad64,RR64,Flat", "RR32,PCA32,RR50,Flat",
    "IDMap,PCA32,Flat"};

START_TEST(lossless_maps)
{
	float *x = make_cloud(1, N, DIM, 20), *q = make_cloud(2, NQ, DIM, 20);
	for (size_t m = 0; m < 3; m++) {
		kith_index *flat = make_filled(DIM, metrics[m], "Flat", N, x);
		for (size_t i = 0; i < sizeof lossless / sizeof *lossless; i++) {
			kith_index *index = make_filled(DIM, metrics[m], lossless[i], N, x);
			check_alike(index, flat, NQ, q, 1e-5);
			kith_index_free(index);
		}
		kith_index_free(flat);
	}
	free(x);
	free(q);
}
END_TEST

/* Vectors in a space of 6 dimensions lose nothing to PCA6: an affine one for L2, a linear one for products.
 */
START_TEST(low_rank)
{
	float *x = make_cloud(1, N, DIM, 6), *q = make_cloud(2, NQ, DIM, 6);
	for (size_t m = 0; m < 3; m++) {
		for (int64_t i = 0; metrics[m] != KITH_L2 && i < N * DIM; i++)
			x[i] -= 1 + (float)(i % DIM % 3);
		kith_index *flat = make_filled(DIM, metrics[m], "Flat", N, x);
		kith_index *index = make_filled(DIM, metrics[m], "PCA6,Flat", N, x);
		check_alike(index, flat, NQ, q, 1e-4);
		kith_index_free(index);
		kith_index_free(flat);
		for (int64_t i = 0; metrics[m] != KITH_L2 && i < N * DIM; i++)
			x[i] += 1 + (float)(i % DIM % 3);
	}
	free(x);
	free(q);
}
END_TEST

/* L2norm is what a caller's own normalising is, to the bit. */
START_TEST(unit_length)
{
	float *x = make_cloud(1, N, DIM, 20), *unit = make(N * DIM, sizeof *unit), got[DIM];
	memset(x + 3 * DIM, 0, DIM * sizeof *x);
	for (int64_t i = 0; i < N; i++) {
		double sq = 0;
		for (int64_t j = 0; j < DIM; j++)
			sq += (double)x[i * DIM + j] * (double)x[i * DIM + j];
		for (int64_t j = 0; j < DIM; j++)
			unit[i * DIM + j] = sq > 0 ? (float)((double)x[i * DIM + j] / sqrt(sq)) : 0;
	}
	kith_index *flat = make_filled(DIM, KITH_L2, "Flat", N, unit);
	kith_index *index = make_filled(DIM, KITH_L2, "L2norm,Flat", N, x);
	check_alike(index, flat, NQ, unit, 1e-6);
	check_same(index, index, NQ, x, NULL);
	for (int64_t i = 0; i < N; i += 13) {
		OK(kith_index_get(index, 1, &i, got));
		for (int64_t j = 0; j < DIM; j++)
			REQUIRE(fabsf(got[j] - unit[i * DIM + j]) < 1e-7f);
	}
	kith_index_free(flat);
	kith_index_free(index);
	free(x);
	free(unit);
}
END_TEST

/* Vectors come back; what: the space that they lie in, or everything. */
START_TEST(map_inverse)
{
	static const struct {
		const char *spec;
		int64_t rank;
		double tolerance;
	} cases[] = {{"PCA32,Flat", 32, 1e-5}, {"PCA6,Flat", 6, 1e-5}, {"PCAR6,Flat", 6, 1e-5},
	    {"PCAW6,Flat", 6, 1e-4}, {"PCAWR6,Flat", 6, 1e-4}, {"RR40,Flat", 20, 1e-5},
	    {"OPQ4,Flat", 20, 1e-5}, {"Pad33,Flat", 20, 0}, {"RR48,PCA32,Flat", 20, 1e-4},
	    {"PCA20,RR20,Flat", 20, 1e-4}};
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		float *x = make_cloud(1, N, DIM, cases[c].rank), *got = make(N * DIM, sizeof *got);
		int64_t *ids = make(N, sizeof *ids);
		kith_index *index = make_filled(DIM, KITH_L2, cases[c].spec, N, x);
		for (int64_t i = 0; i < N; i++)
			ids[i] = N - 1 - i;
		OK(kith_index_get(index, N, ids, got));
		for (int64_t i = 0; i < N; i++)
			for (int64_t j = 0; j < DIM; j++) {
				double off = fabs((double)got[i * DIM + j] - (double)x[ids[i] * DIM + j]);
				if (off > 30 * cases[c].tolerance)
					ck_abort_msg("%s: off by %g", cases[c].spec, off);
			}
		kith_index_free(index);
		free(x);
		free(got);
		free(ids);
	}
}
END_TEST

/* Independent dimensions of scales 1 … 8, two of them constant: whitened distances are sums of squares of
 * standardised differences. */
START_TEST(whitening)
{
	enum { MANY = 20000, D = 10, DIMS = 8 };
	static const char *const specs[] = {"PCAW10,Flat", "PCAWR10,Flat", "PCAW8,Flat"};
	struct rng rng = {3};
	float *x = make(MANY * D, sizeof *x), dist[2];
	for (int64_t i = 0; i < MANY * D; i++)
		x[i] = i % D < DIMS ? 5 + (float)(1 + i % D) * rng_gauss(&rng) : 3;
	for (size_t s = 0; s < sizeof specs / sizeof *specs; s++) {
		kith_index *index = make_trained(D, KITH_L2, specs[s], MANY, x);
		int64_t ids[2];
		for (int64_t i = 0; i < 50; i++) {
			kith_filter *all;
			double want = 0;
			OK(kith_index_add(index, 1, x + (2 * i + 1) * D, NULL, NULL));
			OK(kith_index_search(index, 1, x + 2 * i * D, 1, dist, ids, NULL));
			for (int64_t j = 0; j < DIMS; j++) {
				double t = ((double)x[2 * i * D + j] - (double)x[(2 * i + 1) * D + j]);
				want += t * t / (double)((1 + j) * (1 + j));
			}
			REQUIRE(fabs((double)dist[0] - want) < 0.05 * want);
			OK(kith_filter_range(&all, 0, INT64_MAX));
			OK(kith_index_remove(index, all, NULL));
			kith_filter_free(all);
		}
		kith_index_free(index);
	}
	free(x);
}
END_TEST

/* The same seed, the same bits: whatever the threads, the batch, and how vectors are added. */
START_TEST(deterministic)
{
	static const char *const specs[] = {"RR,Flat", "PCA12,Flat", "PCAWR12,Flat", "OPQ4_16,Flat"};
	float *x = make_cloud(1, 3 * N, DIM, 30), *q = make_cloud(2, NQ, DIM, 30);
	for (size_t s = 0; s < sizeof specs / sizeof *specs; s++) {
		kith_index *index[3];
		for (int i = 0; i < 3; i++) {
			kith_add_options options = KITH_ADD_OPTIONS;
			options.threads = 1 + 2 * i;
			options.seed = i < 2 ? 77 : 78;
			OK(kith_index_new(&index[i], DIM, KITH_L2, specs[s]));
			OK(kith_index_train(index[i], 3 * N, x, &options));
			for (int64_t from = 0, step = i ? 37 : N; from < N; from += step)
				OK(kith_index_add(index[i], N - from < step ? N - from : step, x + from * DIM,
				    NULL, &options));
		}
		check_same(index[0], index[1], NQ, q, NULL);
		for (int64_t i = 0; i < N; i += 31) {
			float a[DIM], b[DIM];
			OK(kith_index_get(index[0], 1, &i, a));
			OK(kith_index_get(index[1], 1, &i, b));
			REQUIRE(memcmp(a, b, sizeof a) == 0);
			OK(kith_index_get(index[2], 1, &i, b));
			/* PCA has no use for a seed with so few vectors. */
			REQUIRE(s == 1 || memcmp(a, b, sizeof a) != 0);
		}
		for (int i = 0; i < 3; i++)
			kith_index_free(index[i]);
	}
	free(x);
	free(q);
}
END_TEST

START_TEST(bytes)
{
	struct rng rng = {9};
	uint8_t *x = make(N * DIM, 1);
	float *xf = make(N * DIM, sizeof *xf), dist[2][NQ * 5];
	int64_t ids[2][NQ * 5];
	for (int64_t i = 0; i < N * DIM; i++)
		xf[i] = x[i] = (uint8_t)rng_below(&rng, 256);
	kith_index *a = make_filled(DIM, KITH_COSINE, "PCA16,Flat", N, xf);
	kith_index *b = make_trained(DIM, KITH_COSINE, "PCA16,Flat", N, xf);
	OK(kith_index_add_as(b, KITH_U8, N, x, NULL, NULL));
	OK(kith_index_search(a, NQ, xf, 5, dist[0], ids[0], NULL));
	OK(kith_index_search_as(b, KITH_U8, NQ, x, 5, dist[1], ids[1], NULL));
	REQUIRE(memcmp(dist[0], dist[1], sizeof dist[0]) == 0);
	REQUIRE(memcmp(ids[0], ids[1], sizeof ids[0]) == 0);
	kith_index_free(a);
	kith_index_free(b);
	free(x);
	free(xf);
}
END_TEST

START_TEST(changes)
{
	static const char *const specs[] = {
	    "PCA20,Flat", "RR,Flat", "L2norm,Flat", "Pad40,Flat", "PCAW8,RR10,Flat"};
	float *x = make_cloud(1, N, DIM, 20);
	for (size_t s = 0; s < sizeof specs / sizeof *specs; s++)
		for (size_t m = 0; m < 3; m++) {
			kith_index *index = make_filled(DIM, metrics[m], specs[s], N, x);
			REQUIRE(strcmp(kith_index_describe(index), s == 1 ? "RR32,Flat" : specs[s]) == 0);
			REQUIRE(kith_index_dim(index) == DIM && kith_index_metric(index) == metrics[m]);
			check_changes(index, specs[s], N, x, 0);
			kith_index_free(index);
		}
	free(x);
}
END_TEST

START_TEST(filters_and_ranges)
{
	float *x = make_cloud(1, N, DIM, 10);
	kith_index *flat = make_filled(DIM, KITH_L2, "Flat", N, x);
	kith_index *index = make_filled(DIM, KITH_L2, "PCA10,Flat", N, x);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_filter *filter;
	OK(kith_filter_range(&filter, 100, 500));
	options.filter = filter;
	kith_ranges *a, *b;
	OK(kith_index_range(flat, NQ, x, 60, &a, &options));
	OK(kith_index_range(index, NQ, x, 60, &b, &options));
	int64_t total = 0;
	for (int64_t q = 0; q < NQ; q++) {
		const int64_t *ids[2];
		const float *dist[2];
		int64_t n;
		OK(kith_ranges_get(b, q, &n, &dist[1], &ids[1]));
		for (int64_t i = 0; i < n; i++)
			REQUIRE(ids[1][i] >= 100 && ids[1][i] < 500 && dist[1][i] <= 60);
		total += n;
		OK(kith_ranges_get(a, q, &n, &dist[0], &ids[0]));
		total -= n;
	}
	REQUIRE(llabs(total) <= 3);
	kith_ranges_free(a);
	kith_ranges_free(b);
	kith_filter_free(filter);
	kith_index_free(flat);
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(refused)
{
	kith_index *index;
	FAILS(kith_index_new(&index, DIM, KITH_L2, "PCA33,Flat"), KITH_INVALID, "33");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "PCA0,Flat"), KITH_INVALID, "PCA0");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "PCA,Flat"), KITH_INVALID, "PCA");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "PCA99999999999999999999,Flat"), KITH_INVALID, "PCA");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "PCA16"), KITH_INVALID, "codec");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "PCA16x,Flat"), KITH_INVALID, "PCA16x");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "PCB16,Flat"), KITH_INVALID, "PCB16");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Pad31,Flat"), KITH_INVALID, "31");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "OPQ5,Flat"), KITH_INVALID, "OPQ5_30");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "OPQ5_31,Flat"), KITH_INVALID, "OPQ5_30");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "OPQ40_8,Flat"), KITH_INVALID, "OPQ40_40");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "OPQ0,Flat"), KITH_INVALID, "OPQ0");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "OPQ4_,Flat"), KITH_INVALID, "OPQ4_");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "L2norm4,Flat"), KITH_INVALID, "L2norm4");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Flat,PCA4"), KITH_INVALID, "cannot follow");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "PCA16,U8"), KITH_INVALID, "u8");

	float *x = make_cloud(1, N, DIM, 20), y[DIM] = {0};
	int64_t id = 0, removed;
	kith_filter *filter;
	OK(kith_index_new(&index, DIM, KITH_L2, "PCA16,Flat"));
	REQUIRE(!kith_index_trained(index));
	FAILS(kith_index_add(index, 1, x, NULL, NULL), KITH_UNTRAINED, "PCA16");
	FAILS(kith_index_search(index, 1, x, 1, y, &id, NULL), KITH_UNTRAINED, "PCA16");
	FAILS(kith_index_update(index, 1, x, &id), KITH_NOTFOUND, "0");
	FAILS(kith_index_get(index, 1, &id, y), KITH_NOTFOUND, "0");
	OK(kith_filter_range(&filter, 0, 10));
	OK(kith_index_remove(index, filter, &removed));
	kith_filter_free(filter);
	FAILS(kith_index_train(index, 15, x, NULL), KITH_INVALID, "16");
	OK(kith_index_train(index, 16, x, NULL));
	y[3] = NAN;
	FAILS(kith_index_add(index, 1, y, NULL, NULL), KITH_INVALID, "finite");
	for (int64_t j = 0; j < DIM; j++)
		y[j] = j % 2 ? FLT_MAX : -FLT_MAX;
	kith_index_free(index);

	OK(kith_index_new(&index, DIM, KITH_L2, "OPQ4,Flat"));
	FAILS(kith_index_train(index, 255, x, NULL), KITH_INVALID, "256");
	kith_index_free(index);

	/* A rotation needs nothing but a seed; what overflows is refused, and named. */
	OK(kith_index_new(&index, DIM, KITH_L2, "RR,Flat"));
	OK(kith_index_train(index, 0, NULL, NULL));
	bool too_large = false;
	for (int64_t i = 0; i < 64 && !too_large; i++) {
		struct rng rng = {(uint64_t)i};
		for (int64_t j = 0; j < DIM; j++)
			y[j] = rng_below(&rng, 2) ? FLT_MAX : -FLT_MAX;
		too_large = kith_index_add(index, 1, y, NULL, NULL) == KITH_INVALID;
	}
	REQUIRE(too_large && strstr(kith_last_error(), "overflows"));
	OK(kith_index_add(index, 1, x, NULL, NULL));
	FAILS(kith_index_train(index, N, x, NULL), KITH_INVALID, "holds vectors");
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(wrap_by_hand)
{
	kith_index *child, *index;
	float *x = make_cloud(1, N, DIM, 20);
	OK(kith_index_new(&child, 16, KITH_IP, "Flat"));
	FAILS(kith_index_wrap_transform(&index, child, DIM, KITH_L2, "PCA16"), KITH_INVALID, "metric");
	REQUIRE(!index);
	FAILS(kith_index_wrap_transform(&index, child, DIM, KITH_IP, "PCA17"), KITH_INVALID, "17");
	FAILS(kith_index_wrap_transform(&index, child, DIM, KITH_IP, "Flat"), KITH_INVALID, "Flat");
	FAILS(kith_index_wrap_transform(&index, child, 0, KITH_IP, "PCA16"), KITH_INVALID, "dim");
	FAILS(kith_index_wrap_transform(&index, child, DIM, 99, "PCA16"), KITH_INVALID, "metric");
	FAILS(kith_index_wrap_transform(&index, NULL, DIM, KITH_IP, "PCA16"), KITH_INVALID, "NULL");
	FAILS(kith_index_wrap_transform(&index, child, DIM, KITH_IP, NULL), KITH_INVALID, "NULL");
	FAILS(kith_index_wrap_transform(NULL, child, DIM, KITH_IP, "PCA16"), KITH_INVALID, "NULL");
	OK(kith_index_add(child, 3, x, NULL, NULL));
	FAILS(kith_index_wrap_transform(&index, child, DIM, KITH_IP, "PCA16"), KITH_INVALID, "holds");
	kith_index_free(child);
	OK(kith_index_new(&child, 16, KITH_IP, "Flat"));
	OK(kith_index_wrap_transform(&index, child, DIM, KITH_COSINE, "PCA16"));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	kith_index *same = make_filled(DIM, KITH_COSINE, "PCA16,Flat", N, x);
	check_same(index, same, NQ, x, NULL);
	kith_index_free(index);
	kith_index_free(same);
	free(x);
}
END_TEST

/* Scales at which squares overflow floats, or vanish. */
START_TEST(far_scales)
{
	static const float scales[] = {1e-30f, 1e-18f, 1e15f};
	static const char *const specs[] = {"PCA16,Flat", "PCAW16,Flat", "OPQ4,Flat"};
	float *x = make_cloud(1, N, DIM, 16), *y = make(N * DIM, sizeof *y);
	for (size_t s = 0; s < sizeof specs / sizeof *specs; s++)
		for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
			for (int64_t j = 0; j < N * DIM; j++)
				y[j] = x[j] * scales[i];
			kith_index *index = make_filled(DIM, KITH_L2, specs[s], N, y);
			float got[DIM];
			for (int64_t id = 0; id < N; id += 50) {
				OK(kith_index_get(index, 1, &id, got));
				for (int64_t j = 0; j < DIM; j++)
					REQUIRE(fabsf(got[j] / scales[i] - x[id * DIM + j]) < 2e-3f);
			}
			kith_index_free(index);
		}
	free(x);
	free(y);
}
END_TEST

/* All training vectors equal, all zero; more dimensions than vectors. */
START_TEST(degenerate)
{
	static const char *const specs[] = {"PCA8,Flat", "PCAW8,Flat", "PCAWR8,Flat", "OPQ4,Flat"};
	float *x = make(N * DIM, sizeof *x), dist[3];
	int64_t ids[3];
	for (int value = 0; value < 2; value++)
		for (size_t s = 0; s < sizeof specs / sizeof *specs; s++) {
			for (int64_t i = 0; i < N * DIM; i++)
				x[i] = (float)value * (float)(i % DIM);
			kith_index *index = make_filled(DIM, KITH_L2, specs[s], N, x);
			OK(kith_index_search(index, 1, x, 3, dist, ids, NULL));
			REQUIRE(ids[0] == 0 && ids[2] == 2 && dist[0] == 0 && dist[2] == 0);
			kith_index_free(index);
		}
	float *few = make_cloud(3, 12, DIM, 20);
	kith_index *index = make_filled(DIM, KITH_L2, "PCA12,Flat", 12, few);
	kith_index *flat = make_filled(DIM, KITH_L2, "Flat", 12, few);
	check_alike(index, flat, 12, few, 1e-5);
	kith_index_free(index);
	kith_index_free(flat);
	free(few);
	free(x);
}
END_TEST

/* OPQ rotates what product quantizers see so that they lose less. */
START_TEST(opq_helps)
{
	enum { MANY = 6000 };
	kith_index *index;
	if (kith_index_new(&index, DIM, KITH_L2, "PQ4") == KITH_UNSUPPORTED)
		return;
	kith_index_free(index);
	float *x = make_cloud(1, MANY, DIM, DIM), *q = make_cloud(2, NQ, DIM, DIM);
	double found[4];
	static const char *const specs[] = {"PQ4", "RR,PQ4", "OPQ4,PQ4", "OPQ4_16,PQ4"};
	for (int s = 0; s < 4; s++) {
		index = make_filled(DIM, KITH_L2, specs[s], MANY, x);
		found[s] = recall(index, MANY, x, NQ, q, 10, NULL);
		kith_index_free(index);
	}
	if (!(found[2] > found[0] + 0.1 && found[2] > found[1] + 0.1 && found[3] > found[0]))
		ck_abort_msg("recall: PQ %.3f, RR %.3f, OPQ %.3f, OPQ to 16 %.3f", found[0], found[1],
		    found[2], found[3]);
	free(x);
	free(q);
}
END_TEST

static int count_calls(void *data, const char *stage, int64_t done, int64_t total)
{
	REQUIRE(stage && done >= 0 && done <= total);
	return --*(int *)data < 0;
}

START_TEST(cancelled)
{
	float *x = make_cloud(1, N, DIM, 20), dist[NQ];
	int64_t ids[NQ];
	int left = 0;
	kith_index *index;
	kith_add_options add = KITH_ADD_OPTIONS;
	kith_search_options search = KITH_SEARCH_OPTIONS;
	add.progress = search.progress = count_calls;
	add.progress_data = search.progress_data = &left;
	OK(kith_index_new(&index, DIM, KITH_L2, "OPQ4,Flat"));
	FAILS(kith_index_train(index, N, x, &add), KITH_CANCELLED, "OPQ");
	REQUIRE(!kith_index_trained(index));
	left = 1 << 20;
	OK(kith_index_train(index, N, x, &add));
	OK(kith_index_add(index, N, x, NULL, NULL));
	OK(kith_index_search(index, NQ, x, 1, dist, ids, &search));
	REQUIRE(left < 1 << 20);
	left = 0;
	FAILS(kith_index_search(index, NQ, x, 1, dist, ids, &search), KITH_CANCELLED, "search");
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(faults)
{
	check_faults(12, KITH_L2, "PCAWR5,Flat", 1);
	check_faults(12, KITH_COSINE, "L2norm,Pad20,RR16,Flat", 1);
	check_faults(8, KITH_L2, "OPQ2,Flat", 211);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transform");
	TCase *tests = tcase_create("transform");
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, lossless_maps);
	tcase_add_test(tests, low_rank);
	tcase_add_test(tests, unit_length);
	tcase_add_test(tests, map_inverse);
	tcase_add_test(tests, whitening);
	tcase_add_test(tests, deterministic);
	tcase_add_test(tests, bytes);
	tcase_add_test(tests, changes);
	tcase_add_test(tests, filters_and_ranges);
	tcase_add_test(tests, refused);
	tcase_add_test(tests, wrap_by_hand);
	tcase_add_test(tests, far_scales);
	tcase_add_test(tests, degenerate);
	tcase_add_test(tests, opq_helps);
	tcase_add_test(tests, cancelled);
	tcase_add_test(tests, faults);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
