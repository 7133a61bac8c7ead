/* Stopping long calls. Every look at the progress calls the callback here, not only those that are due, so a
 * test can count looks, and cancel at any of them. What is tested of each structure and each kind of call:
 * looks are many, as many as its vectors ask for; after a cancel nothing looks any more, the status says so,
 * and the index is the same to the last byte and does afterwards what it would have done before. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/progress.h"
#include "tests/structure/common.h"
#include "tests/support/bytes.h"

enum { DIM = 24, N = 2600, BEGUN = 401, NQ = 150, K = 10 };

struct stop {
	int64_t looks, cancel_at; /* 0: never */
	int64_t after;            /* looks after the cancel */
	int64_t done;
	const char *stage;
};

static int on_look(void *data, const char *stage, int64_t done, int64_t total)
{
	struct stop *stop = data;
	REQUIRE(stage && done >= 0 && done <= total);
	stop->after += stop->cancel_at && stop->looks >= stop->cancel_at;
	stop->stage = stage;
	stop->done = done;
	return ++stop->looks == stop->cancel_at;
}

/* A call on an index, and how many looks it takes at least. */
struct call {
	const char *name;
	kith_status (*run)(kith_index *index, const float *x, kith_add_options *options);
	kith_index *(*make)(const char *spec, kith_metric metric, const float *x);
};

static kith_index *make_empty(const char *spec, kith_metric metric, const float *x)
{
	(void)x;
	kith_index *index;
	OK(kith_index_new(&index, DIM, metric, spec));
	return index;
}

static kith_index *make_ready(const char *spec, kith_metric metric, const float *x)
{
	return make_trained(DIM, metric, spec, N, x);
}

/* A few vectors, so that more are inserted one by one, and blocks are begun. */
static kith_index *make_begun(const char *spec, kith_metric metric, const float *x)
{
	kith_index *index = make_trained(DIM, metric, spec, N, x);
	OK(kith_index_add(index, BEGUN, x + (size_t)(N - BEGUN) * DIM, NULL, NULL));
	return index;
}

static kith_index *make_full(const char *spec, kith_metric metric, const float *x)
{
	return make_filled(DIM, metric, spec, N, x);
}

static kith_index *make_holed(const char *spec, kith_metric metric, const float *x)
{
	kith_index *index = make_full(spec, metric, x);
	kith_filter *gone;
	int64_t removed;
	OK(kith_filter_range(&gone, 100, 700));
	OK(kith_index_remove(index, gone, &removed));
	kith_filter_free(gone);
	return index;
}

/* 300 vectors too near one another for the keys that others are compared by. */
static kith_status add_near(kith_index *index, const float *x, kith_add_options *options)
{
	enum { SOME = 300 };
	float *y = make((size_t)SOME * DIM, sizeof *y);
	for (int64_t i = 0; i < (int64_t)SOME * DIM; i++)
		y[i] = 100 + x[i] / 1000;
	kith_status status = kith_index_add(index, SOME, y, NULL, options);
	free(y);
	return status;
}

/* The next such add has all linked anew, and removed ones leave before. */
static kith_index *make_near(const char *spec, kith_metric metric, const float *x)
{
	kith_index *index = make_trained(DIM, metric, spec, N, x);
	kith_filter *gone;
	int64_t removed;
	OK(kith_index_add(index, 1000, x, NULL, NULL));
	for (int64_t i = 1; i <= 3; i++)
		OK(add_near(index, x + i * 300 * DIM, NULL));
	OK(kith_filter_range(&gone, 100, 200));
	OK(kith_index_remove(index, gone, &removed));
	kith_filter_free(gone);
	return index;
}

static kith_status train(kith_index *index, const float *x, kith_add_options *options)
{
	return kith_index_train(index, N, x, options);
}

static kith_status add(kith_index *index, const float *x, kith_add_options *options)
{
	return kith_index_add(index, N - BEGUN, x, NULL, options);
}

static kith_status add_some(kith_index *index, const float *x, kith_add_options *options)
{
	return kith_index_add(index, 300, x, NULL, options);
}

static kith_status compact(kith_index *index, const float *x, kith_add_options *options)
{
	(void)x;
	return kith_index_compact(index, options);
}

static kith_status reorder(kith_index *index, const float *x, kith_add_options *options)
{
	(void)x;
	return kith_index_reorder(index, options);
}

static kith_status search(kith_index *index, const float *x, kith_add_options *options)
{
	float dist[NQ * K];
	int64_t ids[NQ * K];
	kith_search_options o = KITH_SEARCH_OPTIONS;
	o.progress = options->progress;
	o.progress_data = options->progress_data;
	o.threads = options->threads;
	o.nprobe = 16;
	return kith_index_search(index, NQ, x, K, dist, ids, &o);
}

static kith_status range(kith_index *index, const float *x, kith_add_options *options)
{
	kith_ranges *ranges;
	kith_search_options o = KITH_SEARCH_OPTIONS;
	o.progress = options->progress;
	o.progress_data = options->progress_data;
	o.threads = options->threads;
	o.nprobe = 16;
	kith_status status =
	    kith_index_range(index, NQ, x, kith_index_metric(index) == KITH_L2 ? 4 : 20, &ranges, &o);
	kith_ranges_free(ranges);
	return status;
}

static const struct call calls[] = {
    {"train", train, make_empty},
    {"add", add, make_ready},
    {"add to some", add, make_begun},
    {"add a few", add_some, make_holed},
    {"compact", compact, make_holed},
    {"reorder", reorder, make_full},
    {"search", search, make_full},
    {"range", range, make_full},
    {"add a few near ones", add_near, make_near},
};

enum { TRAIN, ADD, ADD_TO_SOME, ADD_FEW, COMPACT, REORDER, SEARCH, RANGE, ADD_NEAR, CALLS };

/* Looks of a structure's calls, at least; 0: it has no such call, or none that takes time. Flat takes 64
 * vectors with a look; a k-means looks for each block of points, and for each centroid that it draws. */
static const struct kind {
	const char *spec;
	kith_metric metric;
	int64_t looks[CALLS];
} kinds[] = {
    {"Flat", KITH_L2, {0, 8, 8, 0, 0, 0, 3, 3}},
    {"SQ8", KITH_COSINE, {2, 8, 8, 0, 0, 0, 3, 3}},
    {"PQ4", KITH_L2, {100, 8, 8, 0, 0, 0, 3, 3}},
    {"IVF40,Flat", KITH_L2, {100, 60, 60, 0, 0, 0, 20, 20}},
    {"IVF40,SQ8", KITH_IP, {100, 60, 60, 0, 0, 0, 20, 20}},
    {"IVF30_HNSW4,PQ4", KITH_L2, {300, 60, 60, 0, 0, 0, 20, 20}},
    {"PCAR12,Flat", KITH_L2, {20, 20, 20, 0, 0, 0, 3, 3}},
    {"OPQ4_16,IVF20,PQ4", KITH_L2, {300, 60, 60, 0, 0, 0, 20, 20}},
    {"RR24,SQ8", KITH_L2, {20, 20, 20, 0, 0, 0, 3, 3}},
    {"PQ4,RFlat", KITH_L2, {100, 20, 20, 0, 0, 0, 30, 30}},
    {"IVF16,PQ4,Refine(SQ8)", KITH_COSINE, {100, 40, 40, 0, 0, 0, 30, 30}},
    {"HNSW6", KITH_L2, {0, 300, 300, 60, 10, 3, 20, 20, 1500}},
    {"HNSW6,SQ8", KITH_COSINE, {2, 300, 300, 60, 10, 3, 20, 20}},
    {"HNSW6", KITH_IP, {0, 300, 300, 60, 10, 3, 20, 20}},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static float *cloud(void)
{
	float *x = make_cloud(3, N, DIM, 6);
	for (int64_t i = 0; i < 40; i++) /* empty clusters, for k-means to fill */
		memcpy(x + (500 + i) * DIM, x, DIM * sizeof *x);
	return x;
}

/* The call once more on a copy of `index`, cancelled at a look of it. */
static void cancel_once(const kith_index *index, const struct call *call, const float *x,
    kith_add_options options, int64_t at, const struct bytes *before, const struct bytes *result)
{
	kith_index *copy;
	struct stop stop = {.cancel_at = at};
	OK(kith_index_clone(&copy, index));
	options.progress_data = &stop;
	kith_status status = call->run(copy, x, &options);
	if (status != KITH_CANCELLED || stop.after)
		ck_abort_msg("%s of %s, cancelled at look %lld during %s: status %d, %lld looks after it",
		    call->name, kith_index_describe(index), (long long)at, stop.stage, (int)status,
		    (long long)stop.after);
	struct bytes after = saved_bytes(copy);
	if (after.n != before->n || memcmp(after.data, before->data, after.n) != 0)
		ck_abort_msg("%s of %s, cancelled at look %lld during %s: the index has changed", call->name,
		    kith_index_describe(index), (long long)at, stop.stage);
	free(after.data);
	options.progress = NULL;
	OK(call->run(copy, x, &options));
	after = saved_bytes(copy);
	REQUIRE(after.n == result->n && memcmp(after.data, result->data, after.n) == 0);
	free(after.data);
	kith_index_free(copy);
}

static void check_call(const struct kind *kind, int number, int threads, const float *x)
{
	const struct call *call = &calls[number];
	const int64_t tries = test_long() ? 200 : sanitized ? 2 : 3;
	kith_index *index = call->make(kind->spec, kind->metric, x), *copy;
	kith_add_options options = KITH_ADD_OPTIONS;
	struct stop stop = {.looks = 0};
	options.threads = threads;
	options.progress = on_look;
	options.progress_data = &stop;
	struct bytes before = saved_bytes(index);
	OK(kith_index_clone(&copy, index));
	OK(call->run(copy, x, &options));
	struct bytes result = saved_bytes(copy);
	kith_index_free(copy);
	if (stop.looks < kind->looks[number])
		ck_abort_msg("%s of %s looks %lld times, expected %lld at least", call->name, kind->spec,
		    (long long)stop.looks, (long long)kind->looks[number]);
	/* With more threads than one the number of looks is another each time: not the last ones. */
	int64_t looks = threads == 1 ? stop.looks : stop.looks / 2;
	for (int64_t i = 0; i < tries && i < looks; i++) {
		int64_t at = i == tries - 1 ? looks : 1 + i * looks / tries;
		cancel_once(index, call, x, options, at, &before, &result);
	}
	free(before.data);
	free(result.data);
	kith_index_free(index);
}

START_TEST(cancelled)
{
	float *x = cloud();
	progress_set_period(0);
	for (int number = 0; number < CALLS; number++)
		if (kinds[_i].looks[number]) {
			check_call(&kinds[_i], number, 1, x);
			if (number == ADD || number == SEARCH)
				check_call(&kinds[_i], number, 3, x);
		}
	free(x);
}
END_TEST

/* k-means in its forms, which are more than indexes use. */
START_TEST(kmeans)
{
	enum { CENTROIDS = 90 };
	float *x = cloud(), centroids[CENTROIDS * DIM];
	int32_t *labels = make(N, sizeof *labels);
	progress_set_period(0);
	for (int form = 0; form < 6; form++) {
		kith_kmeans_options options = KITH_KMEANS_OPTIONS;
		struct stop stop = {.looks = 0};
		options.hierarchical = form % 2;
		options.init = form / 2 == 1 ? KITH_KMEANS_RANDOM : KITH_KMEANS_PLUSPLUS;
		options.max_points = form / 2 == 2 ? 20 : 0;
		options.threads = 1;
		options.iterations = 4;
		options.progress = on_look;
		options.progress_data = &stop;
		OK(kith_kmeans(DIM, N, x, CENTROIDS, centroids, labels, NULL, NULL, &options));
		int64_t looks = stop.looks;
		REQUIRE(looks > 60);
		for (int64_t at = 1; at <= looks; at += 1 + looks / 12) {
			stop = (struct stop){.cancel_at = at};
			labels[0] = -7;
			centroids[0] = -7;
			FAILS(kith_kmeans(DIM, N, x, CENTROIDS, centroids, labels, NULL, NULL, &options),
			    KITH_CANCELLED, "cancel");
			REQUIRE(stop.after == 0 && labels[0] == -7 && centroids[0] == -7);
		}
	}
	free(labels);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stop");
	TCase *tcase = tcase_create("stop");
	tcase_set_timeout(tcase, 600);
	tcase_add_loop_test(tcase, cancelled, 0, KINDS);
	tcase_add_test(tcase, kmeans);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
