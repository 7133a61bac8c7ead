/* Rows in groups of four, whose sums of lanes are added at the same time: for instruction sets without masks.
 * A file that includes this one has defined ALWAYS_INLINE. */
#ifndef KITH_KERNELS_GROUP_H
#define KITH_KERNELS_GROUP_H

#include <stddef.h>
#include <stdint.h>

enum { GROUP = 4 };

ALWAYS_INLINE const char *row_at(const void *rows, size_t stride, const uint32_t *pos, int64_t i)
{
	return (const char *)rows + (size_t)(pos ? pos[i] : i) * stride;
}

/* Prefetch the beginnings of the rows in the group after that of row i, and for i = 0 also in the first
 * group. The hardware does not foresee where gathered rows are, but it does foresee the rest of a long
 * row. */
ALWAYS_INLINE void group_prefetch(
    const void *rows, size_t stride, const uint32_t *pos, int64_t i, int64_t n, int64_t bytes)
{
	enum { LINE = 64, MAX = 512 };
	int64_t end = i + 2 * GROUP < n ? i + 2 * GROUP : n;
	for (int64_t r = i ? i + GROUP : 0; r < end; r++) {
		for (int64_t b = 0; b < bytes && b < MAX; b += LINE)
			__builtin_prefetch(row_at(rows, stride, pos, r) + b);
	}
}

#endif
