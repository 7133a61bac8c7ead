/* Locks of files by name.
 *
 * flock belongs to an open file, not to a name, and a rename may put another file under the name between
 * opening and locking. So the name is looked up again once the file is locked; if it now names another file,
 * that one is opened. As long as everybody who replaces a file holds the lock of the one that is replaced, an
 * append that holds a lock goes to the file that the name stands for.
 *
 * The system releases the lock when a process ends, however it ends. On a file system without locks the calls
 * succeed without one.
 */
#include "lib/store/lock.h"
#include "lib/base/clock.h"

#include "lib/store/vecs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct file_id file_id_of(const struct stat *st)
{
	return (struct file_id){(uint64_t)st->st_dev, (uint64_t)st->st_ino};
}

/* 1: locked, or there are no locks here; 0: somebody else has it. */
static int try_lock(int fd)
{
	int failed;
	do
		failed = flock(fd, LOCK_EX | LOCK_NB);
	while (failed && errno == EINTR);
	return !(failed && errno == EWOULDBLOCK);
}

bool lock_own(int fd)
{
	return try_lock(fd);
}

bool file_is_named(int fd, const char *path)
{
	struct stat opened, named;
	return fstat(fd, &opened) == 0 && stat(path, &named) == 0 &&
	       file_id_same(file_id_of(&opened), file_id_of(&named));
}

/* Open a file in any mode that its permissions allow, since all modes can be locked. Opening a pipe does not
 * wait (O_NONBLOCK). */
static int open_any(const char *path)
{
	static const int modes[] = {O_RDWR, O_WRONLY, O_RDONLY};
	int fd = -1;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		do
			fd = open(path, modes[i] | O_CLOEXEC | O_NONBLOCK);
		while (fd < 0 && errno == EINTR);
		if (fd >= 0 || errno != EACCES)
			return fd;
	}
	return fd;
}

/* Wait, each time a little longer; false once `until` has passed. */
static bool wait_more(int64_t until, long *ns)
{
	const struct timespec pause = {0, *ns};
	if (clock_ns() >= until)
		return false;
	nanosleep(&pause, NULL);
	*ns = *ns < 20000000 ? 2 * *ns : *ns;
	return true;
}

kith_status lock_file(const char *path, const char *name, bool wait, int *fd)
{
	int64_t until = clock_ns() + (wait ? LOCK_SECONDS * INT64_C(1000000000) : 0);
	long ns = 500000;
	for (;;) {
		*fd = open_any(path);
		if (*fd < 0)
			return vecs_fail(errno == ENOENT ? KITH_NOTFOUND : KITH_IO, name,
			    "cannot be opened: %s", strerror(errno));
		bool locked = try_lock(*fd);
		if (locked && file_is_named(*fd, path))
			return KITH_OK;
		close(*fd);
		*fd = -1;
		if (!locked && !wait_more(until, &ns))
			return vecs_fail(KITH_IO, name, "another process is appending to it or saving it");
	}
}
