/* Ids: the caller's id of each stored position, and the position of each id. */
#ifndef KITH_INDEX_IDS_H
#define KITH_INDEX_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/base/alloc.h"
#include "lib/base/blob.h"

/* Positions are 32 bits; one value is kept for "empty". */
#define IDS_MAX (INT64_C(0xfffffffe))

struct lazy;

/* As long as ids are 0 … n − 1 in order, nothing is stored (`list` is empty). Otherwise `list` has the
 * ids and `table` is an open-addressing hash of positions, some 6 bytes an id. Zero-initialise. */
struct ids {
	int64_t n;
	int64_t next; /* 1 + the largest id ever given */
	bool listed;
	struct buffer list;  /* int64_t [n] */
	struct buffer table; /* uint32_t [slots]: position + 1, 0 empty */
	uint64_t slots;      /* a power of two, 0: no table */

	/* Not NULL: unvalidated ids of a mapped file. The table is in here, made when an id is first looked
	 * for. An id may be out of range, or occur twice and be found at one of its positions. */
	struct lazy *unvalidated;
};

/* Append n ids (NULL: next, next + 1, …). INVALID: negative or repeated; NOMEM. Unchanged on failure. */
kith_status ids_append(struct ids *ids, int64_t n, const int64_t *added);

/* After this, ids_append of the same ids can fail only because they are negative or repeated. */
kith_status ids_prepare_append(struct ids *ids, int64_t n, const int64_t *added);

/* After ids_prepare_append, if nothing is appended after all: make ids implicit again that were listed for
 * it. */
void ids_unprepare(struct ids *ids);

/* Remove the last ids, so that n are left and the next one is `next`. */
void ids_truncate(struct ids *ids, int64_t n, int64_t next);

/* Make room for n ids in all, if they need any. */
kith_status ids_reserve(struct ids *ids, int64_t n);

/* Free spare memory. */
void ids_trim(struct ids *ids);

/* Position of id, −1: absent. */
int64_t ids_find(const struct ids *ids, int64_t id);

static inline const int64_t *ids_list(const struct ids *ids)
{
	return ids->listed ? (const int64_t *)(const void *)ids->list.data : NULL;
}

static inline int64_t ids_at(const struct ids *ids, int64_t position)
{
	return ids->listed ? ids_list(ids)[position] : position;
}

/* Before removing anything: make sure that ids are listed and removal cannot fail. */
kith_status ids_prepare_remove(struct ids *ids);

/* Retain position i if its bit is set; the order stays. */
void ids_retain(struct ids *ids, const uint64_t *retained);

/* Replace all ids by n others (distinct, not negative), or with NULL by 0 … n − 1, which cannot fail. The ids
 * must be validated. NOMEM, INVALID; unchanged on failure. */
kith_status ids_replace(struct ids *ids, const int64_t *others);

/* Validate unvalidated ids, before any call but those that only read them. FORMAT: they are not what ids_load
 * demands; NOMEM. Unchanged on failure. */
kith_status ids_validate(struct ids *ids);

/* To a file, and n ids back into new ones: FORMAT unless they are distinct, >= 0 and below `next`. */
void ids_save(const struct ids *ids, struct blob_writer *w);
kith_status ids_load(struct ids *ids, int64_t n, struct blob_reader *r);

kith_status ids_copy(struct ids *to, const struct ids *from);
size_t ids_memory(const struct ids *ids);
void ids_free(struct ids *ids);

#endif
