/* The journal: changes of an index that was opened to be updated, as they were asked for. kith_index_append
 * puts them behind the blob in its file (store/log.c); opening the file makes the same calls again, in the
 * same order, on the same index, and so, everything being deterministic, comes to the same.
 *
 * A record is 32 bytes, then ids, then vectors of the type in which they came, filled up to 8 bytes. A
 * removal is recorded by the ids that it took, since a filter can be anything.
 */
#include "lib/api/journal.h"

#include "lib/api/guard.h"
#include "lib/api/tags.h"
#include "lib/base/status.h"
#include "lib/store/log.h"
#include "lib/structure/keep.h"

#include <kith/file.h>
#include <string.h>

struct record {
	uint32_t kind, type;
	int64_t n;
	uint32_t listed; /* 1: n ids follow */
	uint32_t zero;
	uint64_t seed;
};

_Static_assert(sizeof(struct record) == 32, "no padding");

bool changes_are_kept(const kith_index *index)
{
	return index->keep && index->keep->journal;
}

/* Bytes of x and of the whole record; false: more than there can be. */
static bool record_bytes(const kith_index *index, const struct record *record, size_t *x, size_t *all)
{
	size_t ids = 0;
	*x = (size_t)record->n;
	if (record->kind == CHANGE_REMOVE)
		*x = 0;
	else if (record->kind != CHANGE_TAG &&
	         !size_mul(*x, (size_t)index->dim * kith_type_size((kith_type)record->type), x))
		return false;
	if (record->listed && !size_mul((size_t)record->n, sizeof(int64_t), &ids))
		return false;
	if (*x > SIZE_MAX / 4 || ids > SIZE_MAX / 4)
		return false;
	*all = (sizeof *record + ids + *x + 7) / 8 * 8;
	return true;
}

kith_status change_begin(kith_index *index, const struct change *change)
{
	if (!changes_are_kept(index))
		return KITH_OK;
	struct journal *journal = index->keep->journal;
	struct record record = {.kind = change->kind,
	    .type = (uint32_t)change->type,
	    .n = change->n,
	    .listed = change->ids != NULL,
	    .seed = change->seed};
	size_t x, all, ids = change->ids ? (size_t)change->n * sizeof *change->ids : 0;
	if (!record_bytes(index, &record, &x, &all) || all > SIZE_MAX / 4 - journal->bytes ||
	    !buffer_reserve(&journal->ops, journal->bytes + all, 4))
		return fail_nomem("the journal", (size_t)change->n);
	char *to = journal->ops.data + journal->bytes;
	memset(to + all - 8, 0, 8);
	memcpy(to, &record, sizeof record);
	if (ids)
		memcpy(to + sizeof record, change->ids, ids);
	if (x)
		memcpy(to + sizeof record + ids, change->x, x);
	journal->pending = all;
	return KITH_OK;
}

void change_end(kith_index *index, kith_status status)
{
	if (!changes_are_kept(index))
		return;
	struct journal *journal = index->keep->journal;
	if (status == KITH_OK) {
		journal->bytes += journal->pending;
		journal->count += journal->pending > 0;
	} else if (status == KITH_NOMEM) {
		/* Shards may have made a part of it. */
		journal->lost = "a change failed for memory";
	}
	journal->pending = 0;
}

void change_untold(kith_index *index, const char *what)
{
	if (changes_are_kept(index))
		index->keep->journal->lost = what;
}

/* ---- making them again ---- */

static kith_status remove_ids(kith_index *index, int64_t n, const int64_t *ids)
{
	kith_filter *filter;
	kith_status status = kith_filter_ids(&filter, n, ids);
	if (status)
		return status;
	status = kith_index_remove(index, filter, NULL);
	kith_filter_free(filter);
	return status;
}

static kith_status apply(kith_index *index, const struct record *record, const char *body, size_t x_bytes)
{
	const int64_t *ids = record->listed ? (const int64_t *)(const void *)body : NULL;
	const char *x = body + (ids ? (size_t)record->n * sizeof *ids : 0);
	kith_type type = (kith_type)record->type;
	kith_add_options options = KITH_ADD_OPTIONS;
	options.seed = record->seed;
	switch ((enum change_kind)record->kind) {
	case CHANGE_ADD:
		return kith_index_add_as(index, type, record->n, x, ids, &options);
	case CHANGE_UPDATE:
		return kith_index_update_as(index, type, record->n, x, ids);
	case CHANGE_REMOVE:
		return remove_ids(index, record->n, ids);
	case CHANGE_TAG:
		return tags_apply(index, x, x_bytes);
	}
	return fail(KITH_INVALID, "unknown");
}

static bool record_is_good(const struct record *record)
{
	bool ids = record->kind == CHANGE_UPDATE || record->kind == CHANGE_REMOVE;
	return record->kind >= CHANGE_ADD && record->kind <= CHANGE_TAG && record->n >= 0 &&
	       record->listed <= 1 && (!ids || record->listed) &&
	       (record->kind != CHANGE_TAG || !record->listed) && record->type <= KITH_I8 && !record->zero;
}

static kith_status fail_record(const struct blob_reader *r, uint64_t at, const char *why)
{
	return fail(KITH_FORMAT, "%s: what was appended at byte %llu does not fit: %s", r->source.name,
	    (unsigned long long)at, why);
}

/* One record at *at, before end. */
static kith_status replay_record(kith_index *index, struct blob_reader *r, uint64_t *at, uint64_t end)
{
	struct record record = {0};
	size_t x, all;
	char why[160];
	if (end - *at < sizeof record)
		return fail_record(r, *at, "it is cut off");
	kith_status status = r->source.read(r->source.owner, *at, &record, sizeof record);
	if (status)
		return status;
	if (!record_is_good(&record) || !record_bytes(index, &record, &x, &all) || all > end - *at)
		return fail_record(r, *at, "it is none of the known changes");
	char *body = mem_alloc(all - sizeof record, 1);
	if (!body)
		return fail_nomem("reading", all);
	status = r->source.read(r->source.owner, *at + sizeof record, body, all - sizeof record);
	if (status == KITH_OK) {
		status = apply(index, &record, body, x);
		if (status && status != KITH_NOMEM) {
			strncpy(why, fail_message(), sizeof why - 1);
			why[sizeof why - 1] = 0;
			status = fail_record(r, *at, why);
		}
	}
	mem_free(body);
	*at += all;
	return status;
}

kith_status journal_replay(kith_index *index, struct blob_reader *r, struct log_end *end)
{
	*end = (struct log_end){.size = r->source.size, .identity = r->identity, .at = r->source.size};
	for (bool found = true; found;) {
		struct log_frame frame = {0};
		kith_status status = log_next(&r->source, r->all, end, &frame, &found);
		for (uint64_t at = frame.offset;
		     status == KITH_OK && found && at < frame.offset + frame.length;)
			status = replay_record(index, r, &at, frame.offset + frame.length);
		if (status)
			return status;
	}
	return KITH_OK;
}

/* ---- keeping them ---- */

void journal_saved(const kith_index *index, uint64_t size, uint64_t identity)
{
	if (!changes_are_kept(index))
		return;
	struct journal *journal = index->keep->journal;
	pthread_mutex_lock(&journal->lock);
	journal->place = (struct place){.size = size, .identity = identity, .end = size};
	journal->bytes = 0;
	journal->count = 0;
	journal->lost = NULL;
	buffer_free(&journal->ops);
	pthread_mutex_unlock(&journal->lock);
}

static kith_status append(kith_index *index, const char *path)
{
	if (!changes_are_kept(index))
		return fail(KITH_INVALID, "index was not opened with KITH_UPDATE: its changes are not known");
	struct journal *journal = index->keep->journal;
	if (journal->lost)
		return fail(
		    KITH_INVALID, "index cannot be appended to its file, because %s; save it", journal->lost);
	if (journal->bytes == 0)
		return KITH_OK;
	const struct place *place = &journal->place;
	struct log_end end = {place->size, place->identity, place->end, place->frames};
	if (!end.size)
		return fail(KITH_INVALID, "index is from a file that has no place to append to; save it");
	kith_status status = log_append(path, &end, journal->ops.data, journal->bytes);
	if (status)
		return status;
	journal->place.end = end.at;
	journal->place.frames = end.frames;
	journal->bytes = 0;
	journal->count = 0;
	buffer_free(&journal->ops);
	return KITH_OK;
}

kith_status kith_index_append(kith_index *index, const char *path)
{
	if (!index || !path)
		return fail(KITH_INVALID, "%s is NULL", index ? "path" : "index");
	kith_status status = alone_begin(index);
	if (status)
		return status;
	status = append(index, path);
	write_end(index);
	return status;
}
