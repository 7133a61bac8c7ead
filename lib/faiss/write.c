/* Writing FAISS's files piece by piece, and FAISS's files on disk. */
#include "lib/faiss/format.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes that are collected before they go to the sink. */
enum { PENDING = 1 << 16 };

kith_status faiss_writer_begin(struct faiss_writer *w, struct blob_sink sink)
{
	*w = (struct faiss_writer){.sink = sink};
	w->pending = mem_alloc(PENDING, 1);
	if (!w->pending)
		w->status = fail_nomem("writing", PENDING);
	return w->status;
}

static void flush(struct faiss_writer *w)
{
	if (!w->status && w->pending_bytes)
		w->status = w->sink.write(w->sink.owner, w->pending, w->pending_bytes);
	w->pending_bytes = 0;
}

kith_status faiss_writer_end(struct faiss_writer *w)
{
	flush(w);
	mem_free(w->pending);
	w->pending = NULL;
	return w->status;
}

void faiss_put(struct faiss_writer *w, const void *bytes, size_t n)
{
	if (w->status || n == 0)
		return;
	if (n > PENDING - w->pending_bytes)
		flush(w);
	if (n > PENDING && !w->status) {
		w->status = w->sink.write(w->sink.owner, bytes, n);
	} else if (!w->status) {
		memcpy(w->pending + w->pending_bytes, bytes, n);
		w->pending_bytes += n;
	}
}

void faiss_put_fourcc(struct faiss_writer *w, const char *fourcc)
{
	faiss_put(w, fourcc, 4);
}

void faiss_put_bool(struct faiss_writer *w, bool value)
{
	uint8_t byte = value;
	faiss_put(w, &byte, 1);
}

void faiss_put_i32(struct faiss_writer *w, int64_t value)
{
	int32_t small = (int32_t)value;
	faiss_put(w, &small, sizeof small);
}

void faiss_put_i64(struct faiss_writer *w, int64_t value)
{
	faiss_put(w, &value, sizeof value);
}

void faiss_put_float(struct faiss_writer *w, float value)
{
	faiss_put(w, &value, sizeof value);
}

void faiss_put_array(struct faiss_writer *w, const void *elements, int64_t n, size_t size)
{
	faiss_put_i64(w, n);
	faiss_put(w, elements, (size_t)n * size);
}

static void put_index(
    struct faiss_writer *w, const char *fourcc, int64_t dim, int64_t n, int metric, float argument)
{
	enum { UNUSED = 1 << 20 };
	faiss_put_fourcc(w, fourcc);
	faiss_put_i32(w, dim);
	faiss_put_i64(w, n);
	faiss_put_i64(w, UNUSED);
	faiss_put_i64(w, UNUSED);
	faiss_put_bool(w, true);
	faiss_put_i32(w, metric);
	if (faiss_metric_has_argument(metric))
		faiss_put(w, &argument, sizeof argument);
}

void faiss_put_index(struct faiss_writer *w, const char *fourcc, int64_t dim, int64_t n, int metric)
{
	put_index(w, fourcc, dim, n, metric, 0);
}

void faiss_put_index_of(
    struct faiss_writer *w, const char *fourcc, int64_t dim, int64_t n, const struct metric *metric)
{
	put_index(w, fourcc, dim, n, metric->faiss, metric->p);
}

/* ---- files ---- */

static kith_status read_bytes(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct faiss_file *file = owner;
	return vecs_file_read(file->fd, file->path, offset, out, n);
}

kith_status faiss_file_open(struct faiss_file *file, const char *path)
{
	int64_t size;
	*file = (struct faiss_file){.path = path, .fd = -1};
	vecs_quote(path, file->name, sizeof file->name);
	kith_status status = vecs_file_open(path, &file->fd, &size);
	if (status == KITH_OK)
		file->source = (struct blob_source){
		    .read = read_bytes, .owner = file, .size = (uint64_t)size, .name = file->name};
	return status;
}

void faiss_file_close(struct faiss_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

bool faiss_is_file(const char *path)
{
	char letters[4];
	struct stat st;
	/* A pipe must not be waited for. */
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool is = pread(fd, letters, sizeof letters, 0) == (ssize_t)sizeof letters && faiss_begins(letters);
	close(fd);
	return is;
}

static kith_status write_bytes(void *owner, const void *bytes, size_t n)
{
	return vecs_target_write(owner, bytes, n, -1);
}

struct blob_sink faiss_target_sink(struct vecs_target *target)
{
	return (struct blob_sink){write_bytes, target};
}
