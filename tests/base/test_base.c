/* The ground floor: checked sizes, allocation and buffers, progress, running tasks. */
#include "tests/support/support.h"

/* An old name of Check's for ck_abort_msg. */
#undef fail

#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/base/hash.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

START_TEST(size_arithmetic)
{
	size_t out = 1;
	REQUIRE(size_mul(0, SIZE_MAX, &out) && out == 0);
	REQUIRE(size_mul(SIZE_MAX, 1, &out) && out == SIZE_MAX);
	REQUIRE(size_mul(SIZE_MAX / 2, 2, &out) && out == SIZE_MAX - 1);
	REQUIRE(!size_mul(SIZE_MAX / 2 + 1, 2, &out));
	REQUIRE(!size_mul(SIZE_MAX, SIZE_MAX, &out));
	REQUIRE(size_add(SIZE_MAX, 0, &out) && out == SIZE_MAX);
	REQUIRE(size_add(5, 6, &out) && out == 11);
	REQUIRE(!size_add(SIZE_MAX, 1, &out));
}
END_TEST

START_TEST(allocation)
{
	int64_t live = alloc_live();
	static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 3 << 20};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char *p = mem_alloc(sizes[i], 1), *z = mem_zalloc(1, sizes[i]);
		REQUIRE(p && z && (uintptr_t)p % 64 == 0 && (uintptr_t)z % 64 == 0);
		for (size_t j = 0; j < sizes[i]; j++)
			REQUIRE(z[j] == 0);
		memset(p, 1, sizes[i]);
		REQUIRE(alloc_live() == live + 2);
		mem_free(p);
		mem_free(z);
	}
	mem_free(NULL);
	REQUIRE(alloc_live() == live);
	REQUIRE(!mem_alloc(SIZE_MAX, 2) && !mem_alloc(SIZE_MAX / 2, 2) && !mem_alloc(SIZE_MAX, 1));
	REQUIRE(!mem_zalloc((size_t)1 << 62, 4));
	char *copy = mem_strdup("kith");
	ck_assert_str_eq(copy, "kith");
	mem_free(copy);
	REQUIRE(alloc_live() == live);
}
END_TEST

START_TEST(arenas)
{
	REQUIRE(align64(0) == 0 && align64(1) == 64 && align64(64) == 64 && align64(65) == 128);
	REQUIRE(align64(SIZE_MAX - 63) == SIZE_MAX - 63 && align64(SIZE_MAX - 62) == SIZE_MAX);
	struct arena count = {NULL, 0};
	REQUIRE(!arena_take(&count, 3, 5) && !arena_take(&count, 0, 8) && !arena_take(&count, 20, 8));
	REQUIRE(count.used == 64 + 192);
	struct arena arena = {mem_alloc(count.used, 1), 0};
	char *first = arena_take(&arena, 3, 5), *none = arena_take(&arena, 0, 8),
	     *last = arena_take(&arena, 20, 8);
	REQUIRE(first == arena.memory && none == first + 64 && last == none && arena.used == count.used);
	mem_free(arena.memory);
	/* What cannot be counted cannot be allocated, whatever follows. */
	REQUIRE(!arena_take(&count, INT64_MAX, 8) && count.used == SIZE_MAX);
	REQUIRE(!arena_take(&count, 1, 8) && count.used == SIZE_MAX && !mem_alloc(count.used, 1));
	count = (struct arena){NULL, SIZE_MAX - 100};
	REQUIRE(!arena_take(&count, 1, 100) && count.used == SIZE_MAX);
}
END_TEST

START_TEST(failing)
{
	void *p;
	alloc_fail_at(2, false);
	p = mem_alloc(1, 1);
	REQUIRE(p && !mem_alloc(1, 1));
	mem_free(p);
	p = mem_alloc(1, 1);
	REQUIRE(p && alloc_count() == 3);
	mem_free(p);
	alloc_fail_at(1, true);
	REQUIRE(!mem_alloc(1, 1) && !mem_zalloc(1, 1) && !mem_strdup(""));
	alloc_fail_at(0, true);
	p = mem_alloc(1, 1);
	REQUIRE(p);
	mem_free(p);
}
END_TEST

/* Byte i of a buffer that has been filled up to n. */
static char mark(size_t i)
{
	return (char)(i * 31 + (i >> 9));
}

static void check_marks(const struct buffer *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		REQUIRE(b->data[i] == mark(i));
}

/* Growing from bytes through the border between heap and mapping, in uneven steps. */
START_TEST(buffer_grows)
{
	struct buffer b = {0};
	size_t n = 0, moves = 0;
	int64_t live = alloc_live();
	buffer_free(&b);
	while (n < 6 << 20) {
		size_t more = 1 + n / 9, before = b.capacity;
		REQUIRE(buffer_reserve(&b, n + more, _i));
		REQUIRE(b.capacity >= n + more && (uintptr_t)b.data % 64 == 0);
		REQUIRE(alloc_live() == live + 1);
		moves += b.capacity != before;
		for (size_t i = n; i < n + more; i++)
			b.data[i] = mark(i);
		n += more;
		if (n < 70000 || n > 6 << 20)
			check_marks(&b, n);
		/* Less changes nothing. */
		char *data = b.data;
		REQUIRE(buffer_reserve(&b, n / 2, _i) && b.data == data);
	}
	check_marks(&b, n);
	REQUIRE(moves > 3);
	if (_i == 4)
		REQUIRE(moves < 45);
	buffer_free(&b);
	REQUIRE(!b.data && b.capacity == 0 && alloc_live() == live);
}
END_TEST

START_TEST(buffer_copies)
{
	struct buffer from = {0}, to = {0};
	int64_t live = alloc_live();
	OK(buffer_copy(&to, &from, 10, "nothing"));
	REQUIRE(!to.data);
	REQUIRE(buffer_reserve(&from, 1000, 0));
	for (size_t i = 0; i < 1000; i++)
		from.data[i] = mark(i);
	alloc_fail_at(1, false);
	FAILS(buffer_copy(&to, &from, 900, "a thing"), KITH_NOMEM, "a thing");
	REQUIRE(!to.data);
	alloc_fail_at(0, false);
	OK(buffer_copy(&to, &from, 900, "a thing"));
	REQUIRE(to.data != from.data && to.capacity >= 900);
	check_marks(&to, 900);
	buffer_free(&to);
	buffer_free(&from);
	REQUIRE(alloc_live() == live);
}
END_TEST

START_TEST(buffer_fails)
{
	static const size_t sizes[] = {100, 5000, 2 << 20, 8 << 20};
	struct buffer b = {0};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct buffer before = b;
		alloc_fail_at(1, false);
		REQUIRE(!buffer_reserve(&b, sizes[i], 0));
		REQUIRE(b.data == before.data && b.capacity == before.capacity);
		REQUIRE(!buffer_reserve(&b, SIZE_MAX, 0) && !buffer_reserve(&b, SIZE_MAX / 2, 4));
		REQUIRE(b.data == before.data && b.capacity == before.capacity);
		check_marks(&b, before.capacity);
		alloc_fail_at(0, false);
		REQUIRE(buffer_reserve(&b, sizes[i], 0));
		for (size_t j = before.capacity; j < b.capacity; j++)
			b.data[j] = mark(j);
	}
	buffer_free(&b);
}
END_TEST

/* Small, in a mapping, and large enough that the system clears it; what is behind stays. */
START_TEST(buffer_clears)
{
	static const size_t sizes[] = {0, 100, 3 << 20, (64 << 20) + 4096};
	struct buffer b = {0};
	size_t n = sizes[_i], more = n + 8192;
	REQUIRE(buffer_reserve(&b, more, 0));
	for (size_t j = 0; j < more; j++)
		b.data[j] = (char)(1 + j % 7);
	buffer_clear(&b, n);
	for (size_t j = 0; j < n; j++)
		REQUIRE(b.data[j] == 0);
	REQUIRE(b.data[more - 1] == (char)(1 + (more - 1) % 7));
	buffer_free(&b);
	buffer_clear(&b, 0);
}
END_TEST

/* What others have mapped must not fall back to what is on the disk. */
START_TEST(borrowed_clears)
{
	size_t n = (size_t)65 << 20;
	char *data = mem_alloc(n, 1);
	ck_assert_ptr_nonnull(data);
	memset(data, 7, n);
	struct buffer b = {0};
	buffer_borrow(&b, data, n, true);
	buffer_clear(&b, n - 1);
	for (size_t j = 0; j < n - 1; j++)
		REQUIRE(data[j] == 0);
	REQUIRE(data[n - 1] == 7);
	buffer_free(&b);
	mem_free(data);
}
END_TEST

/* A part of a block that grows leaves its neighbours as they are, and counts as memory all the time. */
START_TEST(borrowed_grows)
{
	enum { PART = 10000, PARTS = 5 };
	struct buffer block = {0}, part[PARTS] = {0};
	int64_t live = alloc_live();
	ck_assert(buffer_reserve(&block, PART * PARTS, 0));
	for (int i = 0; i < PARTS; i++) {
		memset(block.data + i * PART, i + 1, PART);
		buffer_borrow(&part[i], block.data + i * PART, PART, false);
		ck_assert_uint_eq(buffer_memory(&part[i]), PART);
	}
	alloc_fail_at(1, true);
	ck_assert(!buffer_reserve(&part[2], PART + 1, 1) && part[2].borrowed);
	alloc_fail_at(0, false);
	ck_assert(buffer_reserve(&part[2], PART + 1, 1) && !part[2].borrowed);
	ck_assert(buffer_reserve(&part[3], (size_t)4 << 20, 0) && !part[3].borrowed);
	for (int i = 0; i < PARTS; i++)
		for (int j = 0; j < PART; j++)
			REQUIRE(part[i].data[j] == i + 1);
	for (int i = 0; i < PARTS; i++)
		buffer_free(&part[i]);
	buffer_free(&block);
	ck_assert_int_eq(alloc_live(), live);
}
END_TEST

/* ---- hashes ---- */

/* Whatever the pieces are, and whatever they are hashed with. */
START_TEST(hash_of_pieces)
{
	enum { MAX = 5000 };
	static char bytes[MAX];
	XXH3_state_t *state = mem_alloc(1, sizeof *state);
	ck_assert_ptr_nonnull(state);
	for (int i = 0; i < MAX; i++)
		bytes[i] = (char)(i * 37 + i / 256);
	for (size_t piece = 1; piece < MAX; piece += 1 + piece / 3)
		for (size_t n = 0; n <= MAX; n += 1 + n / 2) {
			XXH3_64bits_reset(state);
			for (size_t at = 0; at < n; at += piece)
				hash_update(state, bytes + at, n - at < piece ? n - at : piece);
			REQUIRE(XXH3_64bits_digest(state) == XXH3_64bits(bytes, n));
		}
	mem_free(state);
}
END_TEST

/* ---- progress ---- */

struct told {
	int calls, cancel_at;
	int64_t last;
};

static int tell(void *data, const char *stage, int64_t done, int64_t total)
{
	struct told *told = data;
	ck_assert_str_eq(stage, "stage");
	REQUIRE(done >= told->last && done <= total && total == 1000);
	told->last = done;
	return ++told->calls == told->cancel_at;
}

START_TEST(progress_tells)
{
	struct progress p;
	struct told told = {0};
	progress_begin(&p, tell, &told, "stage", 1000);
	REQUIRE(told.calls == 1 && told.last == 0);
	for (int i = 0; i < 100; i++)
		REQUIRE(progress_add(&p, 5));
	REQUIRE(told.calls <= 3); /* not every time */
	/* But again after a while. */
	int calls = told.calls;
	struct timespec pause = {0, 60 * 1000 * 1000};
	nanosleep(&pause, NULL);
	REQUIRE(progress_add(&p, 5) && told.calls == calls + 1 && told.last == 505);
	REQUIRE(!progress_cancelled(&p));
	OK(progress_end(&p));
	REQUIRE(told.last == 1000);
}
END_TEST

START_TEST(progress_cancels)
{
	struct progress p;
	struct told told = {.cancel_at = 1};
	progress_begin(&p, tell, &told, "stage", 1000);
	REQUIRE(!progress_add(&p, 5) && !progress_add(&p, 5) && progress_cancelled(&p));
	FAILS(progress_end(&p), KITH_CANCELLED, "stage");
	REQUIRE(told.calls == 1); /* who has cancelled is left in peace */
	told = (struct told){.cancel_at = 2};
	progress_begin(&p, tell, &told, "stage", 1000);
	FAILS(progress_end(&p), KITH_CANCELLED, "stage");
	progress_begin(&p, NULL, NULL, "stage", 1000);
	REQUIRE(progress_add(&p, 2000));
	OK(progress_end(&p));
}
END_TEST

/* ---- threads ---- */

enum { TASKS = 500 };

struct job {
	_Atomic int runs[TASKS], busy[64];
	_Atomic int64_t last;
	int threads;
	bool ordered;
};

static void task(void *arg, int64_t number, int worker)
{
	struct job *job = arg;
	REQUIRE(worker >= 0 && worker < job->threads);
	REQUIRE(atomic_fetch_add(&job->busy[worker], 1) == 0); /* a worker does one thing at a time */
	atomic_fetch_add(&job->runs[number], 1);
	job->ordered = job->ordered && (job->threads > 1 || number == job->last + 1);
	job->last = number;
	atomic_fetch_sub(&job->busy[worker], 1);
}

START_TEST(tasks)
{
	static const int threads[] = {1, 2, 3, 16};
	static const int64_t counts[] = {0, 1, 2, 5, TASKS};
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 5; j++) {
			struct job job = {.last = -1, .threads = threads[i], .ordered = true};
			threads_run(threads[i], counts[j], task, &job);
			REQUIRE(job.ordered);
			for (int64_t k = 0; k < TASKS; k++)
				REQUIRE(job.runs[k] == (k < counts[j]));
		}
	REQUIRE(threads_resolve(3) == 3 && threads_resolve(1) == 1 && threads_resolve(0) >= 1);
	int inside[2] = {0, 0};
#pragma omp parallel num_threads(2)
	inside[omp_get_thread_num()] = threads_resolve(3);
	/* No threads of ours inside somebody's parallel region. */
	REQUIRE(inside[0] == 1 && inside[1] <= 1);
}
END_TEST

START_TEST(messages)
{
	char longer[2000];
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	REQUIRE(fail(KITH_IO, "%s", longer) == KITH_IO && strlen(kith_last_error()) == 511);
	REQUIRE(fail(KITH_INVALID, "n is %d", 5) == KITH_INVALID);
	ck_assert_str_eq(kith_last_error(), "n is 5");
	FAILS(fail_nomem("apples", 17), KITH_NOMEM, "17 bytes of apples");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base");
	TCase *t = tcase_create("base");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, size_arithmetic);
	tcase_add_test(t, allocation);
	tcase_add_test(t, arenas);
	tcase_add_test(t, failing);
	tcase_add_loop_test(t, buffer_grows, 0, 5);
	tcase_add_test(t, buffer_copies);
	tcase_add_test(t, buffer_fails);
	tcase_add_loop_test(t, buffer_clears, 0, 4);
	tcase_add_test(t, borrowed_clears);
	tcase_add_test(t, borrowed_grows);
	tcase_add_test(t, hash_of_pieces);
	tcase_add_test(t, progress_tells);
	tcase_add_test(t, progress_cancels);
	tcase_add_test(t, tasks);
	tcase_add_test(t, messages);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
