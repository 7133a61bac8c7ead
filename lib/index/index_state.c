/* What belongs to an index from outside of its structure, and ends with it. */
#include "lib/index/index_state.h"

#include "lib/base/status.h"

#include <string.h>
#include <sys/mman.h>

struct keep *keep_of(kith_index *index)
{
	if (index->keep)
		return index->keep;
	index->keep = mem_zalloc(1, sizeof *index->keep);
	if (index->keep)
		pthread_mutex_init(&index->keep->lock, NULL);
	else
		fail_nomem("an index", sizeof *index->keep);
	return index->keep;
}

kith_status keep_journal(struct keep *keep, const struct place *place)
{
	struct journal *journal = mem_zalloc(1, sizeof *journal);
	if (!journal)
		return fail_nomem("a journal", sizeof *journal);
	journal->place = *place;
	keep->journal = journal;
	return KITH_OK;
}

static void keep_free(struct keep *keep)
{
	if (!keep)
		return;
	if (keep->journal)
		buffer_free(&keep->journal->ops);
	mem_free(keep->journal);
	for (int i = 0; i < keep->origins; i++)
		mem_free(keep->origin[i].path);
	pthread_mutex_destroy(&keep->lock);
	buffer_free(&keep->tags);
	buffer_free(&keep->labels);
	if (keep->map)
		munmap(keep->map, keep->map_bytes);
	mem_free(keep);
}

void structure_free(kith_index *index)
{
	if (!index)
		return;
	/* Its buffers may be parts of the mapping. */
	struct keep *keep = index->keep;
	index->ops->free(index);
	keep_free(keep);
}

kith_status structure_clone(kith_index **out, const kith_index *index)
{
	kith_status status = index->ops->clone(out, index);
	if (status == KITH_OK) {
		(*out)->keep = NULL;
		(*out)->readonly = false;
	}
	return status;
}

kith_status structure_settle(kith_index *index)
{
	return index->ops->settle ? index->ops->settle(index) : KITH_OK;
}

void structure_trim(kith_index *index)
{
	if (index->ops->trim)
		index->ops->trim(index);
}

kith_status structure_reorder(kith_index *index, const kith_add_options *options)
{
	return index->ops->reorder ? index->ops->reorder(index, options) : KITH_OK;
}

kith_status structure_renumber(kith_index *index, const int64_t *ids)
{
	if (index->ops->renumber)
		return index->ops->renumber(index, ids);
	if (index->ops->child && index->ops->child(index, 0) && !index->ops->child(index, 1))
		return structure_renumber(index->ops->child(index, 0), ids);
	return fail(KITH_UNSUPPORTED, "vectors of '%s' cannot be given other ids", index->spec);
}

/* ---- what it carries for FAISS ---- */

kith_preset preset_of(const kith_index *index)
{
	kith_preset preset = KITH_PRESET;
	if (index->keep)
		preset = index->keep->preset;
	preset.size = sizeof preset;
	return preset;
}

bool preset_is_empty(const kith_preset *p)
{
	return !p->nprobe && !p->max_codes && !p->efSearch && !p->efConstruction && p->k_factor == 0 &&
	       !p->idmap && !p->idmap_depth && !p->fastscan && !p->polysemous_ht && !p->search_type;
}

kith_status preset_put(kith_index *index, const kith_preset *preset)
{
	if (!index->keep && preset_is_empty(preset))
		return KITH_OK;
	struct keep *keep = keep_of(index);
	if (!keep)
		return KITH_NOMEM;
	keep->preset = *preset;
	return KITH_OK;
}

const int64_t *labels_of(const kith_index *index, int64_t *n)
{
	const struct keep *keep = index->keep;
	*n = keep ? keep->label_count : 0;
	return *n ? (const int64_t *)(const void *)keep->labels.data : NULL;
}

kith_status labels_put(kith_index *index, int64_t n, const int64_t *labels)
{
	if (n == 0 && !index->keep)
		return KITH_OK;
	struct keep *keep = keep_of(index);
	if (!keep)
		return KITH_NOMEM;
	struct buffer made = {0};
	size_t bytes;
	if (!size_mul((size_t)n, sizeof *labels, &bytes) || !buffer_reserve(&made, bytes, 0))
		return fail_nomem("labels", (size_t)n * sizeof *labels);
	if (n)
		memcpy(made.data, labels, bytes);
	buffer_free(&keep->labels);
	keep->labels = made;
	keep->label_count = n;
	return KITH_OK;
}

kith_status preset_copy(kith_index *to, const kith_index *from)
{
	int64_t n;
	const int64_t *labels = labels_of(from, &n);
	kith_preset preset = preset_of(from);
	kith_status status = preset_put(to, &preset);
	return status ? status : labels_put(to, n, labels);
}
