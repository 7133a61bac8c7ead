/* Saving and opening: the section that says what an index is, then the index itself.
 *
 * Opening makes an empty index from the factory string in the file, so that whatever the library can build it
 * can read, and has it load its sections, each of the size that follows from the string and the number of
 * vectors.
 */
#include "lib/api/file.h"

#include <kith/faiss.h>

#include "lib/api/check.h"
#include "lib/api/guard.h"
#include "lib/api/journal.h"
#include "lib/api/origin.h"
#include "lib/api/preset.h"
#include "lib/api/spec.h"
#include "lib/api/tags.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/faiss/format.h"
#include "lib/index/index_state.h"
#include "lib/store/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct meta {
	uint32_t dim, metric, type;
	uint32_t zero;
	int64_t n;
	char version[40]; /* of the library that wrote it */
	char spec[256];
};
_Static_assert(sizeof(struct meta) == 320, "no padding");

void index_write(const kith_index *index, struct blob_writer *w)
{
	struct meta meta = {.dim = (uint32_t)index->dim,
	    .metric = (uint32_t)index->metric->id,
	    .type = (uint32_t)index->type,
	    .n = index->ops->size(index)};
	snprintf(meta.version, sizeof meta.version, "%s", kith_version());
	snprintf(meta.spec, sizeof meta.spec, "%s", index->spec);
	blob_write(w, "META", &meta, sizeof meta);
	tags_save(index, w);
	preset_save(index, w);
	structure_save(index, w);
}

/* Shards are made before they are read, so the spec may name no more of them than there are sections. */
static bool believable(const char *spec, const struct blob_reader *r)
{
	const char *shards = strstr(spec, "Shards");
	return !shards || strtoull(shards + strlen("Shards"), NULL, 10) <= r->sections;
}

/* The empty index that meta describes. */
static kith_status make(kith_index **out, const struct meta *meta, struct blob_reader *r)
{
	if (meta->spec[sizeof meta->spec - 1] || meta->version[sizeof meta->version - 1])
		return blob_fail(r, "META", "holds a text that is not terminated");
	if (check_dim(meta->dim) || check_metric((kith_metric)meta->metric))
		return blob_fail(r, "META", "has dimension %u, metric %u", meta->dim, meta->metric);
	if (!believable(meta->spec, r))
		return blob_fail(r, "META", "describes more than there is: '%s'", meta->spec);
	kith_status status = spec_build(out, meta->dim, metric_of((kith_metric)meta->metric), meta->spec);
	if (status == KITH_NOMEM)
		return status;
	if (status == KITH_UNSUPPORTED)
		return fail(status,
		    "%s: needs what this version of kith does not have: '%s', written by kith %s",
		    r->source.name, meta->spec, meta->version);
	if (status)
		return blob_fail(r, "META", "describes no index: '%s'", meta->spec);
	if (meta->zero || (uint32_t)(*out)->type != meta->type || strcmp((*out)->spec, meta->spec) != 0)
		return blob_fail(r, "META", "contradicts itself");
	return KITH_OK;
}

/* The blob alone. */
static kith_status read_blob(kith_index **out, struct blob_reader *r)
{
	struct meta meta;
	kith_status status = blob_read(r, "META", &meta, sizeof meta);
	if (status == KITH_OK)
		status = make(out, &meta, r);
	if (status == KITH_OK)
		status = tags_load(*out, r);
	if (status == KITH_OK)
		status = preset_load(*out, r);
	if (status == KITH_OK)
		status = structure_load(*out, r);
	if (status == KITH_OK && (*out)->ops->size(*out) != meta.n)
		status = blob_fail(r, "META", "gives another number of vectors than the index holds");
	return status ? status : blob_reader_end(r);
}

/* Replay the log behind the blob, and write the note about it. */
static kith_status read_log(kith_index *index, struct blob_reader *r, struct log_end *end)
{
	struct index_state *state = index_state_of(index);
	if (!state)
		return KITH_NOMEM;
	state->unvalidated = r->lazy;
	kith_status status = journal_replay(index, r, end);
	if (status)
		return status;
	state->dropped = r->all - end->at;
	state->worth_saving = log_is_long(end);
	if (state->dropped)
		snprintf(state->note, sizeof state->note,
		    "an append that was not completed was dropped: %llu byte%s from byte %llu on",
		    (unsigned long long)state->dropped, PLURAL(state->dropped), (unsigned long long)end->at);
	size_t said = strlen(state->note);
	if (state->worth_saving)
		snprintf(state->note + said, sizeof state->note - said,
		    "%s%llu of its %llu bytes were appended, in %llu call%s, which makes opening slow: save "
		    "the index",
		    said ? "; " : "", (unsigned long long)(end->at - end->size), (unsigned long long)end->at,
		    (unsigned long long)end->frames, PLURAL(end->frames));
	return KITH_OK;
}

kith_status index_read(kith_index **out, struct blob_reader *r, struct log_end *end)
{
	struct log_end at = {0};
	*out = NULL;
	end = end ? end : &at;
	const uint64_t expected = end->expected;
	kith_status status = read_blob(out, r);
	*end = log_begin(r->source.size, r->identity);
	end->expected = expected;
	end->found = !expected || end->link == expected;
	if (status == KITH_OK && (r->lazy || r->all > r->source.size))
		status = read_log(*out, r, end);
	if (status == KITH_OK && !end->found)
		status = fail(KITH_STALE,
		    "%s: does not hold what it held at generation %016llx: it was cut off or replaced, or "
		    "was saved anew since",
		    r->source.name, (unsigned long long)expected);
	if (status) {
		structure_free(*out);
		*out = NULL;
	}
	return status;
}

/* What cannot be built from its description could be saved, but not opened again. */
static kith_status check_spec(const kith_index *index)
{
	kith_index *empty = NULL;
	kith_status status = spec_build(&empty, index->dim, index->metric, index->spec);
	if (status == KITH_NOMEM)
		return status;
	if (status || strcmp(empty->spec, index->spec) != 0)
		status = fail(KITH_UNSUPPORTED, "an index '%s' cannot be saved yet", index->spec);
	kith_index_free(empty);
	return status;
}

kith_status index_measure(const kith_index *index, uint64_t *size)
{
	struct blob_writer w;
	kith_status status = check_spec(index);
	if (status == KITH_OK)
		status = blob_writer_begin(&w, (struct blob_sink){0}, 0);
	if (status)
		return status;
	index_write(index, &w);
	status = blob_finish(&w);
	*size = w.offset;
	blob_writer_free(&w);
	return status;
}

struct saving {
	const kith_index *index;
	struct file_writer file;
	bool overwrite;
	kith_progress progress; /* NULL: none */
	void *progress_data;
};

static kith_status may_replace(void *owner, const struct vecs_target *target, int fd)
{
	const struct saving *saving = owner;
	const struct log_end fresh = log_begin(saving->file.blob.offset, saving->file.blob.identity);
	return saving->overwrite ? KITH_OK : origin_check(saving->index, target, fd, &fresh);
}

static kith_status save(struct saving *saving, const char *path)
{
	const kith_index *index = saving->index;
	struct file_writer *file = &saving->file;
	struct file_id id;
	uint64_t size = 0;
	char *known = NULL;
	kith_status status = index_measure(index, &size);
	if (status == KITH_OK)
		status = file_create(file, path, size);
	if (status)
		return status;
	file->target.may_replace = may_replace;
	file->target.owner = saving;
	struct progress progress;
	progress_begin(&progress, saving->progress, saving->progress_data, "save", (int64_t)size);
	index_write(index, &file->blob);
	status = progress_end(&progress);
	if (status) {
		file_abandon(file);
		return status;
	}
	bool lasts = file->target.temp != NULL; /* not a pipe */
	if (lasts && origin_is_kept(index)) {
		known = mem_strdup(file->target.path);
		if (!known) {
			file_abandon(file);
			return fail_nomem("a path", strlen(path));
		}
	}
	status = file_finish(file, &id);
	const struct log_end end = log_begin(size, file->blob.identity);
	const struct place place = place_of(&end);
	if (status == KITH_OK && lasts)
		journal_saved(index, &place);
	if (status == KITH_OK && known)
		origin_saved(index, known, id, &place);
	else
		mem_free(known);
	return status;
}

kith_status kith_index_save_as(const kith_index *index, const char *path, const kith_save_options *options)
{
	struct saving saving = {.index = index};
	if (!index || !path)
		return fail(KITH_INVALID, "%s is NULL", index ? "path" : "index");
	if (!*path)
		return fail(KITH_INVALID, "path is empty; expected the name of a file to write");
	if (options && options->size != sizeof *options)
		return fail(
		    KITH_INVALID, "options: size is %zu; begin with KITH_SAVE_OPTIONS", options->size);
	if (options) {
		saving.overwrite = options->overwrite != 0;
		saving.progress = options->progress;
		saving.progress_data = options->progress_data;
	}
	kith_status status = read_begin(index);
	if (status)
		return status;
	status = save(&saving, path);
	read_end(index);
	return status;
}

kith_status kith_index_save(const kith_index *index, const char *path)
{
	return kith_index_save_as(index, path, NULL);
}

/* Apply the flags to an index that has been read; the index takes the mapping over. */
static kith_status finish_open(
    kith_index *index, struct file_reader *file, const struct log_end *end, int flags)
{
	const struct place place = place_of(end);
	kith_status status = origin_opened(index, file->path, file->fd, &place);
	if (status || (!file->base && !(flags & (KITH_READONLY | KITH_UPDATE))))
		return status;
	struct index_state *state = index->state;
	if (flags & KITH_UPDATE)
		status = journal_begin(index, &place);
	index->readonly = flags & KITH_READONLY;
	if (status == KITH_OK && file->base) {
		if (index->readonly)
			mprotect(file->base, file->bytes, PROT_READ);
		state->map = file->base;
		state->map_bytes = file->bytes;
		file->base = NULL;
	}
	return status;
}

static kith_status open_faiss(kith_index **out, const char *path, int flags)
{
	if (flags & ~KITH_VERIFY)
		return fail(KITH_UNSUPPORTED,
		    "flags: '%s' is a file of FAISS's, which can only be read; save it as kith's own", path);
	return kith_index_import_faiss(out, path, NULL);
}

/* *moved: somebody wrote to the file meanwhile, so what looks damaged may be an append in progress (over one
 * that was not completed). */
static kith_status open_once(kith_index **out, const char *path, int flags, uint64_t generation, bool *moved)
{
	struct file_reader file;
	struct log_end end = {.expected = generation};
	struct file_use use = {.map = flags & KITH_MMAP, .lazy = !(flags & KITH_VERIFY)};
	kith_status status = file_open(&file, path, use);
	if (status)
		return status;
	status = index_read(out, &file.blob, &end);
	if (status == KITH_OK)
		status = finish_open(*out, &file, &end, flags);
	if (status) {
		structure_free(*out);
		*out = NULL;
		*moved = file_has_moved(&file);
	}
	file_close(&file);
	return status;
}

kith_status kith_index_open(kith_index **out, const char *path, int flags)
{
	return kith_index_open_at(out, path, flags, 0);
}

kith_status kith_index_open_at(kith_index **out, const char *path, int flags, uint64_t generation)
{
	enum { KNOWN = KITH_VERIFY | KITH_MMAP | KITH_READONLY | KITH_UPDATE, MAX_TRIES = 20 };
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!path)
		return fail(KITH_INVALID, "path is NULL");
	if (flags & ~KNOWN)
		return fail(KITH_INVALID,
		    "flags is %d; it must be 0 or of KITH_VERIFY, KITH_MMAP, "
		    "KITH_READONLY, KITH_UPDATE",
		    flags);
	if ((flags & KITH_READONLY) && (flags & KITH_UPDATE))
		return fail(KITH_INVALID, "flags: KITH_READONLY and KITH_UPDATE exclude each other");
	if (faiss_is_file(path))
		return generation
		           ? fail(KITH_STALE, "'%s' is a file of FAISS's, which has no generations", path)
		           : open_faiss(out, path, flags);
	kith_status status = KITH_FORMAT;
	for (int tries = 0; status == KITH_FORMAT && tries < MAX_TRIES; tries++) {
		bool moved = false;
		status = open_once(out, path, flags, generation, &moved);
		if (!moved)
			break;
	}
	return status;
}

const char *kith_index_note(const kith_index *index)
{
	return index && index->state ? index->state->note : "";
}

/* The state of the file that is appended to, or else that the index was opened from. */
static void tell_place(struct index_state *state, kith_file_info *info)
{
	pthread_mutex_lock(&state->lock);
	const struct place *place = state->journal ? &state->journal->place : &state->origin[0].place;
	const struct log_end end = end_of(place);
	info->generation = end.link;
	info->saved_bytes = (int64_t)end.size;
	info->appended_bytes = (int64_t)(end.at - end.size);
	info->appends = (int64_t)end.frames;
	info->worth_saving = log_is_long(&end);
	info->dropped_bytes = (int64_t)state->dropped;
	pthread_mutex_unlock(&state->lock);
}

kith_status kith_index_file(const kith_index *index, kith_file_info *info)
{
	if (!index || !info)
		return fail(KITH_INVALID, "%s is NULL", index ? "info" : "index");
	if (info->size != sizeof *info)
		return fail(KITH_INVALID, "info->size is %zu; set it to sizeof", info->size);
	*info = (kith_file_info){.size = sizeof *info};
	kith_status status = read_begin(index);
	if (status)
		return status;
	if (origin_is_kept(index))
		tell_place(index->state, info);
	else
		status = fail(KITH_NOTFOUND, "index '%s' was not opened from a file of kith's", index->spec);
	read_end(index);
	return status;
}
