/* Each vector that is added gets the next id, and ids are never used again, so the old and the new vector
 * of a row have different ids. When a row changes, its old id becomes dead, and searches skip it by a
 * filter: removing vectors from a graph one by one would take longer. An index with many dead ids is built
 * again from the rows (commit.c). */
#include "live.h"

#include <string.h>

#include "sqlite.h"

void live_free(struct live *l)
{
	if (l == NULL) {
		return;
	}
	kith_index_free(l->index);
	kith_filter_free(l->alive);
	sqlite3_free(l->rowids);
	sqlite3_free(l->dead);
	sqlite3_free(l->slots);
	delta_free(&l->pending);
	cells_free(l->cells);
	sqlite3_free(l);
}

struct live *live_empty(void)
{
	struct live *l = zeroed(sizeof *l);
	if (l != NULL) {
		l->multiplier = 1;
	}
	return l;
}

static void note_options(struct live *l)
{
	l->uses_ef = kith_index_uses(l->index, "efSearch");
	l->uses_nprobe = kith_index_uses(l->index, "nprobe");
}

/* True for graphs of floats ("HNSW32", "HNSW32,Flat") and for all indexes that are refined with floats
 * (",RFlat"), but not for cosine, where the stored floats are normalised. */
int live_is_exact(const char *spec, kith_metric metric)
{
	size_t length = strlen(spec);
	size_t head = strcspn(spec, ",");
	int graph = sqlite3_strnicmp(spec, "HNSW", 4) == 0 && strspn(spec + 4, "0123456789") + 4 == head;
	int plain = graph || sqlite3_strnicmp(spec, "HNSW", 4) == 0 ||
	            sqlite3_strnicmp(spec, "IVF", 3) == 0 || sqlite3_strnicmp(spec, "SQ", 2) == 0 ||
	            sqlite3_strnicmp(spec, "PQ", 2) == 0;
	int refined = plain && length > 6 && sqlite3_stricmp(spec + length - 6, ",RFlat") == 0;
	return metric != KITH_COSINE &&
	       ((graph && (spec[head] == '\0' || sqlite3_stricmp(spec + head, ",Flat") == 0)) || refined);
}

kith_status live_new(struct live **out, int64_t dim, kith_metric metric, const char *spec)
{
	*out = live_empty();
	if (*out == NULL) {
		return KITH_NOMEM;
	}
	kith_status status = kith_index_new(&(*out)->index, dim, metric, spec);
	if (status != KITH_OK) {
		live_free(*out);
		*out = NULL;
		return status;
	}
	note_options(*out);
	(*out)->exact = live_is_exact(spec, metric);
	return KITH_OK;
}

int live_is_dead(const struct live *l, int64_t id)
{
	return l->dead[id / 8] >> (id % 8) & 1;
}

/* ---- rowids to ids ---- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 32)) * 0x9e3779b97f4a7c15U;
	return x ^ (x >> 29);
}

/* The slot of a rowid in the hash table, or the free slot where it would be put. */
static int64_t slot_of(const struct live *l, int64_t rowid)
{
	int64_t mask = l->slot_count - 1;
	int64_t at = (int64_t)(mix((uint64_t)rowid) & (uint64_t)mask);
	while (l->slots[at] != 0 && l->rowids[l->slots[at] - 1] != rowid) {
		at = (at + 1) & mask;
	}
	return at;
}

int64_t live_find(const struct live *l, int64_t rowid)
{
	if (l->slot_count == 0) {
		return -1;
	}
	int64_t id = l->slots[slot_of(l, rowid)] - 1;
	return id >= 0 && !live_is_dead(l, id) ? id : -1;
}

/* Make room for n ids, in a hash table that stays at least half empty. */
static kith_status reserve(struct live *l, int64_t n)
{
	if (n <= l->room) {
		return KITH_OK;
	}
	int64_t room = 64;
	while (room < n) {
		room *= 2;
	}
	int64_t *rowids = sqlite3_realloc64(l->rowids, (sqlite3_uint64)room * sizeof *rowids);
	if (rowids == NULL) {
		return KITH_NOMEM;
	}
	l->rowids = rowids;
	uint8_t *dead = sqlite3_realloc64(l->dead, (sqlite3_uint64)room / 8);
	if (dead == NULL) {
		return KITH_NOMEM;
	}
	memset(dead + l->room / 8, 0, (size_t)(room - l->room) / 8);
	l->dead = dead;
	int64_t *slots = zeroed((size_t)room * 2 * sizeof *slots);
	if (slots == NULL) {
		return KITH_NOMEM;
	}
	sqlite3_free(l->slots);
	l->slots = slots;
	l->slot_count = 2 * room;
	l->room = room;
	for (int64_t id = 0; id < l->n; id++) {
		l->slots[slot_of(l, l->rowids[id])] =
		    id + 1; /* of several ids of a row the last one counts */
	}
	return KITH_OK;
}

static void mark_dead(struct live *l, int64_t id)
{
	l->dead[id / 8] |= (uint8_t)(1 << (id % 8));
	l->dead_count++;
}

void live_remove(struct live *l, int64_t rowid)
{
	int64_t id = live_find(l, rowid);
	if (id >= 0) {
		mark_dead(l, id);
	}
}

static void give_id(struct live *l, int64_t rowid)
{
	live_remove(l, rowid);
	int64_t at = slot_of(l, rowid);
	l->rowids[l->n] = rowid;
	l->slots[at] = ++l->n;
}

kith_status live_add(struct live *l, int64_t n, const float *x, const int64_t *rowids, int threads)
{
	kith_add_options options = KITH_ADD_OPTIONS;
	options.threads = threads;
	kith_status status = reserve(l, l->n + n);
	int64_t *ids = status == KITH_OK ? sqlite3_malloc64((sqlite3_uint64)(n + 1) * sizeof *ids) : NULL;
	if (ids == NULL) {
		return KITH_NOMEM;
	}
	for (int64_t i = 0; i < n; i++) {
		ids[i] = l->n + i;
	}
	status = kith_index_add(l->index, n, x, ids, &options);
	sqlite3_free(ids);
	for (int64_t i = 0; i < n && status == KITH_OK; i++) {
		give_id(l, rowids[i]);
	}
	return status;
}

kith_status live_prepare(struct live *l)
{
	kith_filter_free(l->alive);
	l->alive = NULL;
	if (l->dead_count == 0) {
		return KITH_OK;
	}
	kith_filter *dead;
	kith_status status = kith_filter_bitmap(&dead, l->n, l->dead);
	if (status == KITH_OK && (status = kith_filter_not(&l->alive, dead)) != KITH_OK) {
		kith_filter_free(dead);
	}
	return status;
}

kith_status live_clone(struct live **out, const struct live *from)
{
	struct live *l = live_empty();
	*out = NULL;
	kith_status status = l != NULL ? reserve(l, from->n) : KITH_NOMEM;
	if (status == KITH_OK) {
		status = kith_index_clone(&l->index, from->index);
	}
	if (status != KITH_OK) {
		live_free(l);
		return status;
	}
	for (int64_t id = 0; id < from->n; id++) {
		give_id(l, from->rowids[id]);
	}
	memcpy(l->dead, from->dead, (size_t)(from->n + 7) / 8);
	l->dead_count = from->dead_count;
	note_options(l);
	l->multiplier = from->multiplier;
	l->points = from->points;
	memcpy(l->sweep, from->sweep, sizeof l->sweep);
	l->exact = from->exact;
	l->seq = from->seq;
	l->mark = from->mark;
	*out = l;
	return live_prepare(l);
}

int64_t live_memory(const struct live *l)
{
	return (int64_t)kith_index_memory(l->index) + cells_memory(l->cells) +
	       l->room * (int64_t)sizeof *l->rowids + l->room / 8 + l->slot_count * (int64_t)sizeof *l->slots;
}

kith_status live_load_ids(struct live *l, int64_t n, const int64_t *rowids, const uint8_t *dead)
{
	kith_status status = reserve(l, n);
	if (status != KITH_OK) {
		return status;
	}
	for (int64_t id = 0; id < n; id++) {
		give_id(l, rowids[id]);
	}
	memcpy(l->dead, dead, (size_t)(n + 7) / 8);
	l->dead_count = 0;
	for (int64_t id = 0; id < n; id++) {
		l->dead_count += live_is_dead(l, id);
	}
	return KITH_OK;
}
