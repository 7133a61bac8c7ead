/* The journal: changes of an index that was opened with KITH_UPDATE, as the caller asked for them.
 * kith_index_append writes them behind the blob in its file (store/log.c); opening the file makes them again
 * (replay.c). */
#include "lib/api/journal.h"

#include "lib/api/guard.h"
#include "lib/api/origin.h"
#include "lib/api/record.h"
#include "lib/base/status.h"
#include "lib/index/index_log.h"
#include "lib/index/index_state.h"
#include "lib/store/log.h"

#include <kith/file.h>
#include <string.h>

bool is_journalled(const kith_index *index)
{
	return index->state && index->state->journal;
}

kith_status change_begin(kith_index *index, const struct change *change)
{
	if (!is_journalled(index))
		return KITH_OK;
	struct journal *journal = index->state->journal;
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
	if (!is_journalled(index))
		return;
	struct journal *journal = index->state->journal;
	if (status == KITH_OK) {
		journal->bytes += journal->pending;
	} else if (status == KITH_NOMEM) {
		/* Shards may have made part of the change. */
		journal->lost = "a change failed for memory";
	}
	journal->pending = 0;
}

void change_unrecorded(kith_index *index, const char *what)
{
	if (is_journalled(index))
		index->state->journal->lost = what;
}

bool log_is_long(const struct log_end *end)
{
	enum { FEW = 1 << 20, MANY_FRAMES = 1000, SHARE = 4 };
	uint64_t bytes = end->at - end->size;
	return end->frames >= MANY_FRAMES || (bytes > FEW && bytes > end->size / SHARE);
}

/* ---- appending ---- */

static const char no_notes[] = "there was no memory to note what changes";

kith_status journal_begin(kith_index *index, const struct place *place)
{
	kith_status status = state_keep_journal(index->state, place);
	return status ? status : structure_log_begin(index);
}

/* All changes so far are in the file. */
static void begin_anew(kith_index *index, const struct place *place)
{
	struct journal *journal = index->state->journal;
	journal->place = *place;
	journal->bytes = 0;
	journal->lost = structure_log_begin(index) == KITH_OK ? NULL : no_notes;
	buffer_free(&journal->ops);
}

/* The journal is not part of what `const` protects here; the lock keeps threads that save apart. */
void journal_saved(const kith_index *index, const struct place *place)
{
	if (!is_journalled(index))
		return;
	pthread_mutex_lock(&index->state->lock);
	begin_anew((kith_index *)index, place);
	pthread_mutex_unlock(&index->state->lock);
}

/* What an append writes: the lists of graphs that the changes linked, if any, then the changes. */
struct appending {
	const kith_index *index;
	uint64_t graphs; /* bytes; 0: no graph has changed */
};

static kith_status put(void *owner, const void *bytes, size_t n)
{
	log_put(owner, bytes, n);
	return KITH_OK;
}

/* Write the blob of the graphs; without a sink only *size is found. */
static kith_status write_graphs(const kith_index *index, struct log_sink *sink, uint64_t *size)
{
	struct blob_writer w;
	struct blob_sink to = {sink ? put : NULL, sink};
	kith_status status = blob_writer_begin(&w, to, *size);
	if (status == KITH_OK) {
		structure_log_save(index, &w);
		status = blob_finish(&w);
	}
	*size = w.offset;
	blob_writer_free(&w);
	return status;
}

static kith_status write_records(void *owner, struct log_sink *sink)
{
	const struct appending *a = owner;
	const struct journal *journal = a->index->state->journal;
	uint64_t size = a->graphs;
	kith_status status = KITH_OK;
	if (size) {
		struct record record = {.kind = CHANGE_GRAPHS, .n = (int64_t)size};
		log_put(sink, &record, sizeof record);
		status = write_graphs(a->index, sink, &size);
	}
	log_put(sink, journal->ops.data, journal->bytes);
	return status;
}

/* INVALID unless all changes were recorded. */
static kith_status check_recorded(const kith_index *index)
{
	if (!is_journalled(index))
		return fail(KITH_INVALID, "index was not opened for updates: its changes are not known");
	const char *lost = index->state->journal->lost;
	lost = lost ? lost : structure_log_lost(index);
	if (lost)
		return fail(KITH_INVALID, "index cannot be appended to its file, because %s; save it", lost);
	return KITH_OK;
}

static kith_status append(kith_index *index, const char *path)
{
	kith_status status = check_recorded(index);
	if (status || index->state->journal->bytes == 0)
		return status;
	struct journal *journal = index->state->journal;
	struct appending a = {.index = index};
	struct log_end end = end_of(&journal->place);
	if (end.chained && structure_log_changed(index))
		status = write_graphs(index, NULL, &a.graphs);
	if (status)
		return status;
	struct log_records records = {.length = journal->bytes, .write = write_records, .owner = &a};
	records.length += a.graphs ? sizeof(struct record) + a.graphs : 0;
	struct file_id id;
	status = log_append(path, &end, origin_knows(index, path, &journal->place), &records, &id);
	if (status)
		return status;
	const struct place place = place_of(&end);
	origin_appended(index, path, id, &place);
	begin_anew(index, &place);
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
