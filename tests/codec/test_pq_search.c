/* IndexPQ without an index: codes of a product quantizer under the exact search.
 *
 *   - a search finds what brute force over the decoded vectors finds, to the bit, by finding codes and by
 *     tiles, on every instruction set;
 *   - keys are within the error bound that it states, and that is small enough to be of use;
 *   - the codec's own affairs: word, clone, memory, codes that are replaced and removed.
 */
#include "lib/codec/pq.h"
#include "lib/search/search.h"
#include "tests/support/support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Data that differ in what they strain. */
enum kind { GAUSSIAN, COARSE, OFFSET, FAR_QUERIES, OUTLIERS, EQUAL, TINY, GREAT, HUGE_VALUES, KINDS };

static float value(enum kind kind, struct rng *rng, bool query)
{
	float x = rng_gauss(rng);
	switch (kind) {
	case COARSE: /* many equal distances */
		return (float)rng_below(rng, 3);
	case OFFSET:
		return x + 1000;
	case FAR_QUERIES:
		return query ? x * 1e6f : x;
	case OUTLIERS:
		return rng_below(rng, 100) ? x : x * 1e5f;
	case EQUAL:
		return query ? x : 1;
	case TINY:
		return x * 1e-30f;
	case GREAT: /* products around the end of what is bounded */
		return x * 1e15f;
	case HUGE_VALUES:
		return rng_below(rng, 20) ? x * 1e18f : x > 0 ? FLT_MAX : -FLT_MAX;
	default:
		return x;
	}
}

static float *make_values(enum kind kind, uint64_t seed, int64_t n, bool query)
{
	struct rng rng = {seed};
	float *x = make(n, sizeof *x);
	for (int64_t i = 0; i < n; i++)
		x[i] = value(kind, &rng, query);
	return x;
}

/* The same bits. */
static bool same(const float *a, const float *b, int64_t n)
{
	return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

/* Codes of n vectors under codebooks that were drawn like them. */
struct coded {
	struct codec *codec;
	struct codes codes;
	float *scratch, *x; /* x: decoded */
};

static struct coded coded_new(enum kind kind, int64_t n, int64_t m, int64_t sub, int bits)
{
	int64_t dim = m * sub;
	struct coded c = {.scratch = make((int64_t)CODES_SCRATCH(dim), sizeof(float))};
	float *centroids = make_values(kind, (uint64_t)(dim + bits), dim << bits, false);
	float *x = make_values(kind, (uint64_t)n, n * dim, false);
	OK(codec_new_pq(&c.codec, dim, false, m, bits));
	REQUIRE(!c.codec->trained);
	OK(codec_pq_set(c.codec, centroids));
	REQUIRE(c.codec->trained);
	codes_init(&c.codes, c.codec);
	OK(codes_reserve(&c.codes, n, 0));
	codes_append(&c.codes, KITH_F32, n / 3, x, c.scratch);
	codes_append(&c.codes, KITH_F32, n - n / 3, x + n / 3 * dim, c.scratch);
	c.x = x;
	for (int64_t i = 0; i < n; i++)
		codes_read(&c.codes, i, c.x + i * dim);
	free(centroids);
	return c;
}

static void coded_free(struct coded *c)
{
	codes_free(&c->codes);
	codec_free(c->codec);
	free(c->scratch);
	free(c->x);
}

/* ---- searching ---- */

static double true_key(const struct coded *c, const float *q, int64_t i, bool ip)
{
	int64_t dim = c->codec->dim;
	return ip ? -kernels()->ip_exact(q, c->x + i * dim, dim)
	          : kernels()->l2sq_exact(q, c->x + i * dim, dim);
}

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static void check_search(const struct coded *c, int kind, int64_t nq, const float *q, bool ip, int64_t k)
{
	int64_t dim = c->codec->dim, n = c->codes.n, max = k < n ? k : n;
	struct rows base = codes_rows(&c->codes), queries = rows_of_array(KITH_F32, nq, dim, q, 0);
	struct found *all = make(n, sizeof *all);
	struct sink sink;
	OK(sink_init_topk(&sink, nq, k));
	OK(search_exact(&base, &queries, ip ? &metric_ip : &metric_l2, false, &sink, NULL));
	for (int64_t i = 0; i < nq; i++) {
		for (int64_t j = 0; j < n; j++)
			all[j] = (struct found){true_key(c, q + i * dim, j, ip), j};
		qsort(all, (size_t)n, sizeof *all, compare_found);
		REQUIRE(sink.count[i] == max);
		for (int64_t j = 0; j < max; j++) {
			const struct found *got = &sink.best[i * k + j];
			if (got->id != all[j].id || got->key != all[j].key)
				ck_abort_msg(
				    "%s, kind %d, %s, n = %lld, dim = %lld, query %lld of %lld, rank "
				    "%lld: (%.17g, %lld), not (%.17g, %lld)",
				    kernels()->isa, kind, ip ? "IP" : "L2", (long long)n, (long long)dim,
				    (long long)i, (long long)nq, (long long)j, got->key, (long long)got->id,
				    all[j].key, (long long)all[j].id);
		}
	}
	sink_free(&sink);
	free(all);
}

static void try_search(enum kind kind, int64_t n, int64_t m, int64_t sub, int bits)
{
	enum { NQ = 30 };
	struct coded c = coded_new(kind, n, m, sub, bits);
	float *q = make_values(kind, ~(uint64_t)n, NQ * m * sub, true);
	static const int64_t nqs[] = {1, 3, NQ};
	for (int i = 0; i < 3; i++)
		for (int ip = 0; ip < 2; ip++)
			check_search(&c, kind, nqs[i], q, ip, n % 2 ? 10 : 1);
	free(q);
	coded_free(&c);
}

START_TEST(search)
{
	static const int64_t sizes[][3] = {
	    {1, 1, 1}, {63, 4, 2}, {64, 8, 1}, {65, 3, 5}, {500, 16, 8}, {1001, 7, 3}};
	struct isa_list isas = isa_list();
	if (_i >= isas.n)
		return;
	OK(kith_set_isa(isas.name[_i]));
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < 6; i++) {
			int other = 4 + (kind * 6 + i) % 9;
			try_search((enum kind)kind, sizes[i][0], sizes[i][1], sizes[i][2], 8);
			try_search((enum kind)kind, sizes[i][0], sizes[i][1], sizes[i][2], 4);
			try_search((enum kind)kind, sizes[i][0], sizes[i][1], sizes[i][2], other);
		}
	OK(kith_set_isa(NULL));
}
END_TEST

/* More look-ups than 16 bits can sum. */
START_TEST(search_long_codes)
{
	struct isa_list isas = isa_list();
	if (_i >= isas.n)
		return;
	OK(kith_set_isa(isas.name[_i]));
	for (int bits = 4; bits <= 8; bits += 4) {
		try_search(GAUSSIAN, 150, 257, 1, bits);
		try_search(OFFSET, 150, 300, 2, bits);
		try_search(GAUSSIAN, 70, 1031, 1, bits);
	}
	OK(kith_set_isa(NULL));
}
END_TEST

/* ---- finding ---- */

/* Those within a limit are the same as without one, with the same keys. */
static void check_limit(const struct rows *rows, const void *state, struct scan_part part, const float *key)
{
	float some[256];
	uint32_t hit[256];
	part.limit = key[part.n / 2];
	int64_t found = pq_in_scan.scan(rows, state, &part, hit, some), next = 0;
	for (int64_t i = 0; i < part.n; i++) {
		if (!(key[i] <= part.limit))
			continue;
		REQUIRE(next < found && hit[next] == i && some[next] == key[i]);
		next++;
	}
	REQUIRE(next == found);
}

/* So many keys are within the bound; there is one where bytes are looked up and there are blocks enough. */
static void check_bound(
    const struct rows *rows, const void *state, struct scan_part part, const float *key, bool bytes)
{
	static const int64_t ks[] = {1, 2, 10, 16, 17, 32, 33, 129, 100000};
	for (int i = 0; i < 9; i++) {
		float bound = pq_in_scan.first_limit(rows, state, &part, ks[i]);
		int64_t within = 0;
		for (int64_t j = 0; j < part.n; j++)
			within += key[j] <= bound;
		REQUIRE(bound == INFINITY || within >= ks[i]);
		REQUIRE(!bytes || bound < INFINITY || ks[i] > 16 || part.n < 128);
	}
}

static void check_find(const struct coded *c, enum kind kind, int bits, const float *q, bool ip)
{
	struct rows rows = codes_rows(&c->codes);
	void *state = aligned_alloc(64, (pq_in_scan.bytes(&rows) + 63) / 64 * 64);
	void *kept = aligned_alloc(64, (pq_in_scan.kept_bytes(&rows) + 63) / 64 * 64);
	float key[256], code_norms[256], plain[256];
	uint32_t hit[256];
	pq_in_scan.bind(&rows, q, ip ? &metric_ip : &metric_l2, state);
	memcpy(kept, state, pq_in_scan.kept_bytes(&rows));
	struct scan_part part = {
	    .codes = (const uint8_t *)c->codes.plane[0].data, .n = c->codes.n, .limit = INFINITY};
	struct error_bound error_bound = pq_in_scan.bound(&rows, kept, 0, part.n);
	REQUIRE(part.n <= 256 && error_bound.rel == 0 && error_bound.root == 0);
	REQUIRE(pq_in_scan.scan(&rows, kept, &part, hit, plain) == part.n);
	for (int64_t i = 0; i < part.n; i++) {
		double truth = true_key(c, q, i, ip), off = fabs((double)plain[i] - truth);
		REQUIRE(hit[i] == i);
		if (off <= error_bound.abs + 1e-30 || error_bound.abs == INFINITY)
			continue;
		ck_abort_msg("kind %d, %s, %s, dim = %lld: key %.9g of %.17g, error bound %g", kind,
		    ip ? "IP" : "L2", kernels()->isa, (long long)c->codec->dim, (double)plain[i], truth,
		    error_bound.abs);
	}
	/* Codebooks drawn like the queries: their tables reach some times as far as the keys. */
	if (kind == GAUSSIAN)
		REQUIRE(error_bound.abs < 1e-3 * (double)c->codec->dim);
	if (error_bound.abs < 1e18) {
		check_limit(&rows, kept, part, plain);
		check_bound(&rows, kept, part, plain, bits % 4 == 0 && bits < 12);
	}
	part.code_norms = code_norms;
	for (int64_t i = 0; i < part.n; i++) {
		code_norms[i] = plain[i % 7] * (float)(i % 3);
		part.max_code_norm = fmax(part.max_code_norm, fabs((double)code_norms[i]));
	}
	REQUIRE(pq_in_scan.scan(&rows, kept, &part, hit, key) == part.n);
	for (int64_t i = 0; i < part.n && error_bound.abs < 1e18; i++)
		REQUIRE(key[i] == plain[i] + 0.5f * code_norms[i]);
	if (error_bound.abs < 1e18) {
		check_limit(&rows, kept, part, key);
		check_bound(&rows, kept, part, key, bits % 4 == 0 && bits < 12);
	}
	free(kept);
	free(state);
}

START_TEST(find)
{
	static const int64_t sizes[][2] = {{1, 1}, {1, 30}, {2, 3}, {3, 8}, {16, 8}, {31, 1}, {257, 1}};
	struct isa_list isas = isa_list();
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < 7; i++) {
			enum { NQ = 3 };
			int64_t m = sizes[i][0], dim = m * sizes[i][1], n = i % 2 ? 130 : 256;
			struct coded c = coded_new((enum kind)kind, n, m, sizes[i][1], _i);
			float *q = make_values((enum kind)kind, (uint64_t)i + 100, NQ * dim, true);
			for (int isa = 0; isa < isas.n; isa++) {
				OK(kith_set_isa(isas.name[isa]));
				for (int64_t j = 0; j < 2 * NQ; j++)
					check_find(&c, (enum kind)kind, _i, q + j / 2 * dim, j % 2);
			}
			OK(kith_set_isa(NULL));
			free(q);
			coded_free(&c);
		}
}
END_TEST

/* ---- the codec ---- */

START_TEST(replace_and_keep)
{
	enum { N = 200, M = 5, SUB = 3, DIM = M * SUB };
	struct coded c = coded_new(GAUSSIAN, N, M, SUB, _i), copy = {.scratch = NULL};
	float *fresh = make_gauss(77, 1, DIM), x[DIM];
	uint64_t keep[(N + 63) / 64] = {0};
	OK(codec_clone(&copy.codec, c.codec));
	OK(codes_copy(&copy.codes, &c.codes, copy.codec));
	REQUIRE(copy.codec->trained && copy.codec->memory == c.codec->memory);
	codes_replace(&c.codes, 7, KITH_F32, fresh, c.scratch);
	codes_replace(&c.codes, N - 1, KITH_F32, c.x, c.scratch);
	for (int64_t i = 0; i < N; i++)
		if (i % 3)
			keep[i / 64] |= UINT64_C(1) << i % 64;
	codes_retain(&c.codes, keep);
	for (int64_t i = 0, at = 0; i < N; i++) {
		codes_read(&copy.codes, i, x);
		REQUIRE(same(x, c.x + i * DIM, DIM));
		if (i % 3 == 0)
			continue;
		codes_read(&c.codes, at++, x);
		int64_t from = i == N - 1 ? 0 : i;
		REQUIRE(same(x, c.x + from * DIM, DIM) == (i != 7));
	}
	codes_free(&copy.codes);
	codec_free(copy.codec);
	free(fresh);
	coded_free(&c);
}
END_TEST

START_TEST(words)
{
	static const struct {
		int64_t dim, m;
		int bits;
		const char *word;
	} good[] = {{128, 16, 8, "PQ16"}, {128, 32, 4, "PQ32x4"}, {120, 5, 12, "PQ5x12"}, {7, 7, 9, "PQ7x9"},
	    {KITH_MAX_DIM, KITH_MAX_DIM, 11, "PQ32768x11"}};
	struct codec *codec, *clone;
	for (int i = 0; i < 5; i++) {
		OK(codec_new_pq(&codec, good[i].dim, true, good[i].m, good[i].bits));
		ck_assert_str_eq(codec->word, good[i].word);
		REQUIRE(codec->row_bytes == (size_t)(good[i].m * good[i].bits + 7) / 8);
		REQUIRE(codec->cosine && !codec->trained && codec_pq(codec)->m == good[i].m);
		OK(codec_clone(&clone, codec));
		REQUIRE(!clone->trained && clone->cosine);
		codec_free(clone);
		codec_free(codec);
	}
	FAILS(codec_new_pq(&codec, 128, false, 17, 8), KITH_INVALID,
	    "PQ17 on dimension 128: M is 17; it must divide the dimension 128");
	FAILS(codec_new_pq(&codec, 12, false, 0, 4), KITH_INVALID, "PQ0x4 on dimension 12");
	FAILS(codec_new_pq(&codec, 12, false, 4, 3), KITH_INVALID, "PQ4x3 on dimension 12: 3 bits");
	FAILS(codec_new_pq(&codec, 12, false, INT64_MIN, INT32_MIN), KITH_INVALID, "must divide");
	OK(codec_new_fp32(&codec, 4, false));
	REQUIRE(!codec_pq(codec));
	codec_free(codec);
}
END_TEST

static kith_status live(int64_t n, const float *x, const float *centroids)
{
	struct codec *codec = NULL, *clone = NULL;
	kith_status status = codec_new_pq(&codec, 6, false, 3, 4);
	if (status)
		return status;
	status = codec_pq_set(codec, centroids);
	REQUIRE(codec->trained == (status == KITH_OK));
	if (status == KITH_OK)
		status = codec->ops->train(codec, n, x, NULL);
	/* What was there is still there. */
	REQUIRE(status == KITH_OK || !codec->trained || same(codec_pq(codec)->centroids, centroids, 6 * 16));
	if (status == KITH_OK)
		status = codec_clone(&clone, codec);
	codec_free(clone);
	codec_free(codec);
	return status;
}

START_TEST(no_memory)
{
	enum { N = 20 };
	float *x = make_gauss(1, N, 6), *centroids = make_gauss(2, 16, 6);
	OK(live(N, x, centroids)); /* what is allocated once stays */
	int64_t before = alloc_live(), at = 1;
	for (;; at++) {
		alloc_fail_at(at, false);
		kith_status status = live(N, x, centroids);
		alloc_fail_at(0, false);
		REQUIRE(alloc_live() == before);
		if (status == KITH_OK)
			break;
		FAILS(status, KITH_NOMEM, "memory");
	}
	REQUIRE(at >= 8);
	free(x);
	free(centroids);
}
END_TEST

START_TEST(training)
{
	enum { N = 400, DIM = 6 };
	float *x = make_gauss(1, N, DIM);
	struct codec *a, *b;
	kith_add_options options = KITH_ADD_OPTIONS;
	OK(codec_new_pq(&a, DIM, false, 2, 6));
	OK(codec_new_pq(&b, DIM, false, 2, 6));
	FAILS(a->ops->train(a, 63, x, &options), KITH_INVALID, "n is 63");
	REQUIRE(!a->trained);
	OK(a->ops->train(a, N, x, NULL));
	options.threads = 3;
	OK(b->ops->train(b, N, x, &options));
	REQUIRE(same(codec_pq(a)->centroids, codec_pq(b)->centroids, DIM * 64));
	options.seed = 5;
	OK(b->ops->train(b, N, x, &options));
	REQUIRE(!same(codec_pq(a)->centroids, codec_pq(b)->centroids, DIM * 64));
	codec_free(a);
	codec_free(b);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pq_search");
	TCase *t = tcase_create("pq_search");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, search, 0, 4);
	tcase_add_loop_test(t, search_long_codes, 0, 4);
	tcase_add_loop_test(t, find, 4, 13);
	tcase_add_loop_test(t, replace_and_keep, 4, 13);
	tcase_add_test(t, words);
	tcase_add_test(t, no_memory);
	tcase_add_test(t, training);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
