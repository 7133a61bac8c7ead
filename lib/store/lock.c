/* Locks of files by name.
 *
 * flock belongs to an open file, not to a name, and a rename may put another file under the name between
 * opening and locking. So the name is looked at again once the lock is there; if it leads elsewhere, the
 * other file is opened. As long as everybody who replaces a file holds the lock of the one that is replaced,
 * an append that holds a lock goes to the file that the name stands for.
 *
 * The system takes the lock back when a process ends, however it ends. A file system without locks has to do
 * without: the calls then succeed unlocked.
 */
#include "lib/store/lock.h"

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

/* A file that may only be written, or only be read, can be locked as well. Nothing hangs on what is no file.
 */
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

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Wait a little longer each time; false: for long enough. */
static bool wait_more(double until, long *ns)
{
	const struct timespec pause = {0, *ns};
	if (now() >= until)
		return false;
	nanosleep(&pause, NULL);
	*ns = *ns < 20000000 ? 2 * *ns : *ns;
	return true;
}

kith_status lock_file(const char *path, const char *name, bool wait, int *fd)
{
	struct stat opened, named;
	double until = now() + (wait ? LOCK_SECONDS : 0);
	long ns = 500000;
	for (;;) {
		*fd = open_any(path);
		if (*fd < 0)
			return vecs_fail(errno == ENOENT ? KITH_NOTFOUND : KITH_IO, name,
			    "cannot be opened: %s", strerror(errno));
		bool locked = try_lock(*fd);
		if (locked && fstat(*fd, &opened) == 0 && stat(path, &named) == 0 &&
		    file_id_same(file_id_of(&opened), file_id_of(&named)))
			return KITH_OK;
		close(*fd);
		*fd = -1;
		if (!locked && !wait_more(until, &ns))
			return vecs_fail(KITH_IO, name, "another process is appending to it or saving it");
	}
}
