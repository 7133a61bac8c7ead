/* Temporaries beside a file that is being written, and those that killed processes left.
 *
 *   .kith-FILE-BOOT-PID-NUMBER.tmp
 *
 * FILE is a hash of the name that the file will get, so that a later writer of the same file, and no other,
 * knows them for its own. BOOT is a hash of what tells this run of this machine from any other.
 *
 * A writer holds a lock on its temporary until that is renamed, and the system takes the lock back when the
 * process ends. A temporary that can be locked therefore has no writer. Both sides check what they have after
 * locking: a writer whose new file was locked or removed by a cleaner takes another number. On a file system
 * that several machines share, a lock may not be seen from another one, so there only temporaries of this run
 * of this machine are removed; where there are no locks, none are.
 *
 * open(O_EXCL) with a name of our own instead of mkstemp: the kernel then applies the umask, which cannot be
 * asked for without changing it under other threads' feet.
 */
#include "lib/store/vecs.h"

#include "lib/base/hash.h"
#include "lib/base/status.h"
#include "lib/store/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/vfs.h>
#endif

/* Bytes for "/.kith-FILE-BOOT-PID-NUMBER.tmp". */
enum { TEMP_NAME = 96 };

size_t vecs_directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) : 0;
}

int vecs_directory_open(const char *path)
{
	const size_t length = vecs_directory_length(path);
	char directory[PATH_MAX] = ".";
	if (length >= sizeof directory) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (path[0] == '/')
		directory[0] = '/';
	memcpy(directory, path, length);
	if (length)
		directory[length] = 0;
	return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static uint64_t hash_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	return XXH3_64bits(name, strlen(name));
}

/* Of this run of this machine; 0: that cannot be told. */
static uint32_t hash_boot(void)
{
	char text[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text);
	close(fd);
	return n > 0 ? (uint32_t)XXH3_64bits(text, (size_t)n) | 1 : 0;
}

/* Whether a file system belongs to one machine, so that a lock is seen by everybody who may use it. */
static bool is_local(int fd)
{
#if defined(__linux__)
	/* ext2 … ext4, XFS, Btrfs, tmpfs, F2FS, overlayfs, ZFS (statfs(2)) */
	static const unsigned long local[] = {
	    0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0xF2F52010, 0x794C7630, 0x2FC12FC1};
	struct statfs fs;
	if (fstatfs(fd, &fs) != 0)
		return false;
	for (size_t i = 0; i < sizeof local / sizeof *local; i++)
		if ((unsigned long)fs.f_type == local[i])
			return true;
#endif
	(void)fd;
	return false;
}

/* ---- making one ---- */

kith_status vecs_temp_create(const char *path, unsigned mode, char **temp, int *fd)
{
	static _Atomic unsigned counter;
	const size_t directory = vecs_directory_length(path), room = directory + TEMP_NAME;
	*temp = mem_alloc(room, 1);
	if (!*temp)
		return fail_nomem("a path", room);
	for (;;) {
		snprintf(*temp, room, "%.*s%s.kith-%016llx-%08x-%ld-%u.tmp", (int)directory, path,
		    strchr(path, '/') ? "/" : "", (unsigned long long)hash_name(path), hash_boot(),
		    (long)getpid(), atomic_fetch_add(&counter, 1));
		*fd = open(*temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
		if (*fd >= 0 && lock_own(*fd) && file_is_named(*fd, *temp))
			return KITH_OK;
		if (*fd >= 0)
			close(*fd);
		else if (errno != EEXIST && errno != EINTR)
			break;
	}
	mem_free(*temp);
	*temp = NULL;
	return KITH_IO;
}

/* ---- removing those that killed processes left ---- */

/* Whether it is a temporary of this file, and a lock of its writer would be seen by this process. */
static bool is_ours(const char *name, uint64_t file, uint32_t boot, bool local)
{
	unsigned long long of;
	unsigned made, number;
	long pid;
	int end = 0;
	if (sscanf(name, ".kith-%16llx-%8x-%ld-%u.tmp%n", &of, &made, &pid, &number, &end) != 4 || !end ||
	    name[end] || of != file)
		return false;
	return local || (boot && made == boot);
}

/* Remove it unless somebody holds its lock, or it is no regular file. */
static void remove_dead(int directory, const char *name)
{
	struct stat opened, named;
	int fd = openat(directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &opened) == 0 && S_ISREG(opened.st_mode) &&
	    fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    file_id_same(file_id_of(&opened), file_id_of(&named)))
		unlinkat(directory, name, 0);
	close(fd);
}

void vecs_temp_clean(const char *path)
{
	int fd = vecs_directory_open(path);
	if (fd < 0)
		return;
	const uint64_t file = hash_name(path);
	const uint32_t boot = hash_boot();
	const bool local = is_local(fd);
	DIR *directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(directory));)
		if (is_ours(entry->d_name, file, boot, local))
			remove_dead(dirfd(directory), entry->d_name);
	closedir(directory);
}
