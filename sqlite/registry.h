/* Indexes that the connections of a process share. */
#ifndef KITH_SQLITE_REGISTRY_H
#define KITH_SQLITE_REGISTRY_H

#include <pthread.h>

#include "live.h"
#include "table.h"

/* A place for the index of one part and column of a table in one database file. Its lock guards `live`. */
struct shared {
	pthread_rwlock_t lock;
	struct live *live; /* NULL: not loaded */
	int misses;        /* searches that could not use what is there */
	/* Of the registry: */
	char *key;
	int references;
	struct shared *next;
};

/* A table's hold on it. */
struct holding {
	int column;
	int64_t part;
	struct shared *shared;
	struct holding *next;
};

/* The shared place, which stays the table's until registry_release. NULL: out of memory. */
struct shared *registry_get(struct table *t, int column, int64_t part);

/* Let go of all; the last table frees an index. */
void registry_release(struct table *t);

/* Bytes of the indexes that a table holds, of which others may hold some, too. */
int64_t registry_memory(struct table *t);

#endif
