/* Rows of an array in another order, in place. */
#ifndef KITH_BASE_PERMUTE_H
#define KITH_BASE_PERMUTE_H

#include <stddef.h>
#include <stdint.h>

struct permutation {
	int64_t n;
	const uint32_t *order; /* [n] each of 0 … n − 1 once */
	uint64_t *done;        /* [(n + 63) / 64] written over */
	char *spare;           /* room for a row, written over */
};

/* Row i of rows [p->n], each of `size` bytes, becomes what row p->order[i] was. */
void permute_rows(const struct permutation *p, void *rows, size_t size);

#endif
