/* Which files an index knows: the one that it was opened from, and those that it was saved to since. */
#ifndef KITH_API_ORIGIN_H
#define KITH_API_ORIGIN_H

#include "lib/index/index_state.h"
#include "lib/store/log.h"
#include "lib/store/vecs.h"

/* A place in a file as lib/store describes it (log_end) and as an index keeps it (place). */
struct place place_of(const struct log_end *end);
struct log_end end_of(const struct place *place);

/* The index was opened from `path`, which is the file fd. NOMEM. */
kith_status origin_opened(kith_index *index, const char *path, int fd, const struct place *place);

/* Whether an index remembers the files that it is saved to, which it does if it was opened from one. */
bool origin_is_kept(const kith_index *index);

/* The index was saved to take_path, a name without links that now belongs to the index; or appended to
 * path. */
void origin_saved(const kith_index *index, char *take_path, struct file_id id, const struct place *place);
void origin_appended(const kith_index *index, const char *path, struct file_id id, const struct place *place);

/* Another format was written to path, so that no file of this index has that name any more. */
void origin_forget(const kith_index *index, const char *path);

/* Whether an index knows a file of this name in this state. */
bool origin_knows(const kith_index *index, const char *path, const struct place *place);

/* STALE if the index knows the file that it is about to replace and somebody else has changed it. fd: that
 * file; −1: there is none. fresh: the blob that is to replace it. */
kith_status origin_check(
    const kith_index *index, const struct vecs_target *target, int fd, const struct log_end *fresh);

/* Let a copy of an index know the same files. NOMEM. */
kith_status origin_copy(kith_index *to, const kith_index *from);

#endif
