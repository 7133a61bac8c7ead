/* Recall of one row: the two short lists are sorted and merged. */
#include "recall.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* The share of the true ids that were found. scratch [2 × level]: the found ids, then the true ones; −1:
 * none. */
static double share(int64_t *scratch, int64_t level)
{
	int64_t *a = scratch, *b = scratch + level, hits = 0, known = 0;
	for (int64_t i = 0; i < level; i++)
		known += b[i] != -1;
	qsort(a, (size_t)level, sizeof *a, compare);
	qsort(b, (size_t)level, sizeof *b, compare);
	for (int64_t i = 0, j = 0; i < level && j < level;) {
		int64_t x = a[i], y = b[j];
		hits += x == y && x != -1;
		i += x <= y;
		j += y <= x;
	}
	return known ? (double)hits / (double)known : 1;
}

double recall_row(const int64_t *found, const int32_t *truth, int64_t level, int64_t *scratch)
{
	memcpy(scratch, found, (size_t)level * sizeof *scratch);
	for (int64_t i = 0; i < level; i++)
		scratch[level + i] = truth[i] >= 0 ? truth[i] : -1;
	return share(scratch, level);
}

double recall_row_wide(const int64_t *found, const int64_t *truth, int64_t level, int64_t *scratch)
{
	memcpy(scratch, found, (size_t)level * sizeof *scratch);
	memcpy(scratch + level, truth, (size_t)level * sizeof *scratch);
	return share(scratch, level);
}
