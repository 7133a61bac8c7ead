/* Saving and opening: the section that says what an index is, then the index itself.
 *
 * Opening makes an empty index from the factory string in the file, so that whatever the library can build it
 * can read, and has it load its sections, each of the size that follows from the string and the number of
 * vectors.
 */
#include "lib/api/file.h"

#include <kith/faiss.h>

#include "lib/api/check.h"
#include "lib/api/guard.h"
#include "lib/api/journal.h"
#include "lib/api/spec.h"
#include "lib/api/tags.h"
#include "lib/base/status.h"
#include "lib/store/faiss.h"
#include "lib/store/file.h"
#include "lib/structure/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct meta {
	uint32_t dim, metric, type;
	uint32_t zero;
	int64_t n;
	char version[40]; /* of the library that wrote it */
	char spec[256];
};
_Static_assert(sizeof(struct meta) == 320, "no padding");

void index_write(const kith_index *index, struct blob_writer *w)
{
	struct meta meta = {.dim = (uint32_t)index->dim,
	    .metric = (uint32_t)index->metric,
	    .type = (uint32_t)index->type,
	    .n = index->ops->size(index)};
	snprintf(meta.version, sizeof meta.version, "%s", kith_version());
	snprintf(meta.spec, sizeof meta.spec, "%s", index->spec);
	blob_write(w, "META", &meta, sizeof meta);
	tags_save(index, w);
	structure_save(index, w);
}

/* Shards are made before they are read: no more of them than there are sections. */
static bool believable(const char *spec, const struct blob_reader *r)
{
	const char *shards = strstr(spec, "Shards");
	return !shards || strtoull(shards + strlen("Shards"), NULL, 10) <= r->sections;
}

/* The empty index that meta describes. */
static kith_status make(kith_index **out, const struct meta *meta, struct blob_reader *r)
{
	if (meta->spec[sizeof meta->spec - 1] || meta->version[sizeof meta->version - 1])
		return blob_fail(r, "META", "holds a text without an end");
	if (check_dim(meta->dim) || check_metric((kith_metric)meta->metric))
		return blob_fail(r, "META", "has dimension %u, metric %u", meta->dim, meta->metric);
	if (!believable(meta->spec, r))
		return blob_fail(r, "META", "describes more than there is: '%s'", meta->spec);
	kith_status status = spec_build(out, meta->dim, (kith_metric)meta->metric, meta->spec);
	if (status == KITH_NOMEM)
		return status;
	if (status == KITH_UNSUPPORTED)
		return fail(status,
		    "%s: needs what this version of kith does not have: '%s', written by kith %s",
		    r->source.name, meta->spec, meta->version);
	if (status)
		return blob_fail(r, "META", "describes no index: '%s'", meta->spec);
	if (meta->zero || (uint32_t)(*out)->type != meta->type || strcmp((*out)->spec, meta->spec) != 0)
		return blob_fail(r, "META", "contradicts itself");
	return KITH_OK;
}

/* The blob alone. */
static kith_status read_blob(kith_index **out, struct blob_reader *r)
{
	struct meta meta;
	kith_status status = blob_read(r, "META", &meta, sizeof meta);
	if (status == KITH_OK)
		status = make(out, &meta, r);
	if (status == KITH_OK)
		status = tags_load(*out, r);
	if (status == KITH_OK)
		status = structure_load(*out, r);
	if (status == KITH_OK && (*out)->ops->size(*out) != meta.n)
		status = blob_fail(r, "META", "tells another number of vectors than there are");
	return status ? status : blob_reader_end(r);
}

/* What follows it. */
static kith_status read_log(kith_index *index, struct blob_reader *r, struct log_end *end)
{
	struct keep *keep = keep_of(index);
	if (!keep)
		return KITH_NOMEM;
	keep->unsettled = r->lazy;
	kith_status status = journal_replay(index, r, end);
	if (status == KITH_OK && r->all > end->at)
		snprintf(keep->note, sizeof keep->note,
		    "an append that was not completed was dropped: %llu bytes from byte %llu on",
		    (unsigned long long)(r->all - end->at), (unsigned long long)end->at);
	return status;
}

kith_status index_read(kith_index **out, struct blob_reader *r, struct log_end *end)
{
	struct log_end at;
	*out = NULL;
	kith_status status = read_blob(out, r);
	if (status == KITH_OK && (r->lazy || r->all > r->source.size))
		status = read_log(*out, r, end ? end : &at);
	else if (end)
		*end =
		    (struct log_end){.size = r->source.size, .identity = r->identity, .at = r->source.size};
	if (status) {
		structure_free(*out);
		*out = NULL;
	}
	return status;
}

/* What cannot be built from its description could be saved, but not opened again. */
static kith_status check_spec(const kith_index *index)
{
	kith_index *empty = NULL;
	kith_status status = spec_build(&empty, index->dim, index->metric, index->spec);
	if (status == KITH_NOMEM)
		return status;
	if (status || strcmp(empty->spec, index->spec) != 0)
		status = fail(KITH_UNSUPPORTED, "an index '%s' cannot be saved yet", index->spec);
	kith_index_free(empty);
	return status;
}

kith_status index_measure(const kith_index *index, uint64_t *size)
{
	struct blob_writer w;
	kith_status status = check_spec(index);
	if (status == KITH_OK)
		status = blob_writer_begin(&w, (struct blob_sink){0}, 0);
	if (status)
		return status;
	index_write(index, &w);
	status = blob_finish(&w);
	*size = w.offset;
	blob_writer_free(&w);
	return status;
}

static kith_status save(const kith_index *index, const char *path)
{
	struct file_writer file;
	uint64_t size = 0;
	kith_status status = index_measure(index, &size);
	if (status == KITH_OK)
		status = file_create(&file, path, size);
	if (status)
		return status;
	index_write(index, &file.blob);
	bool lasts = file.target.temp != NULL; /* not a pipe */
	status = file_finish(&file);
	if (status == KITH_OK && lasts)
		journal_saved(index, size, file.blob.identity);
	return status;
}

kith_status kith_index_save(const kith_index *index, const char *path)
{
	if (!index || !path)
		return fail(KITH_INVALID, "%s is NULL", index ? "path" : "index");
	kith_status status = read_begin(index);
	if (status)
		return status;
	status = save(index, path);
	read_end(index);
	return status;
}

/* What flags add to an index that has been read. The mapping is its own from now on. */
static kith_status finish_open(
    kith_index *index, struct file_reader *file, const struct log_end *end, int flags)
{
	const struct place place = {end->size, end->identity, end->at, end->frames};
	kith_status status = KITH_OK;
	if (!file->base && !(flags & (KITH_READONLY | KITH_UPDATE)))
		return KITH_OK;
	struct keep *keep = keep_of(index);
	if (!keep)
		return KITH_NOMEM;
	if (flags & KITH_UPDATE)
		status = keep_journal(keep, &place);
	index->readonly = flags & KITH_READONLY;
	if (status == KITH_OK && file->base) {
		if (index->readonly)
			mprotect(file->base, file->bytes, PROT_READ);
		keep->map = file->base;
		keep->map_bytes = file->bytes;
		file->base = NULL;
	}
	return status;
}

static kith_status open_faiss(kith_index **out, const char *path, int flags)
{
	if (flags & ~KITH_VERIFY)
		return fail(KITH_UNSUPPORTED,
		    "flags: '%s' is a file of FAISS's, which can only be read; save it as kith's own", path);
	return kith_index_import_faiss(out, path, NULL);
}

kith_status kith_index_open(kith_index **out, const char *path, int flags)
{
	enum { KNOWN = KITH_VERIFY | KITH_MMAP | KITH_READONLY | KITH_UPDATE };
	struct file_reader file;
	struct log_end end;
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!path)
		return fail(KITH_INVALID, "path is NULL");
	if (flags & ~KNOWN)
		return fail(KITH_INVALID,
		    "flags is %d; it must be 0 or of KITH_VERIFY, KITH_MMAP, "
		    "KITH_READONLY, KITH_UPDATE",
		    flags);
	if ((flags & KITH_READONLY) && (flags & KITH_UPDATE))
		return fail(KITH_INVALID, "flags: KITH_READONLY and KITH_UPDATE exclude each other");
	if (faiss_is_file(path))
		return open_faiss(out, path, flags);
	struct file_use use = {.map = flags & KITH_MMAP, .lazy = !(flags & KITH_VERIFY)};
	kith_status status = file_open(&file, path, use);
	if (status)
		return status;
	status = index_read(out, &file.blob, &end);
	if (status == KITH_OK)
		status = finish_open(*out, &file, &end, flags);
	if (status) {
		structure_free(*out);
		*out = NULL;
	}
	file_close(&file);
	return status;
}

const char *kith_index_note(const kith_index *index)
{
	return index && index->keep ? index->keep->note : "";
}
