/* Threads that do everything an index can be asked at once, for ThreadSanitizer (./run test --tsan):
 * searchers, one that changes, one that clones, one that saves and exports, one that opens the file that is
 * being saved. Changes get BUSY and are tried again. The index is as it was made, or mapped from a file and
 * not validated yet. Without the sanitizer it still checks that nothing crashes, that every call succeeds or
 * is BUSY, and that what is found is there.
 */
#include <kith/kith.h>

#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DIM = 16, N = 900, GONE = 60, K = 5, ADDED = 7, CHANGES = 12 };

static const char *const specs[] = {"Flat", "IVF8,SQ8", "IVF8_HNSW4,PQ4x4", "HNSW6", "HNSW6,SQ8",
    "PCA8,HNSW6,SQ8,RFlat", "IVF8,Flat,RFlat", "Shards2(HNSW6)", "Shards2(IVF4,PQ4x4,RFlat)"};
enum { SPECS = sizeof specs / sizeof *specs };

struct crowd {
	kith_index *index;
	const float *x;
	const char *path, *exported;
	_Atomic bool over;
	_Atomic int64_t searched, cloned, saved, opened;
};

static void pause_briefly(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* Whether it was this call's turn. */
static bool had_it(kith_status status)
{
	if (status != KITH_OK && status != KITH_BUSY)
		ck_abort_msg("%s", kith_last_error());
	if (status == KITH_BUSY)
		pause_briefly();
	return status == KITH_OK;
}

static int pass(void *data, int64_t id)
{
	(void)data;
	return id % 5 > 0;
}

/* Once, in every way. */
static void search_once(struct crowd *c, int64_t i, const kith_filter *filter)
{
	float dist[2 * K], x[DIM];
	int64_t ids[2 * K], id = N - 1;
	kith_ranges *ranges;
	kith_lists_info lists = {.size = sizeof lists};
	kith_index_counters counters = {.size = sizeof counters};
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = i % 3 == 0 ? 2 : 1;
	options.filter = i % 2 ? filter : NULL;
	if (had_it(kith_index_search(c->index, 2, c->x + i % N * DIM, K, dist, ids, &options))) {
		atomic_fetch_add(&c->searched, 1);
		REQUIRE(ids[0] >= 0 && ids[K] >= 0);
	}
	if (had_it(kith_index_range(c->index, 1, c->x + i % N * DIM, 8, &ranges, &options)))
		kith_ranges_free(ranges);
	had_it(kith_index_get(c->index, 1, &id, x));
	had_it(kith_index_stats(c->index, &counters));
	kith_status status = kith_index_lists(c->index, &lists);
	REQUIRE(status == KITH_UNSUPPORTED || status == KITH_OK || status == KITH_BUSY);
	kith_index_stats_reset(c->index);
}

static void *search_all_along(void *data)
{
	struct crowd *c = data;
	kith_filter *filter;
	OK(kith_filter_callback(&filter, pass, NULL));
	for (int64_t i = 0; !atomic_load(&c->over) || atomic_load(&c->searched) < 4; i++) {
		search_once(c, i, filter);
		pause_briefly(); /* or nobody could ever change it */
	}
	kith_filter_free(filter);
	return NULL;
}

static void *clone_all_along(void *data)
{
	struct crowd *c = data;
	kith_index *clone;
	float dist[K];
	int64_t ids[K];
	while (!atomic_load(&c->over) || !atomic_load(&c->cloned)) {
		if (had_it(kith_index_clone(&clone, c->index))) {
			OK(kith_index_add(clone, 1, c->x, NULL, NULL));
			OK(kith_index_search(clone, 1, c->x, K, dist, ids, NULL));
			kith_index_free(clone);
			atomic_fetch_add(&c->cloned, 1);
		}
		pause_briefly();
	}
	return NULL;
}

static void *save_all_along(void *data)
{
	struct crowd *c = data;
	while (!atomic_load(&c->over) || !atomic_load(&c->saved)) {
		if (had_it(kith_index_save(c->index, c->path)))
			atomic_fetch_add(&c->saved, 1);
		kith_status status = kith_index_export_faiss(c->index, c->exported);
		REQUIRE(status == KITH_OK || status == KITH_BUSY || status == KITH_UNSUPPORTED);
		pause_briefly();
	}
	return NULL;
}

/* What was saved is whole, whatever else goes on. */
static void *open_all_along(void *data)
{
	struct crowd *c = data;
	kith_index *index;
	float dist[K];
	int64_t ids[K];
	for (int64_t i = 0; !atomic_load(&c->over) || i < 2; i++) {
		OK(kith_index_open(&index, c->path, i % 2 ? KITH_MMAP : KITH_VERIFY));
		OK(kith_index_search(index, 1, c->x, K, dist, ids, NULL));
		if (i % 4 == 3)
			OK(kith_index_add(index, 1, c->x, NULL, NULL));
		kith_index_free(index);
		atomic_fetch_add(&c->opened, 1);
		pause_briefly();
	}
	return NULL;
}

/* One change, number i; whether it was made. */
static bool change_once(struct crowd *c, int i, const kith_filter *few)
{
	kith_add_options options = KITH_ADD_OPTIONS;
	const int64_t id = N - 2;
	int64_t removed;
	options.threads = 1 + i % 2;
	switch (i % 6) {
	case 0:
		return had_it(kith_index_add(c->index, ADDED, c->x, NULL, &options));
	case 1:
		return had_it(kith_index_update(c->index, 1, c->x, &id));
	case 2:
		return had_it(kith_index_remove(c->index, few, &removed));
	case 3:
		return had_it(
		    kith_index_tag_set(c->index, "n", i % 4 ? "odd" : "a longer text than the other"));
	case 4:
		return had_it(kith_index_reorder(c->index, &options));
	default:
		return had_it(kith_index_compact(c->index, &options));
	}
}

static void run_crowd(struct crowd *c)
{
	void *(*const roles[])(void *) = {
	    search_all_along, search_all_along, clone_all_along, save_all_along, open_all_along};
	enum { ROLES = sizeof roles / sizeof *roles };
	pthread_t thread[ROLES];
	kith_filter *few;
	OK(kith_filter_range(&few, N - 40, N - 30));
	for (int i = 0; i < ROLES; i++)
		REQUIRE(pthread_create(&thread[i], NULL, roles[i], c) == 0);
	for (int i = 0; i < CHANGES; i += change_once(c, i, few))
		;
	atomic_store(&c->over, true);
	for (int i = 0; i < ROLES; i++)
		pthread_join(thread[i], NULL);
	REQUIRE(kith_index_size(c->index) == N - GONE - 10 + ADDED * ((CHANGES + 5) / 6));
	REQUIRE(c->searched && c->cloned && c->saved && c->opened);
	kith_filter_free(few);
}

/* With vectors removed, so that graphs keep maps. */
static void crowd_of(const char *spec, int flags)
{
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH], exported[SCRATCH_PATH];
	float *x = make_gauss(6, N + 1, DIM);
	struct crowd c = {.x = x, .path = path, .exported = exported};
	kith_filter *gone;
	int64_t removed;
	scratch_make(folder);
	scratch_path(path, folder, "index");
	scratch_path(exported, folder, "exported");
	OK(kith_index_new(&c.index, DIM, KITH_L2, spec));
	OK(kith_index_train(c.index, N, x, NULL));
	OK(kith_index_add(c.index, N, x, NULL, NULL));
	OK(kith_filter_range(&gone, 0, GONE));
	OK(kith_index_remove(c.index, gone, &removed));
	OK(kith_index_save(c.index, path));
	if (flags) {
		kith_index_free(c.index);
		OK(kith_index_open(&c.index, path, flags));
	}
	run_crowd(&c);
	kith_filter_free(gone);
	kith_index_free(c.index);
	scratch_remove(folder);
	free(x);
}

START_TEST(plain)
{
	crowd_of(specs[_i], 0);
}
END_TEST

START_TEST(mapped)
{
	crowd_of(specs[_i], KITH_MMAP | KITH_UPDATE);
}
END_TEST

/* Two first changes of a mapped index at once, and searches. */
struct first {
	kith_index *index;
	const float *x;
	pthread_barrier_t *start;
};

static void *change_first(void *data)
{
	struct first *f = data;
	pthread_barrier_wait(f->start);
	while (!had_it(kith_index_add(f->index, 1, f->x, NULL, NULL)))
		;
	return NULL;
}

static void *search_first(void *data)
{
	struct first *f = data;
	float dist[K], x[DIM];
	int64_t ids[K], id = N - 1;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = 1;
	pthread_barrier_wait(f->start);
	for (int i = 0; i < 3; i++) {
		had_it(kith_index_search(f->index, 1, f->x + i * DIM, K, dist, ids, &options));
		had_it(kith_index_get(f->index, 1, &id, x));
	}
	return NULL;
}

START_TEST(first_changes)
{
	enum { THREADS = 4, ROUNDS = 4 };
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];
	float *x = make_gauss(6, N, DIM);
	struct first f = {.x = x};
	kith_index *built;
	kith_filter *gone;
	int64_t removed;
	scratch_make(folder);
	scratch_path(path, folder, "index");
	OK(kith_index_new(&built, DIM, KITH_L2, specs[_i]));
	OK(kith_index_train(built, N, x, NULL));
	OK(kith_index_add(built, N, x, NULL, NULL));
	OK(kith_filter_range(&gone, 0, GONE));
	OK(kith_index_remove(built, gone, &removed));
	OK(kith_index_save(built, path));
	for (int round = 0; round < ROUNDS; round++) {
		pthread_t thread[THREADS];
		pthread_barrier_t start;
		pthread_barrier_init(&start, NULL, THREADS);
		f.start = &start;
		OK(kith_index_open(&f.index, path, KITH_MMAP));
		for (int i = 0; i < THREADS; i++)
			REQUIRE(
			    pthread_create(&thread[i], NULL, i % 2 ? change_first : search_first, &f) == 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
		REQUIRE(kith_index_size(f.index) == N - GONE + THREADS / 2);
		kith_index_free(f.index);
		pthread_barrier_destroy(&start);
	}
	kith_filter_free(gone);
	kith_index_free(built);
	scratch_remove(folder);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("races");
	TCase *tcase = tcase_create("races");
	tcase_set_timeout(tcase, 200);
	tcase_add_loop_test(tcase, plain, 0, SPECS);
	tcase_add_loop_test(tcase, mapped, 0, SPECS);
	tcase_add_loop_test(tcase, first_changes, 0, SPECS);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
