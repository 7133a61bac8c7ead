/* Several who have one file open: what one has put into it is not lost when another saves or appends. Stale
 * saves and appends are refused, also after a copy was put back; whatever was reported as done is in the file
 * in the end, with processes that append, save and are killed in any order; what killed ones leave is
 * removed. Long form: more processes, for a minute. */
#include "lib/store/vecs.h"
#include "tests/store/sample.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[SCRATCH_FOLDER], path[SCRATCH_PATH], other[SCRATCH_PATH];

static void setup(void)
{
	scratch_make(folder);
	scratch_path(path, folder, "a.kith");
	scratch_path(other, folder, "b.kith");
}

static void teardown(void)
{
	scratch_remove(folder);
}

static kith_index *open_file(const char *name, int flags)
{
	kith_index *index;
	OK(kith_index_open(&index, name, flags));
	return index;
}

/* One vector of that id more. */
static void add(kith_index *index, int64_t id)
{
	float x[DIM] = {(float)(id % 50), 1};
	OK(kith_index_add(index, 1, x, &id, NULL));
}

static bool file_has(const char *name, int64_t id)
{
	kith_index *index = open_file(name, KITH_VERIFY);
	bool has = kith_index_has(index, id);
	kith_index_free(index);
	return has;
}

/* A file of some vectors, 0 … 39. */
static void put(void)
{
	kith_index *index = build("IVF3,Flat", KITH_L2, 40, false);
	REQUIRE(index);
	OK(kith_index_save(index, path));
	kith_index_free(index);
}

static void copy_file(const char *from, const char *to)
{
	struct bytes b = read_file(from);
	write_file(to, b.data, b.n);
	free(b.data);
}

static uint64_t generation(const kith_index *index)
{
	kith_file_info info = {.size = sizeof info};
	OK(kith_index_file(index, &info));
	return info.generation;
}

/* ---- one after another ---- */

static const int ways[] = {0, KITH_UPDATE, KITH_MMAP, KITH_UPDATE | KITH_MMAP, KITH_READONLY};
enum { WAYS = sizeof ways / sizeof *ways };

START_TEST(grown)
{
	put();
	kith_index *a = open_file(path, KITH_UPDATE), *b = open_file(path, ways[_i]), *copy;
	OK(kith_index_clone(&copy, b));
	add(a, 1001);
	OK(kith_index_append(a, path));
	FAILS(kith_index_save(b, path), KITH_STALE, "appended");
	FAILS(kith_index_save(copy, path), KITH_STALE, "appended");
	REQUIRE(file_has(path, 1001));
	/* Who appended knows what is there. */
	OK(kith_index_save(a, path));
	FAILS(kith_index_save(b, path), KITH_STALE, "replaced");
	REQUIRE(file_has(path, 1001));
	/* Elsewhere, and where it is wanted. */
	OK(kith_index_save(b, other));
	FAILS(kith_index_save(b, path), KITH_STALE, "replaced");
	kith_save_options options = KITH_SAVE_OPTIONS;
	FAILS(kith_index_save_as(b, path, &options), KITH_STALE, "replaced");
	options.overwrite = 1;
	OK(kith_index_save_as(b, path, &options));
	REQUIRE(!file_has(path, 1001));
	OK(kith_index_save(b, path));
	FAILS(kith_index_save(a, path), KITH_STALE, "replaced");
	kith_index_free(a);
	kith_index_free(b);
	kith_index_free(copy);
}
END_TEST

/* Only what an index knew counts. */
START_TEST(not_stale)
{
	put();
	kith_index *stranger = build("Flat", KITH_L2, 10, false), *a = open_file(path, KITH_UPDATE), *b;
	add(a, 1001);
	OK(kith_index_append(a, path));
	/* It never read the file. */
	OK(kith_index_save(stranger, path));
	FAILS(kith_index_save(a, path), KITH_STALE, "replaced");
	/* The file is gone. */
	REQUIRE(unlink(path) == 0);
	OK(kith_index_save(a, path));
	/* Saved again and again; a copy of the very same is put in its place. */
	OK(kith_index_save(a, path));
	copy_file(path, other);
	REQUIRE(rename(other, path) == 0);
	OK(kith_index_save(a, path));
	b = open_file(path, 0);
	OK(kith_index_save(b, path));
	OK(kith_index_save(a, path));
	/* Bytes of an append that was not completed are nothing. */
	int fd = open(path, O_WRONLY | O_APPEND);
	REQUIRE(fd >= 0 && write(fd, "KITHLOG\nabc", 11) == 11 && close(fd) == 0);
	OK(kith_index_save(b, path));
	OK(kith_index_save(a, path));
	kith_index_free(stranger);
	kith_index_free(a);
	kith_index_free(b);
}
END_TEST

/* The file under other names: a symbolic link, a second name, a relative path. */
START_TEST(names)
{
	char link_path[SCRATCH_PATH], here[PATH_MAX];
	put();
	scratch_path(link_path, folder, "link.kith");
	REQUIRE(symlink("a.kith", link_path) == 0 && link(path, other) == 0 && getcwd(here, sizeof here));
	kith_index *a = open_file(path, KITH_UPDATE), *b = open_file(link_path, 0), *c = open_file(other, 0);
	add(a, 1001);
	OK(kith_index_append(a, other));
	FAILS(kith_index_save(b, path), KITH_STALE, "appended");
	FAILS(kith_index_save(b, link_path), KITH_STALE, "appended");
	FAILS(kith_index_save(c, path), KITH_STALE, "appended");
	REQUIRE(chdir(folder) == 0);
	FAILS(kith_index_save(b, "a.kith"), KITH_STALE, "appended");
	FAILS(kith_index_save(b, "./b.kith"), KITH_STALE, "appended");
	OK(kith_index_save(a, "a.kith"));
	REQUIRE(chdir(here) == 0);
	OK(kith_index_save(a, path));
	kith_index_free(a);
	kith_index_free(b);
	kith_index_free(c);
}
END_TEST

/* A copy of the file from before is put back, in place or as another file. */
START_TEST(put_back)
{
	put();
	copy_file(path, other);
	kith_index *a = open_file(path, KITH_UPDATE), *b;
	add(a, 1001);
	OK(kith_index_append(a, path));
	copy_file(other, path);
	b = open_file(path, KITH_UPDATE);
	add(b, 2001);
	OK(kith_index_append(b, path));
	add(a, 1002);
	FAILS(kith_index_append(a, path), KITH_STALE, "another log");
	FAILS(kith_index_save(a, path), KITH_STALE, "another log");
	REQUIRE(file_has(path, 2001) && !file_has(path, 1001));
	/* Nothing follows any more where it was. */
	copy_file(other, path);
	FAILS(kith_index_append(a, path), KITH_STALE, "another log");
	FAILS(kith_index_save(a, path), KITH_STALE, "another log");
	/* Another blob. */
	OK(kith_index_save(b, other));
	copy_file(other, path);
	FAILS(kith_index_append(a, path), KITH_STALE, "saved it anew");
	kith_index_free(a);
	kith_index_free(b);
}
END_TEST

/* Two logs of one length: a frame of the one does not follow in the other. */
START_TEST(transplanted)
{
	put();
	copy_file(path, other);
	const char *files[2] = {path, other};
	struct bytes b[2];
	kith_index *index;
	for (int i = 0; i < 2; i++) {
		index = open_file(files[i], KITH_UPDATE);
		add(index, 1001 + i);
		OK(kith_index_append(index, files[i]));
		add(index, 2001);
		OK(kith_index_append(index, files[i]));
		kith_index_free(index);
		b[i] = read_file(files[i]);
	}
	REQUIRE(b[0].n == b[1].n);
	size_t frame = 128 + 32 + 8 + DIM * sizeof(float);
	memcpy(b[0].data + b[0].n - frame, b[1].data + b[1].n - frame, frame);
	write_file(path, b[0].data, b[0].n);
	FAILS(kith_index_open(&index, path, 0), KITH_FORMAT, "append 2");
	free(b[0].data);
	free(b[1].data);
}
END_TEST

/* ---- generations ---- */

START_TEST(generations)
{
	put();
	kith_file_info info = {.size = sizeof info};
	uint64_t kept[4];
	size_t size[4];
	struct stat st;
	kith_index *index = open_file(path, KITH_UPDATE), *opened;
	for (int i = 0; i < 4; i++) {
		kept[i] = generation(index);
		REQUIRE(kept[i] != 0 && stat(path, &st) == 0);
		size[i] = (size_t)st.st_size;
		for (int j = 0; j < i; j++)
			REQUIRE(kept[j] != kept[i]);
		add(index, 100 + i);
		if (i < 3)
			OK(kith_index_append(index, path));
	}
	OK(kith_index_file(index, &info));
	REQUIRE(info.appends == 3 && (size_t)info.saved_bytes == size[0] && !info.worth_saving &&
	        (size_t)(info.saved_bytes + info.appended_bytes) == size[3] && !info.dropped_bytes);
	/* Everything that was there is there; what was cut off at the end of an append is noticed so only. */
	for (int i = 3; i >= 0; i--) {
		REQUIRE(truncate(path, (off_t)size[i]) == 0);
		for (int j = 0; j < 4; j++) {
			int flags = j % 2 ? KITH_MMAP : 0;
			if (j <= i) {
				OK(kith_index_open_at(&opened, path, flags, kept[j]));
				REQUIRE(generation(opened) == kept[i] && !*kith_index_note(opened));
				kith_index_free(opened);
			} else {
				FAILS(kith_index_open_at(&opened, path, flags, kept[j]), KITH_STALE,
				    "generation");
				REQUIRE(!opened);
			}
		}
	}
	OK(kith_index_save(index, other));
	FAILS(kith_index_open_at(&opened, other, 0, kept[3]), KITH_STALE, "saved anew");
	OK(kith_index_open_at(&opened, other, 0, generation(index)));
	kith_index_free(opened);
	kith_index_free(index);
	/* Not from a file. */
	index = build("Flat", KITH_L2, 10, false);
	FAILS(kith_index_file(index, &info), KITH_NOTFOUND, "opened");
	info.size = 1;
	FAILS(kith_index_file(index, &info), KITH_INVALID, "size");
	FAILS(kith_index_file(NULL, &info), KITH_INVALID, "index");
	FAILS(kith_index_file(index, NULL), KITH_INVALID, "info");
	kith_index_free(index);
}
END_TEST

START_TEST(long_log)
{
	enum { MANY = 40000 };
	put();
	kith_index *index = open_file(path, KITH_UPDATE), *opened;
	kith_file_info info = {.size = sizeof info};
	float *x = make(MANY * DIM, sizeof *x);
	OK(kith_index_add(index, MANY, x, NULL, NULL));
	OK(kith_index_append(index, path));
	opened = open_file(path, 0);
	REQUIRE(strstr(kith_index_note(opened), "save"));
	OK(kith_index_file(opened, &info));
	REQUIRE(info.worth_saving && info.appends == 1);
	kith_index_free(opened);
	OK(kith_index_save(index, path));
	OK(kith_index_file(index, &info));
	REQUIRE(!info.worth_saving && info.appends == 0);
	opened = open_file(path, 0);
	REQUIRE(!*kith_index_note(opened));
	kith_index_free(opened);
	kith_index_free(index);
	free(x);
}
END_TEST

/* ---- names of files ---- */

START_TEST(links)
{
	char link_path[SCRATCH_PATH], second[SCRATCH_PATH], below[SCRATCH_PATH], target[64];
	kith_index *index = build("Flat", KITH_L2, 10, false);
	struct stat st;
	/* Dangling: the file behind it is made, and it stays a link. Two in a row, an absolute one. */
	scratch_path(link_path, folder, "link");
	scratch_path(second, folder, "second");
	REQUIRE(symlink("second", link_path) == 0 && symlink(path, second) == 0);
	OK(kith_index_save(index, link_path));
	REQUIRE(lstat(link_path, &st) == 0 && S_ISLNK(st.st_mode));
	REQUIRE(lstat(second, &st) == 0 && S_ISLNK(st.st_mode));
	REQUIRE(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
	OK(kith_index_save(index, link_path));
	REQUIRE(lstat(link_path, &st) == 0 && S_ISLNK(st.st_mode));
	ssize_t n = readlink(link_path, target, sizeof target);
	REQUIRE(n == 6 && !memcmp(target, "second", 6));
	/* Into a folder that is not there, and in a circle. */
	REQUIRE(unlink(link_path) == 0 && unlink(second) == 0);
	REQUIRE(symlink("not/there", link_path) == 0 && symlink("second", second) == 0);
	FAILS(kith_index_save(index, link_path), KITH_IO, "link");
	FAILS(kith_index_save(index, second), KITH_IO, "second");
	/* No name of a file. */
	FAILS(kith_index_save(index, ""), KITH_INVALID, "empty");
	scratch_path(below, folder, "none/");
	FAILS(kith_index_save(index, below), KITH_IO, "directory");
	scratch_path(below, folder, "");
	FAILS(kith_index_save(index, below), KITH_IO, "directory");
	scratch_path(below, folder, "a.kith/x");
	FAILS(kith_index_save(index, below), KITH_IO, "a.kith");
	REQUIRE(scratch_count(folder) == 3);
	kith_index_free(index);
}
END_TEST

/* ---- who waits for whom ---- */

struct saver {
	kith_index *index;
	kith_status status;
};

static void *save_it(void *arg)
{
	struct saver *saver = arg;
	saver->status = kith_index_save(saver->index, path);
	return NULL;
}

/* A save waits for an append: here for a lock that is held as an append would. The append came first, and is
 * not lost. */
START_TEST(save_waits)
{
	put();
	kith_index *a = open_file(path, KITH_UPDATE);
	struct saver saver = {.index = open_file(path, 0)};
	pthread_t thread;
	int fd = open(path, O_RDWR);
	add(saver.index, 2001);
	REQUIRE(fd >= 0 && flock(fd, LOCK_EX) == 0);
	REQUIRE(pthread_create(&thread, NULL, save_it, &saver) == 0);
	usleep(100000);
	add(a, 1001);
	FAILS(kith_index_append(a, path), KITH_IO, "another process");
	REQUIRE(flock(fd, LOCK_UN) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0 && saver.status == KITH_OK);
	/* The file is another one now. */
	FAILS(kith_index_append(a, path), KITH_STALE, "saved it anew");
	close(fd);
	kith_index_free(a);
	kith_index_free(saver.index);
}
END_TEST

/* Threads that save one index over the file that it was opened from: none of them is stale. */
START_TEST(threads_save)
{
	enum { THREADS = 4, TIMES = 5 };
	put();
	kith_index *index = open_file(path, KITH_UPDATE);
	struct saver saver[THREADS];
	pthread_t thread[THREADS];
	for (int t = 0; t < TIMES; t++) {
		add(index, 100 + t);
		for (int i = 0; i < THREADS; i++) {
			saver[i].index = index;
			REQUIRE(pthread_create(&thread[i], NULL, save_it, &saver[i]) == 0);
		}
		for (int i = 0; i < THREADS; i++)
			REQUIRE(pthread_join(thread[i], NULL) == 0 && saver[i].status == KITH_OK);
		REQUIRE(file_has(path, 100 + t) && scratch_count(folder) == 1);
	}
	kith_index_free(index);
}
END_TEST

/* ---- temporaries ---- */

/* Leave a temporary as a killed save does; hold: be that save, still at work, until killed. */
static pid_t leave_temporary(const char *name, bool hold)
{
	int pipes[2];
	char byte;
	REQUIRE(pipe(pipes) == 0);
	pid_t child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		struct vecs_target target;
		OK(vecs_target_open(&target, name));
		REQUIRE(write(pipes[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	REQUIRE(read(pipes[0], &byte, 1) == 1);
	close(pipes[0]);
	close(pipes[1]);
	if (!hold)
		REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	return child;
}

START_TEST(temporaries)
{
	char foreign[SCRATCH_PATH];
	kith_index *index = build("Flat", KITH_L2, 10, false);
	scratch_path(foreign, folder, ".kith-17-3.tmp"); /* of version 1.0: nobody knows whose */
	write_file(foreign, "x", 1);
	for (int i = 0; i < 3; i++)
		leave_temporary(path, false);
	leave_temporary(other, false);
	pid_t alive = leave_temporary(path, true);
	REQUIRE(scratch_count(folder) == 3); /* each removes those before it */
	OK(kith_index_save(index, path));
	REQUIRE(scratch_count(folder) == 4);
	REQUIRE(kill(alive, SIGKILL) == 0 && waitpid(alive, NULL, 0) == alive);
	OK(kith_index_save(index, path));
	REQUIRE(scratch_count(folder) == 3); /* a.kith, the foreign one, that of the other file */
	OK(kith_index_save(index, other));
	REQUIRE(scratch_count(folder) == 3);
	kith_index_free(index);
}
END_TEST

/* ---- all at once ---- */

enum { WORKERS = 8, MAX_IDS = 1 << 16 };

/* What all processes see: the ids that were reported as being in the file, and how far each worker is. */
struct board {
	bool told[WORKERS][MAX_IDS];
	int next[WORKERS];
	int saved, appended, refused;
};

static void count(int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* Add a few vectors and put them into the file, by a save now and then. False: somebody was faster. */
static bool step(kith_index *index, struct board *board, int worker, struct rng *rng)
{
	int first = board->next[worker], n = 1 + (int)rng_below(rng, 3);
	board->next[worker] += n; /* an id is not used twice, whatever happens */
	for (int i = first; i < first + n; i++)
		add(index, (int64_t)worker * MAX_IDS + i + 1000);
	bool saves = rng_below(rng, 6) == 0;
	kith_status status = saves ? kith_index_save(index, path) : kith_index_append(index, path);
	if (status == KITH_STALE || (status == KITH_IO && strstr(kith_last_error(), "another process"))) {
		count(&board->refused);
		return false;
	}
	OK(status);
	count(saves ? &board->saved : &board->appended);
	for (int i = first; i < first + n; i++)
		board->told[worker][i] = true;
	return true;
}

static void work(struct board *board, int worker, uint64_t seed)
{
	struct rng rng = {seed};
	for (;;) {
		kith_index *index = open_file(path, KITH_UPDATE | (rng_below(&rng, 2) ? KITH_MMAP : 0));
		int steps = 1 + (int)rng_below(&rng, 6);
		while (steps-- > 0 && step(index, board, worker, &rng))
			;
		kith_index_free(index);
		if (board->next[worker] > MAX_IDS - 8)
			_exit(0);
	}
}

static pid_t start(struct board *board, int worker, uint64_t seed)
{
	pid_t child = fork();
	REQUIRE(child >= 0);
	if (child == 0)
		work(board, worker, seed);
	return child;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Nothing is lost that was told; and everything in the file was added by somebody. */
static void check_board(const struct board *board, int workers)
{
	kith_index *index = open_file(path, KITH_VERIFY);
	for (int w = 0; w < workers; w++)
		for (int i = 0; i < MAX_IDS; i++)
			if (board->told[w][i] && !kith_index_has(index, (int64_t)w * MAX_IDS + i + 1000))
				ck_abort_msg("vector %d of process %d is lost, of %d appends and %d saves", i,
				    w, board->appended, board->saved);
	kith_index_free(index);
}

START_TEST(nothing_is_lost)
{
	int workers = test_long() ? WORKERS : 3, status;
	double until = now() + (test_long() ? 60 : 3);
	struct rng rng = {(uint64_t)_i + 5};
	pid_t child[WORKERS];
	struct board *board =
	    mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(board != MAP_FAILED);
	kith_index *index = build(_i ? "HNSW4" : "Flat", KITH_L2, 40, false);
	OK(kith_index_save(index, path));
	for (int w = 0; w < workers; w++)
		child[w] = start(board, w, rng_next(&rng));
	for (int kills = 0; now() < until; kills++) {
		int w = (int)rng_below(&rng, workers);
		usleep((useconds_t)rng_below(&rng, 100000));
		REQUIRE(kill(child[w], SIGKILL) == 0 && waitpid(child[w], &status, 0) == child[w]);
		/* It was at work until then: a worker that fails has ended before. */
		REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		child[w] = start(board, w, rng_next(&rng));
	}
	for (int w = 0; w < workers; w++)
		REQUIRE(kill(child[w], SIGKILL) == 0 && waitpid(child[w], NULL, 0) == child[w]);
	check_board(board, workers);
	REQUIRE(board->appended > 0 && board->refused > 0);
	/* The next save removes what the killed ones left. */
	OK(kith_index_save(index, path));
	REQUIRE(scratch_count(folder) == 1);
	kith_index_free(index);
	munmap(board, sizeof *board);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stale");
	TCase *t = tcase_create("stale");
	tcase_set_timeout(t, 300);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, grown, 0, WAYS);
	tcase_add_test(t, not_stale);
	tcase_add_test(t, names);
	tcase_add_test(t, put_back);
	tcase_add_test(t, transplanted);
	tcase_add_test(t, generations);
	tcase_add_test(t, long_log);
	tcase_add_test(t, links);
	tcase_add_test(t, save_waits);
	tcase_add_test(t, threads_save);
	tcase_add_test(t, temporaries);
	tcase_add_loop_test(t, nothing_is_lost, 0, 2);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
