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
	int asked;         /* searches that asked about columns which it had not in memory */
	/* Of the registry: */
	char *key;
	int references;
	int64_t used;  /* counts searches: when this was last one's */
	int64_t bytes; /* of `live`, when it was last measured */
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

/* Note a search, and that `live` has so many bytes now; −1: as before. */
void registry_note(struct shared *s, int64_t bytes);

/* Bytes of a table's indexes, of whichever connections of the process have loaded them. */
int64_t registry_memory(struct table *t);

/* Drop those that were searched the longest ago until the table's indexes have at most so many bytes; `keep`
 * and those that are being searched stay. */
void registry_limit(struct table *t, const struct shared *keep, int64_t bytes);

#endif
