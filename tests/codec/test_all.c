/* What holds for every codec of codes, through struct codes and the exact search:
 *
 *   - a search finds what brute force over the decoded vectors finds, to the bit, by scan and by tiles;
 *   - keys of a scan are within the error bound that it states;
 *   - codes and decoded vectors are the same on every instruction set;
 *   - codes can be replaced and removed; memory may run out anywhere.
 */
#include "lib/codec/codec.h"
#include "lib/search/search.h"
#include "tests/support/support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef kith_status make_fn(struct codec **out, int64_t dim, bool cosine);

#define SQ(name, bits, range, uniform)                                                                       \
	static kith_status name(struct codec **out, int64_t dim, bool cosine)                                \
	{                                                                                                    \
		return codec_new_sq(out, dim, cosine, bits, range, uniform);                                 \
	}

SQ(new_sq8, 8, SQ_MINMAX, false)
SQ(new_sq6, 6, SQ_MINMAX, false)
SQ(new_sq4, 4, SQ_MINMAX, false)
SQ(new_sq8_uniform, 8, SQ_MINMAX, true)
SQ(new_sq4_uniform_quantile, 4, SQ_QUANTILE, true)
SQ(new_sq6_quantile, 6, SQ_QUANTILE, false)

#define RABITQ(name, bits, unbiased)                                                                         \
	static kith_status name(struct codec **out, int64_t dim, bool cosine)                                \
	{                                                                                                    \
		return codec_new_rabitq(out, dim, cosine, bits, unbiased);                                   \
	}

RABITQ(new_rabitq, 1, false)
RABITQ(new_rabitq3, 3, true)
RABITQ(new_rabitq8, 8, false)

static const struct {
	const char *word;
	make_fn *make;
} codecs[] = {
    {"SQfp16", codec_new_fp16},
    {"SQbf16", codec_new_bf16},
    {"SQ8", new_sq8},
    {"SQ6", new_sq6},
    {"SQ4", new_sq4},
    {"SQ8_uniform", new_sq8_uniform},
    {"SQ4_uniform_quantile", new_sq4_uniform_quantile},
    {"SQ6_quantile", new_sq6_quantile},
    {"RaBitQ", new_rabitq},
    {"RaBitQ3", new_rabitq3},
    {"RaBitQ8", new_rabitq8},
};
enum { CODECS = sizeof codecs / sizeof *codecs };

/* Data that differ in what they strain. */
enum kind { GAUSSIAN, SCALES, INTEGERS, EQUAL, OFFSET, FAR_QUERIES, OUTLIERS, TINY, HUGE_VALUES, KINDS };
static const char *const kind_names[] = {
    "gaussian", "scales", "integers", "equal", "offset", "far queries", "outliers", "tiny", "huge"};

static float value(enum kind kind, struct rng *rng, int64_t j, bool query)
{
	float x = rng_gauss(rng);
	switch (kind) {
	case SCALES:
		return ldexpf(x, (int)(j * 7 % 20) - 10);
	case INTEGERS:
		return (float)rng_below(rng, 4);
	case EQUAL:
		return query ? x : (float)(j % 5) - 2;
	case OFFSET:
		return x + 1000;
	case FAR_QUERIES:
		return query ? x * 1e6f : x;
	case OUTLIERS:
		return rng_below(rng, 500) ? x : x * 1e4f;
	case TINY:
		return x * 1e-30f;
	case HUGE_VALUES:
		return rng_below(rng, 50) ? x * 1e15f : x > 0 ? FLT_MAX : -FLT_MAX;
	default:
		return x;
	}
}

static float *make_values(enum kind kind, uint64_t seed, int64_t n, int64_t dim, bool query)
{
	struct rng rng = {seed};
	float *x = make(n * dim, sizeof *x);
	for (int64_t i = 0; i < n * dim; i++)
		x[i] = value(kind, &rng, i % dim, query);
	return x;
}

/* A codec that learnt from vectors, and these vectors as codes. */
struct coded {
	struct codec *codec;
	struct codes codes;
	float *scratch;
};

static void append(struct coded *c, int64_t n, const float *x)
{
	OK(codes_reserve(&c->codes, c->codes.n + n, 4));
	codes_append(&c->codes, KITH_F32, n, x, c->scratch);
}

static struct coded coded_new(make_fn *make_codec, int64_t dim, bool cosine, int64_t n, const float *x)
{
	struct coded c = {.scratch = make((int64_t)CODES_SCRATCH(dim), sizeof(float))};
	OK(make_codec(&c.codec, dim, cosine));
	if (c.codec->ops->train) {
		float *unit = make(n * dim, sizeof *unit);
		memcpy(unit, x, (size_t)(n * dim) * sizeof *unit);
		for (int64_t i = 0; cosine && i < n; i++)
			vector_normalize(unit + i * dim, dim);
		REQUIRE(!c.codec->trained);
		OK(c.codec->ops->train(c.codec, n, unit, NULL));
		free(unit);
	}
	REQUIRE(c.codec->trained);
	codes_init(&c.codes, c.codec);
	append(&c, n / 3, x);
	append(&c, n - n / 3, x + n / 3 * dim);
	REQUIRE(c.codes.n == n);
	return c;
}

static void coded_free(struct coded *c)
{
	codes_free(&c->codes);
	codec_free(c->codec);
	free(c->scratch);
}

/* What codes stand for; unit: of that length under cosine. */
static float *decode_all(const struct coded *c, bool unit)
{
	int64_t dim = c->codec->dim;
	float *x = make(c->codes.n * dim, sizeof *x);
	for (int64_t i = 0; i < c->codes.n; i++) {
		codes_read(&c->codes, i, x + i * dim);
		bool divided = unit && codes_keep_lengths(&c->codes);
		if (divided && codes_inverse(&c->codes)[i] > 0)
			vector_normalize(x + i * dim, dim);
		else if (divided)
			memset(x + i * dim, 0, (size_t)dim * sizeof *x);
		for (int64_t j = 0; j < dim; j++)
			REQUIRE(isfinite(x[i * dim + j]));
	}
	return x;
}

/* ---- searching ---- */

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* All rows by key, nearest first. */
static void rank_all(const float *x, int64_t n, int64_t dim, const float *q, bool ip, struct found *all)
{
	for (int64_t i = 0; i < n; i++)
		all[i] = (struct found){ip ? -kernels()->ip_exact(q, x + i * dim, dim)
		                           : kernels()->l2sq_exact(q, x + i * dim, dim),
		    i};
	qsort(all, (size_t)n, sizeof *all, compare_found);
}

static void check_search(
    const char *text, const struct coded *c, const float *x, int64_t nq, const float *q, bool ip, int64_t k)
{
	int64_t dim = c->codec->dim, n = c->codes.n, max = k < n ? k : n;
	struct rows base = codes_rows(&c->codes);
	struct rows queries = rows_of_array(KITH_F32, nq, dim, q, 0);
	struct sink sink;
	struct found *all = make(n, sizeof *all);
	OK(sink_init_topk(&sink, nq, k));
	OK(search_exact(&base, &queries, ip ? &metric_ip : &metric_l2, false, &sink, NULL));
	for (int64_t i = 0; i < nq; i++) {
		rank_all(x, n, dim, q + i * dim, ip, all);
		REQUIRE(sink.count[i] == max);
		for (int64_t j = 0; j < max; j++) {
			const struct found *got = &sink.best[i * k + j];
			if (got->id != all[j].id || got->key != all[j].key)
				ck_abort_msg(
				    "%s, %s, n = %lld, dim = %lld, nq = %lld, query %lld, rank %lld: "
				    "(%.17g, %lld), not (%.17g, %lld)",
				    text, kernels()->isa, (long long)n, (long long)dim, (long long)nq,
				    (long long)i, (long long)j, got->key, (long long)got->id, all[j].key,
				    (long long)all[j].id);
		}
	}
	sink_free(&sink);
	free(all);
}

static void try_search(
    const char *word, make_fn *make_codec, kith_metric metric, enum kind kind, int64_t n, int64_t dim)
{
	enum { NQ = 40 };
	char text[128];
	bool cosine = metric == KITH_COSINE, ip = metric != KITH_L2;
	uint64_t seed = (uint64_t)(n * 1000 + dim);
	float *x = make_values(kind, seed, n, dim, false), *q = make_values(kind, ~seed, NQ, dim, true);
	for (int64_t i = 0; cosine && i < NQ; i++)
		vector_normalize(q + i * dim, dim);
	snprintf(text, sizeof text, "%s, %s, %s", word, kith_metric_name(metric), kind_names[kind]);
	struct coded c = coded_new(make_codec, dim, cosine, n, x);
	float *decoded = decode_all(&c, true);
	static const int64_t nqs[] = {1, 3, NQ};
	for (int i = 0; i < 3; i++)
		check_search(text, &c, decoded, nqs[i], q, ip, n % 2 ? 10 : 1);
	free(decoded);
	coded_free(&c);
	free(q);
	free(x);
}

START_TEST(search)
{
	static const int64_t sizes[][2] = {
	    {1, 1}, {64, 2}, {65, 3}, {500, 17}, {301, 64}, {1000, 33}, {257, 128}, {129, 300}};
	struct isa_list isas = isa_list();
	for (int metric = KITH_L2; metric <= KITH_COSINE; metric++)
		for (int kind = 0; kind < KINDS; kind++)
			for (int i = 0; i < 8; i++) {
				/* Each instruction set with some of the cases. */
				OK(kith_set_isa(isas.name[(kind + i + metric) % isas.n]));
				try_search(codecs[_i].word, codecs[_i].make, (kith_metric)metric,
				    (enum kind)kind, sizes[i][0], sizes[i][1]);
			}
	OK(kith_set_isa(NULL));
}
END_TEST

/* ---- scanning ---- */

/* Whether a key with that error bound can be of the true key; see add_candidate in lib/search/scan.c. */
static bool within(double key, double truth, struct error_bound error_bound, bool ip)
{
	if (!(error_bound.abs < 1e18) || !(error_bound.root < 1e18) || !(fabs(key) < 1e37))
		return true;
	double off = error_bound.abs + error_bound.rel * fabs(key) + 1e-30, low = key - off, high = key + off;
	if (!ip) {
		low = fmax(0, sqrt(fmax(0, low)) - error_bound.root);
		high = sqrt(fmax(0, high)) + error_bound.root;
		low *= low;
		high *= high;
	}
	return truth >= low * (low > 0 ? 1 - 1e-12 : 1 + 1e-12) && truth <= high + 1e-12 * fabs(high);
}

static void check_scan(const char *text, const struct coded *c, const float *x, const float *q, bool ip)
{
	const struct comparison *compare = c->codec->ops->in_scan;
	struct rows rows = codes_rows(&c->codes);
	int64_t dim = rows.dim;
	void *state = aligned_alloc(64, (compare->bytes(&rows) + 63) / 64 * 64);
	compare->bind(&rows, q, ip ? &metric_ip : &metric_l2, state);
	/* Of a bound that holds with a probability, ten times what is to be expected. */
	int64_t missed = 0, allowed = (int64_t)ceil(20 * compare->miss * (double)c->codes.n);
	for (int64_t first = 0; first < c->codes.n; first += ROWS_BLOCK) {
		float key[ROWS_BLOCK], gathered[ROWS_BLOCK];
		uint32_t pos[ROWS_BLOCK];
		int64_t n = c->codes.n - first < ROWS_BLOCK ? c->codes.n - first : ROWS_BLOCK;
		for (int64_t i = 0; i < n; i++)
			pos[i] = (uint32_t)(first + n - 1 - i);
		compare->keys(&rows, state, first, n, key);
		compare->gather(&rows, state, pos, n, gathered);
		struct error_bound error_bound = compare->bound(&rows, state, first, n);
		for (int64_t i = 0; i < n; i++) {
			const float *row = x + (first + i) * dim;
			double truth =
			    ip ? -kernels()->ip_exact(q, row, dim) : kernels()->l2sq_exact(q, row, dim);
			missed += !within((double)key[i], truth, error_bound, ip);
			missed += !within((double)gathered[n - 1 - i], truth, error_bound, ip);
			if (missed > allowed)
				ck_abort_msg("%s, %s, %s, dim = %lld: key %.9g of %.17g, bound %g %g %g",
				    text, ip ? "IP" : "L2", kernels()->isa, (long long)dim, (double)key[i],
				    truth, error_bound.abs, error_bound.rel, error_bound.root);
		}
	}
	free(state);
}

START_TEST(scan)
{
	enum { N = 130, NQ = 5 };
	static const int64_t dims[] = {1, 2, 5, 31, 32, 63, 65, 127, 128, 129, 960};
	struct isa_list isas = isa_list();
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < 11; i++) {
			int64_t dim = dims[i];
			float *x = make_values((enum kind)kind, (uint64_t)i, N, dim, false);
			float *q = make_values((enum kind)kind, (uint64_t)i + 100, NQ, dim, true);
			struct coded c = coded_new(codecs[_i].make, dim, false, N, x);
			float *decoded = decode_all(&c, false);
			char text[128];
			snprintf(text, sizeof text, "%s, %s", codecs[_i].word, kind_names[kind]);
			for (int isa = 0;
			     isa < isas.n && c.codec->ops->in_scan && c.codec->ops->in_scan->keys; isa++) {
				OK(kith_set_isa(isas.name[isa]));
				for (int64_t j = 0; j < NQ * 2; j++)
					check_scan(text, &c, decoded, q + j / 2 * dim, j % 2);
			}
			OK(kith_set_isa(NULL));
			free(decoded);
			coded_free(&c);
			free(q);
			free(x);
		}
}
END_TEST

/* ---- codes ---- */

static void check_equal_codes(const struct codes *a, const struct codes *b)
{
	size_t bytes = codes_plain_bytes(a->codec);
	char *x = make((int64_t)bytes, 1), *y = make((int64_t)bytes, 1);
	for (int64_t i = 0; i < a->n; i++) {
		codes_get_plain(a, i, x);
		codes_get_plain(b, i, y);
		REQUIRE(!memcmp(x, y, bytes));
	}
	free(x);
	free(y);
}

START_TEST(same_everywhere)
{
	enum { N = 67 };
	struct isa_list isas = isa_list();
	for (int kind = 0; kind < KINDS; kind++)
		for (int64_t dim = 1; dim < 140; dim += 1 + dim / 4) {
			float *x = make_values((enum kind)kind, (uint64_t)dim, N, dim, false);
			OK(kith_set_isa("ref"));
			struct coded want = coded_new(codecs[_i].make, dim, false, N, x);
			float *want_x = decode_all(&want, false);
			for (int isa = 0; isa < isas.n; isa++) {
				OK(kith_set_isa(isas.name[isa]));
				struct coded got = coded_new(codecs[_i].make, dim, false, N, x);
				check_equal_codes(&got.codes, &want.codes);
				float *got_x = decode_all(&got, false);
				REQUIRE(!memcmp(got_x, want_x, (size_t)(N * dim) * sizeof *got_x));
				free(got_x);
				coded_free(&got);
			}
			free(want_x);
			coded_free(&want);
			free(x);
		}
	OK(kith_set_isa(NULL));
}
END_TEST

static void require_rows(const struct coded *c, const float *decoded, const int64_t *from)
{
	int64_t dim = c->codec->dim;
	float *x = decode_all(c, true);
	for (int64_t i = 0; i < c->codes.n; i++)
		REQUIRE(!memcmp(x + i * dim, decoded + from[i] * dim, (size_t)dim * sizeof *x));
	free(x);
}

START_TEST(replace_and_keep)
{
	enum { N = 200, DIM = 21 };
	float *x = make_values(GAUSSIAN, 1, N, DIM, false);
	struct coded c = coded_new(codecs[_i].make, DIM, _i % 2, N, x), copy;
	float *decoded = decode_all(&c, true);
	int64_t from[N];
	uint64_t keep[(N + 63) / 64] = {0};
	for (int64_t i = 0; i < N; i++)
		from[i] = i;
	OK(codec_clone(&copy.codec, c.codec));
	OK(codes_copy(&copy.codes, &c.codes, copy.codec));
	codes_replace(&c.codes, 7, KITH_F32, x + 150 * DIM, c.scratch);
	codes_replace(&c.codes, N - 1, KITH_F32, x, c.scratch);
	from[7] = 150;
	from[N - 1] = 0;
	require_rows(&c, decoded, from);
	int64_t kept = 0;
	for (int64_t i = 0; i < N; i++)
		if (i % 3) {
			keep[i / 64] |= 1ull << i % 64;
			from[kept++] = from[i];
		}
	codes_retain(&c.codes, keep);
	REQUIRE(c.codes.n == kept);
	require_rows(&c, decoded, from);
	for (int64_t i = 0; i < N; i++)
		from[i] = i;
	require_rows(&copy, decoded, from);
	codes_free(&copy.codes);
	codec_free(copy.codec);
	free(decoded);
	coded_free(&c);
	free(x);
}
END_TEST

START_TEST(word_and_memory)
{
	struct codec *codec;
	OK(codecs[_i].make(&codec, 100, false));
	ck_assert_str_eq(codec->word, codecs[_i].word);
	REQUIRE(codec->memory >= sizeof *codec);
	codec_free(codec);
}
END_TEST

/* Making, teaching and cloning a codec, each allocation failing once. */
static kith_status live(make_fn *make_codec, int64_t n, int64_t dim, const float *x)
{
	struct codec *codec = NULL, *clone = NULL;
	kith_status status = make_codec(&codec, dim, false);
	if (status == KITH_OK && codec->ops->train) {
		status = codec->ops->train(codec, n, x, NULL);
		REQUIRE(codec->trained == (status == KITH_OK));
	}
	if (status == KITH_OK)
		status = codec_clone(&clone, codec);
	codec_free(clone);
	codec_free(codec);
	return status;
}

START_TEST(no_memory)
{
	enum { N = 300, DIM = 16 };
	float *x = make_values(GAUSSIAN, 3, N, DIM, false);
	OK(live(codecs[_i].make, N, DIM, x)); /* what is allocated once stays */
	int64_t before = alloc_live(), at = 1;
	for (;; at++) {
		alloc_fail_at(at, false);
		kith_status status = live(codecs[_i].make, N, DIM, x);
		alloc_fail_at(0, false);
		REQUIRE(alloc_live() == before);
		if (status == KITH_OK)
			break;
		FAILS(status, KITH_NOMEM, "memory");
	}
	REQUIRE(at >= 3);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("codec");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, search, 0, CODECS);
	tcase_add_loop_test(t, scan, 0, CODECS);
	tcase_add_loop_test(t, same_everywhere, 0, CODECS);
	tcase_add_loop_test(t, replace_and_keep, 0, CODECS);
	tcase_add_loop_test(t, word_and_memory, 0, CODECS);
	tcase_add_loop_test(t, no_memory, 0, CODECS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
