/* Searches as calls: arguments and their errors, short results, progress, cancelling, counters; and the small
 * calls of the library as a whole. What they find is tested in tests/search. */
#include "tests/support/support.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float x3[6] = {0, 0, 3, 4, 1, 0};

START_TEST(search_refuses)
{
	float q[2] = {0, 0}, dist[4] = {9, 9, 9, 9};
	int64_t ids[4] = {9, 9, 9, 9};
	kith_index *index = make_index(2, KITH_L2, "Flat", 3, x3);
	FAILS(kith_index_search(index, 1, q, 0, dist, ids, NULL), KITH_INVALID, "k is 0");
	FAILS(kith_index_search(index, 1, q, -1, dist, ids, NULL), KITH_INVALID, "k is -1");
	FAILS(kith_index_search(index, 1, q, KITH_MAX_K + 1, dist, ids, NULL), KITH_INVALID, "k is 1048577");
	FAILS(kith_index_search(index, -1, q, 1, dist, ids, NULL), KITH_INVALID, "q: -1");
	FAILS(kith_index_search(index, INT64_MAX, q, 1, dist, ids, NULL), KITH_INVALID, "q");
	FAILS(kith_index_search(index, 1, NULL, 1, dist, ids, NULL), KITH_INVALID, "q is NULL");
	FAILS(kith_index_search(index, 1, q, 1, NULL, ids, NULL), KITH_INVALID, "dist is NULL");
	FAILS(kith_index_search(index, 1, q, 1, dist, NULL, NULL), KITH_INVALID, "ids is NULL");
	FAILS(kith_index_search_as(index, KITH_I32, 1, q, 1, dist, ids, NULL), KITH_INVALID, "type is 3");
	FAILS(kith_index_search_as(index, (kith_type)9, 1, q, 1, dist, ids, NULL), KITH_INVALID, "type");
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	for (int i = 0; i < 3; i++) {
		q[1] = bad[i];
		FAILS(
		    kith_index_search(index, 1, q, 1, dist, ids, NULL), KITH_INVALID, "query 0, component 1");
	}
	q[1] = 0;
	REQUIRE(dist[0] == 9 && ids[0] == 9);
	OK(kith_index_search(index, 0, NULL, 1, NULL, NULL, NULL));
	OK(kith_index_search(index, 1, q, 4, dist, ids, NULL));
	REQUIRE(ids[0] == 0 && ids[1] == 2 && ids[2] == 1 && ids[3] == -1);
	REQUIRE(dist[0] == 0 && dist[1] == 1 && dist[2] == 25 && dist[3] == INFINITY);
	kith_index_free(index);
}
END_TEST

START_TEST(range_refuses)
{
	float q[2] = {0, 0};
	kith_ranges *ranges = (kith_ranges *)(void *)q;
	kith_index *index = make_index(2, KITH_L2, "Flat", 3, x3);
	FAILS(kith_index_range(index, 1, q, NAN, &ranges, NULL), KITH_INVALID, "radius");
	ck_assert_ptr_null(ranges);
	FAILS(kith_index_range(index, 1, q, 1, NULL, NULL), KITH_INVALID, "out");
	ranges = (kith_ranges *)(void *)q;
	FAILS(kith_index_range(index, 1, NULL, 1, &ranges, NULL), KITH_INVALID, "q is NULL");
	ck_assert_ptr_null(ranges);
	FAILS(kith_index_range(index, -1, q, 1, &ranges, NULL), KITH_INVALID, "q: -1");
	FAILS(kith_index_range_as(index, KITH_I32, 1, q, 1, &ranges, NULL), KITH_INVALID, "type");
	q[0] = NAN;
	FAILS(kith_index_range(index, 1, q, 1, &ranges, NULL), KITH_INVALID, "query 0, component 0");
	q[0] = 0;
	OK(kith_index_range(index, 0, NULL, 1, &ranges, NULL));
	REQUIRE(kith_ranges_queries(ranges) == 0 && kith_ranges_total(ranges) == 0);
	FAILS(kith_ranges_get(ranges, 0, NULL, NULL, NULL), KITH_INVALID, "query is 0");
	kith_ranges_free(ranges);
	kith_index_free(index);
}
END_TEST

START_TEST(range_results)
{
	static const float q[6] = {0, 0, 100, 100, 3, 4};
	int64_t n = 5;
	const float *dist = q;
	const int64_t *ids = &n;
	kith_ranges *r;
	kith_index *index = make_index(2, KITH_L2, "Flat", 3, x3);
	OK(kith_index_range(index, 3, q, 1, &r, NULL));
	REQUIRE(kith_ranges_queries(r) == 3 && kith_ranges_total(r) == 3);
	OK(kith_ranges_get(r, 0, &n, &dist, &ids));
	REQUIRE(n == 2 && ids[0] == 0 && ids[1] == 2 && dist[0] == 0 && dist[1] == 1);
	OK(kith_ranges_get(r, 1, &n, NULL, NULL));
	REQUIRE(n == 0);
	OK(kith_ranges_get(r, 2, NULL, NULL, &ids));
	REQUIRE(ids[0] == 1);
	OK(kith_ranges_get(r, 2, NULL, NULL, NULL));
	FAILS(kith_ranges_get(r, 3, &n, &dist, &ids), KITH_INVALID, "query is 3");
	REQUIRE(n == 0 && !dist && !ids);
	FAILS(kith_ranges_get(r, -1, &n, &dist, &ids), KITH_INVALID, "query is -1");
	FAILS(kith_ranges_get(NULL, 0, &n, &dist, &ids), KITH_INVALID, "ranges");
	REQUIRE(kith_ranges_queries(NULL) == 0 && kith_ranges_total(NULL) == 0);
	kith_ranges_free(NULL);
	kith_ranges_free(r);
	kith_index_free(index);
}
END_TEST

START_TEST(knn_refuses)
{
	float q[2] = {0, 0}, dist[3] = {9, 9, 9}, bad[6] = {0, 0, 3, 4, NAN, 0};
	int64_t ids[3];
#define KNN(dim, metric, type, n, x, nq, q, k, dist, ids)                                                    \
	kith_knn(dim, metric, type, n, x, nq, q, k, dist, ids, NULL)
	FAILS(KNN(0, KITH_L2, KITH_F32, 3, x3, 1, q, 1, dist, ids), KITH_INVALID, "dim is 0");
	FAILS(KNN(40000, KITH_L2, KITH_F32, 3, x3, 1, q, 1, dist, ids), KITH_INVALID, "dim is 40000");
	FAILS(KNN(2, (kith_metric)99, KITH_F32, 3, x3, 1, q, 1, dist, ids), KITH_INVALID, "metric is 99");
	FAILS(KNN(2, KITH_L2, KITH_I32, 3, x3, 1, q, 1, dist, ids), KITH_INVALID, "type is 3");
	FAILS(KNN(2, KITH_L2, KITH_F32, -3, x3, 1, q, 1, dist, ids), KITH_INVALID, "x: -3");
	FAILS(KNN(2, KITH_L2, KITH_F32, 3, NULL, 1, q, 1, dist, ids), KITH_INVALID, "x is NULL");
	FAILS(KNN(2, KITH_L2, KITH_F32, 3, x3, -1, q, 1, dist, ids), KITH_INVALID, "q: -1");
	FAILS(KNN(2, KITH_L2, KITH_F32, 3, x3, 1, NULL, 1, dist, ids), KITH_INVALID, "q is NULL");
	FAILS(KNN(2, KITH_L2, KITH_F32, 3, x3, 1, q, 0, dist, ids), KITH_INVALID, "k is 0");
	FAILS(KNN(2, KITH_L2, KITH_F32, 3, x3, 1, q, 1, NULL, ids), KITH_INVALID, "dist is NULL");
	FAILS(KNN(2, KITH_L2, KITH_F32, 3, x3, 1, q, 1, dist, NULL), KITH_INVALID, "ids is NULL");
	FAILS(KNN(2, KITH_L2, KITH_F32, 3, bad, 1, q, 1, dist, ids), KITH_INVALID, "row 2");
	OK(KNN(2, KITH_L2, KITH_F32, 3, x3, 0, NULL, 1, NULL, NULL));
	OK(KNN(2, KITH_L2, KITH_F32, 0, NULL, 1, q, 3, dist, ids));
	REQUIRE(ids[0] == -1 && ids[2] == -1 && dist[0] == INFINITY && dist[2] == INFINITY);
	OK(KNN(2, KITH_IP, KITH_F32, 0, NULL, 1, q, 3, dist, ids));
	REQUIRE(ids[0] == -1 && dist[0] == -INFINITY);
	OK(KNN(2, KITH_L2, KITH_F32, 3, x3, 1, q, 3, dist, ids));
	REQUIRE(ids[0] == 0 && ids[1] == 2 && ids[2] == 1 && dist[2] == 25);
}
END_TEST

START_TEST(stream_refuses)
{
	float q[2] = {0, 0}, dist[2], bad[4] = {0, 0, 0, INFINITY};
	int64_t ids[2];
	kith_knn_stream *stream = (kith_knn_stream *)(void *)q;
	FAILS(kith_knn_stream_new(NULL, 2, KITH_L2, KITH_F32, 1, q, 2, NULL), KITH_INVALID, "out");
	FAILS(kith_knn_stream_new(&stream, 0, KITH_L2, KITH_F32, 1, q, 2, NULL), KITH_INVALID, "dim");
	ck_assert_ptr_null(stream);
	FAILS(kith_knn_stream_new(&stream, 2, (kith_metric)99, KITH_F32, 1, q, 2, NULL), KITH_INVALID,
	    "metric");
	FAILS(kith_knn_stream_new(&stream, 2, KITH_L2, KITH_I32, 1, q, 2, NULL), KITH_INVALID, "type");
	FAILS(kith_knn_stream_new(&stream, 2, KITH_L2, KITH_F32, -1, q, 2, NULL), KITH_INVALID, "q: -1");
	FAILS(
	    kith_knn_stream_new(&stream, 2, KITH_L2, KITH_F32, 1, NULL, 2, NULL), KITH_INVALID, "q is NULL");
	FAILS(kith_knn_stream_new(&stream, 2, KITH_L2, KITH_F32, 1, q, 0, NULL), KITH_INVALID, "k is 0");
	FAILS(
	    kith_knn_stream_new(&stream, 2, KITH_L2, KITH_F32, 1, bad + 2, 1, NULL), KITH_INVALID, "query 0");
	FAILS(kith_knn_stream_feed(NULL, 1, q, 0), KITH_INVALID, "stream");
	FAILS(kith_knn_stream_get(NULL, dist, ids), KITH_INVALID, "stream");
	kith_knn_stream_free(NULL);

	OK(kith_knn_stream_new(&stream, 2, KITH_L2, KITH_F32, 1, q, 2, NULL));
	OK(kith_knn_stream_get(stream, dist, ids));
	REQUIRE(ids[0] == -1 && dist[0] == INFINITY);
	FAILS(kith_knn_stream_get(stream, NULL, ids), KITH_INVALID, "dist");
	FAILS(kith_knn_stream_get(stream, dist, NULL), KITH_INVALID, "ids");
	OK(kith_knn_stream_feed(stream, 0, NULL, 0));
	OK(kith_knn_stream_feed(stream, 2, x3, 0));
	OK(kith_knn_stream_get(stream, dist, ids));
	REQUIRE(ids[0] == 0 && ids[1] == 1 && dist[1] == 25);
	/* The queries were copied. */
	q[0] = 100;
	OK(kith_knn_stream_feed(stream, 1, x3 + 4, 8));
	OK(kith_knn_stream_get(stream, dist, ids));
	REQUIRE(ids[0] == 0 && ids[1] == 2 && dist[1] == 1);
	/* Rows are counted over all pieces; after a failure only free may follow. */
	FAILS(kith_knn_stream_feed(stream, 2, bad, 0), KITH_INVALID, "row 4");
	FAILS(kith_knn_stream_feed(stream, 1, x3, 0), KITH_INVALID, "stream");
	FAILS(kith_knn_stream_get(stream, dist, ids), KITH_INVALID, "stream");
	kith_knn_stream_free(stream);
	OK(kith_knn_stream_new(&stream, 2, KITH_L2, KITH_F32, 1, x3, 2, NULL));
	FAILS(kith_knn_stream_feed(stream, 1, x3, 7), KITH_INVALID, "stride is 7");
	kith_knn_stream_free(stream);
	OK(kith_knn_stream_new(&stream, 2, KITH_L2, KITH_F32, 1, x3, 2, NULL));
	FAILS(kith_knn_stream_feed(stream, -1, x3, 0), KITH_INVALID, "x: -1");
	kith_knn_stream_free(stream);
	OK(kith_knn_stream_new(&stream, 2, KITH_L2, KITH_F32, 1, x3, 2, NULL));
	FAILS(kith_knn_stream_feed(stream, 1, NULL, 0), KITH_INVALID, "x is NULL");
	kith_knn_stream_free(stream);
	OK(kith_knn_stream_new(&stream, 2, KITH_L2, KITH_F32, 0, NULL, 2, NULL));
	OK(kith_knn_stream_feed(stream, 3, x3, 0));
	OK(kith_knn_stream_get(stream, NULL, NULL));
	kith_knn_stream_free(stream);
}
END_TEST

/* ---- progress ---- */

struct log {
	int calls, cancel_at;
	int64_t last, total;
	pthread_mutex_t lock;
};

static int watch(void *data, const char *stage, int64_t done, int64_t total)
{
	struct log *log = data;
	if (pthread_mutex_trylock(&log->lock) != 0)
		ck_abort_msg("two progress calls at once");
	REQUIRE(stage && stage[0] && done >= 0 && done <= total);
	REQUIRE(log->calls == 0 || (done >= log->last && total == log->total));
	REQUIRE(log->calls > 0 || done == 0);
	log->last = done;
	log->total = total;
	int cancel = ++log->calls == log->cancel_at;
	pthread_mutex_unlock(&log->lock);
	return cancel;
}

enum { N = 40000, DIM = 40, NQ = 120, K = 5 };

struct searched {
	float *x, *q, *dist;
	int64_t *ids;
	kith_index *index;
	struct log log;
	kith_search_options options;
};

static struct searched searched_new(void)
{
	struct searched s = {make_gauss(1, N, DIM), make_gauss(2, NQ, DIM), make(NQ * K, sizeof(float)),
	    make(NQ * K, sizeof(int64_t)), NULL, {0}, KITH_SEARCH_OPTIONS};
	s.index = make_index(DIM, KITH_L2, "Flat", N, s.x);
	s.options.progress = watch;
	return s;
}

static void searched_free(struct searched *s)
{
	kith_index_free(s->index);
	free(s->x);
	free(s->q);
	free(s->dist);
	free(s->ids);
}

static void begin_log(struct searched *s, int cancel_at)
{
	s->log = (struct log){.cancel_at = cancel_at, .lock = PTHREAD_MUTEX_INITIALIZER};
	s->options.progress_data = &s->log;
}

START_TEST(progress)
{
	struct searched s = searched_new();
	static const int64_t nqs[] = {1, 7, NQ};
	for (int i = 0; i < 6; i++) {
		s.options.threads = 1 + i % 2;
		begin_log(&s, 0);
		OK(kith_index_search(s.index, nqs[i / 2], s.q, K, s.dist, s.ids, &s.options));
		/* The beginning and the end are always told. */
		REQUIRE(s.log.calls >= 2 && s.log.last == s.log.total && s.log.total > 0);
		begin_log(&s, 0);
		OK(kith_knn(DIM, KITH_IP, KITH_F32, N, s.x, nqs[i / 2], s.q, K, s.dist, s.ids, &s.options));
		REQUIRE(s.log.calls >= 2 && s.log.last == s.log.total);
	}
	searched_free(&s);
}
END_TEST

START_TEST(cancel)
{
	struct searched s = searched_new();
	kith_ranges *ranges = (kith_ranges *)(void *)&s;
	kith_knn_stream *stream;
	float *dist = make(NQ * K, sizeof *dist);
	int64_t *ids = make(NQ * K, sizeof *ids);
	OK(kith_index_search(s.index, NQ, s.q, K, dist, ids, NULL));
	for (int i = 0; i < 8; i++) {
		int64_t nq = i & 4 ? 1 : NQ;
		s.options.threads = 1 + i % 2;
		begin_log(&s, 1 + i / 2 % 2);
		FAILS(kith_index_search(s.index, nq, s.q, K, s.dist, s.ids, &s.options), KITH_CANCELLED,
		    "cancel");
		begin_log(&s, 1 + i / 2 % 2);
		FAILS(kith_index_range(s.index, nq, s.q, 20, &ranges, &s.options), KITH_CANCELLED, "cancel");
		ck_assert_ptr_null(ranges);
		begin_log(&s, 1 + i / 2 % 2);
		OK(kith_knn_stream_new(&stream, DIM, KITH_L2, KITH_F32, nq, s.q, K, &s.options));
		FAILS(kith_knn_stream_feed(stream, N, s.x, 0), KITH_CANCELLED, "cancel");
		FAILS(kith_knn_stream_get(stream, s.dist, s.ids), KITH_INVALID, "stream");
		kith_knn_stream_free(stream);
		/* And it goes on as before. */
		OK(kith_index_search(s.index, NQ, s.q, K, s.dist, s.ids, NULL));
		REQUIRE(!memcmp(s.dist, dist, NQ * K * sizeof *dist) &&
		        !memcmp(s.ids, ids, NQ * K * sizeof *ids));
	}
	free(ids);
	free(dist);
	searched_free(&s);
}
END_TEST

START_TEST(stats)
{
	struct searched s = searched_new();
	kith_search_stats counts = {.size = sizeof counts, .pairs = -7, .exact = -7};
	kith_knn_stream *stream;
	kith_filter *half;
	OK(kith_filter_range(&half, 0, N / 2));
	begin_log(&s, 0);
	s.options.stats = &counts;
	/* They are of the last call, not of all so far. */
	for (int i = 0; i < 2; i++) {
		OK(kith_index_search(s.index, NQ, s.q, K, s.dist, s.ids, &s.options));
		begin_log(&s, 0);
		REQUIRE(
		    counts.pairs == (int64_t)NQ * N && counts.exact >= NQ * K && counts.exact < counts.pairs);
	}
	s.options.filter = half;
	OK(kith_index_search(s.index, NQ, s.q, K, s.dist, s.ids, &s.options));
	REQUIRE(counts.pairs >= (int64_t)NQ * N / 2 && counts.pairs < (int64_t)NQ * (N / 2 + 64));
	s.options.filter = NULL;
	begin_log(&s, 0);
	OK(kith_index_search(s.index, 0, NULL, K, NULL, NULL, &s.options));
	REQUIRE(counts.pairs == 0 && counts.exact == 0);
	/* A stream's add up. */
	s.options.progress = NULL;
	OK(kith_knn_stream_new(&stream, DIM, KITH_L2, KITH_F32, NQ, s.q, K, &s.options));
	OK(kith_knn_stream_feed(stream, 1000, s.x, 0));
	OK(kith_knn_stream_feed(stream, 500, s.x, 0));
	REQUIRE(counts.pairs == (int64_t)NQ * 1500);
	kith_knn_stream_free(stream);
	kith_filter_free(half);
	searched_free(&s);
}
END_TEST

/* ---- the library ---- */

START_TEST(names)
{
	ck_assert_str_eq(kith_metric_name(KITH_L2), "l2");
	ck_assert_str_eq(kith_metric_name(KITH_IP), "ip");
	ck_assert_str_eq(kith_metric_name(KITH_COSINE), "cosine");
	ck_assert_ptr_nonnull(kith_metric_name((kith_metric)99));
	ck_assert_str_eq(kith_type_name(KITH_F32), "f32");
	ck_assert_str_eq(kith_type_name(KITH_U8), "u8");
	ck_assert_str_eq(kith_type_name(KITH_I8), "i8");
	ck_assert_str_eq(kith_type_name(KITH_I32), "i32");
	ck_assert_str_eq(kith_type_name(KITH_I64), "i64");
	ck_assert_ptr_nonnull(kith_type_name((kith_type)99));
	ck_assert_uint_eq(kith_type_size(KITH_F32), 4);
	ck_assert_uint_eq(kith_type_size(KITH_U8), 1);
	ck_assert_uint_eq(kith_type_size(KITH_I8), 1);
	ck_assert_uint_eq(kith_type_size(KITH_I32), 4);
	ck_assert_uint_eq(kith_type_size(KITH_I64), 8);
	ck_assert_uint_eq(kith_type_size((kith_type)99), 0);
	int major, minor, patch, end = 0;
	REQUIRE(sscanf(kith_version(), "%d.%d.%d%n", &major, &minor, &patch, &end) == 3);
	REQUIRE(kith_version()[end] == '\0');
	REQUIRE(strlen(kith_blas()) > 0);
	ck_assert_str_eq(kith_status_name(KITH_INVALID), "invalid argument");
	for (int i = 0; i <= KITH_INTERNAL; i++)
		for (int j = -1; j < i; j++)
			REQUIRE(
			    strcmp(kith_status_name((kith_status)i), kith_status_name((kith_status)j)) != 0);
	ck_assert_ptr_nonnull(kith_status_name((kith_status)1000));
}
END_TEST

START_TEST(instruction_sets)
{
	struct isa_list isas = isa_list();
	ck_assert_str_eq(isas.name[0], "ref");
	const char *automatic = kith_isa();
	for (int i = 0; i < isas.n; i++) {
		OK(kith_set_isa(isas.name[i]));
		ck_assert_str_eq(kith_isa(), isas.name[i]);
	}
	FAILS(kith_set_isa("mmx"), KITH_INVALID, "'mmx'");
	FAILS(kith_set_isa("ref "), KITH_INVALID, "'ref '");
	ck_assert_str_eq(kith_isa(), isas.name[isas.n - 1]);
	OK(kith_set_isa(""));
	ck_assert_str_eq(kith_isa(), automatic);
	OK(kith_set_isa("ref"));
	OK(kith_set_isa(NULL));
	ck_assert_str_eq(kith_isa(), automatic);
#if defined(__x86_64__)
	FAILS(kith_set_isa("neon"), KITH_UNSUPPORTED, "'neon'");
#elif defined(__aarch64__)
	FAILS(kith_set_isa("avx2"), KITH_UNSUPPORTED, "'avx2'");
#endif
}
END_TEST

START_TEST(no_error_yet)
{
	ck_assert_str_eq(kith_last_error(), "");
	FAILS(kith_index_reserve(NULL, 0), KITH_INVALID, "index");
	/* Success leaves it alone. */
	kith_index_free(make_index(1, KITH_L2, "Flat", 1, x3));
	REQUIRE(strstr(kith_last_error(), "index"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("calls");
	TCase *t = tcase_create("calls");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, search_refuses);
	tcase_add_test(t, range_refuses);
	tcase_add_test(t, range_results);
	tcase_add_test(t, knn_refuses);
	tcase_add_test(t, stream_refuses);
	tcase_add_test(t, progress);
	tcase_add_test(t, cancel);
	tcase_add_test(t, stats);
	tcase_add_test(t, names);
	tcase_add_test(t, instruction_sets);
	tcase_add_test(t, no_error_yet);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
