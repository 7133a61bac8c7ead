/* Making the changes again that follow a blob in its file: the same calls in the same order on the same
 * index. All of them are deterministic, so the result is the same. */
#include "lib/api/record.h"

#include "lib/api/guard.h"
#include "lib/api/tags.h"
#include "lib/base/status.h"
#include "lib/codec/codec.h"
#include "lib/index/index_log.h"
#include "lib/store/log.h"

#include <string.h>

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

/* Read the head of the record at `at`, before end; *all: bytes of the record, *x: of its vectors or text. */
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

/* Replay the record at *at, before end, and move *at behind it. */
static kith_status replay_record(kith_index *index, struct blob_reader *r, uint64_t *at, uint64_t end)
{
	struct record record = {0};
	size_t x = 0, all = 0;
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

/* The lists of graphs that the changes of a frame linked: a blob in its first record. */
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
