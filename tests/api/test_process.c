/* Threads and processes: many threads search one index, a forked child goes on searching, each thread has its
 * own error message. */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 12000, DIM = 20, NQ = 130, K = 6, WORKERS = 6 };

/* An index, queries, and what they find. */
struct world {
	float *x, *q;
	kith_index *index;
	float dist[NQ * K];
	int64_t ids[NQ * K], total;
};

static struct world *world_new(void)
{
	struct world *w = make(1, sizeof *w);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_ranges *ranges;
	options.threads = 2;
	w->x = make_gauss(1, N, DIM);
	w->q = make_gauss(2, NQ, DIM);
	w->index = make_index(DIM, KITH_L2, "Flat", N, w->x);
	OK(kith_index_search(w->index, NQ, w->q, K, w->dist, w->ids, &options));
	OK(kith_index_range(w->index, NQ, w->q, 15, &ranges, &options));
	w->total = kith_ranges_total(ranges);
	kith_ranges_free(ranges);
	return w;
}

static void world_free(struct world *w)
{
	kith_index_free(w->index);
	free(w->x);
	free(w->q);
	free(w);
}

/* All ways to search once more; false: other results, or a failure. Asserts nothing: it may run in any thread
 * or process. */
static bool search_again(const struct world *w, int threads)
{
	float dist[NQ * K];
	int64_t ids[NQ * K];
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_ranges *ranges;
	options.threads = threads;
	bool same = kith_index_search(w->index, NQ, w->q, K, dist, ids, &options) == KITH_OK &&
	            !memcmp(dist, w->dist, sizeof dist) && !memcmp(ids, w->ids, sizeof ids);
	for (int i = 0; i < 5; i++)
		same = same &&
		       kith_index_search(w->index, 1, w->q + i * DIM, K, dist, ids, &options) == KITH_OK &&
		       !memcmp(ids, w->ids + i * K, K * sizeof *ids);
	same = same &&
	       kith_knn(DIM, KITH_L2, KITH_F32, N, w->x, NQ, w->q, K, dist, ids, &options) == KITH_OK &&
	       !memcmp(dist, w->dist, sizeof dist) && !memcmp(ids, w->ids, sizeof ids);
	same = same && kith_index_range(w->index, NQ, w->q, 15, &ranges, &options) == KITH_OK;
	if (same) {
		same = kith_ranges_total(ranges) == w->total;
		kith_ranges_free(ranges);
	}
	return same;
}

static int child_result(const struct world *w, int threads)
{
	pid_t child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		alarm(60); /* a child that hangs dies of it */
		_exit(search_again(w, threads) ? 0 : 1);
	}
	int status;
	REQUIRE(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

START_TEST(forked)
{
	struct world *w = world_new();
	for (int threads = 0; threads < 4; threads++) {
		ck_assert_int_eq(child_result(w, threads), 0);
		REQUIRE(search_again(w, 2));
	}
	world_free(w);
}
END_TEST

/* A grandchild, and a child of a process that has not searched yet. */
START_TEST(forked_twice)
{
	struct world *w = world_new();
	pid_t child = fork();
	if (child == 0) {
		alarm(60);
		_exit(child_result(w, 2) == 0 && search_again(w, 3) ? 0 : 1);
	}
	int status;
	REQUIRE(waitpid(child, &status, 0) == child);
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	world_free(w);
}
END_TEST

struct worker {
	const struct world *w;
	int number;
	bool good;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	worker->good = true;
	for (int i = 0; i < 3; i++)
		worker->good = worker->good && search_again(worker->w, 1 + (worker->number + i) % 3);
	return NULL;
}

START_TEST(concurrent)
{
	struct world *w = world_new();
	struct worker workers[WORKERS];
	pthread_t threads[WORKERS];
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){w, i, false};
		REQUIRE(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
	}
	for (int i = 0; i < WORKERS; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
	for (int i = 0; i < WORKERS; i++)
		REQUIRE(workers[i].good);
	world_free(w);
}
END_TEST

/* Message of a failure of this thread, after those of the others. */
static void *fail_alone(void *arg)
{
	struct worker *worker = arg;
	char word[32];
	kith_index *index;
	snprintf(word, sizeof word, "dim is -%d;", worker->number);
	worker->good = kith_last_error()[0] == '\0';
	for (int i = 0; i < 1000; i++) {
		kith_status status = kith_index_new(&index, -worker->number, KITH_L2, "Flat");
		worker->good = worker->good && status == KITH_INVALID && strstr(kith_last_error(), word);
	}
	return NULL;
}

START_TEST(messages)
{
	struct worker workers[WORKERS];
	pthread_t threads[WORKERS];
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){NULL, i + 1, false};
		REQUIRE(pthread_create(&threads[i], NULL, fail_alone, &workers[i]) == 0);
	}
	for (int i = 0; i < WORKERS; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
	for (int i = 0; i < WORKERS; i++)
		REQUIRE(workers[i].good);
	ck_assert_str_eq(kith_last_error(), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("process");
	TCase *t = tcase_create("process");
	tcase_set_timeout(t, 300);
	tcase_add_test(t, forked);
	tcase_add_test(t, forked_twice);
	tcase_add_test(t, concurrent);
	tcase_add_test(t, messages);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
