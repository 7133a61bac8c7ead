/* Follows the cycles of the permutation: the first row of a cycle is put aside, each of the others moves to
 * the place that has just become free, and the first one takes the last place. Every row is copied once. */
#include "lib/base/permute.h"

#include <stdbool.h>
#include <string.h>

static bool is_done(const struct permutation *p, int64_t i)
{
	return p->done[i / 64] >> (i % 64) & 1;
}

/* The cycle that row `first` is on. */
static void turn_cycle(const struct permutation *p, char *rows, size_t size, int64_t first)
{
	int64_t to = first;
	memcpy(p->spare, rows + (size_t)first * size, size);
	for (int64_t from = p->order[to]; from != first; to = from, from = p->order[to]) {
		memcpy(rows + (size_t)to * size, rows + (size_t)from * size, size);
		p->done[to / 64] |= UINT64_C(1) << (to % 64);
	}
	memcpy(rows + (size_t)to * size, p->spare, size);
	p->done[to / 64] |= UINT64_C(1) << (to % 64);
}

void permute_rows(const struct permutation *p, void *rows, size_t size)
{
	if (p->n == 0)
		return;
	memset(p->done, 0, (size_t)(p->n + 63) / 64 * sizeof *p->done);
	for (int64_t i = 0; i < p->n; i++)
		if (!is_done(p, i) && p->order[i] != i)
			turn_cycle(p, rows, size, i);
}
