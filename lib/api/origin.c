/* Files that an index knows. A process that opened a file and saves over it must not lose what others
 * appended or saved meanwhile, so an index remembers what it read: which file (by its name without links, and
 * by device and inode, since it may have other names) and its state, which is the checksum of the blob and
 * that of the last frame behind it. Times and inodes do not tell a state: a copy that is put back may keep
 * its time, and every save gives the file another inode.
 *
 * An index that never read a file knows none, and replaces what it is told to. One that did also remembers
 * the files that it was saved to, up to MAX_ORIGINS, in place of the older ones.
 *
 * The list changes in calls that are const to the caller, so it has a lock.
 */
#include "lib/api/origin.h"

#include "lib/base/status.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct place place_of(const struct log_end *end)
{
	return (struct place){end->size, end->identity, end->at, end->frames, end->link, end->chained};
}

struct log_end end_of(const struct place *place)
{
	return (struct log_end){.size = place->size,
	    .identity = place->identity,
	    .at = place->end,
	    .frames = place->frames,
	    .link = place->link,
	    .chained = place->chained};
}

static const char *absolute(const char *path, char *resolved)
{
	return realpath(path, resolved) ? resolved : path;
}

bool origin_is_kept(const kith_index *index)
{
	return index->state && index->state->origins > 0;
}

/* The entry of that name; where there is none, a new one, or that of the file which was saved to longest
 * ago. */
static struct origin *entry_for(struct index_state *state, const char *path)
{
	for (int i = 0; i < state->origins; i++)
		if (strcmp(state->origin[i].path, path) == 0)
			return &state->origin[i];
	if (state->origins < MAX_ORIGINS)
		return &state->origin[state->origins++];
	state->next_origin = state->next_origin % (MAX_ORIGINS - 1) + 1;
	return &state->origin[state->next_origin];
}

static void put(struct index_state *state, char *take_path, struct file_id id, const struct place *place)
{
	struct origin *origin = entry_for(state, take_path);
	mem_free(origin->path);
	*origin = (struct origin){take_path, id.dev, id.ino, *place};
}

kith_status origin_opened(kith_index *index, const char *path, int fd, const struct place *place)
{
	char resolved[PATH_MAX];
	struct stat st = {0};
	struct index_state *state = index_state_of(index);
	if (!state)
		return KITH_NOMEM;
	path = absolute(path, resolved);
	char *copy = mem_strdup(path);
	if (!copy)
		return fail_nomem("a path", strlen(path));
	if (fstat(fd, &st) != 0)
		st = (struct stat){0};
	put(state, copy, file_id_of(&st), place);
	return KITH_OK;
}

void origin_saved(const kith_index *index, char *take_path, struct file_id id, const struct place *place)
{
	struct index_state *state = index->state;
	pthread_mutex_lock(&state->lock);
	put(state, take_path, id, place);
	pthread_mutex_unlock(&state->lock);
}

void origin_appended(const kith_index *index, const char *path, struct file_id id, const struct place *place)
{
	char resolved[PATH_MAX];
	struct index_state *state = index->state;
	path = absolute(path, resolved);
	pthread_mutex_lock(&state->lock);
	for (int i = 0; i < state->origins; i++) {
		struct origin *origin = &state->origin[i];
		if (file_id_same(id, (struct file_id){origin->dev, origin->ino}) ||
		    strcmp(origin->path, path) == 0)
			*origin = (struct origin){origin->path, id.dev, id.ino, *place};
	}
	pthread_mutex_unlock(&state->lock);
}

/* The name becomes "", which no file has. The entry stays: its state is still the one that the index has. */
void origin_forget(const kith_index *index, const char *path)
{
	char resolved[PATH_MAX];
	struct index_state *state = index->state;
	if (!state)
		return;
	path = absolute(path, resolved);
	pthread_mutex_lock(&state->lock);
	for (int i = 0; i < state->origins; i++)
		if (strcmp(state->origin[i].path, path) == 0)
			*state->origin[i].path = 0;
	pthread_mutex_unlock(&state->lock);
}

bool origin_knows(const kith_index *index, const char *path, const struct place *place)
{
	char resolved[PATH_MAX];
	struct index_state *state = index->state;
	bool known = false;
	if (!state)
		return false;
	path = absolute(path, resolved);
	pthread_mutex_lock(&state->lock);
	for (int i = 0; i < state->origins; i++)
		known |= state->origin[i].place.identity == place->identity &&
		         state->origin[i].place.link == place->link &&
		         strcmp(state->origin[i].path, path) == 0;
	pthread_mutex_unlock(&state->lock);
	return known;
}

static kith_status fail_stale(const struct vecs_target *target, enum log_state found)
{
	const char *what = found == LOG_GROWN   ? "has been appended to"
	                   : found == LOG_OTHER ? "got another log (was a copy put back?)"
	                                        : "has been replaced";
	return vecs_fail(KITH_STALE, target->name,
	    "%s since this index was opened from it: saving would lose that. Open it again and make the "
	    "changes anew, save under another name, or say that it may be overwritten",
	    what);
}

/* If `origin` is the file to be replaced: *same is set if the file has not changed, else *worst to how it
 * has. */
static kith_status compare(const struct origin *origin, const struct vecs_target *target, int fd,
    struct file_id id, enum log_state *worst, bool *same)
{
	enum log_state found;
	const struct log_end end = end_of(&origin->place);
	if (strcmp(origin->path, target->path) != 0 &&
	    !file_id_same(id, (struct file_id){origin->dev, origin->ino}))
		return KITH_OK;
	kith_status status = log_compare(fd, target->name, &end, &found);
	if (status == KITH_FORMAT) { /* it has grown by an append that is damaged now */
		status = KITH_OK;
		found = LOG_GROWN;
	}
	*same |= found == LOG_SAME;
	*worst = found != LOG_SAME ? found : *worst;
	return status;
}

kith_status origin_check(
    const kith_index *index, const struct vecs_target *target, int fd, const struct log_end *fresh)
{
	struct index_state *state = index->state;
	struct stat st;
	enum log_state found, worst = LOG_SAME;
	if (!state || fd < 0)
		return KITH_OK;
	if (fstat(fd, &st) != 0)
		return vecs_fail(KITH_IO, target->name, "cannot be read");
	kith_status status = KITH_OK;
	bool same = false;
	pthread_mutex_lock(&state->lock);
	for (int i = 0; status == KITH_OK && i < state->origins; i++)
		status = compare(&state->origin[i], target, fd, file_id_of(&st), &worst, &same);
	pthread_mutex_unlock(&state->lock);
	if (status || same || worst == LOG_SAME)
		return status;
	/* Another thread has just saved the same index there. */
	if (log_compare(fd, target->name, fresh, &found) == KITH_OK && found == LOG_SAME)
		return KITH_OK;
	return fail_stale(target, worst);
}

kith_status origin_copy(kith_index *to, const kith_index *from)
{
	if (!origin_is_kept(from))
		return KITH_OK;
	struct index_state *state = index_state_of(to);
	if (!state)
		return KITH_NOMEM;
	kith_status status = KITH_OK;
	pthread_mutex_lock(&from->state->lock);
	for (int i = 0; status == KITH_OK && i < from->state->origins; i++) {
		struct origin origin = from->state->origin[i];
		origin.path = mem_strdup(origin.path);
		if (origin.path)
			state->origin[state->origins++] = origin;
		else
			status = fail_nomem("a path", strlen(from->state->origin[i].path));
	}
	state->next_origin = from->state->next_origin;
	pthread_mutex_unlock(&from->state->lock);
	return status;
}
