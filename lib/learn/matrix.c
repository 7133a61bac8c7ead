/* Dense matrices, by BLAS and LAPACK. A row-major matrix is the transpose of a column-major one, so: the columns
 * that LAPACK returns are our rows, and the decomposition of what it sees as Aᵀ = U Σ Vᵀ gives our polar factor
 * (U Vᵀ)ᵀ in place.
 *
 * In the child of a fork OpenMP has no threads left; a BLAS that runs on OpenMP is told so, for this thread
 * alone, and the setting is put back. */
#include "lib/learn/matrix.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/learn/lapack.h"
#include "lib/learn/vector.h"

#include <math.h>
#include <stdbool.h>
#include <omp.h>
#include <string.h>

static int begin_blas(void)
{
	int before = omp_get_max_threads();
	omp_set_num_threads(threads_resolve(0));
	return before;
}

void matrix_multiply(int64_t m, int64_t k, int64_t n, const double *a, const double *b, double *out)
{
	int before = begin_blas();
	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
	    (blasint)k, b, (blasint)n, 0, out, (blasint)n);
	omp_set_num_threads(before);
}

void matrix_transpose(int64_t m, int64_t n, const double *a, double *out)
{
	enum { BLOCK = 16 };
	for (int64_t from = 0; from < n; from += BLOCK)
		for (int64_t i = 0; i < m; i++)
			for (int64_t j = from; j < n && j < from + BLOCK; j++)
				out[j * m + i] = a[i * n + j];
}

/* Multiply by a power of two that brings the largest element near one, which changes no digit but keeps squares
 * from vanishing; *scale is its inverse. False: not finite. */
static bool normalize(int64_t n, double *a, double *scale)
{
	double most = 0;
	int exponent;
	for (int64_t i = 0; i < n; i++) {
		if (!isfinite(a[i]))
			return false;
		most = fmax(most, fabs(a[i]));
	}
	frexp(most, &exponent);
	*scale = most > 0 ? ldexp(1, exponent) : 1;
	for (int64_t i = 0; i < n; i++)
		a[i] /= *scale;
	return true;
}

static kith_status outcome(const char *what, blasint info)
{
	return info == 0 ? KITH_OK : fail(KITH_INTERNAL, "%s: LAPACK returned %d", what, (int)info);
}

/* ---- eigenvectors ---- */

/* Rows ascending by value become descending, with their signs settled. */
static void arrange(int64_t n, double *values, const double *from, double *vectors)
{
	for (int64_t i = 0; i < n / 2; i++) {
		double t = values[i];
		values[i] = values[n - 1 - i];
		values[n - 1 - i] = t;
	}
	for (int64_t i = 0; i < n; i++) {
		const double *source = from + (n - 1 - i) * n;
		double *row = vectors + i * n, peak = 0;
		memcpy(row, source, (size_t)n * sizeof *row);
		for (int64_t j = 0; j < n; j++)
			peak = fabs(row[j]) > fabs(peak) ? row[j] : peak;
		if (peak < 0)
			vector_scale(n, -1, row);
	}
}

static kith_status decompose(blasint n, double *a, double *values, double *z)
{
	const double none = 0;
	const blasint all = 0, ask = -1;
	blasint found = 0, info = 0, whole = 0;
	double size = 0;
	dsyevr_("V", "A", "L", &n, a, &n, &none, &none, &all, &all, &none, &found, values, z, &n, NULL, &size,
	    &ask, &whole, &ask, &info);
	double *work = mem_alloc((size_t)size, sizeof *work);
	blasint *numbers = mem_alloc((size_t)whole + 2 * (size_t)n, sizeof *numbers), real = (blasint)size;
	if (work && numbers)
		dsyevr_("V", "A", "L", &n, a, &n, &none, &none, &all, &all, &none, &found, values, z, &n,
		    numbers + whole, work, &real, numbers, &whole, &info);
	kith_status status =
	    work && numbers ? outcome("eigenvalues", info)
	                    : fail_nomem("eigenvalues", (size_t)size * sizeof *work);
	mem_free(work);
	mem_free(numbers);
	return status;
}

kith_status matrix_eigen(int64_t n, double *a, double *values, double *vectors)
{
	size_t cells = (size_t)n * (size_t)n;
	double scale;
	if (!normalize(n * n, a, &scale))
		return fail(KITH_INTERNAL, "eigenvalues of a matrix that is not finite");
	double *z = mem_alloc(cells, sizeof *z);
	if (!z)
		return fail_nomem("eigenvectors", cells * sizeof *z);
	int before = begin_blas();
	kith_status status = decompose((blasint)n, a, values, z);
	omp_set_num_threads(before);
	if (status == KITH_OK) {
		arrange(n, values, z, vectors);
		vector_scale(n, scale, values);
	}
	mem_free(z);
	return status;
}

/* ---- polar factor ---- */

/* u [n × low], vt [low × m], as LAPACK sees them. */
static kith_status singular_vectors(blasint m, blasint n, double *a, double *values, double *u, double *vt)
{
	blasint low = m < n ? m : n, info = 0, ask = -1;
	double size = 0;
	dgesvd_("S", "S", &n, &m, a, &n, values, u, &n, vt, &low, &size, &ask, &info);
	double *work = mem_alloc((size_t)size, sizeof *work);
	if (!work)
		return fail_nomem("a rotation", (size_t)size * sizeof *work);
	blasint real = (blasint)size;
	dgesvd_("S", "S", &n, &m, a, &n, values, u, &n, vt, &low, work, &real, &info);
	mem_free(work);
	return outcome("singular values", info);
}

kith_status matrix_polar(int64_t m, int64_t n, double *a)
{
	int64_t low = m < n ? m : n;
	size_t cells = (size_t)low * (size_t)(m + n + 1);
	double scale;
	if (!normalize(m * n, a, &scale))
		return fail(KITH_INTERNAL, "a rotation out of a matrix that is not finite");
	double *memory = mem_alloc(cells, sizeof *memory);
	if (!memory)
		return fail_nomem("a rotation", cells * sizeof *memory);
	double *u = memory, *vt = u + low * n, *values = vt + low * m;
	int before = begin_blas();
	kith_status status = singular_vectors((blasint)m, (blasint)n, a, values, u, vt);
	if (status == KITH_OK)
		cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (blasint)n, (blasint)m, (blasint)low,
		    1, u, (blasint)n, vt, (blasint)low, 0, a, (blasint)n);
	omp_set_num_threads(before);
	mem_free(memory);
	return status;
}

/* ---- orthonormal rows ---- */

/* sign [m]: +1 or −1 as the diagonal of R. */
static kith_status orthonormalize(blasint m, blasint n, double *a, double *tau, double *sign)
{
	blasint info = 0, ask = -1;
	double size = 0, more = 0;
	dgeqrf_(&n, &m, a, &n, tau, &size, &ask, &info);
	dorgqr_(&n, &m, &m, a, &n, tau, &more, &ask, &info);
	size = fmax(size, more);
	double *work = mem_alloc((size_t)size, sizeof *work);
	if (!work)
		return fail_nomem("a rotation", (size_t)size * sizeof *work);
	blasint real = (blasint)size;
	dgeqrf_(&n, &m, a, &n, tau, work, &real, &info);
	for (int64_t i = 0; i < m; i++)
		sign[i] = copysign(1, a[i * n + i]);
	if (info == 0)
		dorgqr_(&n, &m, &m, a, &n, tau, work, &real, &info);
	mem_free(work);
	return outcome("a rotation", info);
}

kith_status matrix_orthonormalize(int64_t m, int64_t n, double *a)
{
	double *tau = mem_alloc(2 * (size_t)m, sizeof *tau);
	if (!tau)
		return fail_nomem("a rotation", 2 * (size_t)m * sizeof *tau);
	int before = begin_blas();
	kith_status status = orthonormalize((blasint)m, (blasint)n, a, tau, tau + m);
	omp_set_num_threads(before);
	for (int64_t i = 0; status == KITH_OK && i < m; i++)
		vector_scale(n, tau[m + i], a + i * n);
	mem_free(tau);
	return status;
}
