/* A record of the changes of an index, for kith_index_append. All between write_begin and write_end
 * (guard.h). */
#ifndef KITH_API_JOURNAL_H
#define KITH_API_JOURNAL_H

#include <kith/index.h>

#include "lib/base/blob.h"
#include "lib/index/structure.h"

enum change_kind {
	CHANGE_ADD = 1,
	CHANGE_UPDATE = 2,
	CHANGE_REMOVE = 3, /* of the ids */
	CHANGE_TAG = 4,    /* x: n bytes, a key and a value, or a key alone, each with its zero */
	CHANGE_GRAPHS = 5  /* in files only, first in a frame: the lists of graphs that its changes linked */
};

struct change {
	enum change_kind kind;
	kith_type type; /* of x */
	int64_t n;
	const void *x;      /* [n × dim], NULL: nothing */
	const int64_t *ids; /* [n], NULL: none */
	uint64_t seed;      /* of an add's options */
};

/* Write the record of a change before it is made, and keep or drop the record when the change has succeeded
 * or failed. NOMEM. An index without a journal pays nothing. */
kith_status change_begin(kith_index *index, const struct change *change);
void change_end(kith_index *index, kith_status status);

/* Something happened that cannot be recorded: the next append fails and gives `what` as the reason. */
void change_unrecorded(kith_index *index, const char *what);

/* Whether changes are being recorded. */
bool is_journalled(const kith_index *index);

/* replay.c: make the changes again that follow a blob in its file, on the index just read from it; *end moves
 * behind them. FORMAT, NOMEM, and the source's errors. */
struct log_end;
struct place;
kith_status journal_replay(kith_index *index, struct blob_reader *r, struct log_end *end);

/* Begin a journal, for a file as it is now. NOMEM. */
kith_status journal_begin(kith_index *index, const struct place *place);

/* Begin it anew after the index was saved. */
void journal_saved(const kith_index *index, const struct place *place);

/* Whether a log is so long, compared with what was saved, that it makes opening noticeably slower. */
bool log_is_long(const struct log_end *end);

#endif
