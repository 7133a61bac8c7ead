/* Whose turn it is: an index is read by many at a time or changed by one, and a call that comes in between is
 * refused and does no harm. */
#include <kith/kith.h>

#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { DIM = 16, N = 600, K = 5 };

static const char *const specs[] = {"Flat", "IVF4,Flat", "HNSW4", "PQ4,RFlat"};
enum { SPECS = sizeof specs / sizeof *specs };

static kith_index *build(const char *spec, const float *x)
{
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	return index;
}

/* ---- calls from within a call ---- */

struct within {
	kith_index *index;
	const float *x;
	bool changing;
	int calls;
};

static int try_calls(void *data, const char *stage, int64_t done, int64_t total)
{
	struct within *w = data;
	float dist[K], x[DIM];
	int64_t ids[K], id = 3, removed;
	kith_filter *all;
	(void)stage;
	(void)done;
	(void)total;
	w->calls++;
	OK(kith_filter_range(&all, 0, N));
	if (w->changing) {
		FAILS(kith_index_search(w->index, 1, w->x, K, dist, ids, NULL), KITH_BUSY, "changed");
		FAILS(kith_index_get(w->index, 1, &id, x), KITH_BUSY, "changed");
		FAILS(kith_index_ids(w->index, ids), KITH_BUSY, "changed");
		FAILS(kith_index_add(w->index, 1, w->x, NULL, NULL), KITH_BUSY, "changed");
	} else {
		OK(kith_index_search(w->index, 1, w->x, K, dist, ids, NULL));
		OK(kith_index_get(w->index, 1, &id, x));
		FAILS(kith_index_add(w->index, 1, w->x, NULL, NULL), KITH_BUSY, "read");
	}
	FAILS(kith_index_update(w->index, 1, w->x, &id), KITH_BUSY, "index");
	FAILS(kith_index_remove(w->index, all, &removed), KITH_BUSY, "index");
	FAILS(kith_index_reorder(w->index, NULL), KITH_BUSY, "index");
	FAILS(kith_index_train(w->index, N, w->x, NULL), KITH_BUSY, "index");
	FAILS(kith_index_tag_set(w->index, "a", "b"), KITH_BUSY, "index");
	kith_filter_free(all);
	return 0;
}

START_TEST(from_within)
{
	float *x = make_gauss(5, N, DIM), dist[20 * K];
	int64_t ids[20 * K], removed;
	kith_index *index = build(specs[_i], x);
	struct within w = {.index = index, .x = x};
	kith_search_options search = KITH_SEARCH_OPTIONS;
	kith_add_options add = KITH_ADD_OPTIONS;
	search.threads = add.threads = 1;
	search.progress = add.progress = try_calls;
	search.progress_data = add.progress_data = &w;
	OK(kith_index_search(index, 20, x, K, dist, ids, &search));
	w.changing = true;
	int reads = w.calls;
	OK(kith_index_add(index, 100, x, NULL, &add));
	ck_assert(reads > 0 && w.calls > reads);
	/* And then it goes on as ever. */
	kith_filter *some;
	OK(kith_filter_range(&some, N, N + 100));
	OK(kith_index_remove(index, some, &removed));
	ck_assert_int_eq(removed, 100);
	ck_assert_int_eq(kith_index_size(index), N);
	ck_assert(!kith_index_tag(index, "a"));
	OK(kith_index_search(index, 1, x, K, dist, ids, NULL));
	kith_filter_free(some);
	kith_index_free(index);
	free(x);
}
END_TEST

/* ---- threads ---- */

struct crowd {
	kith_index *index;
	const float *x;
	_Atomic bool over;
	_Atomic int64_t found, refused;
};

static void *search_all_along(void *data)
{
	struct crowd *c = data;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = 1;
	for (int64_t i = 0; !atomic_load(&c->over); i = (i + 1) % N) {
		float dist[K];
		int64_t ids[K];
		kith_status status = kith_index_search(c->index, 1, c->x + i * DIM, K, dist, ids, &options);
		ck_assert(status == KITH_OK || status == KITH_BUSY);
		atomic_fetch_add(status ? &c->refused : &c->found, 1);
		nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL); /* or nobody could ever change it */
	}
	return NULL;
}

/* One changes, three search; whoever is refused tries again. */
START_TEST(crowd)
{
	enum { SEARCHERS = 3, CHANGES = 40, ADDED = 10 };
	float *x = make_gauss(6, N, DIM);
	struct crowd c = {.index = build(specs[_i], x), .x = x};
	kith_add_options options = KITH_ADD_OPTIONS;
	pthread_t thread[SEARCHERS];
	options.threads = 1;
	for (int i = 0; i < SEARCHERS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, search_all_along, &c), 0);
	for (int i = 0; i < CHANGES;) {
		kith_status status = kith_index_add(c.index, ADDED, x, NULL, &options);
		ck_assert(status == KITH_OK || status == KITH_BUSY);
		i += status == KITH_OK;
	}
	while (atomic_load(&c.found) == 0)
		;
	atomic_store(&c.over, true);
	for (int i = 0; i < SEARCHERS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_int_eq(kith_index_size(c.index), N + CHANGES * ADDED);
	kith_index_free(c.index);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("turns");
	TCase *tcase = tcase_create("turns");
	tcase_set_timeout(tcase, 100);
	tcase_add_loop_test(tcase, from_within, 0, SPECS);
	tcase_add_loop_test(tcase, crowd, 0, SPECS);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
