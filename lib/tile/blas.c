/* A BLAS in the place of tiles, for CPUs for which kith has no kernels of its own.
 *
 * One sgemm gives the products of a block of queries with a whole panel, in a buffer of some hundred
 * kilobytes that stays in the cache, where `low` and the thresholds are applied. The panel consists of plain
 * rows, which are not packed.
 *
 * Loading. As soon as OpenBLAS is in a process, it starts a thread for every core and takes tens of megabytes
 * for each; if a process has too little address space for these, it hangs. Most CPUs do not need it. So it is
 * loaded by the first search that does, and never with too little address space. Without it the kernels in
 * plain C are used.
 *
 * Threads. A GEMM must not start threads inside of ours. A BLAS with OpenMP does not if the number of threads
 * of the calling thread is set to one, which is undone afterwards. A BLAS with pthreads always may, so that
 * the search then uses one thread and leaves the others to the BLAS.
 */
#include "lib/tile/blas.h"

#include <dlfcn.h>
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A value of openblas_get_parallel, and constants of CBLAS. */
enum { PTHREADS = 1, ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

/* An estimate of the address space that OpenBLAS needs for each core: buffers, a stack, an arena of
 * malloc. */
#define BYTES_PER_CORE (UINT64_C(192) << 20)

/* Its functions, with 32-bit sizes, as these libraries are usually built. */
static struct {
	void (*sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a,
	    int lda, const float *b, int ldb, float beta, float *c, int ldc);
	char *(*config)(void);
	int (*parallel)(void), (*threads)(void);
	char why[200]; /* why there is none */
} blas;

static pthread_once_t load_once = PTHREAD_ONCE_INIT;

/* Whether a limit of address space leaves too little of it. */
static bool lacks_room(void)
{
	struct rlimit limit;
	long long pages = 0, cores = sysconf(_SC_NPROCESSORS_CONF);
	if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return false;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file && fscanf(file, "%lld", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	uint64_t used = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t want = (uint64_t)(cores > 0 ? cores + 1 : 2) * BYTES_PER_CORE;
	return limit.rlim_cur < used || limit.rlim_cur - used < want;
}

/* Find a function of the library and store its address in a function pointer. */
static bool find(void *library, const char *name, void *function, size_t size)
{
	void *found = dlsym(library, name);
	if (found)
		memcpy(function, &found, size);
	return found != NULL;
}

static bool find_all(void *library)
{
	return find(library, "openblas_get_config", &blas.config, sizeof blas.config) &&
	       find(library, "openblas_get_parallel", &blas.parallel, sizeof blas.parallel) &&
	       find(library, "openblas_get_num_threads", &blas.threads, sizeof blas.threads) &&
	       find(library, "cblas_sgemm", &blas.sgemm, sizeof blas.sgemm);
}

static void load(void)
{
	static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"};
	void *library = NULL;
	if (lacks_room()) {
		snprintf(blas.why, sizeof blas.why, "none (too little address space for OpenBLAS)");
		return;
	}
	for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!library || !find_all(library))
		blas.sgemm = NULL;
	if (!blas.sgemm)
		snprintf(blas.why, sizeof blas.why, "none (%s)",
		    library ? "an OpenBLAS without CBLAS" : "OpenBLAS is not installed");
}

bool blas_load(void)
{
	pthread_once(&load_once, load);
	return blas.sgemm != NULL;
}

void blas_describe(char *text, size_t size)
{
	static const char *const threading[] = {"sequential", "pthreads", "OpenMP"};
	if (!blas_load()) {
		snprintf(text, size, "%s", blas.why);
		return;
	}
	int kind = blas.parallel();
	snprintf(text, size, "%s (%s)", blas.config(), kind >= 0 && kind < 3 ? threading[kind] : "?");
}

int blas_search_threads(int threads)
{
	return blas.parallel() == PTHREADS && blas.threads() > 1 ? 1 : threads;
}

void blas_multiply(
    int64_t dim, const float *queries, int64_t nq, const float *rows, int64_t n, float *products)
{
	int before = omp_get_max_threads();
	omp_set_num_threads(1);
	blas.sgemm(ROW_MAJOR, NO_TRANS, TRANS, (int)nq, (int)n, (int)dim, 1, queries, (int)dim, rows,
	    (int)dim, 0, products, (int)n);
	omp_set_num_threads(before);
}
