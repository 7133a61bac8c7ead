/* Quicksort (Hoare 1961) without branches in its inner loop: keys of neighbours are random, so that every
 * second guess of a branch would be wrong. */
#include "lib/base/sort.h"

#include <stdbool.h>

enum { FEW = 16 };

static void sort_few(uint64_t *a, int64_t n)
{
	for (int64_t i = 1; i < n; i++) {
		uint64_t v = a[i];
		int64_t j = i;
		for (; j > 0 && a[j - 1] > v; j--)
			a[j] = a[j - 1];
		a[j] = v;
	}
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t low = a < b ? a : b, high = a < b ? b : a;
	return c < low ? low : c > high ? high : c;
}

/* Split around a median of three: elements before the result are less than those from it on. 0 < result < n
 * for n >= 3. */
static int64_t split(uint64_t *a, int64_t n)
{
	uint64_t pivot = median(a[0], a[n / 2], a[n - 1]);
	int64_t to = 0;
	for (int64_t i = 0; i < n; i++) {
		uint64_t v = a[i];
		a[i] = a[to];
		a[to] = v;
		to += v < pivot;
	}
	return to;
}

void select_u64(uint64_t *a, int64_t n, int64_t k)
{
	while (n > FEW && k > 0 && k < n) {
		int64_t at = split(a, n);
		if (k < at) {
			n = at;
		} else {
			a += at;
			n -= at;
			k -= at;
		}
	}
	if (k > 0 && k < n)
		sort_few(a, n);
}

void sort_u64(uint64_t *a, int64_t n)
{
	/* The larger part is put off, so the part that is sorted next at least halves. */
	struct part {
		uint64_t *a;
		int64_t n;
	} stack[64];
	int depth = 0;
	for (;;) {
		while (n > FEW) {
			int64_t at = split(a, n);
			bool left = at < n - at;
			stack[depth++] = left ? (struct part){a + at, n - at} : (struct part){a, at};
			a = left ? a : a + at;
			n = left ? at : n - at;
		}
		sort_few(a, n);
		if (depth == 0)
			return;
		a = stack[--depth].a;
		n = stack[depth].n;
	}
}

static void swap_floats(float *a, float *b)
{
	float t = *a;
	*a = *b;
	*b = t;
}

/* Hoare's selection with the median of three as the pivot. Equal elements are exchanged, not skipped, so
 * many duplicates cost n log n at worst, not n². */
float select_kth(float *x, int64_t n, int64_t k)
{
	int64_t from = 0, to = n - 1;
	while (from < to) {
		int64_t mid = from + (to - from) / 2;
		if (x[mid] < x[from])
			swap_floats(&x[mid], &x[from]);
		if (x[to] < x[from])
			swap_floats(&x[to], &x[from]);
		if (x[to] < x[mid])
			swap_floats(&x[to], &x[mid]);
		float pivot = x[mid];
		int64_t i = from, j = to;
		while (i <= j) {
			while (x[i] < pivot)
				i++;
			while (pivot < x[j])
				j--;
			if (i <= j)
				swap_floats(&x[i++], &x[j--]);
		}
		if (k <= j)
			to = j;
		else if (k >= i)
			from = i;
		else
			break;
	}
	return x[k];
}
