/* The time to open an index file from the page cache, compared with the time to read it:
 *
 *   bench_open [--threads N] [--rounds N] FILE…
 *
 * For each file, it takes the best of several rounds of: reading the file into memory that is already mapped,
 * reading it into fresh memory (on huge pages if possible, which the library also requests), opening it with
 * everything read and checked, and opening it as a mapping. Each of these runs in a process of its own, so
 * that none can reuse another one's memory; all use the same number of threads.
 */
#include <kith/kith.h>

#include <errno.h>
#include <fcntl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const size_t PIECE = (size_t)1 << 22;

struct job {
	const char *path;
	size_t bytes;
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Read the file into memory. Returns the seconds; negative if it failed. */
static double read_into(const struct job *job, char *out)
{
	const double start = now();
	const int fd = open(job->path, O_RDONLY);
	const long pieces = (long)((job->bytes + PIECE - 1) / PIECE);
	int bad = fd < 0;
#pragma omp parallel for schedule(dynamic, 1) reduction(| : bad)
	for (long i = 0; i < pieces; i++) {
		size_t at = (size_t)i * PIECE, end = at + PIECE < job->bytes ? at + PIECE : job->bytes;
		for (ssize_t got = 1; !bad && at < end; at += (size_t)got) {
			got = pread(fd, out + at, end - at, (off_t)at);
			bad |= got <= 0;
			got = got < 0 ? 0 : got;
		}
	}
	if (fd >= 0)
		close(fd);
	return bad ? -1 : now() - start;
}

static char *fresh(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
#if defined(MADV_HUGEPAGE)
	madvise(p, bytes, MADV_HUGEPAGE);
#endif
	return p;
}

static double read_warm(const struct job *job)
{
	char *p = fresh(job->bytes);
	return p && read_into(job, p) >= 0 ? read_into(job, p) : -1;
}

static double read_fresh(const struct job *job)
{
	const double start = now();
	char *p = fresh(job->bytes);
	return p && read_into(job, p) >= 0 ? now() - start : -1;
}

static double open_with(const struct job *job, int flags)
{
	kith_index *index;
	const double start = now();
	const kith_status status = kith_index_open(&index, job->path, flags);
	const double took = now() - start;
	if (status)
		fprintf(stderr, "bench_open: %s\n", kith_last_error());
	kith_index_free(index);
	return status ? -1 : took;
}

static double open_read(const struct job *job)
{
	return open_with(job, KITH_VERIFY);
}

static double open_mapped(const struct job *job)
{
	return open_with(job, KITH_MMAP);
}

typedef double work_fn(const struct job *job);

/* Run some work in a process of its own. Returns its seconds; negative if it failed. */
static double in_child(work_fn *work, const struct job *job)
{
	int ends[2];
	double took = -1;
	if (pipe(ends))
		return -1;
	const pid_t child = fork();
	if (child == 0) {
		took = work(job);
		_exit(write(ends[1], &took, sizeof took) != sizeof took);
	}
	close(ends[1]);
	if (child < 0 || read(ends[0], &took, sizeof took) != sizeof took)
		took = -1;
	close(ends[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
	return took;
}

enum { WARM, FRESH, OPENED, MAPPED, WORKS };

static const struct {
	const char *name;
	work_fn *work;
} works[WORKS] = {{"read, memory is there", read_warm}, {"read, fresh memory", read_fresh},
    {"open, all checked", open_read}, {"open, mapped", open_mapped}};

/* All works take turns, so that a disturbance of the machine affects all of them. */
static int bench_file(const char *path, int rounds)
{
	double best[WORKS] = {0};
	struct stat about;
	if (stat(path, &about) || about.st_size <= 0) {
		fprintf(stderr, "bench_open: %s: %s\n", path, errno ? strerror(errno) : "is empty");
		return 1;
	}
	const struct job job = {path, (size_t)about.st_size};
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < WORKS; i++) {
			const double took = in_child(works[i].work, &job);
			if (took < 0) {
				fprintf(stderr, "bench_open: %s: '%s' failed\n", path, works[i].name);
				return 1;
			}
			if (round == 0 || took < best[i])
				best[i] = took;
		}
	printf("%s: %.1f MB, %d threads\n", path, 1e-6 * (double)job.bytes, omp_get_max_threads());
	for (int i = 0; i < WORKS; i++) {
		printf("  %-22s %9.3f ms", works[i].name, 1e3 * best[i]);
		if (i != MAPPED)
			printf(" %8.2f GB/s", 1e-9 * (double)job.bytes / best[i]);
		if (i == OPENED)
			printf("   %.0f%% of fresh memory, %.0f%% of memory that is there",
			    100 * best[FRESH] / best[i], 100 * best[WARM] / best[i]);
		printf("\n");
	}
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = 7, i = 1;
	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		const int value = (int)strtol(argv[i + 1], NULL, 10);
		if (value < 1 || value > 1000)
			break;
		if (strcmp(argv[i], "--threads") == 0)
			omp_set_num_threads(value);
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = value;
		else
			break;
	}
	if (i >= argc || strncmp(argv[i], "--", 2) == 0) {
		fprintf(stderr, "Usage: bench_open [--threads N] [--rounds N] FILE…\n");
		return 2;
	}
	int failed = 0;
	for (; i < argc; i++)
		failed |= bench_file(argv[i], rounds);
	return failed;
}
