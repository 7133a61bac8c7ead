/* Saving indexes to functions and memory of the caller's, and opening them from there. */
#include "lib/api/file.h"
#include "lib/api/guard.h"
#include "lib/base/status.h"
#include "lib/index/index_state.h"

#include <string.h>

struct caller_write {
	kith_write_fn write;
	void *data;
};

static kith_status to_caller(void *owner, const void *bytes, size_t n)
{
	const struct caller_write *caller = owner;
	int code = caller->write(caller->data, bytes, n);
	return code ? fail(KITH_IO, "write returned %d", code) : KITH_OK;
}

kith_status read_from_caller(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct caller_read *caller = owner;
	int code = n ? caller->read(caller->data, (int64_t)offset, out, n) : 0;
	return code ? fail(KITH_IO, "read returned %d for %zu bytes from %llu on", code, n,
	                  (unsigned long long)offset)
	            : KITH_OK;
}

kith_status kith_index_write(const kith_index *index, kith_write_fn write, void *data)
{
	struct caller_write caller = {write, data};
	struct blob_writer w;
	uint64_t size = 0;
	if (!index || !write)
		return fail(KITH_INVALID, "%s is NULL", index ? "write" : "index");
	kith_status status = read_begin(index);
	if (status)
		return status;
	status = index_measure(index, &size);
	if (status == KITH_OK) {
		status = blob_writer_begin(&w, (struct blob_sink){to_caller, &caller}, size);
		if (status == KITH_OK) {
			index_write(index, &w);
			status = blob_finish(&w);
		}
		blob_writer_free(&w);
	}
	read_end(index);
	return status;
}

static kith_status check_flags(int flags)
{
	if (flags & ~(KITH_VERIFY | KITH_READONLY))
		return fail(
		    KITH_INVALID, "flags is %d; it must be 0 or of KITH_VERIFY, KITH_READONLY", flags);
	return KITH_OK;
}

static kith_status read_source(kith_index **out, const struct blob_source *source, int flags)
{
	struct blob_reader r;
	kith_status status = blob_reader_begin(&r, *source, true);
	if (status == KITH_OK)
		status = index_read(out, &r, NULL);
	blob_reader_free(&r);
	if (status == KITH_OK)
		(*out)->readonly = flags & KITH_READONLY;
	return status;
}

kith_status kith_index_read(kith_index **out, kith_read_fn read, void *data, int64_t size, int flags)
{
	struct caller_read caller = {read, data};
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!read || size < 0)
		return fail(
		    KITH_INVALID, "read is %s, size is %lld", read ? "given" : "NULL", (long long)size);
	kith_status status = check_flags(flags);
	struct blob_source source = {
	    .read = read_from_caller, .owner = &caller, .size = (uint64_t)size, .name = "the stream"};
	return status ? status : read_source(out, &source, flags);
}

/* ---- memory ---- */

struct memory {
	char *bytes;
	size_t size, done;
};

static int to_memory(void *data, const void *bytes, size_t n)
{
	struct memory *memory = data;
	if (n > memory->size - memory->done)
		return -1;
	memcpy(memory->bytes + memory->done, bytes, n);
	memory->done += n;
	return 0;
}

kith_status kith_index_to_bytes(const kith_index *index, void *bytes, size_t capacity, size_t *size)
{
	uint64_t need = 0;
	if (!index || !size)
		return fail(KITH_INVALID, "%s is NULL", index ? "size" : "index");
	*size = 0;
	kith_status status = read_begin(index);
	if (status)
		return status;
	struct memory memory = {.bytes = bytes, .size = capacity};
	status = index_measure(index, &need);
	if (status == KITH_OK)
		*size = (size_t)need;
	if (status == KITH_OK && bytes)
		status = need <= capacity ? kith_index_write(index, to_memory, &memory)
		                          : fail(KITH_INVALID, "capacity is %zu; the index takes %llu bytes",
		                                capacity, (unsigned long long)need);
	read_end(index);
	return status;
}

static kith_status from_memory(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct memory *memory = owner;
	if (n)
		memcpy(out, memory->bytes + offset, n);
	return KITH_OK;
}

kith_status kith_index_from_bytes(kith_index **out, const void *bytes, size_t size, int flags)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!bytes)
		return fail(KITH_INVALID, "bytes is NULL");
	kith_status status = check_flags(flags);
	struct memory memory = {.bytes = (char *)(uintptr_t)bytes, .size = size};
	struct blob_source source = {
	    .read = from_memory, .owner = &memory, .size = size, .name = "the memory"};
	return status ? status : read_source(out, &source, flags);
}
