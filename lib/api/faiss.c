/* Importing from and exporting to FAISS's files and streams: arguments are checked, files opened. */
#include "lib/faiss/faiss.h"

#include "lib/api/check.h"
#include "lib/api/file.h"
#include "lib/api/guard.h"
#include "lib/api/origin.h"
#include "lib/base/status.h"

static kith_status import_file(
    kith_index **out, const char *path, bool labelled, kith_search_options *options)
{
	struct faiss_file file;
	kith_status status = faiss_file_open(&file, path);
	if (status)
		return status;
	status = faiss_import(out, &file.source, labelled, options);
	faiss_file_close(&file);
	return status;
}

kith_status kith_index_import_faiss(kith_index **out, const char *path, kith_search_options *options)
{
	kith_search_options full;
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!path)
		return fail(KITH_INVALID, "path is NULL");
	kith_status status = check_search_options(options, &full);
	return status ? status : import_file(out, path, false, options);
}

kith_status kith_index_import_faiss_labels(kith_index **out, const char *path)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!path)
		return fail(KITH_INVALID, "path is NULL");
	return import_file(out, path, true, NULL);
}

kith_status kith_faiss_length(kith_read_fn read, void *data, int64_t *length)
{
	struct caller_read caller = {read, data};
	struct blob_source source = {
	    .read = read_from_caller, .owner = &caller, .size = INT64_MAX, .name = "the stream"};
	struct faiss_node *node;
	uint64_t end = 0;
	if (!read || !length)
		return fail(KITH_INVALID, "%s is NULL", read ? "length" : "read");
	kith_status status = faiss_describe_first(&node, &source, &end);
	if (status == KITH_OK)
		faiss_node_free(node);
	*length = status ? 0 : (int64_t)end;
	return status;
}

static kith_status export_to(const kith_index *index, const char *path)
{
	struct vecs_target target;
	if (!index->trained)
		return fail(KITH_UNTRAINED,
		    "index '%s' must be trained before it is exported; kith's own files hold what is not",
		    index->spec);
	kith_status status = vecs_target_open(&target, path);
	if (status)
		return status;
	status = faiss_export(index, faiss_target_sink(&target));
	if (status == KITH_OK)
		status = vecs_target_commit(&target);
	if (status == KITH_OK)
		origin_forget(index, path);
	vecs_target_free(&target);
	return status;
}

kith_status kith_index_export_faiss(const kith_index *index, const char *path)
{
	if (!index || !path)
		return fail(KITH_INVALID, "%s is NULL", index ? "path" : "index");
	kith_status status = read_begin(index);
	if (status)
		return status;
	status = export_to(index, path);
	read_end(index);
	return status;
}
