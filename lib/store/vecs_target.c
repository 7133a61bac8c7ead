/* A file that appears whole or not at all.
 *
 * What is written goes to a temporary in the target's directory (temp.c), so that the final rename stays
 * inside one file system and is atomic. A file that is replaced keeps its mode, and is replaced while its
 * lock is held (lock.c): an append to it is either complete before, or finds that the file is another one.
 * Where there was none the new one is put in place by link(), which fails if somebody else has made the file
 * meanwhile; then that file is replaced like any other. A symbolic link stays: the file behind it is
 * replaced, or made.
 *
 * A device or a pipe has nothing to replace and is written directly.
 */
#include "lib/store/vecs.h"

#include "lib/base/status.h"
#include "lib/store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A chain of so many symbolic links is followed. */
enum { MAX_LINKS = 40 };

static kith_status fail_errno(const char *path, const char *what)
{
	return vecs_fail(KITH_IO, path, "%s: %s", what, strerror(errno));
}

static kith_status create_temp(struct vecs_target *target, unsigned mode)
{
	vecs_temp_clean(target->path);
	kith_status status = vecs_temp_create(target->path, mode, &target->temp, &target->fd);
	return status == KITH_IO ? fail_errno(target->name, "cannot create a file in its directory") : status;
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

/* ---- where a path leads ---- */

/* Follow one link: path [PATH_MAX] becomes its target. 1: done; 0: it is no link; −1: errno tells why not. */
static int follow(char *path)
{
	char to[PATH_MAX];
	ssize_t n = readlink(path, to, sizeof to);
	if (n < 0)
		return errno == EINVAL || errno == ENOENT ? 0 : -1;
	size_t keep = n > 0 && to[0] == '/' ? 0 : vecs_directory_length(path);
	keep += n > 0 && to[0] != '/' && strchr(path, '/');
	if (keep + (size_t)n >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(path + keep, to, (size_t)n);
	path[keep + (size_t)n] = 0;
	return 1;
}

/* What realpath gives, or, where nothing is there yet, the name behind all links. */
static kith_status resolve(struct vecs_target *target)
{
	char resolved[PATH_MAX];
	const char *path = target->name;
	if (realpath(path, resolved)) {
		path = resolved;
	} else if (errno == ENOENT && strlen(path) < sizeof resolved) {
		memcpy(resolved, path, strlen(path) + 1);
		int more = 1;
		for (int i = 0; more > 0; i++) {
			more = i < MAX_LINKS ? follow(resolved) : -1;
			if (i == MAX_LINKS)
				errno = ELOOP;
		}
		if (more < 0)
			return fail_errno(target->name, "cannot be written");
		path = resolved;
	}
	target->path = mem_strdup(path);
	return target->path ? KITH_OK : fail_nomem("a path", strlen(path));
}

kith_status vecs_target_open(struct vecs_target *target, const char *path)
{
	const size_t n = strlen(path);
	*target = (struct vecs_target){.name = path, .fd = -1};
	if (n == 0)
		return fail(KITH_INVALID, "path is empty; expected the name of a file to write");
	kith_status status = resolve(target);
	/* No file can have a name that ends in '/'. If the directory exists, open_target says so. */
	struct stat st;
	if (status == KITH_OK && path[n - 1] == '/' && stat(path, &st) != 0)
		status =
		    vecs_fail(KITH_IO, path, "is the name of a directory; expected that of a file to write");
	if (status == KITH_OK)
		status = open_target(target);
	if (status)
		vecs_target_free(target);
	return status;
}

kith_status vecs_target_write(struct vecs_target *target, const void *bytes, size_t n, int64_t offset)
{
	return vecs_file_write(target->fd, target->name, bytes, n, offset);
}

/* ---- putting it in place ---- */

/* Makes the rename itself durable. That a directory cannot be opened or synced (some network file systems) is
 * no error. */
static kith_status sync_directory(const struct vecs_target *target)
{
	int fd = vecs_directory_open(target->path);
	if (fd < 0)
		return KITH_OK;
	kith_status status = KITH_OK;
	if (fsync(fd) != 0 && errno == EIO)
		status = fail_errno(target->name, "written, but its directory cannot be synced");
	close(fd);
	return status;
}

/* Give the temporary a name that no file has; *taken: one has it by now. */
static kith_status put_new(const struct vecs_target *target, bool *taken)
{
	*taken = false;
	if (link(target->temp, target->path) == 0) {
		unlink(target->temp);
		return KITH_OK;
	}
	*taken = errno == EEXIST;
	if (*taken)
		return KITH_OK;
	/* The file system has no hard links. */
	return rename(target->temp, target->path) == 0 ? KITH_OK
	                                               : fail_errno(target->name, "cannot be put in place");
}

static kith_status put_in_place(const struct vecs_target *target)
{
	for (bool again = true; again;) {
		int fd = -1;
		again = false;
		kith_status status = lock_file(target->path, target->name, true, &fd);
		bool there = status != KITH_NOTFOUND;
		if (!there)
			status = KITH_OK;
		if (status == KITH_OK && target->may_replace)
			status = target->may_replace(target->owner, target, fd);
		if (status == KITH_OK && there && rename(target->temp, target->path) != 0)
			status = fail_errno(target->name, "cannot be put in place");
		if (status == KITH_OK && !there)
			status = put_new(target, &again);
		if (fd >= 0)
			close(fd);
		if (status)
			return status;
	}
	return KITH_OK;
}

kith_status vecs_target_commit(struct vecs_target *target)
{
	if (target->temp && fsync(target->fd) != 0)
		return fail_errno(target->name, "cannot be written");
	/* close may report a failed write that nothing else does; the copy of the descriptor keeps the
	 * temporary locked until it has its name. */
	int lock = target->temp ? fcntl(target->fd, F_DUPFD_CLOEXEC, 0) : -1;
	int failed = close(target->fd);
	target->fd = lock;
	if (failed)
		return fail_errno(target->name, "cannot be written");
	if (!target->temp)
		return KITH_OK;
	kith_status status = put_in_place(target);
	if (status)
		return status;
	if (lock >= 0)
		close(lock);
	target->fd = -1;
	mem_free(target->temp);
	target->temp = NULL;
	return sync_directory(target);
}

void vecs_target_free(struct vecs_target *target)
{
	if (target->temp)
		unlink(target->temp);
	if (target->fd >= 0)
		close(target->fd);
	mem_free(target->temp);
	mem_free(target->path);
	*target = (struct vecs_target){.fd = -1};
}
