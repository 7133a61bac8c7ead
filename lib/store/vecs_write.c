/* Writing vector files. Rows go through one buffer into a temporary, which takes the file's name when all of
 * them are on disk. A header with a count goes first with n = 0 and is overwritten at the end; what cannot
 * seek (a pipe) cannot hold such a format.
 */
#include "lib/store/vecs.h"

#include <string.h>
#include <sys/stat.h>

/* A type that the format cannot hold is refused with a list of formats that can. */
static kith_status check_type(const struct vecs_name *name, kith_type type)
{
	if (name->format->plan->max_n == 0)
		return vecs_fail(KITH_UNSUPPORTED, name->path,
		    "%s is only read, as ground truth; give vectors a name of their type: fbin, u8bin, i8bin "
		    "or ibin",
		    name->format->extension);
	if (name->set && !name->format->plan->sets)
		return vecs_fail(KITH_UNSUPPORTED, name->path, "':%s' is only read", name->set);
	if (name->format->type == VECS_ANY_TYPE || name->format->type == (int)type)
		return KITH_OK;
	static const char *const instead[] = {[KITH_F32] = "fvecs, fbin or npy",
	    [KITH_U8] = "bvecs, u8bin or npy",
	    [KITH_I8] = "i8bin or npy",
	    [KITH_I32] = "ivecs, ibin or npy",
	    [KITH_I64] = "npy"};
	return vecs_fail(KITH_UNSUPPORTED, name->path, "%s holds %s, not %s; for %s use %s",
	    name->format->extension, kith_type_name((kith_type)name->format->type), kith_type_name(type),
	    kith_type_name(type), instead[type]);
}

/* A set is written under a plain name. */
static kith_status check_set_name(const char *path, const char *set)
{
	if (!*set || strlen(set) > VECS_LONGEST_SET || strchr(set, '/') || strcmp(set, ".") == 0)
		return vecs_fail(KITH_UNSUPPORTED, path,
		    "a set '%.60s' is not written: use a name of 1 to %d bytes without '/'", set,
		    VECS_LONGEST_SET);
	return KITH_OK;
}

/* Only HDF5 has sets; they are written to a new file. */
static kith_status check_set(const struct vecs_name *name)
{
	struct stat st;
	if (!name->format->plan->sets)
		return KITH_OK;
	kith_status status = check_set_name(name->path, name->set);
	if (status == KITH_OK && stat(name->path, &st) == 0)
		status = vecs_fail(KITH_INVALID, name->path,
		    "exists, and may hold other sets: kith writes sets to a new file only");
	return status;
}

static kith_status flush(kith_vecs_writer *writer)
{
	kith_status status = vecs_target_write(&writer->target, writer->buffer, writer->used, -1);
	writer->used = 0;
	return status;
}

static kith_status put(kith_vecs_writer *writer, const void *bytes, size_t n)
{
	writer->at += (int64_t)n;
	if (n > VECS_SCRATCH - writer->used) {
		kith_status status = flush(writer);
		if (status)
			return status;
	}
	if (n >= VECS_SCRATCH)
		return vecs_target_write(&writer->target, bytes, n, -1);
	memcpy(writer->buffer + writer->used, bytes, n);
	writer->used += n;
	return KITH_OK;
}

static kith_status open_writer(kith_vecs_writer *writer)
{
	const struct vecs_format *format = writer->name.format;
	uint8_t header[VECS_HEADER];
	kith_status status = vecs_target_open(&writer->target, writer->name.path);
	if (status)
		return status;
	if (format->plan->header && !writer->target.temp)
		return vecs_fail(KITH_UNSUPPORTED, writer->name.path,
		    "is a pipe or a device, but %s begins with a count that is known at the end: "
		    "write fvecs, bvecs or ivecs",
		    format->extension);
	writer->buffer = mem_alloc(VECS_SCRATCH, 1);
	if (!writer->buffer)
		return fail_nomem("a write buffer", VECS_SCRATCH);
	return format->plan->header ? put(writer, header, format->plan->header(writer, header)) : KITH_OK;
}

static kith_status put_rows(kith_vecs_writer *writer, int64_t n, const void *x)
{
	const size_t row = (size_t)writer->dim * vecs_cell_size((enum vecs_cell)writer->type);
	const int32_t dim = (int32_t)writer->dim;
	if (!writer->name.format->plan->prefixed)
		return put(writer, x, (size_t)n * row);
	for (int64_t i = 0; i < n; i++) {
		kith_status status = put(writer, &dim, sizeof dim);
		if (!status)
			status = put(writer, (const char *)x + (size_t)i * row, row);
		if (status)
			return status;
	}
	return KITH_OK;
}

/* Fill up to a multiple of eight bytes. */
static kith_status pad(kith_vecs_writer *writer)
{
	return put(writer, "\0\0\0\0\0\0\0", (size_t)(-writer->at & 7));
}

/* Write the trailer, which says where each of several sets is, behind the rows of the last. writer->at stays
 * at its beginning. */
static kith_status put_trailer(kith_vecs_writer *writer)
{
	const struct vecs_plan *plan = writer->name.format->plan;
	kith_status status = pad(writer);
	uint8_t *bytes = mem_zalloc(plan->trailer_room(writer), 1);
	if (!status && !bytes)
		status = fail_nomem("the headers of sets", plan->trailer_room(writer));
	const int64_t begin = writer->at;
	writer->sets[writer->set_count - 1].n = writer->n;
	if (!status) {
		writer->trailer = (int64_t)plan->trailer(writer, bytes);
		status = put(writer, bytes, (size_t)writer->trailer);
	}
	writer->at = begin;
	mem_free(bytes);
	return status;
}

/* The rows that are left, and the header, which now knows their number. */
static kith_status put_rest(kith_vecs_writer *writer)
{
	const struct vecs_plan *plan = writer->name.format->plan;
	uint8_t header[VECS_HEADER];
	kith_status status = writer->set_count ? put_trailer(writer) : KITH_OK;
	if (!status)
		status = flush(writer);
	if (status || !plan->header)
		return status;
	return vecs_target_write(&writer->target, header, plan->header(writer, header), 0);
}

/* Frees the writer, and the temporary if it was not committed. */
static void writer_free(kith_vecs_writer *writer)
{
	vecs_target_free(&writer->target);
	vecs_name_free(&writer->name);
	for (int i = 0; i < writer->set_count; i++)
		mem_free(writer->sets[i].name);
	for (int i = 0; i < writer->attribute_count; i++) {
		mem_free(writer->attributes[i].name);
		mem_free(writer->attributes[i].value);
	}
	mem_free(writer->buffer);
	mem_free(writer);
}

kith_status kith_vecs_create(kith_vecs_writer **out, const char *path, kith_type type, int64_t dim)
{
	if (!out)
		return fail(KITH_INVALID, "kith_vecs_create: out is NULL");
	*out = NULL;
	if (!path)
		return fail(KITH_INVALID, "kith_vecs_create: path is NULL");
	if (type < KITH_F32 || type > KITH_I64)
		return fail(
		    KITH_INVALID, "kith_vecs_create: type is %d; known are f32, u8, i8, i32, i64", (int)type);
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
		status = check_set(&writer->name);
	if (!status)
		status = open_writer(writer);
	if (status) {
		writer_free(writer);
		return status;
	}
	*out = writer;
	return KITH_OK;
}

/* Add a set, whose rows begin here, to the list of sets. */
static kith_status note_set(kith_vecs_writer *writer, const char *name, kith_type type, int64_t dim)
{
	struct vecs_set *set = &writer->sets[writer->set_count];
	*set = (struct vecs_set){.name = mem_strdup(name), .type = type, .dim = dim, .offset = writer->at};
	if (!set->name)
		return fail_nomem("the name of a set", strlen(name));
	writer->set_count++;
	return KITH_OK;
}

static kith_status check_new_set(const kith_vecs_writer *writer, const char *set, kith_type type, int64_t dim)
{
	const char *path = writer->name.path;
	if (!writer->name.format->plan->trailer)
		return vecs_fail(KITH_UNSUPPORTED, path,
		    "%s holds one set of vectors; only HDF5 holds several", writer->name.format->extension);
	if (type < KITH_F32 || type > KITH_I64 || dim < 1 || dim > KITH_MAX_DIM)
		return fail(KITH_INVALID,
		    "kith_vecs_add_set: type is %d, dim %lld; known are f32, u8, i8, i32, i64, and 1 to %d",
		    (int)type, (long long)dim, KITH_MAX_DIM);
	kith_status status = check_set_name(path, set);
	if (status)
		return status;
	bool taken = !writer->set_count && strcmp(writer->name.set, set) == 0;
	for (int i = 0; i < writer->set_count; i++)
		taken = taken || strcmp(writer->sets[i].name, set) == 0;
	if (taken)
		return vecs_fail(KITH_INVALID, path, "has a set '%.60s' already", set);
	if (writer->n == 0)
		return vecs_fail(KITH_INVALID, path, "nothing was appended to the set before '%.60s'", set);
	if (writer->set_count == VECS_MAX_SETS)
		return vecs_fail(
		    KITH_UNSUPPORTED, path, "a file of more than %d sets is not written", VECS_MAX_SETS);
	return KITH_OK;
}

kith_status kith_vecs_add_set(kith_vecs_writer *writer, const char *set, kith_type type, int64_t dim)
{
	if (!writer || !set)
		return fail(KITH_INVALID, "kith_vecs_add_set: %s is NULL", writer ? "set" : "writer");
	kith_status status = check_new_set(writer, set, type, dim);
	if (status)
		return status;
	if (!writer->set_count) {
		status = note_set(writer, writer->name.set, writer->type, writer->dim);
		writer->sets[0].offset = VECS_HEADER;
	}
	if (status)
		return status;
	writer->sets[writer->set_count - 1].n = writer->n;
	status = pad(writer);
	writer->broken = writer->broken || status != KITH_OK;
	if (!status)
		status = note_set(writer, set, type, dim);
	if (status)
		return status;
	writer->type = type;
	writer->dim = dim;
	writer->n = 0;
	return KITH_OK;
}

kith_status kith_vecs_set_attribute(kith_vecs_writer *writer, const char *name, const char *value)
{
	if (!writer || !name || !value)
		return fail(KITH_INVALID, "kith_vecs_set_attribute: %s is NULL",
		    !writer ? "writer"
		    : !name ? "name"
		            : "value");
	if (!writer->name.format->plan->trailer)
		return vecs_fail(KITH_UNSUPPORTED, writer->name.path, "%s holds no attributes; HDF5 does",
		    writer->name.format->extension);
	if (!*name || strlen(name) > VECS_LONGEST_ATTRIBUTE || strlen(value) > VECS_LONGEST_ATTRIBUTE ||
	    writer->attribute_count == VECS_MAX_ATTRIBUTES)
		return fail(KITH_INVALID, "attribute '%.60s': at most %d of 1 to %d bytes are written", name,
		    VECS_MAX_ATTRIBUTES, VECS_LONGEST_ATTRIBUTE);
	struct vecs_attribute *attribute = &writer->attributes[writer->attribute_count];
	*attribute = (struct vecs_attribute){mem_strdup(name), mem_strdup(value)};
	if (!attribute->name || !attribute->value) {
		mem_free(attribute->name);
		mem_free(attribute->value);
		return fail_nomem("an attribute", strlen(name) + strlen(value));
	}
	writer->attribute_count++;
	if (writer->set_count)
		return KITH_OK;
	kith_status status = note_set(writer, writer->name.set, writer->type, writer->dim);
	writer->sets[0].offset = VECS_HEADER;
	return status;
}

kith_status kith_vecs_append(kith_vecs_writer *writer, int64_t n, const void *x)
{
	if (!writer || (!x && n > 0))
		return fail(KITH_INVALID, "kith_vecs_append: %s is NULL", writer ? "x" : "writer");
	const struct vecs_format *format = writer->name.format;
	const int64_t max_n = format->plan->max_n;
	if (n < 0 || n > max_n - writer->n)
		return vecs_fail(KITH_INVALID, writer->name.path,
		    "%lld more vector%s after %lld; %s holds 0 to %lld", (long long)n, PLURAL(n),
		    (long long)writer->n, format->extension, (long long)max_n);
	if (writer->broken)
		return vecs_fail(KITH_IO, writer->name.path, "an earlier write failed");
	if (n == 0)
		return KITH_OK;
	kith_status status = put_rows(writer, n, x);
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
		status = put_rest(writer);
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
