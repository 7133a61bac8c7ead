/* What belongs to an index from outside of its structure, and ends with it. */
#include "lib/structure/keep.h"

#include "lib/base/status.h"

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
