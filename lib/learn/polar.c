/* The orthonormal polar factor, which solves Procrustes' problem: the orthonormal R with the largest ⟨R, A⟩
 * (Schönemann 1966).
 *
 * A Aᵀ = U Σ² Uᵀ gives U. The rows of Uᵀ A are then σ_i v_i, and the factor of A is U Vᵀ. Squaring loses half
 * of the digits of small singular values, so that rows whose σ_i is below a thousandth of the largest are
 * made orthogonal to those before them. If nothing is left of a row, because A has not full rank, any
 * orthogonal direction is as good, and one is made from the first axis that works.
 */
#include "lib/learn/matrix.h"

#include "lib/base/alloc.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/learn/vector.h"

#include <math.h>
#include <string.h>

/* Subtract from row i its projections on rows 0 … i − 1, which are orthonormal. Returns the norm that is
 * left. Two passes are enough (Kahan & Parlett). */
static double project(int64_t n, int64_t i, double *rows)
{
	double *row = rows + i * n;
	for (int pass = 0; pass < 2; pass++)
		for (int64_t j = 0; j < i; j++)
			vector_add(n, -vector_dot(n, row, rows + j * n), rows + j * n, row);
	return sqrt(vector_dot(n, row, row));
}

/* Make row i a unit vector orthogonal to rows 0 … i − 1; min: norms up to it are rounding. */
static void complete_row(int64_t n, int64_t i, double min, double *rows)
{
	double *row = rows + i * n, norm = project(n, i, rows);
	/* The squared norms of what is left of all axes add up to n − i, so that some axis has its share. */
	double share = sqrt((double)(n - i) / (2 * (double)n));
	for (int64_t axis = 0; norm <= min && axis < n; axis++) {
		memset(row, 0, (size_t)n * sizeof *row);
		row[axis] = 1;
		norm = project(n, i, rows);
		min = share;
	}
	vector_scale(n, 1 / norm, row);
}

/* Turn rows σ_i v_i, the largest first, into v_i. */
static void orthonormalize(int64_t m, int64_t n, double *rows)
{
	double first = sqrt(vector_dot(n, rows, rows));
	for (int64_t i = 0; i < m; i++) {
		if (progress_stopped())
			return;
		double norm = sqrt(vector_dot(n, rows + i * n, rows + i * n));
		if (norm > first * 1e-3)
			vector_scale(n, 1 / norm, rows + i * n);
		else
			complete_row(n, i, first * 1e-13, rows);
	}
}

/* The factor of a with m <= n. square, vectors [m × m], values [m] and wide [m × n] are working memory. */
static kith_status factor(int64_t m, int64_t n, double *a, double *square, double *vectors, double *values,
    double *wide, int threads)
{
	matrix_transpose(m, n, a, wide);
	matrix_multiply(m, n, m, a, wide, threads, square);
	if (progress_stopped())
		return fail_cancelled();
	kith_status status = matrix_eigen(m, square, values, vectors, threads);
	if (status)
		return status;
	matrix_multiply(m, m, n, vectors, a, threads, wide);
	if (progress_stopped())
		return fail_cancelled();
	orthonormalize(m, n, wide);
	matrix_transpose(m, m, vectors, square);
	matrix_multiply(m, m, n, square, wide, threads, a);
	return progress_status();
}

kith_status matrix_polar(int64_t m, int64_t n, double *a, int threads)
{
	int64_t low = m < n ? m : n, high = m < n ? n : m;
	size_t cells = (size_t)low * (size_t)high, square = (size_t)low * (size_t)low;
	double *memory = mem_alloc(2 * cells + 2 * square + (size_t)low, sizeof *memory);
	if (!memory)
		return fail_nomem("a rotation", (2 * cells + 2 * square) * sizeof *memory);
	double *transposed = memory + cells, *squared = transposed + cells, *vectors = squared + square;
	kith_status status;
	if (m <= n) {
		status = factor(m, n, a, squared, vectors, vectors + square, memory, threads);
	} else {
		matrix_transpose(m, n, a, transposed);
		status = factor(n, m, transposed, squared, vectors, vectors + square, memory, threads);
		if (status == KITH_OK)
			matrix_transpose(n, m, transposed, a);
	}
	mem_free(memory);
	return status;
}
