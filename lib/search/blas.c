/* BLAS as a tile: the portable way where kith has no kernel of its own for the CPU.
 *
 * One sgemm gives the products of a block of queries with a whole panel; they go into a buffer of some
 * hundred kilobytes that stays in the cache, where `low` and the threshold are applied. The panel is then
 * plain rows, not packed.
 *
 * Threads: a GEMM must not start threads of its own inside ours. An OpenMP BLAS does not when the calling
 * thread's team size is one (a setting of that thread alone, put back afterwards); a pthread BLAS always
 * may, so with it the search itself stays on one thread and leaves the others to the BLAS.
 */
#include "lib/search/tile.h"

#include <cblas.h>
#include <omp.h>

/* Value of openblas_get_parallel. */
enum { PTHREADS = 1 };

int blas_search_threads(int threads)
{
	return openblas_get_parallel() == PTHREADS && openblas_get_num_threads() > 1 ? 1 : threads;
}

void blas_multiply(const struct task *t, int64_t from, int64_t to, float *products)
{
	const struct tile *tile = t->scratch->tile;
	int64_t dim = t->s->base.dim, n = tile->panel.n;
	int before = omp_get_max_threads();
	omp_set_num_threads(1);
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)(to - from), (blasint)n, (blasint)dim,
	    1, (const float *)tile->q.data + (size_t)from * tile->q.stride, (blasint)tile->q.stride,
	    (const float *)(const void *)tile->panel.data, (blasint)dim, 0, products, (blasint)n);
	omp_set_num_threads(before);
}
