/* Reading a plain file: a header, rows, nothing else. The format's plan says what surrounds the rows.
 *
 * Rows are read with pread, so that a file that shrinks meanwhile gives a short read, an error. Only
 * kith_vecs_map maps the file. It checks the size first, but if the file is cut off before the caller uses
 * the pages, SIGBUS is raised: files that others may truncate should be read with kith_vecs_read.
 */
#include "lib/store/vecs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

kith_status vecs_file_open(const char *path, int *fd, int64_t *size)
{
	struct stat st;
	do /* O_NONBLOCK: opening a pipe must not wait for its writer */
		*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	while (*fd < 0 && errno == EINTR);
	if (*fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return vecs_fail(KITH_NOTFOUND, path, "no such file");
	if (*fd < 0 || fstat(*fd, &st) != 0)
		return vecs_fail(KITH_IO, path, "cannot be opened: %s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return vecs_fail(KITH_IO, path, "is a directory; expected the name of a file");
	if (!S_ISREG(st.st_mode))
		return vecs_fail(KITH_UNSUPPORTED, path, "is a pipe or a device; save it to a file first");
	if (st.st_size == 0)
		return vecs_fail(KITH_FORMAT, path, "is empty");
	*size = st.st_size;
	return KITH_OK;
}

int64_t vecs_file_take(int fd, int64_t offset, void *out, size_t n)
{
	char *to = out;
	while (n > 0) {
		ssize_t got = pread(fd, to, n, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		to += got;
		offset += got;
		n -= (size_t)got;
	}
	return to - (char *)out;
}

kith_status vecs_file_read(int fd, const char *path, uint64_t offset, void *out, size_t n)
{
	int64_t got = vecs_file_take(fd, (int64_t)offset, out, n);
	if (got < 0)
		return vecs_fail(KITH_IO, path, "cannot be read: %s", strerror(errno));
	return (size_t)got == n ? KITH_OK : vecs_fail(KITH_FORMAT, path, "has shrunk since it was opened");
}

kith_status vecs_file_write(int fd, const char *path, const void *bytes, size_t n, int64_t offset)
{
	for (const char *from = bytes; n > 0;) {
		ssize_t done = offset < 0 ? write(fd, from, n) : pwrite(fd, from, n, offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return vecs_fail(
			    KITH_IO, path, "cannot be written: %s", strerror(done ? errno : ENOSPC));
		from += done;
		n -= (size_t)done;
		if (offset >= 0)
			offset += done;
	}
	return KITH_OK;
}

static kith_status fail_shrank(const kith_vecs *vecs)
{
	return vecs_fail(KITH_FORMAT, vecs->name.path, "has shrunk since it was opened with %lld byte%s",
	    (long long)vecs->bytes, PLURAL(vecs->bytes));
}

static kith_status read_at(const kith_vecs *vecs, void *out, size_t n, int64_t offset)
{
	int64_t got = vecs_file_take(vecs->fd, offset, out, n);
	if (got < 0)
		return vecs_fail(KITH_IO, vecs->name.path, "cannot be read: %s", strerror(errno));
	return (size_t)got == n ? KITH_OK : fail_shrank(vecs);
}

static int64_t row_offset(const struct vecs_layout *layout, int64_t row)
{
	return (int64_t)layout->offset + row * (int64_t)layout->stride;
}

/* Check the dimension that each of n rows begins with. */
static kith_status check_rows(const kith_vecs *vecs, const void *rows, int64_t first, int64_t n)
{
	const char *row = rows;
	if (!vecs->name.format->plan->prefixed)
		return KITH_OK;
	for (int64_t i = 0; i < n; i++, row += vecs->layout.stride) {
		const int64_t at = first + i;
		int32_t dim;
		memcpy(&dim, row, sizeof dim);
		if (dim != vecs->layout.dim)
			return vecs_fail(KITH_FORMAT, vecs->name.path,
			    "vector %lld has dimension %d, but vector 0 has %lld: damaged, or not of this "
			    "format",
			    (long long)at, (int)dim, (long long)vecs->layout.dim);
	}
	return KITH_OK;
}

static kith_status check_last_row(const kith_vecs *vecs)
{
	const int64_t last = vecs->layout.n - 1;
	int32_t dim;
	if (!vecs->name.format->plan->prefixed)
		return KITH_OK;
	kith_status status = read_at(vecs, &dim, sizeof dim, row_offset(&vecs->layout, last));
	return status ? status : check_rows(vecs, &dim, last, 1);
}

static kith_status plain_open(kith_vecs *vecs)
{
	uint8_t bytes[VECS_HEAD];
	kith_status status = vecs_file_open(vecs->name.path, &vecs->fd, &vecs->bytes);
	if (status)
		return status;
	struct vecs_head head = {.path = vecs->name.path,
	    .type = (kith_type)vecs->name.format->type,
	    .bytes = bytes,
	    .n = vecs->bytes < VECS_HEAD ? (size_t)vecs->bytes : VECS_HEAD,
	    .size = vecs->bytes,
	    .distances = vecs->name.set && strcmp(vecs->name.set, "distances") == 0};
	status = read_at(vecs, bytes, head.n, 0);
	if (!status)
		status = vecs->name.format->plan->parse(&head, &vecs->layout);
	return status ? status : check_last_row(vecs);
}

/* Fortran order: gathers the rows from each column's run. */
static kith_status load_columns(kith_vecs *vecs, int64_t first, int64_t n, uint8_t *rows)
{
	enum { CHUNK = 4096 };
	const struct vecs_layout *layout = &vecs->layout;
	const size_t size = vecs_cell_size(layout->cell);
	uint8_t chunk[CHUNK];
	for (int64_t column = 0; column < layout->dim; column++)
		for (int64_t row = 0, m; row < n; row += m) {
			m = n - row < (int64_t)(CHUNK / size) ? n - row : (int64_t)(CHUNK / size);
			const int64_t cell = column * layout->n + first + row;
			kith_status status = read_at(
			    vecs, chunk, (size_t)m * size, (int64_t)layout->offset + cell * (int64_t)size);
			if (status)
				return status;
			for (int64_t i = 0; i < m; i++)
				memcpy(rows + (size_t)(row + i) * layout->stride + (size_t)column * size,
				    chunk + (size_t)i * size, size);
		}
	return KITH_OK;
}

static kith_status plain_load(kith_vecs *vecs, int64_t first, int64_t n, void *rows)
{
	if (vecs->layout.columns)
		return load_columns(vecs, first, n, rows);
	kith_status status =
	    read_at(vecs, rows, (size_t)n * vecs->layout.stride, row_offset(&vecs->layout, first));
	return status ? status : check_rows(vecs, rows, first, n);
}

/* Map the whole file at first use. It takes address space only; pages are read when they are used. */
static kith_status map_file(kith_vecs *vecs)
{
	if ((uint64_t)vecs->bytes > SIZE_MAX / 2)
		return fail_nomem("address space", SIZE_MAX);
	void *map = mmap(NULL, (size_t)vecs->bytes, PROT_READ, MAP_PRIVATE, vecs->fd, 0);
	if (map == MAP_FAILED && errno == ENOMEM)
		return fail_nomem("address space", (size_t)vecs->bytes);
	if (map == MAP_FAILED)
		return vecs_fail(KITH_UNSUPPORTED, vecs->name.path,
		    "cannot be mapped here (%s): use kith_vecs_read", strerror(errno));
	madvise(map, (size_t)vecs->bytes, MADV_SEQUENTIAL);
	vecs->map = map;
	return KITH_OK;
}

static kith_status plain_map(kith_vecs *vecs, int64_t first, int64_t n, const void **rows)
{
	struct stat st;
	if (fstat(vecs->fd, &st) != 0)
		return vecs_fail(KITH_IO, vecs->name.path, "cannot be read: %s", strerror(errno));
	if (st.st_size < vecs->bytes)
		return fail_shrank(vecs);
	kith_status status = vecs->map ? KITH_OK : map_file(vecs);
	if (!vecs->map)
		return status;
	const uint8_t *row = vecs->map + row_offset(&vecs->layout, first);
	status = check_rows(vecs, row, first, n);
	if (!status)
		*rows = row + vecs->layout.prefix;
	return status;
}

static void plain_drop(kith_vecs *vecs)
{
	if (vecs->map)
		madvise(vecs->map, (size_t)vecs->bytes, MADV_DONTNEED);
}

static void plain_close(kith_vecs *vecs)
{
	if (vecs->map)
		munmap(vecs->map, (size_t)vecs->bytes);
	if (vecs->fd >= 0)
		close(vecs->fd);
}

const struct vecs_storage vecs_plain = {
    .open = plain_open,
    .load = plain_load,
    .map = plain_map,
    .drop = plain_drop,
    .close = plain_close,
};
