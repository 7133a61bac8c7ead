/* Blobs on disk: written to a temporary that is renamed when it is whole (vecs_target.c), read with pread, so
 * that a file which shrinks meanwhile gives an error, or mapped. A mapping is private: changes in memory go
 * to copies of pages, for which no memory is reserved beforehand. */
#include "lib/store/file.h"

#include "lib/base/progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static kith_status write_bytes(void *owner, const void *bytes, size_t n)
{
	struct file_writer *file = owner;
	struct progress *progress = progress_current();
	if (progress && !progress_add(progress, (int64_t)n))
		return fail_cancelled();
	return vecs_target_write(&file->target, bytes, n, -1);
}

kith_status file_create(struct file_writer *file, const char *path, uint64_t size)
{
	*file = (struct file_writer){0};
	kith_status status = vecs_target_open(&file->target, path);
	if (status)
		return status;
	status = blob_writer_begin(&file->blob, (struct blob_sink){write_bytes, file}, size);
	if (status)
		file_abandon(file);
	return status;
}

kith_status file_finish(struct file_writer *file, struct file_id *id)
{
	struct stat st = {0};
	kith_status status = blob_finish(&file->blob);
	if (status == KITH_OK && fstat(file->target.fd, &st) != 0)
		status = vecs_fail(KITH_IO, file->target.name, "cannot be written: %s", strerror(errno));
	*id = file_id_of(&st);
	if (status == KITH_OK)
		status = vecs_target_commit(&file->target);
	file_abandon(file);
	return status;
}

void file_abandon(struct file_writer *file)
{
	blob_writer_free(&file->blob);
	vecs_target_free(&file->target);
}

static kith_status read_bytes(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct file_reader *file = owner;
	return vecs_file_read(file->fd, file->path, offset, out, n);
}

#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif

static kith_status map_file(struct file_reader *file, size_t bytes)
{
	if (bytes == 0)
		return KITH_OK;
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file->fd, 0);
	if (base == MAP_FAILED)
		return vecs_fail(KITH_IO, file->path, "cannot be mapped: %s", strerror(errno));
	file->base = base;
	file->bytes = bytes;
	return KITH_OK;
}

kith_status file_open(struct file_reader *file, const char *path, struct file_use use)
{
	int64_t size;
	*file = (struct file_reader){.path = path, .fd = -1};
	vecs_quote(path, file->name, sizeof file->name);
	struct stat st;
	kith_status status = vecs_file_open(path, &file->fd, &size);
	/* Before anything is read, so that file_has_moved sees all later writes. */
	if (status == KITH_OK && fstat(file->fd, &st) == 0)
		file->written = st.st_mtim;
	if (status == KITH_OK && use.map)
		status = map_file(file, (size_t)size);
	if (status == KITH_OK) {
		struct blob_source source = {
		    read_bytes, file, (uint64_t)size, file->name, file->base, use.lazy, true};
		status = blob_reader_begin(&file->blob, source, true);
	}
	if (status)
		file_close(file);
	return status;
}

void file_close(struct file_reader *file)
{
	blob_reader_free(&file->blob);
	if (file->base)
		munmap(file->base, file->bytes);
	file->base = NULL;
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

bool file_has_moved(const struct file_reader *file)
{
	struct stat st;
	return fstat(file->fd, &st) == 0 &&
	       ((uint64_t)st.st_size != file->blob.all || st.st_mtim.tv_sec != file->written.tv_sec ||
	           st.st_mtim.tv_nsec != file->written.tv_nsec);
}
