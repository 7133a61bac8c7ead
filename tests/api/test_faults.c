/* Every allocation of every call fails once: alone, and with all that follow. The call says NOMEM, gives
 * nothing out, leaves the index as it was, and leaks nothing. */
#include "tests/support/support.h"

#include "lib/base/alloc.h"

#include <stdlib.h>
#include <string.h>

enum { N = 9000, DIM = 8, NQ = 60, K = 4, IDS = 40 };

/* What a call works on, made anew for every attempt. */
struct world {
	kith_index *index;
	kith_filter *a, *b, *which; /* which: half of the ids */
	kith_knn_stream *stream;
	kith_search_options options;
	/* results */
	kith_index *out_index;
	kith_ranges *out_ranges;
	kith_filter *out_filter;
	kith_knn_stream *out_stream;
	float dist[NQ * K];
	int64_t ids[NQ * K], removed;
};

/* The same for all worlds. */
static float *x, *q;
static int64_t some_ids[N];
static uint8_t bits[N / 8];
static float want_dist[NQ * K];
static int64_t want_ids[NQ * K];

#define NOWHERE ((void *)(size_t)64)

struct scenario {
	const char *name, *spec;
	bool listed, filtered;
	int threads;
	kith_status (*call)(struct world *w);
};

static kith_status call_new(struct world *w)
{
	return kith_index_new(&w->out_index, DIM, KITH_L2, "Flat");
}

static kith_status call_clone(struct world *w)
{
	return kith_index_clone(&w->out_index, w->index);
}

static kith_status call_add(struct world *w)
{
	return kith_index_add(w->index, 5000, x, NULL, NULL);
}

static kith_status call_add_ids(struct world *w)
{
	int64_t ids[IDS];
	for (int64_t i = 0; i < IDS; i++)
		ids[i] = 1000000 + i * i;
	return kith_index_add(w->index, IDS, x, ids, NULL);
}

static kith_status call_update(struct world *w)
{
	/* To what they are already, so that the index may be compared whether or not it happened. */
	return kith_index_update(w->index, 10, x, some_ids);
}

static kith_status call_remove(struct world *w)
{
	return kith_index_remove(w->index, w->which, &w->removed);
}

static kith_status call_reserve(struct world *w)
{
	return kith_index_reserve(w->index, 4 * N);
}

static kith_status call_search(struct world *w)
{
	return kith_index_search(w->index, NQ, q, K, w->dist, w->ids, &w->options);
}

static kith_status call_search_one(struct world *w)
{
	return kith_index_search(w->index, 1, q, K, w->dist, w->ids, &w->options);
}

static kith_status call_search_few(struct world *w)
{
	return kith_index_search(w->index, 13, q, K, w->dist, w->ids, &w->options);
}

static kith_status call_range(struct world *w)
{
	return kith_index_range(w->index, NQ, q, 5, &w->out_ranges, &w->options);
}

static kith_status call_range_one(struct world *w)
{
	return kith_index_range(w->index, 1, q, 5, &w->out_ranges, &w->options);
}

static kith_status call_knn(struct world *w)
{
	return kith_knn(DIM, KITH_IP, KITH_F32, N, x, NQ, q, K, w->dist, w->ids, &w->options);
}

static kith_status call_stream_new(struct world *w)
{
	return kith_knn_stream_new(&w->out_stream, DIM, KITH_L2, KITH_F32, NQ, q, K, &w->options);
}

static kith_status call_stream_feed(struct world *w)
{
	kith_status status = kith_knn_stream_feed(w->stream, N, x, 0);
	return status ? status : kith_knn_stream_get(w->stream, w->dist, w->ids);
}

static kith_status call_filter_range(struct world *w)
{
	return kith_filter_range(&w->out_filter, 1, 5);
}

static kith_status call_filter_ids(struct world *w)
{
	return kith_filter_ids(&w->out_filter, N, some_ids);
}

static kith_status call_filter_bitmap(struct world *w)
{
	return kith_filter_bitmap(&w->out_filter, N, bits);
}

static int all_pass(void *data, int64_t id)
{
	(void)data;
	return id >= 0;
}

static kith_status call_filter_callback(struct world *w)
{
	return kith_filter_callback(&w->out_filter, all_pass, NULL);
}

/* The operands are the caller's until the call succeeds. */
static kith_status taken(struct world *w, kith_status status)
{
	if (status == KITH_OK)
		w->a = w->b = NULL;
	return status;
}

static kith_status call_filter_not(struct world *w)
{
	kith_status status = kith_filter_not(&w->out_filter, w->a);
	if (status == KITH_OK)
		w->a = NULL;
	return status;
}

static kith_status call_filter_and(struct world *w)
{
	return taken(w, kith_filter_and(&w->out_filter, w->a, w->b));
}

static kith_status call_filter_or(struct world *w)
{
	return taken(w, kith_filter_or(&w->out_filter, w->a, w->b));
}

static const struct scenario scenarios[] = {
    {"new", "Flat", false, false, 1, call_new},
    {"clone", "Flat", false, false, 1, call_clone},
    {"clone with ids", "Flat", true, false, 1, call_clone},
    {"clone bytes", "U8", true, false, 1, call_clone},
    {"add", "Flat", false, false, 1, call_add},
    {"add to listed", "Flat", true, false, 1, call_add},
    {"add with ids", "Flat", false, false, 1, call_add_ids},
    {"add with ids to listed", "Flat", true, false, 1, call_add_ids},
    {"add bytes", "U8", false, false, 1, call_add},
    {"update", "Flat", true, false, 1, call_update},
    {"remove", "Flat", false, false, 1, call_remove},
    {"remove listed", "Flat", true, false, 1, call_remove},
    {"reserve", "Flat", false, false, 1, call_reserve},
    {"reserve listed", "Flat", true, false, 1, call_reserve},
    {"search", "Flat", false, false, 1, call_search},
    {"search, 2 threads", "Flat", true, false, 2, call_search},
    {"search, filtered", "Flat", false, true, 2, call_search},
    {"search bytes", "U8", false, false, 2, call_search},
    {"search one", "Flat", false, false, 1, call_search_one},
    {"search one, filtered", "Flat", true, true, 2, call_search_one},
    {"search one, bytes", "U8", false, false, 1, call_search_one},
    {"search few", "Flat", false, false, 2, call_search_few},
    {"range", "Flat", false, false, 1, call_range},
    {"range, 2 threads", "Flat", false, true, 2, call_range},
    {"range one", "Flat", false, false, 1, call_range_one},
    {"knn", "Flat", false, false, 1, call_knn},
    {"knn, 2 threads", "Flat", false, true, 2, call_knn},
    {"stream new", "Flat", false, false, 1, call_stream_new},
    {"stream feed", "Flat", false, false, 2, call_stream_feed},
    {"stream feed, filtered", "Flat", false, true, 1, call_stream_feed},
    {"filter range", "Flat", false, false, 1, call_filter_range},
    {"filter ids", "Flat", false, false, 1, call_filter_ids},
    {"filter bitmap", "Flat", false, false, 1, call_filter_bitmap},
    {"filter callback", "Flat", false, false, 1, call_filter_callback},
    {"filter not", "Flat", false, false, 1, call_filter_not},
    {"filter and", "Flat", false, false, 1, call_filter_and},
    {"filter or", "Flat", false, false, 1, call_filter_or},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

static void world_begin(struct world *w, const struct scenario *s)
{
	*w = (struct world){.options = KITH_SEARCH_OPTIONS, .removed = -1};
	w->out_index = NOWHERE;
	w->out_ranges = NOWHERE;
	w->out_filter = NOWHERE;
	w->out_stream = NOWHERE;
	OK(kith_index_new(&w->index, DIM, KITH_L2, s->spec));
	OK(kith_index_add(w->index, N, x, s->listed ? some_ids : NULL, NULL));
	OK(kith_filter_range(&w->a, 0, 1000));
	OK(kith_filter_bitmap(&w->b, N, bits));
	OK(kith_filter_bitmap(&w->which, N, bits));
	w->options.threads = s->threads;
	w->options.filter = s->filtered ? w->which : NULL;
	OK(kith_knn_stream_new(&w->stream, DIM, KITH_L2, KITH_F32, NQ, q, K, &w->options));
}

static void world_end(struct world *w)
{
	kith_index_free(w->index);
	kith_knn_stream_free(w->stream);
	kith_filter_free(w->a);
	kith_filter_free(w->b);
	kith_filter_free(w->which);
}

static void free_results(struct world *w)
{
	if (w->out_index != NOWHERE)
		kith_index_free(w->out_index);
	if (w->out_ranges != NOWHERE)
		kith_ranges_free(w->out_ranges);
	if (w->out_filter != NOWHERE)
		kith_filter_free(w->out_filter);
	if (w->out_stream != NOWHERE)
		kith_knn_stream_free(w->out_stream);
}

/* Everything is where it was, and the index can still be filled, searched and emptied. */
static void check_unchanged(struct world *w, const struct scenario *s)
{
	float one[DIM];
	int64_t removed;
	REQUIRE(kith_index_size(w->index) == N && w->removed <= 0);
	OK(kith_index_search(w->index, NQ, q, K, w->dist, w->ids, NULL));
	REQUIRE(!memcmp(w->dist, want_dist, sizeof want_dist));
	for (int64_t i = 0; i < NQ * K; i++)
		REQUIRE(w->ids[i] == (s->listed ? some_ids[want_ids[i]] : want_ids[i]));
	for (int64_t i = 0; i < N; i += 100) {
		int64_t id = s->listed ? some_ids[i] : i;
		OK(kith_index_get(w->index, 1, &id, one));
		REQUIRE(!memcmp(one, x + i * DIM, sizeof one));
	}
	OK(kith_index_add(w->index, 100, x, NULL, NULL));
	REQUIRE(kith_index_has(w->index, (s->listed ? some_ids[N - 1] + 1 : N) + 99));
	OK(kith_index_remove(w->index, w->which, &removed));
	REQUIRE(kith_index_size(w->index) == N + 100 - removed);
}

static bool out_is_null(const struct world *w)
{
	return (w->out_index == NOWHERE || !w->out_index) && (w->out_ranges == NOWHERE || !w->out_ranges) &&
	       (w->out_filter == NOWHERE || !w->out_filter) && (w->out_stream == NOWHERE || !w->out_stream);
}

/* Allocation i of the call fails; false: it makes fewer. */
static bool attempt(const struct scenario *s, int64_t i, bool sticky)
{
	struct world w;
	int64_t live = alloc_live();
	world_begin(&w, s);
	alloc_fail_at(i, sticky);
	kith_status status = s->call(&w);
	bool reached = alloc_count() >= i;
	alloc_fail_at(0, false);
	/* Float queries of a byte index are turned to bytes if there is memory; it goes without, too. */
	bool optional = strcmp(s->spec, "U8") == 0 && status == KITH_OK && reached;
	if (reached && !optional) {
		if (status != KITH_NOMEM || !out_is_null(&w))
			ck_abort_msg("%s: allocation %lld fails%s: %s", s->name, (long long)i,
			    sticky ? " with all after it" : "",
			    status == KITH_NOMEM ? "something is given out" : kith_status_name(status));
		REQUIRE(strstr(kith_last_error(), "memory"));
		if (s->call == call_stream_feed)
			FAILS(kith_knn_stream_get(w.stream, w.dist, w.ids), KITH_INVALID, "stream");
		check_unchanged(&w, s);
	} else if (status) {
		ck_abort_msg("%s: %s", s->name, kith_last_error());
	}
	if (optional)
		REQUIRE(!memcmp(w.ids, want_ids, (s->call == call_search ? NQ * K : K) * sizeof *w.ids));
	free_results(&w);
	world_end(&w);
	if (alloc_live() != live)
		ck_abort_msg("%s: allocation %lld fails%s: %lld blocks leak", s->name, (long long)i,
		    sticky ? " with all after it" : "", (long long)(alloc_live() - live));
	return reached;
}

START_TEST(faults)
{
	struct rng rng = {1};
	x = make(N * DIM, sizeof *x);
	q = make(NQ * DIM, sizeof *q);
	for (int64_t i = 0; i < N * DIM; i++)
		x[i] = (float)rng_below(&rng, 256);
	for (int64_t i = 0; i < NQ * DIM; i++)
		q[i] = (float)rng_below(&rng, 256);
	for (int64_t i = 0; i < N; i++)
		some_ids[i] = 2 * i + 1;
	memset(bits, 0x5a, sizeof bits);
	kith_index *index = make_index(DIM, KITH_L2, "Flat", N, x);
	OK(kith_index_search(index, NQ, q, K, want_dist, want_ids, NULL));
	kith_index_free(index);
	for (int sticky = 0; sticky < 2; sticky++) {
		int64_t i = 1;
		while (attempt(&scenarios[_i], i, sticky))
			i++;
		/* Something was tried: only an update needs no memory. */
		REQUIRE(i > 1 || scenarios[_i].call == call_update);
	}
	free(x);
	free(q);
	REQUIRE(alloc_live() == 0);
}
END_TEST

/* What was reserved is there: adding moves nothing and holds no more memory. */
START_TEST(reserved)
{
	float *y = make(1000 * DIM, sizeof *y);
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, _i ? "U8" : "Flat"));
	OK(kith_index_reserve(index, 1000));
	size_t memory = kith_index_memory(index);
	int64_t live = alloc_live();
	for (int i = 0; i < 1000; i += 100)
		OK(kith_index_add(index, 100, y, NULL, NULL));
	REQUIRE(kith_index_size(index) == 1000);
	REQUIRE(kith_index_memory(index) == memory && alloc_live() == live);
	kith_index_free(index);
	free(y);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults");
	TCase *t = tcase_create("faults");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, faults, 0, SCENARIOS);
	tcase_add_loop_test(t, reserved, 0, 2);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
