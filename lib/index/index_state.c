/* The state of an index beside its structure (index_state.h), and calls that structures may leave out. */
#include "lib/index/index_state.h"

#include "lib/base/status.h"

#include <string.h>
#include <sys/mman.h>

struct index_state *index_state_of(kith_index *index)
{
	if (index->state)
		return index->state;
	index->state = mem_zalloc(1, sizeof *index->state);
	if (index->state)
		pthread_mutex_init(&index->state->lock, NULL);
	else
		fail_nomem("an index", sizeof *index->state);
	return index->state;
}

kith_status state_keep_journal(struct index_state *state, const struct place *place)
{
	struct journal *journal = mem_zalloc(1, sizeof *journal);
	if (!journal)
		return fail_nomem("a journal", sizeof *journal);
	journal->place = *place;
	state->journal = journal;
	return KITH_OK;
}

static void index_state_free(struct index_state *state)
{
	if (!state)
		return;
	if (state->journal)
		buffer_free(&state->journal->ops);
	mem_free(state->journal);
	for (int i = 0; i < state->origins; i++)
		mem_free(state->origin[i].path);
	pthread_mutex_destroy(&state->lock);
	buffer_free(&state->tags);
	buffer_free(&state->labels);
	if (state->map)
		munmap(state->map, state->map_bytes);
	mem_free(state);
}

void structure_free(kith_index *index)
{
	if (!index)
		return;
	/* The state comes last, since buffers of the index may be parts of the mapping. */
	struct index_state *state = index->state;
	index->ops->free(index);
	index_state_free(state);
}

kith_status structure_clone(kith_index **out, const kith_index *index)
{
	kith_status status = index->ops->clone(out, index);
	if (status == KITH_OK) {
		(*out)->state = NULL;
		(*out)->readonly = false;
	}
	return status;
}

kith_status structure_validate(kith_index *index)
{
	return index->ops->validate ? index->ops->validate(index) : KITH_OK;
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

/* ---- presets and labels, for FAISS ---- */

kith_preset preset_of(const kith_index *index)
{
	kith_preset preset = KITH_PRESET;
	if (index->state)
		preset = index->state->preset;
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
	if (!index->state && preset_is_empty(preset))
		return KITH_OK;
	struct index_state *state = index_state_of(index);
	if (!state)
		return KITH_NOMEM;
	state->preset = *preset;
	return KITH_OK;
}

const int64_t *labels_of(const kith_index *index, int64_t *n)
{
	const struct index_state *state = index->state;
	*n = state ? state->label_count : 0;
	return *n ? (const int64_t *)(const void *)state->labels.data : NULL;
}

kith_status labels_put(kith_index *index, int64_t n, const int64_t *labels)
{
	if (n == 0 && !index->state)
		return KITH_OK;
	struct index_state *state = index_state_of(index);
	if (!state)
		return KITH_NOMEM;
	struct buffer made = {0};
	size_t bytes;
	if (!size_mul((size_t)n, sizeof *labels, &bytes) || !buffer_reserve(&made, bytes, 0))
		return fail_nomem("labels", (size_t)n * sizeof *labels);
	if (n)
		memcpy(made.data, labels, bytes);
	buffer_free(&state->labels);
	state->labels = made;
	state->label_count = n;
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
