/* Status codes and error messages.
 *
 * Every call that can fail returns a kith_status. After a failure the calling thread can ask for
 * one line of text that names the argument, what it was and what was allowed.
 */
#ifndef KITH_STATUS_H
#define KITH_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* What a function promises. KITH_API: stable, it keeps its name, arguments and meaning until the next major
 * version. KITH_API_DRAFT: it is tested as others are, but may change in any release. */
#if defined(__GNUC__)
#define KITH_API __attribute__((visibility("default")))
#else
#define KITH_API
#endif
#define KITH_API_DRAFT KITH_API

typedef enum kith_status {
	KITH_OK = 0,
	KITH_INVALID = 1,     /* an argument is outside of what is allowed */
	KITH_UNTRAINED = 2,   /* the index needs kith_index_train first */
	KITH_NOMEM = 3,       /* an allocation failed; nothing was changed */
	KITH_CANCELLED = 4,   /* the progress callback asked to stop; nothing was changed */
	KITH_NOTFOUND = 5,    /* an id or a file is not there */
	KITH_IO = 6,          /* the system refused to read or write */
	KITH_FORMAT = 7,      /* a file's bytes are not what its format demands */
	KITH_UNSUPPORTED = 8, /* valid, but not offered by this index or this build */
	KITH_INTERNAL = 9,    /* a bug in kith: please report it */
	KITH_BUSY = 10,       /* another call is using the object; nothing was changed, try again */
	KITH_STALE = 11       /* a file is not what it was when the index read it; nothing was written */
} kith_status;

/* Constant text of a code ("invalid argument"); never NULL. Threads: safe. */
KITH_API const char *kith_status_name(kith_status status);

/* Message of this thread's last failed call; "" if none failed yet. It stays as it is until this has been
 * called again after another failure, so it may be an argument of another call.
 * Threads: safe, each thread has its own. */
KITH_API const char *kith_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
