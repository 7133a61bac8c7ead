/* The product quantizer on its own, through kith_pq: codes bit by bit, the nearest centroid by its definition
 * whatever the data and the instruction set, tables and distances, training and its failures. */
#include "lib/base/alloc.h"
#include "tests/support/support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static kith_pq *pq_with(int64_t dim, int64_t m, int bits, const float *centroids)
{
	kith_pq *pq;
	OK(kith_pq_new(&pq, dim, m, bits));
	OK(kith_pq_set_centroids(pq, centroids));
	return pq;
}

/* The same bits. */
static bool same(const float *a, const float *b, int64_t n)
{
	return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

/* Bit by bit, as <kith/pq.h> says. */
static int64_t number_at(const uint8_t *code, int64_t i, int bits)
{
	int64_t number = 0;
	for (int b = 0; b < bits; b++) {
		int64_t bit = i * bits + b;
		number |= (int64_t)(code[bit / 8] >> (bit % 8) & 1) << b;
	}
	return number;
}

static void require_padding_is_zero(const uint8_t *code, int64_t m, int bits)
{
	int64_t used = m * bits % 8, last = (m * bits + 7) / 8 - 1;
	REQUIRE(used == 0 || code[last] >> used == 0);
}

/* Vectors that are centroids have their numbers for a code. */
START_TEST(packing)
{
	static const int64_t ms[] = {1, 2, 3, 5, 8, 13};
	enum { N = 70 };
	int bits = _i;
	for (int t = 0; t < 6; t++) {
		int64_t m = ms[t], sub = 2, dim = m * sub, k = INT64_C(1) << bits;
		struct rng rng = {(uint64_t)(bits * 100 + t)};
		float *centroids = make_gauss(7, m * k, sub), *x = make(N * dim, sizeof *x);
		float *back = make(N * dim, sizeof *back);
		int64_t *numbers = make(N * m, sizeof *numbers);
		for (int64_t i = 0; i < N * m; i++) {
			numbers[i] = i < m ? k - 1 : rng_below(&rng, k);
			memcpy(
			    x + i * sub, centroids + (i % m * k + numbers[i]) * sub, (size_t)sub * sizeof *x);
		}
		kith_pq *pq = pq_with(dim, m, bits, centroids);
		size_t size = kith_pq_code_size(pq);
		REQUIRE(size == (size_t)(m * bits + 7) / 8);
		uint8_t *codes = make(N, size);
		memset(codes, 0xff, N * size);
		OK(kith_pq_encode(pq, N, x, codes, 1));
		for (int64_t i = 0; i < N; i++) {
			for (int64_t j = 0; j < m; j++)
				REQUIRE(number_at(codes + (size_t)i * size, j, bits) == numbers[i * m + j]);
			require_padding_is_zero(codes + (size_t)i * size, m, bits);
		}
		OK(kith_pq_decode(pq, N, codes, back));
		REQUIRE(!memcmp(back, x, (size_t)(N * dim) * sizeof *x));
		kith_pq_free(pq);
		free(centroids);
		free(x);
		free(back);
		free(numbers);
		free(codes);
	}
}
END_TEST

/* ---- the nearest centroid ---- */

enum kind { GAUSSIAN, COARSE, OFFSET, FAR_POINTS, OUTLIERS, EQUAL, TINY, HUGE_VALUES, KINDS };

static float value(enum kind kind, struct rng *rng, bool point)
{
	float x = rng_gauss(rng);
	switch (kind) {
	case COARSE: /* many ties */
		return (float)rng_below(rng, 3);
	case OFFSET:
		return x + 30000;
	case FAR_POINTS:
		return point ? x * 1e7f : x;
	case OUTLIERS:
		return rng_below(rng, 40) ? x : x * 1e9f;
	case EQUAL:
		return point ? x : 1;
	case TINY:
		return x * 1e-30f;
	case HUGE_VALUES:
		return rng_below(rng, 20) ? x * 1e18f : x > 0 ? FLT_MAX : -FLT_MAX;
	default:
		return x;
	}
}

static float *make_values(enum kind kind, uint64_t seed, int64_t n, bool points)
{
	struct rng rng = {seed};
	float *x = make(n, sizeof *x);
	for (int64_t i = 0; i < n; i++)
		x[i] = value(kind, &rng, points);
	return x;
}

/* By squared distances in double, components in order, the lower number on a tie. */
static int64_t nearest(const float *book, int64_t k, int64_t sub, const float *x)
{
	int64_t best = 0;
	double min = INFINITY;
	for (int64_t c = 0; c < k; c++) {
		double sum = 0;
		for (int64_t j = 0; j < sub; j++) {
			double t = (double)x[j] - (double)book[c * sub + j];
			sum += t * t;
		}
		if (sum < min) {
			min = sum;
			best = c;
		}
	}
	return best;
}

static void try_nearest(enum kind kind, int64_t n, int64_t m, int64_t sub, int bits)
{
	int64_t dim = m * sub, k = INT64_C(1) << bits;
	float *centroids = make_values(kind, (uint64_t)(dim + bits), m * k * sub, false);
	float *x = make_values(kind, (uint64_t)n, n * dim, true);
	kith_pq *pq = pq_with(dim, m, bits, centroids);
	size_t size = kith_pq_code_size(pq);
	uint8_t *want = make(n, size), *got = make(n, size);
	OK(kith_pq_encode(pq, n, x, want, 1));
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < m; j++) {
			int64_t number = number_at(want + (size_t)i * size, j, bits);
			int64_t best = nearest(centroids + j * k * sub, k, sub, x + i * dim + j * sub);
			if (number != best)
				ck_abort_msg(
				    "%s, kind %d, M = %lld, sub = %lld, %d bits: vector %lld has %lld "
				    "for %lld, not %lld",
				    kith_isa(), kind, (long long)m, (long long)sub, bits, (long long)i,
				    (long long)number, (long long)j, (long long)best);
		}
	OK(kith_pq_encode(pq, n, x, got, 3));
	REQUIRE(!memcmp(want, got, (size_t)n * size));
	kith_pq_free(pq);
	free(centroids);
	free(x);
	free(want);
	free(got);
}

START_TEST(nearest_centroid)
{
	struct isa_list isas = isa_list();
	if (_i >= isas.n)
		return;
	OK(kith_set_isa(isas.name[_i]));
	for (int kind = 0; kind < KINDS; kind++) {
		for (int bits = 4; bits <= 12; bits++)
			try_nearest((enum kind)kind, bits > 9 ? 20 : 130, 3, 3, bits);
		for (int64_t sub = 1; sub < 40; sub += 1 + sub / 4)
			try_nearest((enum kind)kind, 70, 2, sub, 5);
		try_nearest((enum kind)kind, 9, 1, 200, 6);
		try_nearest((enum kind)kind, 65, 17, 1, 4);
	}
	try_nearest(GAUSSIAN, 2100, 4, 4, 8);
	OK(kith_set_isa(NULL));
}
END_TEST

/* ---- tables and distances ---- */

static void check_tables(kith_pq *pq, kith_metric metric, const float *q, const float *table)
{
	int64_t m = kith_pq_m(pq), k = INT64_C(1) << kith_pq_nbits(pq), sub = kith_pq_dim(pq) / m;
	const float *centroid = kith_pq_centroids(pq);
	for (int64_t i = 0; i < m; i++)
		for (int64_t c = 0; c < k; c++, centroid += sub) {
			double want = 0, size = 0;
			for (int64_t j = 0; j < sub; j++) {
				double a = (double)q[i * sub + j], b = (double)centroid[j];
				double term = metric == KITH_L2 ? (a - b) * (a - b) : a * b;
				want += term;
				size += fabs(term);
			}
			REQUIRE(fabs((double)table[i * k + c] - want) <= (double)(sub + 8) * 0x1p-24 * size);
		}
}

START_TEST(tables_and_distances)
{
	enum { N = 50, NQ = 3 };
	struct isa_list isas = isa_list();
	for (int isa = 0; isa < isas.n; isa++)
		for (int bits = 4; bits <= 12; bits++) {
			OK(kith_set_isa(isas.name[isa]));
			int64_t m = 5, sub = 1 + bits % 4 * 3, dim = m * sub, k = INT64_C(1) << bits;
			float *centroids = make_gauss(1, m * k, sub), *q = make_gauss(2, NQ, dim);
			float *tables = make(NQ * m * k, sizeof *tables), out[N];
			kith_pq *pq = pq_with(dim, m, bits, centroids);
			size_t size = kith_pq_code_size(pq);
			uint8_t *codes = make(N, size);
			struct rng rng = {3};
			for (size_t i = 0; i < N * size; i++)
				codes[i] = (uint8_t)rng_next(&rng);
			for (int metric = KITH_L2; metric <= KITH_IP; metric++) {
				OK(kith_pq_tables(pq, (kith_metric)metric, NQ, q, tables));
				for (int64_t j = 0; j < NQ; j++)
					check_tables(
					    pq, (kith_metric)metric, q + j * dim, tables + j * m * k);
			}
			OK(kith_pq_distances(pq, tables + m * k, N, codes, out));
			for (int64_t i = 0; i < N; i++) {
				float sum = 0;
				for (int64_t j = 0; j < m; j++)
					sum += tables[m * k + j * k +
					              number_at(codes + (size_t)i * size, j, bits)];
				REQUIRE(out[i] == sum);
			}
			kith_pq_free(pq);
			free(centroids);
			free(q);
			free(tables);
			free(codes);
		}
	OK(kith_set_isa(NULL));
}
END_TEST

START_TEST(symmetric)
{
	enum { N = 100, M = 6, SUB = 3, DIM = M * SUB };
	for (int bits = 4; bits <= 12; bits += 3) {
		int64_t k = INT64_C(1) << bits;
		float *centroids = make_gauss(1, M * k, SUB), *x = make_gauss(2, 2 * N, DIM), out[N];
		kith_pq *pq = pq_with(DIM, M, bits, centroids);
		size_t size = kith_pq_code_size(pq);
		uint8_t *codes = make(2 * N, size);
		OK(kith_pq_encode(pq, 2 * N, x, codes, 0));
		OK(kith_pq_decode(pq, 2 * N, codes, x));
		OK(kith_pq_symmetric(pq, N, codes, codes + N * size, out));
		for (int64_t i = 0; i < N; i++) {
			double want = 0;
			for (int64_t j = 0; j < DIM; j++) {
				double t = (double)x[i * DIM + j] - (double)x[(N + i) * DIM + j];
				want += t * t;
			}
			REQUIRE(fabs((double)out[i] - want) <= 1e-6 * want);
		}
		OK(kith_pq_symmetric(pq, N, codes, codes, out));
		for (int64_t i = 0; i < N; i++)
			REQUIRE(out[i] == 0);
		kith_pq_free(pq);
		free(centroids);
		free(x);
		free(codes);
	}
}
END_TEST

/* ---- training ---- */

static double coding_error(kith_pq *pq, int64_t n, const float *x)
{
	int64_t dim = kith_pq_dim(pq);
	uint8_t *codes = make(n, kith_pq_code_size(pq));
	float *back = make(n * dim, sizeof *back);
	double error = 0;
	OK(kith_pq_encode(pq, n, x, codes, 0));
	OK(kith_pq_decode(pq, n, codes, back));
	for (int64_t i = 0; i < n * dim; i++) {
		double t = (double)x[i] - (double)back[i];
		error += t * t;
	}
	free(codes);
	free(back);
	return error / (double)n;
}

/* More points than k-means looks at, so that they are drawn. */
START_TEST(training_is_deterministic)
{
	enum { N = 5000, DIM = 6 };
	static const int64_t ms[] = {1, 3, 6};
	float *x = make_gauss(5, N, DIM);
	for (int t = 0; t < 3; t++) {
		kith_kmeans_options options = KITH_KMEANS_OPTIONS;
		size_t bytes = 16 * DIM * sizeof(float);
		float *want = make(1, bytes);
		for (int threads = 1; threads <= 5; threads++) {
			kith_pq *pq;
			OK(kith_pq_new(&pq, DIM, ms[t], 4));
			options.threads = threads;
			OK(kith_pq_train(pq, N, x, &options));
			if (threads == 1)
				memcpy(want, kith_pq_centroids(pq), bytes);
			REQUIRE(!memcmp(want, kith_pq_centroids(pq), bytes));
			kith_pq_free(pq);
		}
		kith_pq *pq;
		OK(kith_pq_new(&pq, DIM, ms[t], 4));
		options.seed = 99;
		OK(kith_pq_train(pq, N, x, &options));
		REQUIRE(memcmp(want, kith_pq_centroids(pq), bytes) != 0);
		kith_pq_free(pq);
		free(want);
	}
	free(x);
}
END_TEST

START_TEST(training_learns)
{
	enum { N = 3000, DIM = 8 };
	float *x = make_gauss(6, N, DIM);
	double before = DIM;
	for (int bits = 4; bits <= 8; bits++) {
		kith_pq *pq;
		OK(kith_pq_new(&pq, DIM, 4, bits));
		OK(kith_pq_train(pq, N, x, NULL));
		double error = coding_error(pq, N, x);
		REQUIRE(error < 0.75 * before);
		/* Going on from there does not make it worse. */
		kith_kmeans_options options = KITH_KMEANS_OPTIONS;
		options.init = KITH_KMEANS_GIVEN;
		OK(kith_pq_train(pq, N, x, &options));
		REQUIRE(coding_error(pq, N, x) <= error * 1.001);
		before = error;
		kith_pq_free(pq);
	}
	free(x);
}
END_TEST

/* One point a centroid, constant components, one point again and again, M = 1 and M = dim, weights. */
START_TEST(training_of_little)
{
	enum { N = 16, DIM = 4 };
	float *x = make_gauss(7, N, DIM), weights[N];
	for (int64_t m = 1; m <= DIM; m *= 2)
		for (int what = 0; what < 4; what++) {
			kith_kmeans_options options = KITH_KMEANS_OPTIONS;
			for (int i = 0; i < N; i++) {
				weights[i] = (float)(i % 2);
				x[i * DIM + 1] = what >= 1 ? 3 : x[i * DIM + 1];
				for (int j = 0; what == 2 && j < DIM; j++)
					x[i * DIM + j] = x[j];
			}
			options.weights = what == 3 ? weights : NULL;
			kith_pq *pq;
			OK(kith_pq_new(&pq, DIM, m, 4));
			OK(kith_pq_train(pq, N, x, &options));
			if (what < 3)
				REQUIRE(coding_error(pq, N, x) < 1e-9);
			kith_pq_free(pq);
		}
	free(x);
}
END_TEST

struct watch {
	int64_t last;
	int calls, cancel_at;
	bool fine;
};

static int watch(void *data, const char *stage, int64_t done, int64_t total)
{
	struct watch *w = data;
	w->fine = w->fine && stage && done >= w->last && done <= total && total > 0;
	w->last = done;
	return ++w->calls == w->cancel_at;
}

START_TEST(progress_and_cancel)
{
	enum { N = 20000, DIM = 32 };
	float *x = make_gauss(8, N, DIM), *old = make_gauss(9, 256, DIM);
	kith_pq *pq = pq_with(DIM, 4, 8, old);
	for (int threads = 1; threads <= 8; threads += 3)
		for (int cancel_at = 0; cancel_at <= 2; cancel_at++) {
			struct watch w = {.cancel_at = cancel_at, .fine = true};
			kith_kmeans_options options = KITH_KMEANS_OPTIONS;
			options.threads = threads;
			options.iterations = 5;
			options.progress = watch;
			options.progress_data = &w;
			OK(kith_pq_set_centroids(pq, old));
			kith_status status = kith_pq_train(pq, N, x, &options);
			bool unchanged = same(old, kith_pq_centroids(pq), 256 * (int64_t)DIM);
			REQUIRE(w.fine && w.calls >= (cancel_at == 1 ? 1 : 2));
			REQUIRE(unchanged == (cancel_at > 0));
			if (cancel_at)
				FAILS(status, KITH_CANCELLED, "cancel");
			else
				OK(status);
		}
	kith_pq_free(pq);
	free(x);
	free(old);
}
END_TEST

/* ---- failures ---- */

static kith_status live(const float *x, int threads)
{
	kith_pq *pq;
	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	options.threads = threads;
	options.max_points = 4;
	kith_status status = kith_pq_new(&pq, 4, 2, 4);
	REQUIRE(status == KITH_OK || !pq);
	if (status == KITH_OK) {
		status = kith_pq_train(pq, 100, x, &options);
		REQUIRE((kith_pq_centroids(pq) != NULL) == (status == KITH_OK));
	}
	kith_pq_free(pq);
	return status;
}

START_TEST(no_memory)
{
	float *x = make_gauss(10, 100, 4);
	for (int threads = 1; threads <= 3; threads++) {
		OK(live(x, threads)); /* what is allocated once stays */
		int64_t before = alloc_live(), at = 1;
		for (;; at++) {
			alloc_fail_at(at, false);
			kith_status status = live(x, threads);
			alloc_fail_at(0, false);
			REQUIRE(alloc_live() == before);
			if (status == KITH_OK)
				break;
			FAILS(status, KITH_NOMEM, "memory");
		}
		REQUIRE(at >= 8);
	}
	free(x);
}
END_TEST

START_TEST(making_badly)
{
	kith_pq *pq = (kith_pq *)(void *)1;
	FAILS(kith_pq_new(&pq, 128, 17, 8), KITH_INVALID, "M is 17; it must divide the dimension 128");
	REQUIRE(!pq);
	FAILS(kith_pq_new(&pq, 128, 0, 8), KITH_INVALID, "M is 0");
	FAILS(kith_pq_new(&pq, 128, -4, 8), KITH_INVALID, "M is -4");
	FAILS(kith_pq_new(&pq, 128, 256, 8), KITH_INVALID, "M is 256");
	FAILS(kith_pq_new(&pq, 0, 1, 8), KITH_INVALID, "dim is 0");
	FAILS(kith_pq_new(&pq, KITH_MAX_DIM + 1, 1, 8), KITH_INVALID, "dim is 32769");
	FAILS(kith_pq_new(&pq, 8, 2, 3), KITH_INVALID, "3 bits");
	FAILS(kith_pq_new(&pq, 8, 2, 13), KITH_INVALID, "13 bits");
	FAILS(kith_pq_new(NULL, 8, 2, 8), KITH_INVALID, "out is NULL");
	kith_pq_free(NULL);
	REQUIRE(kith_pq_dim(NULL) == 0 && kith_pq_m(NULL) == 0 && kith_pq_nbits(NULL) == 0);
	REQUIRE(kith_pq_code_size(NULL) == 0 && !kith_pq_centroids(NULL));
	OK(kith_pq_new(&pq, 12, 3, 5));
	REQUIRE(kith_pq_dim(pq) == 12 && kith_pq_m(pq) == 3 && kith_pq_nbits(pq) == 5);
	REQUIRE(kith_pq_code_size(pq) == 2 && !kith_pq_centroids(pq));
	kith_pq_free(pq);
}
END_TEST

START_TEST(using_badly)
{
	enum { DIM = 6, N = 40 };
	float *x = make_gauss(11, N, DIM), tables[3 * 16], out[N];
	uint8_t codes[N * 2];
	kith_pq *pq;
	OK(kith_pq_new(&pq, DIM, 3, 4));
	FAILS(kith_pq_encode(pq, N, x, codes, 0), KITH_UNTRAINED, "train");
	FAILS(kith_pq_decode(pq, N, codes, x), KITH_UNTRAINED, "train");
	FAILS(kith_pq_tables(pq, KITH_L2, 1, x, tables), KITH_UNTRAINED, "train");
	FAILS(kith_pq_distances(pq, tables, N, codes, out), KITH_UNTRAINED, "train");
	FAILS(kith_pq_symmetric(pq, N, codes, codes, out), KITH_UNTRAINED, "train");

	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	double objectives[25];
	FAILS(kith_pq_train(NULL, N, x, NULL), KITH_INVALID, "pq is NULL");
	FAILS(kith_pq_train(pq, N, NULL, NULL), KITH_INVALID, "x is NULL");
	FAILS(kith_pq_train(pq, -1, x, NULL), KITH_INVALID, "-1 vectors");
	FAILS(kith_pq_train(pq, 15, x, NULL), KITH_INVALID, "n is 15");
	options.objectives = objectives;
	FAILS(kith_pq_train(pq, N, x, &options), KITH_INVALID, "objectives");
	options.objectives = NULL;
	options.init = KITH_KMEANS_GIVEN;
	FAILS(kith_pq_train(pq, N, x, &options), KITH_INVALID, "KITH_KMEANS_GIVEN");
	x[3 * DIM + 1] = NAN;
	FAILS(kith_pq_train(pq, N, x, NULL), KITH_INVALID, "vector 3, component 1");
	REQUIRE(!kith_pq_centroids(pq));

	float centroids[16 * DIM] = {0};
	FAILS(kith_pq_set_centroids(NULL, centroids), KITH_INVALID, "pq is NULL");
	FAILS(kith_pq_set_centroids(pq, NULL), KITH_INVALID, "centroids is NULL");
	centroids[(1 * 16 + 5) * 2 + 1] = INFINITY;
	FAILS(kith_pq_set_centroids(pq, centroids), KITH_INVALID, "sub-quantizer 1, centroid 5, component 1");
	centroids[(1 * 16 + 5) * 2 + 1] = 1;
	OK(kith_pq_set_centroids(pq, centroids));

	FAILS(kith_pq_encode(NULL, N, x, codes, 0), KITH_INVALID, "pq is NULL");
	FAILS(kith_pq_encode(pq, N, x, codes, 0), KITH_INVALID, "vector 3, component 1");
	x[3 * DIM + 1] = 0;
	FAILS(kith_pq_encode(pq, N, NULL, codes, 0), KITH_INVALID, "x is NULL");
	FAILS(kith_pq_encode(pq, N, x, NULL, 0), KITH_INVALID, "codes is NULL");
	FAILS(kith_pq_encode(pq, N, x, codes, -1), KITH_INVALID, "threads is -1");
	FAILS(kith_pq_encode(pq, -1, x, codes, 0), KITH_INVALID, "-1 vectors");
	OK(kith_pq_encode(pq, 0, NULL, NULL, 0));
	FAILS(kith_pq_decode(pq, N, NULL, x), KITH_INVALID, "codes is NULL");
	FAILS(kith_pq_decode(pq, N, codes, NULL), KITH_INVALID, "x is NULL");
	FAILS(kith_pq_tables(pq, KITH_COSINE, 1, x, tables), KITH_INVALID, "metric is 2");
	FAILS(kith_pq_tables(pq, KITH_L2, 1, x, NULL), KITH_INVALID, "tables is NULL");
	FAILS(kith_pq_tables(pq, KITH_L2, 1, NULL, tables), KITH_INVALID, "q is NULL");
	x[2] = -INFINITY;
	FAILS(kith_pq_tables(pq, KITH_L2, 1, x, tables), KITH_INVALID, "component 2");
	FAILS(kith_pq_distances(pq, NULL, N, codes, out), KITH_INVALID, "table is NULL");
	FAILS(kith_pq_distances(pq, tables, N, codes, NULL), KITH_INVALID, "out is NULL");
	FAILS(kith_pq_symmetric(pq, N, codes, NULL, out), KITH_INVALID, "b is NULL");
	FAILS(kith_pq_symmetric(pq, N, NULL, codes, out), KITH_INVALID, "a is NULL");
	kith_pq_free(pq);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pq");
	TCase *t = tcase_create("pq");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, packing, 4, 13);
	tcase_add_loop_test(t, nearest_centroid, 0, 4);
	tcase_add_test(t, tables_and_distances);
	tcase_add_test(t, symmetric);
	tcase_add_test(t, training_is_deterministic);
	tcase_add_test(t, training_learns);
	tcase_add_test(t, training_of_little);
	tcase_add_test(t, progress_and_cancel);
	tcase_add_test(t, no_memory);
	tcase_add_test(t, making_badly);
	tcase_add_test(t, using_badly);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
