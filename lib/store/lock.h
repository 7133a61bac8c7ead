/* Locks of files by name, which keep appending to a file and replacing it apart. */
#ifndef KITH_STORE_LOCK_H
#define KITH_STORE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/status.h>

struct stat;

/* Which file it is, whatever its name. */
struct file_id {
	uint64_t dev, ino;
};

struct file_id file_id_of(const struct stat *st);

static inline bool file_id_same(struct file_id a, struct file_id b)
{
	return a.dev == b.dev && a.ino == b.ino;
}

/* Whether the open file fd is the one that `path` names. */
bool file_is_named(int fd, const char *path);

/* Open the file that `path` names, to read and write it, and lock it for this descriptor alone until that is
 * closed. When the call returns the name still stands for the locked file, and whoever replaces it under its
 * lock has to wait. name: the path for messages. wait: for as long as LOCK_SECONDS if somebody else has the
 * lock. Errors: NOTFOUND, IO (also: somebody else has the lock). */
enum { LOCK_SECONDS = 10 };
kith_status lock_file(const char *path, const char *name, bool wait, int *fd);

/* Lock a file that was just made; false: somebody else was first. */
bool lock_own(int fd);

#endif
