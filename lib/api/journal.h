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
	CHANGE_GRAPHS = 5  /* in files only, before the others of a frame: what those linked */
};

struct change {
	enum change_kind kind;
	kith_type type; /* of x */
	int64_t n;
	const void *x;      /* [n × dim], NULL: nothing */
	const int64_t *ids; /* [n], NULL: none */
	uint64_t seed;      /* of an add's options */
};

/* Make room for the record of a change and write it, before the change is made; then say how that went.
 * NOMEM. An index that keeps no journal pays nothing. */
kith_status change_begin(kith_index *index, const struct change *change);
void change_end(kith_index *index, kith_status status);

/* Something happened that cannot be recorded: the next append fails and says that `what`. */
void change_untold(kith_index *index, const char *what);

/* Whether changes are being recorded. */
bool is_journalled(const kith_index *index);

/* replay.c: make the changes again that follow a blob in its file. Of the index, fresh from the blob, *end
 * tells where they end. FORMAT, NOMEM, and the source's errors. */
struct log_end;
struct place;
kith_status journal_replay(kith_index *index, struct blob_reader *r, struct log_end *end);

/* Begin to keep one, for a file as it is now. NOMEM. */
kith_status journal_begin(kith_index *index, const struct place *place);

/* The journal begins anew, with the index as it is in the file that was just saved. */
void journal_saved(const kith_index *index, const struct place *place);

/* Whether a log is so long, beside what was saved, that opening is noticeably slower for it. */
bool log_is_long(const struct log_end *end);

#endif
