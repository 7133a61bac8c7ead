/* Which files an index knows: the one that it was opened from, and those that it was saved to since. */
#ifndef KITH_API_ORIGIN_H
#define KITH_API_ORIGIN_H

#include "lib/index/index_state.h"
#include "lib/store/log.h"
#include "lib/store/vecs.h"

/* A place in a file, as the store has it and as an index keeps it. */
struct place place_of(const struct log_end *end);
struct log_end end_of(const struct place *place);

/* The index was opened from `path`, which is the file fd. NOMEM. */
kith_status origin_opened(kith_index *index, const char *path, int fd, const struct place *place);

/* Whether an index notes the files that it is saved to: it was opened from one. */
bool origin_is_kept(const kith_index *index);

/* It was saved to path, owned and without links, which this takes; or appended to path. */
void origin_saved(const kith_index *index, char *take_path, struct file_id id, const struct place *place);
void origin_appended(const kith_index *index, const char *path, struct file_id id, const struct place *place);

/* It wrote something else to path. */
void origin_forget(const kith_index *index, const char *path);

/* Whether an index knows a file under this name that was at this place. */
bool origin_knows(const kith_index *index, const char *path, const struct place *place);

/* STALE if the index knows the file that is about to be replaced by it, as blob `fresh`, and that is not what
 * it was. fd: it; −1: there is none. */
kith_status origin_check(
    const kith_index *index, const struct vecs_target *target, int fd, const struct log_end *fresh);

/* A copy of an index knows what it knew. NOMEM. */
kith_status origin_copy(kith_index *to, const kith_index *from);

#endif
