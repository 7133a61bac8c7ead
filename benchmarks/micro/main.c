/* bench_micro: measures the speed of every kernel and the machine's limit for it, in the same run.
 *
 * Each figure is the median of several repetitions after a warm-up, on one thread. A kernel at 100% of its
 * limit cannot be made faster without moving less data or doing less arithmetic.
 */
#include <ctype.h>
#include <errno.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum { MAX_REPETITIONS = 64, MAX_DIMS = 16 };

static const char *const LIMIT_NAMES[LIMITS] = {"DRAM", "L2", "fma f32", "fma f64", "dot i8"};
static const char *const RATE_NAMES[LIMITS] = {"GB/s", "GB/s", "GFLOP/s", "GFLOP/s", "GOP/s"};

double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Measure the seconds of one call in every repetition, in ascending order. */
static void repeat(const struct settings *settings, work_fn *work, void *context, double *seconds)
{
	/* It is never reset, so that a case does not find its data in the caches because of the case
	 * before. */
	static int64_t round;
	int64_t calls = 1;

	/* Warm up, and find how many calls fill a repetition. */
	for (;;) {
		const double start = now();
		for (int64_t i = 0; i < calls; i++)
			work(context, round++);
		const double took = now() - start;
		if (took >= settings->repetition)
			break;
		calls = took < settings->repetition / 16
		            ? calls * 8
		            : (int64_t)((double)calls * settings->repetition / took * 1.1) + 1;
	}
	for (int r = 0; r < settings->repetitions; r++) {
		const double start = now();
		for (int64_t i = 0; i < calls; i++)
			work(context, round++);
		seconds[r] = (now() - start) / (double)calls;
	}
	qsort(seconds, (size_t)settings->repetitions, sizeof(seconds[0]), compare_doubles);
}

double measure(const struct settings *settings, work_fn *work, void *context)
{
	double seconds[MAX_REPETITIONS];
	repeat(settings, work, context, seconds);
	return seconds[settings->repetitions / 2];
}

double measure_best(const struct settings *settings, work_fn *work, void *context)
{
	double seconds[MAX_REPETITIONS];
	struct settings more = *settings;
	more.repetitions = 3 * settings->repetitions;
	repeat(&more, work, context, seconds);
	return seconds[0];
}

int wanted(const struct bench *bench, const char *kernel)
{
	return bench->settings.only == NULL || strstr(kernel, bench->settings.only) != NULL;
}

void report(struct bench *bench, const struct result *r)
{
	const double rate = r->amount / r->seconds;
	const double share = 100 * rate / bench->limits.rate[r->limit];
	printf("%-17s %-7s %6lld %-7s %10.1f ns/%-5s %9.2f %-8s %5.0f%% of %s\n", r->kernel, r->isa,
	    (long long)r->d, r->data, 1e9 * r->seconds, r->per, 1e-9 * rate, RATE_NAMES[r->limit], share,
	    LIMIT_NAMES[r->limit]);
	fflush(stdout);
	if (bench->json == NULL)
		return;
	fprintf(bench->json,
	    "%s\n  {\"kernel\": \"%s\", \"isa\": \"%s\", \"d\": %lld, \"data\": \"%s\", \"per\": \"%s\", "
	    "\"ns\": %.3f, \"rate\": %.6g, \"unit\": \"%s\", \"limit\": \"%s\", \"percent\": %.2f}",
	    bench->json_rows++ > 0 ? "," : "", r->kernel, r->isa, (long long)r->d, r->data, r->per,
	    1e9 * r->seconds, rate, r->limit <= LIMIT_L2 ? "B/s" : "op/s", LIMIT_NAMES[r->limit], share);
}

static void cpu_name(char *name, size_t size)
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "r");
	snprintf(name, size, "unknown CPU");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		snprintf(name, size, "%s", colon + 2);
		for (char *c = name; *c != '\0'; c++)
			if (*c == '\n' || *c == '"' || *c == '\\')
				*c = ' ';
		break;
	}
	if (file != NULL)
		fclose(file);
}

static long cache_size(int name, long otherwise)
{
	const long size = sysconf(name);
	return size > 0 ? size : otherwise;
}

/* Make a buffer of four times the last-level cache (256 MiB … 2 GiB), on huge pages if possible, of words
 * that are ordinary numbers of every type that kernels read. Returns 0, or −1 if out of memory. */
static int make_buffers(struct buffers *buffers)
{
	const size_t page = (size_t)2 << 20;
	size_t bytes = 4 * (size_t)cache_size(_SC_LEVEL3_CACHE_SIZE, 32L << 20);
	bytes = bytes < (size_t)256 << 20 ? (size_t)256 << 20 : bytes;
	bytes = bytes > (size_t)2 << 30 ? (size_t)2 << 30 : bytes / page * page;
	char *big = aligned_alloc(page, bytes);
	if (big == NULL)
		return -1;
	madvise(big, bytes, MADV_HUGEPAGE);
	uint32_t *word = (uint32_t *)big;
	uint32_t state = 1;
	for (size_t i = 0; i < bytes / 4; i++) {
		state = state * 1664525 + 1013904223;
		word[i] = 0x3f003f00 | (state >> 8 & 0x00ff00ff);
	}
	long l2 = cache_size(_SC_LEVEL2_CACHE_SIZE, 512L << 10) / 2;
	l2 = l2 < 128L << 10 ? 128L << 10 : l2;
	*buffers = (struct buffers){.big = big, .big_bytes = bytes, .l2_bytes = (size_t)l2 / 4096 * 4096};
	return 0;
}

/* Measure the bandwidths once for all instruction sets, because they do not depend on the kernels'. */
static void measure_memory(struct bench *bench)
{
	const struct buffers *b = &bench->buffers;
	const struct settings *s = &bench->settings;
	char cpu[128];
	cpu_name(cpu, sizeof(cpu));
	bench->limits.rate[LIMIT_DRAM] = read_bandwidth(s, b->big, b->big_bytes, 1);
	bench->limits.rate[LIMIT_L2] = read_bandwidth(s, b->big, b->l2_bytes, 1);
	const double all = read_bandwidth(s, b->big, b->big_bytes, s->threads);
	printf("%s\n", cpu);
	printf("read bandwidth    DRAM, 1 thread   %9.2f GB/s  (%zu MiB)\n",
	    1e-9 * bench->limits.rate[LIMIT_DRAM], b->big_bytes >> 20);
	if (s->threads > 1)
		printf("                  DRAM, %d threads  %9.2f GB/s\n", s->threads, 1e-9 * all);
	printf("                  L2               %9.2f GB/s  (%zu KiB)\n",
	    1e-9 * bench->limits.rate[LIMIT_L2], b->l2_bytes >> 10);
	if (bench->json != NULL)
		fprintf(bench->json,
		    "{\"cpu\": \"%s\", \"threads\": %d,\n \"read_bandwidth\": {\"dram\": %.6g, "
		    "\"dram_all_threads\": %.6g, \"l2\": %.6g},\n \"results\": [",
		    cpu, s->threads, bench->limits.rate[LIMIT_DRAM], all, bench->limits.rate[LIMIT_L2]);
}

static int bench_isa(struct bench *bench, const char *isa, const int64_t *dims, int ndims)
{
	if (kernels_force(isa) != 0) {
		fprintf(stderr, "bench_micro: cannot run instruction set %s here; available: %s\n", isa,
		    kernels_available());
		return -1;
	}
	const struct kernels *k = kernels();
	measure_peaks(&bench->settings, isa, &bench->limits);
	printf("\n%-7s peak       fma f32 %9.1f GFLOP/s    dot i8 %9.1f GOP/s\n", isa,
	    1e-9 * bench->limits.rate[LIMIT_F32], 1e-9 * bench->limits.rate[LIMIT_I8]);
	printf("%-17s %-7s %6s %-7s %10s    %-5s %9s %-8s %s\n", "kernel", "isa", "d", "data", "time", "",
	    "rate", "", "share of limit");
	for (int i = 0; i < ndims; i++)
		bench_kernels(bench, k, dims[i]);
	return 0;
}

static int usage(FILE *out)
{
	fprintf(out, "Usage: bench_micro [OPTIONS]\n"
	             "Measure the speed of every kernel, and the limit of this machine for it.\n\n"
	             "  --isa LIST     instruction sets, comma-separated (default: all that run here)\n"
	             "  --dim LIST     dimensions, comma-separated (default: 128,768)\n"
	             "  --only TEXT    kernels with TEXT in their names\n"
	             "  --threads N    threads for the bandwidth of all of them (default: all)\n"
	             "  --limits       the bandwidths only\n"
	             "  --quick        shorter repetitions, one dimension\n"
	             "  --json FILE    write the results to FILE as well\n");
	return out == stdout ? 0 : 2;
}

/* Parse a list such as "128,768" to dims. Returns how many there are; 0 if it is not a list of dimensions. */
static int parse_dims(const char *text, int64_t *dims)
{
	int n = 0;
	while (n < MAX_DIMS) {
		char *end;
		errno = 0;
		dims[n] = strtoll(text, &end, 10);
		if (end == text || errno != 0 || dims[n] < 1 || dims[n] > 32768)
			return 0;
		n++;
		if (*end == '\0')
			return n;
		if (*end != ',')
			return 0;
		text = end + 1;
	}
	return 0;
}

struct arguments {
	const char *isa, *json;
	int64_t dims[MAX_DIMS];
	int ndims, limits_only;
};

/* Read one option and its value. Returns whether both are valid. */
static int take(const char *option, const char *value, struct arguments *a, struct settings *settings)
{
	if (strcmp(option, "--isa") == 0)
		a->isa = value;
	else if (strcmp(option, "--only") == 0)
		settings->only = value;
	else if (strcmp(option, "--json") == 0)
		a->json = value;
	else if (strcmp(option, "--threads") == 0)
		return (settings->threads = (int)strtol(value, NULL, 10)) >= 1;
	else if (strcmp(option, "--dim") == 0)
		return (a->ndims = parse_dims(value, a->dims)) > 0;
	else
		return 0;
	return 1;
}

/* Read the command line. Returns −1 to continue, else the exit status. */
static int parse(int argc, char **argv, struct arguments *a, struct settings *settings)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return usage(stdout);
		if (strcmp(argv[i], "--limits") == 0) {
			a->limits_only = 1;
		} else if (strcmp(argv[i], "--quick") == 0) {
			settings->repetition = 0.001;
			settings->repetitions = 3;
			a->ndims = 1;
		} else if (i + 1 < argc && take(argv[i], argv[i + 1], a, settings)) {
			i++;
		} else {
			return usage(stderr);
		}
	}
	return -1;
}

/* Measure every instruction set of a list separated by commas or spaces. */
static int bench_list(struct bench *bench, const struct arguments *a)
{
	char list[256], *rest = NULL;
	snprintf(list, sizeof(list), "%s", a->isa != NULL ? a->isa : kernels_available());
	for (char *isa = strtok_r(list, ", ", &rest); isa != NULL; isa = strtok_r(NULL, ", ", &rest))
		if (bench_isa(bench, isa, a->dims, a->ndims) != 0)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct bench bench = {.settings = {.repetition = 0.004, .repetitions = 7}};
	struct arguments a = {.dims = {128, 768}, .ndims = 2};
	bench.settings.threads = omp_get_max_threads();
	const int rc = parse(argc, argv, &a, &bench.settings);
	if (rc >= 0)
		return rc;
	if (a.json != NULL && (bench.json = fopen(a.json, "w")) == NULL) {
		fprintf(stderr, "bench_micro: cannot write %s: %s\n", a.json, strerror(errno));
		return 1;
	}
	if (make_buffers(&bench.buffers) != 0) {
		fprintf(stderr, "bench_micro: not enough memory\n");
		return 1;
	}
	measure_memory(&bench);
	const int failed = a.limits_only ? 0 : bench_list(&bench, &a);
	if (bench.json != NULL) {
		fprintf(bench.json, "\n ]}\n");
		fclose(bench.json);
	}
	free(bench.buffers.big);
	return failed ? 1 : 0;
}
