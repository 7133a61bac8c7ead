/* What an index that a caller holds may have beside its structure: the files that it came from and was saved
 * to, the caller's tags, a journal of its changes. Most indexes, and all children, have no state. */
#ifndef KITH_INDEX_STATE_H
#define KITH_INDEX_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/preset.h>

#include "lib/base/alloc.h"
#include "lib/index/structure.h"

/* The state of a file as an index knows it: the blob in it and the log after that. */
struct place {
	uint64_t size, identity; /* of the blob (blob.h) */
	uint64_t end;            /* of the last complete frame of the log */
	uint64_t frames, link;   /* of the log: store/log.h */
	bool chained;
};

/* A file that an index was opened from or saved to, in the state that the index last knew. */
struct origin {
	char *path;        /* absolute, without links */
	uint64_t dev, ino; /* identify it under any name */
	struct place place;
};

enum { MAX_ORIGINS = 8 };

/* Changes since the index was opened, saved or appended, for the next append. */
struct journal {
	struct place place;
	struct buffer ops; /* records, see api/journal.c */
	size_t bytes;      /* of them */
	size_t pending;    /* bytes of one more, of a change that is being made */
	const char *lost;  /* why the changes cannot be appended; NULL: they can */
};

struct index_state {
	bool unvalidated; /* structure_validate must come before the first change */
	char *map;        /* the mapped file from which buffers are borrowed */
	size_t map_bytes;
	char note[400];     /* kith_index_note; "": nothing */
	struct buffer tags; /* the caller's strings: key, value, key, value …, ascending by key */
	size_t tag_bytes;
	kith_preset preset;   /* its size does not count */
	struct buffer labels; /* int64_t [label_count], by id */
	int64_t label_count;
	struct journal *journal; /* NULL: nothing is recorded */

	pthread_mutex_t lock; /* protects what follows and the journal while several threads save */
	struct origin origin[MAX_ORIGINS]; /* the first is the file that the index was opened from */
	int origins;                       /* 0: the index never read a file */
	int next_origin;                   /* the one that was replaced last, when the list was full */
	uint64_t dropped;                  /* bytes at the end of the file that no append completed */
	bool worth_saving;                 /* what was appended makes opening slow */
};

/* The state of an index, made if there is none; NULL: no memory. */
struct index_state *index_state_of(kith_index *index);

enum { PRESET_MAX_SEARCH_TYPE = 5 }; /* of kith_preset.search_type */

/* The preset of an index, all 0 if none was set, and its labels, NULL if it has none. Setting them here
 * neither checks them nor notes the change in the journal. NOMEM. */
kith_preset preset_of(const kith_index *index);
bool preset_is_empty(const kith_preset *preset);
kith_status preset_put(kith_index *index, const kith_preset *preset);
const int64_t *labels_of(const kith_index *index, int64_t *n);
kith_status labels_put(kith_index *index, int64_t n, const int64_t *labels);

/* Copy both to an index that has none. NOMEM. */
kith_status preset_copy(kith_index *to, const kith_index *from);

/* Begin to record changes of an index whose file is in this state. NOMEM. */
kith_status state_keep_journal(struct index_state *state, const struct place *place);

#endif
