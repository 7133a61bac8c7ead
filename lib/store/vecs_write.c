/* Writing vector files: the arguments are checked here, the bytes go to the format's storage, and the file
 * takes its name when all of them are on disk.
 */
#include "lib/store/vecs.h"

#include <string.h>

/* A type that the format cannot hold is refused with the formats' own list of what it can. */
static kith_status check_type(const struct vecs_name *name, kith_type type)
{
	if (name->format->type == VECS_ANY_TYPE || name->format->type == (int)type)
		return KITH_OK;
	static const char *const instead[] = {[KITH_F32] = "fvecs, fbin or npy",
	    [KITH_U8] = "bvecs, u8bin or npy",
	    [KITH_I8] = "i8bin or npy",
	    [KITH_I32] = "ivecs, ibin or npy"};
	return vecs_fail(KITH_UNSUPPORTED, name->path, "%s holds %s, not %s; for %s use %s",
	    name->format->extension, kith_type_name((kith_type)name->format->type), kith_type_name(type),
	    kith_type_name(type), instead[type]);
}

/* Frees the writer, and the temporary if it was not committed. */
static void writer_free(kith_vecs_writer *writer)
{
	if (writer->name.path) {
		writer->name.format->storage->free(writer);
		vecs_target_free(&writer->target);
	}
	vecs_name_free(&writer->name);
	mem_free(writer);
}

kith_status kith_vecs_create(kith_vecs_writer **out, const char *path, kith_type type, int64_t dim)
{
	if (!out)
		return fail(KITH_INVALID, "kith_vecs_create: out is NULL");
	*out = NULL;
	if (!path)
		return fail(KITH_INVALID, "kith_vecs_create: path is NULL");
	if (type < KITH_F32 || type > KITH_I32)
		return fail(
		    KITH_INVALID, "kith_vecs_create: type is %d; known are f32, u8, i8, i32", (int)type);
	if (dim < 1 || dim > KITH_MAX_DIM)
		return fail(KITH_INVALID, "kith_vecs_create: dim is %lld; allowed are 1 to %d",
		    (long long)dim, KITH_MAX_DIM);
	kith_vecs_writer *writer = mem_zalloc(1, sizeof *writer);
	if (!writer)
		return fail_nomem("a file of vectors", sizeof *writer);
	writer->type = type;
	writer->dim = dim;
	writer->target.fd = -1;
	kith_status status = vecs_name_parse(&writer->name, path, (int)type);
	if (!status)
		status = check_type(&writer->name, type);
	if (!status)
		status = writer->name.format->storage->create(writer);
	if (status) {
		writer_free(writer);
		return status;
	}
	*out = writer;
	return KITH_OK;
}

kith_status kith_vecs_append(kith_vecs_writer *writer, int64_t n, const void *x)
{
	if (!writer || (!x && n > 0))
		return fail(KITH_INVALID, "kith_vecs_append: %s is NULL", writer ? "x" : "writer");
	const struct vecs_format *format = writer->name.format;
	const int64_t max_n = format->plan ? format->plan->max_n : VECS_MAX_N;
	if (n < 0 || n > max_n - writer->n)
		return vecs_fail(KITH_INVALID, writer->name.path,
		    "%lld more vectors after %lld; %s holds 0 to %lld", (long long)n, (long long)writer->n,
		    format->extension, (long long)max_n);
	if (writer->broken)
		return vecs_fail(KITH_IO, writer->name.path, "an earlier write failed");
	if (n == 0)
		return KITH_OK;
	kith_status status = format->storage->append(writer, n, x);
	writer->broken = status != KITH_OK;
	if (!status)
		writer->n += n;
	return status;
}

kith_status kith_vecs_finish(kith_vecs_writer *writer)
{
	kith_status status;
	if (!writer)
		return fail(KITH_INVALID, "kith_vecs_finish: writer is NULL");
	if (writer->broken)
		status = vecs_fail(KITH_IO, writer->name.path, "not written, since an earlier write failed");
	else if (writer->n == 0)
		status = vecs_fail(
		    KITH_INVALID, writer->name.path, "not written: a file of 0 vectors cannot be opened");
	else
		status = writer->name.format->storage->finish(writer);
	if (!status)
		status = vecs_target_commit(&writer->target);
	writer_free(writer);
	return status;
}

void kith_vecs_abandon(kith_vecs_writer *writer)
{
	if (writer)
		writer_free(writer);
}

kith_status kith_vecs_write(const char *path, kith_type type, int64_t n, int64_t dim, const void *x)
{
	kith_vecs_writer *writer;
	kith_status status = kith_vecs_create(&writer, path, type, dim);
	if (status)
		return status;
	status = kith_vecs_append(writer, n, x);
	if (status) {
		kith_vecs_abandon(writer);
		return status;
	}
	return kith_vecs_finish(writer);
}
