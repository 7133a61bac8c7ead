/* Saving and opening: the section that says what an index is, then the index itself.
 *
 * Opening makes an empty index from the factory string in the file, so that whatever the library can build it
 * can read, and has it load its sections, each of the size that follows from the string and the number of
 * vectors.
 */
#include "lib/api/file.h"

#include <kith/faiss.h>

#include "lib/api/check.h"
#include "lib/api/spec.h"
#include "lib/base/status.h"
#include "lib/store/faiss.h"
#include "lib/store/file.h"
#include "lib/structure/structure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

kith_status index_read(kith_index **out, struct blob_reader *r)
{
	struct meta meta;
	*out = NULL;
	kith_status status = blob_read(r, "META", &meta, sizeof meta);
	if (status == KITH_OK)
		status = make(out, &meta, r);
	if (status == KITH_OK)
		status = structure_load(*out, r);
	if (status == KITH_OK && (*out)->ops->size(*out) != meta.n)
		status = blob_fail(r, "META", "tells another number of vectors than there are");
	if (status == KITH_OK)
		status = blob_reader_end(r);
	if (status) {
		kith_index_free(*out);
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

kith_status kith_index_save(const kith_index *index, const char *path)
{
	if (!index || !path)
		return fail(KITH_INVALID, "%s is NULL", index ? "path" : "index");
	struct file_writer file;
	kith_status status = check_spec(index);
	if (status == KITH_OK)
		status = file_create(&file, path);
	if (status)
		return status;
	index_write(index, &file.blob);
	return file_finish(&file);
}

kith_status kith_index_open(kith_index **out, const char *path, int flags)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!path)
		return fail(KITH_INVALID, "path is NULL");
	if (flags & ~(KITH_VERIFY | KITH_MMAP))
		return fail(KITH_INVALID, "flags is %d; it must be 0 or of KITH_VERIFY, KITH_MMAP", flags);
	if (flags & KITH_MMAP)
		return fail(KITH_UNSUPPORTED, "flags: KITH_MMAP is not offered yet; open without it");
	if (faiss_is_file(path))
		return kith_index_import_faiss(out, path, NULL);
	struct file_reader file;
	kith_status status = file_open(&file, path, true);
	if (status)
		return status;
	status = index_read(out, &file.blob);
	file_close(&file);
	return status;
}
