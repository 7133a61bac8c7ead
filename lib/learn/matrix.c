/* Dense matrices: products and reflections, row by row.
 *
 * Every row of a result is computed by one task and its sums are taken in a fixed order, so that nothing
 * depends on the number of threads. A task has a few rows, for which shared data is read once.
 */
#include "lib/learn/matrix.h"

#include "lib/base/progress.h"
#include "lib/base/threads.h"
#include "lib/learn/vector.h"

#include <string.h>

enum {
	ROWS = 8,              /* rows in a task */
	SERIAL_WORK = 1 << 18, /* multiplications below which threads cost more than they save */
};

static int useful_threads(int threads, double multiplications)
{
	return multiplications < SERIAL_WORK ? 1 : threads_resolve(threads);
}

struct product {
	int64_t m, k, n;
	const double *a, *b;
	double *out;
};

static void multiply_rows(void *arg, int64_t number, int worker)
{
	(void)worker;
	const struct product *p = arg;
	int64_t from = number * ROWS, to = from + ROWS < p->m ? from + ROWS : p->m;
	if (progress_stopped())
		return;
	memset(p->out + from * p->n, 0, (size_t)((to - from) * p->n) * sizeof *p->out);
	for (int64_t k = 0; k < p->k; k++)
		for (int64_t i = from; i < to; i++)
			vector_add(p->n, p->a[i * p->k + k], p->b + k * p->n, p->out + i * p->n);
}

void matrix_multiply(
    int64_t m, int64_t k, int64_t n, const double *a, const double *b, int threads, double *out)
{
	struct product p = {m, k, n, a, b, out};
	threads = useful_threads(threads, (double)m * (double)k * (double)n);
	threads_run(threads, (m + ROWS - 1) / ROWS, multiply_rows, &p);
}

void matrix_transpose(int64_t m, int64_t n, const double *a, double *out)
{
	enum { BLOCK = 16 };
	for (int64_t from = 0; from < n; from += BLOCK)
		for (int64_t i = 0; i < m; i++)
			for (int64_t j = from; j < n && j < from + BLOCK; j++)
				out[j * m + i] = a[i * n + j];
}

struct reflections {
	int64_t n, last, skip, count;
	const double *v;
	double *rows;
};

static void reflect_rows(void *arg, int64_t number, int worker)
{
	(void)worker;
	const struct reflections *r = arg;
	int64_t from = number * ROWS, to = from + ROWS < r->count ? from + ROWS : r->count, n = r->n;
	if (progress_stopped())
		return;
	memset(r->rows + from * n, 0, (size_t)((to - from) * n) * sizeof *r->rows);
	for (int64_t i = from; i < to; i++)
		r->rows[i * n + i] = 1;
	/* Row i begins as a unit vector; reflections that are zero up to component i do not change it. */
	int64_t last = to - 1 - r->skip < r->last ? to - 1 - r->skip : r->last;
	for (int64_t k = last; k >= 0; k--) {
		int64_t first = k + r->skip;
		const double *v = r->v + k * n + first;
		for (int64_t i = first > from ? first : from; i < to; i++) {
			double *row = r->rows + i * n + first;
			vector_add(n - first, -vector_dot(n - first, v, row), v, row);
		}
	}
}

void matrix_reflections(
    int64_t n, int64_t last, int64_t skip, const double *v, int64_t count, int threads, double *rows)
{
	struct reflections r = {n, last, skip, count, v, rows};
	threads = useful_threads(threads, (double)n * (double)n * (double)count);
	threads_run(threads, (count + ROWS - 1) / ROWS, reflect_rows, &r);
}
