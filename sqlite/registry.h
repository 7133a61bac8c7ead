/* The indexes that all connections of a process share. */
#ifndef KITH_SQLITE_REGISTRY_H
#define KITH_SQLITE_REGISTRY_H

#include <pthread.h>

#include "live.h"
#include "table.h"

/* A place for the index of one part and vector column of a table in one database file. Its lock protects
 * `live`. */
struct shared {
	pthread_rwlock_t lock;
	struct live *live;   /* NULL: not loaded */
	int misses;          /* searches that could not use `live` */
	int column_searches; /* searches with conditions on columns that are not in memory */
	/* Protected by the registry's mutex: */
	char *key;
	int references;
	int64_t used;  /* when it was last used, on a clock that counts uses */
	int64_t bytes; /* the memory of `live`, when it was last measured */
	struct shared *next;
};

/* A table's reference to a shared index. */
struct holding {
	int column;
	int64_t part;
	struct shared *shared;
	struct holding *next;
};

/* Get the shared place, to which the table holds a reference until registry_release. NULL: out of memory. */
struct shared *registry_get(struct table *t, int column, int64_t part);

/* Drop all references of a table. An index without references is freed. */
void registry_release(struct table *t);

/* Record a use, and the bytes of `live`; −1: unchanged. */
void registry_note(struct shared *s, int64_t bytes);

/* The bytes of a table's indexes that any connection of the process has loaded. */
int64_t registry_memory(struct table *t);

/* Drop the least recently used indexes of a table until they have at most this number of bytes. `keep`,
 * and indexes that are being searched, are not dropped. */
void registry_limit(struct table *t, const struct shared *keep, int64_t bytes);

#endif
