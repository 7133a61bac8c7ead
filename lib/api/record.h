/* A change in a journal and in a file: 32 bytes, then ids, then vectors of the type in which they came,
 * filled up to 8 bytes. A removal is recorded by the ids that it took, since a filter can be anything. */
#ifndef KITH_API_RECORD_H
#define KITH_API_RECORD_H

#include "lib/api/journal.h"

struct record {
	uint32_t kind, type;
	int64_t n;
	uint32_t listed; /* 1: n ids follow */
	uint32_t zero;
	uint64_t seed;
};

_Static_assert(sizeof(struct record) == 32, "no padding");

/* Bytes of x and of the whole record; false: more than there can be. */
static inline bool record_bytes(const kith_index *index, const struct record *record, size_t *x, size_t *all)
{
	size_t ids = 0;
	*x = (size_t)record->n;
	if (record->kind == CHANGE_REMOVE)
		*x = 0;
	else if (record->kind != CHANGE_TAG && record->kind != CHANGE_GRAPHS &&
	         !size_mul(*x, (size_t)index->dim * kith_type_size((kith_type)record->type), x))
		return false;
	if (record->listed && !size_mul((size_t)record->n, sizeof(int64_t), &ids))
		return false;
	if (*x > SIZE_MAX / 4 || ids > SIZE_MAX / 4)
		return false;
	*all = (sizeof *record + ids + *x + 7) / 8 * 8;
	return true;
}

#endif
