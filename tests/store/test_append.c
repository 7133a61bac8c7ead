/* Appending to index files: what was appended is there when the file is opened, and is what the index was;
 * what was not completed is not, and is said; nothing else of the file is touched. Processes are killed while
 * they save and append. KITH_TEST_KILLS=200 kills more of them. */
#include "tests/store/sample.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dirent.h>

#include "lib/base/alloc.h"

static char folder[SCRATCH_FOLDER], path[SCRATCH_PATH], other[SCRATCH_PATH];

static void setup(void)
{
	scratch_make(folder);
	scratch_path(path, folder, "a.kith");
	scratch_path(other, folder, "b.kith");
}

static void teardown(void)
{
	unlink(path);
	unlink(other);
	REQUIRE(rmdir(folder) == 0);
}

static kith_index *open_file(int flags)
{
	kith_index *index;
	OK(kith_index_open(&index, path, flags));
	return index;
}

static size_t file_size(void)
{
	struct stat st;
	REQUIRE(stat(path, &st) == 0);
	return (size_t)st.st_size;
}

/* A file of n vectors; the index is thrown away. */
static bool put(const char *spec, kith_metric metric, int64_t n, bool listed)
{
	kith_index *index = build(spec, metric, n, listed);
	if (!index)
		return false;
	struct bytes b = bytes_of(index, NULL);
	write_file(path, b.data, b.n);
	free(b.data);
	kith_index_free(index);
	return true;
}

/* Changes of every kind, others for every step. */
static void change(kith_index *index, int step)
{
	float *x = make_data(100 + (uint64_t)step, 7);
	int64_t ids[2];
	char text[16];
	kith_filter *some;
	OK(kith_index_add(index, 5, x, NULL, NULL));
	ids[0] = 100000 + 10 * step;
	ids[1] = 90000 - 10 * step;
	OK(kith_index_add(index, 2, x + 5 * DIM, ids, NULL));
	OK(kith_index_update(index, 2, x + 2 * DIM, ids));
	OK(kith_filter_range(&some, 30 + 9 * step, 36 + 9 * step));
	OK(kith_index_remove(index, some, NULL));
	kith_filter_free(some);
	snprintf(text, sizeof text, "%d", step);
	OK(kith_index_tag_set(index, "step", text));
	OK(kith_index_tag_set(index, text, "x"));
	if (step)
		OK(kith_index_tag_set(index, "0", NULL));
	free(x);
}

/* Opening gives what the index is, in every way to open. */
static void check_file(const kith_index *index, const char *note)
{
	static const int flags[] = {
	    0, KITH_MMAP, KITH_MMAP | KITH_VERIFY, KITH_MMAP | KITH_READONLY, KITH_UPDATE};
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		kith_index *opened = open_file(flags[i]);
		same(index, opened);
		same_bytes(index, opened);
		REQUIRE(note ? strstr(kith_index_note(opened), note) != NULL : !*kith_index_note(opened));
		kith_index_free(opened);
	}
}

START_TEST(appended)
{
	/* Each takes a dozen syncs. */
	for (int way = 0; way < 4; way++) {
		if (!put(specs[_i], metrics[way % 3], way & 1 ? 0 : 129, way & 2))
			return;
		struct bytes before = read_file(path), after;
		kith_index *index = open_file(way == 1 || way == 2 ? KITH_UPDATE : KITH_UPDATE | KITH_MMAP);
		OK(kith_index_append(index, path));
		REQUIRE(file_size() == before.n);
		for (int step = 0; step < 3; step++) {
			change(index, step);
			OK(kith_index_append(index, path));
			check_file(index, NULL);
			if (step == 1) { /* by another */
				kith_index_free(index);
				index = open_file(KITH_UPDATE);
			}
		}
		after = read_file(path);
		REQUIRE(after.n > before.n && !memcmp(before.data, after.data, before.n));
		/* Saved, it is one again, and can be appended to. */
		OK(kith_index_save(index, path));
		check_file(index, NULL);
		struct bytes whole = bytes_of(index, NULL);
		REQUIRE(file_size() == whole.n);
		change(index, 5);
		OK(kith_index_append(index, path));
		check_file(index, NULL);
		free(whole.data);
		free(before.data);
		free(after.data);
		kith_index_free(index);
	}
}
END_TEST

/* What is appended costs what it is. */
START_TEST(size_of_an_append)
{
	enum { SOME = 10 };
	REQUIRE(put("Flat", KITH_L2, N, false));
	float *x = make_data(1, SOME);
	kith_index *index = open_file(KITH_UPDATE);
	size_t before = file_size();
	OK(kith_index_add(index, SOME, x, NULL, NULL));
	OK(kith_index_append(index, path));
	REQUIRE(file_size() - before == 2 * 64 + 32 + SOME * DIM * sizeof *x);
	free(x);
	kith_index_free(index);
}
END_TEST

START_TEST(refusals)
{
	kith_index *index, *second;
	kith_filter *all;
	REQUIRE(put("IVF7,SQ8", KITH_L2, N, false));
	FAILS(kith_index_append(NULL, path), KITH_INVALID, "index");
	index = open_file(0);
	FAILS(kith_index_append(index, path), KITH_INVALID, "not opened for updates");
	kith_index_free(index);
	index = open_file(KITH_UPDATE);
	FAILS(kith_index_append(index, NULL), KITH_INVALID, "path");
	change(index, 0);
	FAILS(kith_index_append(index, other), KITH_NOTFOUND, other);
	FAILS(kith_index_append(index, folder), KITH_IO, folder);
	/* Another file; then somebody else's append. */
	struct bytes b = bytes_of(index, NULL);
	write_file(other, b.data, b.n);
	free(b.data);
	FAILS(kith_index_append(index, other), KITH_INVALID, "not the file");
	write_file(other, "short", 5);
	FAILS(kith_index_append(index, other), KITH_INVALID, "not the file");
	second = open_file(KITH_UPDATE);
	change(second, 1);
	OK(kith_index_append(second, path));
	FAILS(kith_index_append(index, path), KITH_STALE, "somebody else");
	check_file(second, NULL);
	/* What cannot be told. */
	OK(kith_filter_range(&all, 0, INT64_MAX));
	OK(kith_index_remove(second, all, NULL));
	float *x = make_data(5, N);
	OK(kith_index_train(second, N, x, NULL));
	FAILS(kith_index_append(second, path), KITH_INVALID, "trained");
	OK(kith_index_save(second, path));
	change(second, 2);
	OK(kith_index_append(second, path));
	check_file(second, NULL);
	/* After saving elsewhere that is where it goes. */
	OK(kith_index_save(second, other));
	change(second, 3);
	FAILS(kith_index_append(second, path), KITH_INVALID, "not the file");
	OK(kith_index_append(second, other));
	/* A change that failed is none. */
	kith_index_free(index);
	index = open_file(KITH_UPDATE);
	size_t before = file_size();
	int64_t twice[2] = {700, 700};
	FAILS(kith_index_add(index, 2, x, twice, NULL), KITH_INVALID, "700");
	OK(kith_index_append(index, path));
	REQUIRE(file_size() == before);
	/* While another process appends. */
	int fd = open(path, O_RDWR);
	REQUIRE(fd >= 0 && flock(fd, LOCK_EX) == 0);
	change(index, 6);
	FAILS(kith_index_append(index, path), KITH_IO, "another process");
	close(fd);
	OK(kith_index_append(index, path));
	check_file(index, NULL);
	kith_filter_free(all);
	free(x);
	kith_index_free(index);
	kith_index_free(second);
}
END_TEST

/* ---- incomplete and damaged logs ---- */

/* Index and file sizes after each append. */
enum { STEPS = 3 };

static void make_steps(const char *spec, kith_index *stage[STEPS + 1], size_t size[STEPS + 1])
{
	REQUIRE(put(spec, KITH_L2, 40, false));
	kith_index *index = open_file(KITH_UPDATE);
	for (int step = 0; step <= STEPS; step++) {
		size[step] = file_size();
		OK(kith_index_clone(&stage[step], index));
		if (step < STEPS) {
			change(index, step);
			OK(kith_index_append(index, path));
		}
	}
	kith_index_free(index);
}

START_TEST(cut_off)
{
	kith_index *stage[STEPS + 1], *index;
	size_t size[STEPS + 1];
	make_steps(small_specs[_i], stage, size);
	struct bytes b = read_file(path);
	int step = STEPS;
	for (size_t n = size[STEPS]; n > size[0]; n -= sanitized ? 7 : 1) {
		while (n < size[step])
			step--;
		REQUIRE(truncate(path, (off_t)n) == 0);
		index = open_file(n % 2 ? 0 : KITH_MMAP);
		same_bytes(stage[step], index);
		REQUIRE((n == size[step]) == !*kith_index_note(index));
		REQUIRE(n == size[step] || strstr(kith_index_note(index), "not completed"));
		kith_index_free(index);
		if (n < (sanitized ? 7 : 1) + size[0])
			break;
	}
	/* Zeros where the system had not written yet; and the next append takes their place. */
	write_file(path, b.data, size[STEPS]);
	REQUIRE(truncate(path, (off_t)(size[1] + 200)) == 0 && truncate(path, (off_t)size[2]) == 0);
	check_file(stage[1], "not completed");
	index = open_file(KITH_UPDATE);
	for (step = 1; step < STEPS; step++) {
		change(index, step);
		OK(kith_index_append(index, path));
		check_file(index, NULL);
	}
	same_bytes(index, stage[STEPS]);
	REQUIRE(file_size() == size[STEPS]);
	kith_index_free(index);
	for (step = 0; step <= STEPS; step++)
		kith_index_free(stage[step]);
	free(b.data);
}
END_TEST

/* Every bit of the log: opening fails, or says that something was dropped: never less than it was silently.
 */
START_TEST(flipped)
{
	kith_index *stage[STEPS + 1], *index;
	size_t size[STEPS + 1];
	make_steps(small_specs[_i], stage, size);
	struct bytes b = read_file(path);
	int fd = open(path, O_RDWR);
	REQUIRE(fd >= 0);
	for (size_t bit = 8 * size[0]; bit < 8 * size[STEPS]; bit += sanitized ? 29 : 3) {
		char bad = b.data[bit / 8] ^ (char)(1 << bit % 8);
		REQUIRE(pwrite(fd, &bad, 1, (off_t)(bit / 8)) == 1);
		kith_status status = kith_index_open(&index, path, bit % 2 ? KITH_MMAP : 0);
		if (status == KITH_OK) {
			REQUIRE(bit / 8 >= size[STEPS] - 64 && *kith_index_note(index));
			same_bytes(index, stage[STEPS - 1]);
		}
		REQUIRE(status == KITH_OK || (status == KITH_FORMAT && strstr(kith_last_error(), "append")));
		kith_index_free(index);
		REQUIRE(pwrite(fd, &b.data[bit / 8], 1, (off_t)(bit / 8)) == 1);
	}
	close(fd);
	free(b.data);
	for (int step = 0; step <= STEPS; step++)
		kith_index_free(stage[step]);
}
END_TEST

START_TEST(no_room)
{
	struct rlimit before, limit;
	kith_index *stage[STEPS + 1], *index;
	size_t size[STEPS + 1];
	make_steps("IVF3,Flat", stage, size);
	index = open_file(KITH_UPDATE);
	change(index, STEPS);
	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
	for (rlim_t max = size[STEPS]; max < size[STEPS] + 700; max += 50) {
		limit = (struct rlimit){max, before.rlim_max};
		REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
		kith_status status = kith_index_append(index, path);
		REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
		REQUIRE(status == KITH_IO && file_size() == size[STEPS]);
	}
	check_file(stage[STEPS], NULL);
	OK(kith_index_append(index, path));
	check_file(index, NULL);
	kith_index_free(index);
	for (int step = 0; step <= STEPS; step++)
		kith_index_free(stage[step]);
}
END_TEST

/* ---- kills ---- */

/* What a killed process does: adds and appends, saves now and then, and tells each step that succeeded. */
static void work(int told, int first)
{
	kith_index *index = open_file(first % 2 ? KITH_UPDATE : KITH_UPDATE | KITH_MMAP);
	for (int step = first;; step++) {
		change(index, step);
		OK(step % 4 == 3 ? kith_index_save(index, path) : kith_index_append(index, path));
		REQUIRE(write(told, &step, sizeof step) == sizeof step);
	}
}

/* Steps that a process completed which was killed after so many µs; −1 + first: none. */
static int kill_one(int first, unsigned us)
{
	int pipes[2], step, last = first - 1;
	REQUIRE(pipe(pipes) == 0);
	pid_t child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		close(pipes[0]);
		work(pipes[1], first);
	}
	close(pipes[1]);
	usleep(us);
	REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	while (read(pipes[0], &step, sizeof step) == sizeof step)
		last = step;
	close(pipes[0]);
	return last;
}

/* Temporaries that killed processes left. */
static void sweep(void)
{
	char name[SCRATCH_FOLDER + 257];
	DIR *dir = opendir(folder);
	REQUIRE(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		if (strncmp(entry->d_name, ".kith-", 6) == 0) {
			snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
			unlink(name);
		}
	closedir(dir);
}

START_TEST(killed)
{
	struct rng rng = {9};
	int next = 0, kills = (int)test_setting("KITH_TEST_KILLS", sanitized ? 5 : 20);
	REQUIRE(put("IVF3,SQ8", KITH_L2, 200, false));
	kith_index *twin = open_file(0);
	for (int i = 0; i < kills; i++) {
		int last = kill_one(next, (unsigned)rng_below(&rng, i % 2 ? 3000 : 30000));
		kith_index *opened = open_file(KITH_VERIFY);
		const char *text = kith_index_tag(opened, "step");
		int there = text ? atoi(text) : -1;
		/* What was told is there; the next one may be, too. */
		if (there != last && there != last + 1)
			ck_abort_msg("kill %d: step %d of %d", i, there, last);
		for (; next <= there; next++)
			change(twin, next);
		same_bytes(twin, opened);
		kith_index_free(opened);
		sweep();
	}
	kith_index_free(twin);
}
END_TEST

/* ---- failed allocations ---- */

static bool attempt(int64_t i, bool sticky)
{
	kith_index *index = NULL;
	int64_t live = alloc_live();
	float x[2 * DIM] = {1};
	REQUIRE(put("IVF7,SQ4,RFlat", KITH_L2, 129, true));
	size_t before = file_size();
	kith_filter *some;
	OK(kith_filter_range(&some, 100, 130));
	alloc_fail_at(i, sticky);
	kith_status status = kith_index_open(&index, path, KITH_UPDATE);
	if (status == KITH_OK)
		status = kith_index_add(index, 2, x, NULL, NULL);
	if (status == KITH_OK)
		status = kith_index_remove(index, some, NULL);
	if (status == KITH_OK)
		status = kith_index_tag_set(index, "a", "b");
	if (status == KITH_OK)
		status = kith_index_append(index, path);
	bool reached = alloc_count() >= i;
	alloc_fail_at(0, false);
	kith_filter_free(some);
	REQUIRE(status == (reached ? KITH_NOMEM : KITH_OK));
	if (reached)
		REQUIRE(file_size() == before);
	else
		check_file(index, NULL);
	kith_index_free(index);
	REQUIRE(alloc_live() == live);
	return reached;
}

START_TEST(no_memory)
{
	for (int sticky = 0; sticky < 2; sticky++)
		for (int64_t i = 1; attempt(i, sticky); i++)
			;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("append");
	TCase *t = tcase_create("append");
	tcase_set_timeout(t, 300);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, appended, 0, SPECS);
	tcase_add_test(t, size_of_an_append);
	tcase_add_test(t, refusals);
	tcase_add_loop_test(t, cut_off, 0, SMALL);
	tcase_add_loop_test(t, flipped, 0, SMALL);
	tcase_add_test(t, no_room);
	tcase_add_test(t, killed);
	tcase_add_test(t, no_memory);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
