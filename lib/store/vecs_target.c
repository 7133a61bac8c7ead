/* A file that appears whole or not at all.
 *
 * What is written goes to a temporary in the target's directory, so that the final rename stays inside one
 * file system and is atomic. open(O_EXCL) with a name of our own instead of mkstemp: the kernel then applies
 * the umask, which cannot be asked for without changing it under other threads' feet. A file that is replaced
 * keeps its mode. A symbolic link keeps pointing: the file behind it is replaced.
 *
 * A device or a pipe has nothing to replace and is written directly.
 */
#include "lib/store/vecs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes for "/.kith-PID-COUNTER.tmp". */
enum { TEMP_NAME = 64 };

static kith_status fail_errno(const char *path, const char *what)
{
	return vecs_fail(KITH_IO, path, "%s: %s", what, strerror(errno));
}

/* Length of the directory part, without the last slash; 0: none ("file" or "/file"). */
static size_t directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) : 0;
}

/* Creates the temporary; target->path is set. */
static kith_status create_temp(struct vecs_target *target, mode_t mode)
{
	static _Atomic unsigned counter;
	const size_t directory = directory_length(target->path), room = directory + TEMP_NAME;
	target->temp = mem_alloc(room, 1);
	if (!target->temp)
		return fail_nomem("a path", room);
	do {
		snprintf(target->temp, room, "%.*s%s.kith-%ld-%u.tmp", (int)directory, target->path,
		    strchr(target->path, '/') ? "/" : "", (long)getpid(), atomic_fetch_add(&counter, 1));
		target->fd = open(target->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	} while (target->fd < 0 && (errno == EEXIST || errno == EINTR));
	if (target->fd >= 0)
		return KITH_OK;
	mem_free(target->temp);
	target->temp = NULL;
	return fail_errno(target->name, "cannot create a file in its directory");
}

static kith_status open_direct(struct vecs_target *target)
{
	do
		target->fd = open(target->path, O_WRONLY | O_CLOEXEC);
	while (target->fd < 0 && errno == EINTR);
	return target->fd < 0 ? fail_errno(target->name, "cannot be written") : KITH_OK;
}

static kith_status open_target(struct vecs_target *target)
{
	struct stat st;
	if (stat(target->path, &st) != 0) {
		if (errno != ENOENT)
			return fail_errno(target->name, "cannot be written");
		return create_temp(target, 0666);
	}
	if (S_ISDIR(st.st_mode))
		return vecs_fail(
		    KITH_IO, target->name, "is a directory; expected the name of a file to write");
	if (!S_ISREG(st.st_mode))
		return open_direct(target);
	if (faccessat(AT_FDCWD, target->path, W_OK, AT_EACCESS) != 0)
		return fail_errno(target->name, "cannot be replaced");
	kith_status status = create_temp(target, 0600);
	/* EPERM on a file of one's own: a file system without modes */
	if (!status && fchmod(target->fd, st.st_mode & 0777) != 0 && errno != EPERM)
		status = fail_errno(target->name, "cannot give its mode to a new file");
	return status;
}

kith_status vecs_target_open(struct vecs_target *target, const char *path)
{
	char resolved[PATH_MAX];
	*target = (struct vecs_target){.name = path, .fd = -1};
	target->path = mem_strdup(realpath(path, resolved) ? resolved : path);
	if (!target->path)
		return fail_nomem("a path", strlen(path));
	kith_status status = open_target(target);
	if (status)
		vecs_target_free(target);
	return status;
}

kith_status vecs_target_write(struct vecs_target *target, const void *bytes, size_t n, int64_t offset)
{
	const char *from = bytes;
	while (n > 0) {
		ssize_t done = offset < 0 ? write(target->fd, from, n) : pwrite(target->fd, from, n, offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			if (done == 0)
				errno = ENOSPC;
			return fail_errno(target->name, "cannot be written");
		}
		from += done;
		n -= (size_t)done;
		if (offset >= 0)
			offset += done;
	}
	return KITH_OK;
}

/* Makes the rename itself last. A directory that cannot be opened or synced (some network file systems)
 * does not make the file wrong. */
static kith_status sync_directory(const struct vecs_target *target)
{
	const size_t length = directory_length(target->path);
	char directory[PATH_MAX] = ".";
	if (length >= sizeof directory)
		return KITH_OK;
	if (target->path[0] == '/')
		directory[0] = '/';
	memcpy(directory, target->path, length);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return KITH_OK;
	kith_status status = KITH_OK;
	if (fsync(fd) != 0 && errno == EIO)
		status = fail_errno(target->name, "written, but its directory cannot be synced");
	close(fd);
	return status;
}

kith_status vecs_target_commit(struct vecs_target *target)
{
	if (target->temp && fsync(target->fd) != 0)
		return fail_errno(target->name, "cannot be written");
	int failed = close(target->fd);
	target->fd = -1;
	if (failed)
		return fail_errno(target->name, "cannot be written");
	if (!target->temp)
		return KITH_OK;
	if (rename(target->temp, target->path) != 0)
		return fail_errno(target->name, "cannot be put in place");
	mem_free(target->temp);
	target->temp = NULL;
	return sync_directory(target);
}

void vecs_target_free(struct vecs_target *target)
{
	if (target->fd >= 0)
		close(target->fd);
	if (target->temp)
		unlink(target->temp);
	mem_free(target->temp);
	mem_free(target->path);
	*target = (struct vecs_target){.fd = -1};
}
