/* The journal: changes of an index that was opened to be updated, as they were asked for. kith_index_append
 * puts them behind the blob in its file (store/log.c); opening the file makes the same calls again, in the
 * same order, on the same index, and so, everything being deterministic, comes to the same.
 *
 * A record is 32 bytes, then ids, then vectors of the type in which they came, filled up to 8 bytes. A
 * removal is recorded by the ids that it took, since a filter can be anything.
 */
#include "lib/api/journal.h"

#include "lib/api/guard.h"
#include "lib/api/origin.h"
#include "lib/api/tags.h"
#include "lib/base/status.h"
#include "lib/codec/codec.h"
#include "lib/index/index_log.h"
#include "lib/index/index_state.h"
#include "lib/store/log.h"

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

bool is_journalled(const kith_index *index)
{
	return index->state && index->state->journal;
}

/* Bytes of x and of the whole record; false: more than there can be. */
static bool record_bytes(const kith_index *index, const struct record *record, size_t *x, size_t *all)
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
		journal->count += journal->pending > 0;
	} else if (status == KITH_NOMEM) {
		/* Shards may have made a part of it. */
		journal->lost = "a change failed for memory";
	}
	journal->pending = 0;
}

void change_untold(kith_index *index, const char *what)
{
	if (is_journalled(index))
		index->state->journal->lost = what;
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
	case CHANGE_GRAPHS:
		break;
	}
	return fail(KITH_INVALID, "unknown");
}

static bool record_is_good(const struct record *record)
{
	bool ids = record->kind == CHANGE_UPDATE || record->kind == CHANGE_REMOVE;
	return record->kind >= CHANGE_ADD && record->kind <= CHANGE_GRAPHS && record->n >= 0 &&
	       record->listed <= 1 && (!ids || record->listed) &&
	       (record->kind < CHANGE_TAG || !record->listed) && record->type <= KITH_I8 && !record->zero;
}

static kith_status fail_record(const struct blob_reader *r, uint64_t at, const char *why)
{
	return fail(KITH_FORMAT, "%s: what was appended at byte %llu does not fit: %s", r->source.name,
	    (unsigned long long)at, why);
}

/* The head of the record at `at`, before end; *all: bytes of the record, *x: of what it says. */
static kith_status read_record(const kith_index *index, struct blob_reader *r, uint64_t at, uint64_t end,
    struct record *record, size_t *x, size_t *all)
{
	if (end - at < sizeof *record)
		return fail_record(r, at, "it is cut off");
	kith_status status = r->source.read(r->source.owner, at, record, sizeof *record);
	if (status)
		return status;
	if (!record_is_good(record) || !record_bytes(index, record, x, all) || *all > end - at)
		return fail_record(r, at, "it is not a known change");
	return KITH_OK;
}

/* One record at *at, before end. */
static kith_status replay_record(kith_index *index, struct blob_reader *r, uint64_t *at, uint64_t end)
{
	struct record record = {0};
	size_t x, all;
	char why[160];
	kith_status status = read_record(index, r, *at, end, &record, &x, &all);
	if (status)
		return status;
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

/* What the changes of a frame linked: a blob in its first record. */
struct graphs {
	struct blob_reader reader;
	char *bytes; /* NULL: the frame has none */
	size_t n;
};

static kith_status read_graphs(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct graphs *graphs = owner;
	if (offset > graphs->n || n > graphs->n - offset)
		return fail(KITH_FORMAT, "%s: what was appended is cut off", graphs->reader.source.name);
	if (n)
		memcpy(out, graphs->bytes + offset, n);
	return KITH_OK;
}

static kith_status begin_graphs(kith_index *index, struct blob_reader *r, struct graphs *graphs, uint64_t at)
{
	graphs->bytes = mem_alloc(graphs->n, 1);
	if (!graphs->bytes)
		return fail_nomem("reading", graphs->n);
	kith_status status = r->source.read(r->source.owner, at, graphs->bytes, graphs->n);
	struct blob_source source = {
	    .read = read_graphs, .owner = graphs, .size = graphs->n, .name = r->source.name};
	if (status == KITH_OK)
		status = blob_reader_begin(&graphs->reader, source, r->verify);
	if (status == KITH_OK)
		status = write_begin(index);
	if (status)
		return status;
	status = structure_log_load_begin(index, &graphs->reader);
	write_end(index);
	return status;
}

static kith_status end_graphs(kith_index *index, struct graphs *graphs)
{
	kith_status status = write_begin(index);
	if (status)
		return status;
	status = structure_log_load_end(index, &graphs->reader);
	write_end(index);
	return status ? status : blob_reader_end(&graphs->reader);
}

static kith_status replay_frame(
    kith_index *index, struct blob_reader *r, struct log_frame frame, bool chained)
{
	struct graphs graphs = {0};
	struct record first = {0};
	uint64_t at = frame.offset, end = frame.offset + frame.length;
	size_t x, all = 0;
	kith_status status = KITH_OK;
	if (chained && at < end)
		status = read_record(index, r, at, end, &first, &x, &all);
	if (status == KITH_OK && first.kind == CHANGE_GRAPHS) {
		graphs.n = (size_t)first.n;
		status = begin_graphs(index, r, &graphs, at + sizeof first);
		at += all;
	}
	while (status == KITH_OK && at < end)
		status = replay_record(index, r, &at, end);
	if (status == KITH_OK && graphs.bytes)
		status = end_graphs(index, &graphs);
	blob_reader_free(&graphs.reader);
	mem_free(graphs.bytes);
	return status;
}

static kith_status replay_all(kith_index *index, struct blob_reader *r, struct log_end *end)
{
	for (bool found = true; found;) {
		struct log_frame frame = {0};
		kith_status status = log_next(&r->source, r->all, end, &frame, &found);
		if (status == KITH_OK && found)
			status = replay_frame(index, r, frame, end->chained);
		if (status)
			return status;
	}
	return KITH_OK;
}

kith_status journal_replay(kith_index *index, struct blob_reader *r, struct log_end *end)
{
	codec_clamps(true);
	kith_status status = replay_all(index, r, end);
	codec_clamps(false);
	return status;
}

bool log_is_long(const struct log_end *end)
{
	enum { FEW = 1 << 20, MANY_FRAMES = 1000, SHARE = 4 };
	uint64_t bytes = end->at - end->size;
	return end->frames >= MANY_FRAMES || (bytes > FEW && bytes > end->size / SHARE);
}

/* ---- keeping them ---- */

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
	journal->count = 0;
	journal->lost = structure_log_begin(index) == KITH_OK ? NULL : no_notes;
	buffer_free(&journal->ops);
}

/* What is noted of an index is no part of what is constant about it; only savers come here at a time. */
void journal_saved(const kith_index *index, const struct place *place)
{
	if (!is_journalled(index))
		return;
	pthread_mutex_lock(&index->state->lock);
	begin_anew((kith_index *)index, place);
	pthread_mutex_unlock(&index->state->lock);
}

/* An append: what changes linked, where that is told, then the changes. */
struct appending {
	const kith_index *index;
	uint64_t graphs; /* bytes; 0: no graph has changed */
};

static kith_status put(void *owner, const void *bytes, size_t n)
{
	log_put(owner, bytes, n);
	return KITH_OK;
}

/* The blob of the graphs; without a sink it is only counted. */
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

/* Whether all that changed can be told. */
static kith_status check_told(const kith_index *index)
{
	if (!is_journalled(index))
		return fail(KITH_INVALID, "index was not opened for updates: its changes are not known");
	const char *lost = index->state->journal->lost;
	lost = lost ? lost : structure_log_untold(index);
	if (lost)
		return fail(KITH_INVALID, "index cannot be appended to its file, because %s; save it", lost);
	return KITH_OK;
}

static kith_status append(kith_index *index, const char *path)
{
	kith_status status = check_told(index);
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
