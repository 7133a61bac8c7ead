/* What only an index that a caller holds can have, beside its structure: where it came from, what the caller
 * noted on it, what happened to it since. Most indexes have no keep at all. */
#ifndef KITH_STRUCTURE_KEEP_H
#define KITH_STRUCTURE_KEEP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/alloc.h"
#include "lib/structure/structure.h"

/* A file as an index knows it: the blob in it, and the log after that. */
struct place {
	uint64_t size, identity; /* of the blob (blob.h); size 0: it has no place for a log */
	uint64_t end;            /* of the last complete frame of the log */
	uint64_t frames;
};

/* What happened since the index was opened, saved or appended, for the next append. */
struct journal {
	struct place place;
	struct buffer ops; /* records, see api/journal.c */
	size_t bytes;      /* of them */
	size_t pending;    /* and of one more, of a change that is being made */
	int64_t count;
	const char *lost;     /* something that cannot be recorded; NULL: nothing */
	pthread_mutex_t lock; /* of savers, who may be several */
};

struct keep {
	bool unsettled; /* structure_settle must come before the first change */
	char *map;      /* the file in which buffers are borrowed */
	size_t map_bytes;
	char note[200];     /* what was odd about the file; "": nothing */
	struct buffer tags; /* the caller's strings: key, value, key, value …, ascending by key */
	size_t tag_bytes;
	struct journal *journal; /* NULL: nothing is recorded */
};

/* The keep of an index, made if there is none; NULL: no memory. */
struct keep *keep_of(kith_index *index);

/* Begin to record, for a file as it is now. NOMEM. */
kith_status keep_journal(struct keep *keep, const struct place *place);

#endif
