/* Merging inverted files. Both have the same centroids and codec, so each list of one is appended to the same
 * list of the other, with slots counted on from there. Lists are moved one by one, so that memory stays near
 * the size of the result. */
#include "lib/index/ivf.h"

#include "lib/base/status.h"

#include <string.h>

static bool alike(const struct ivf *a, const struct ivf *b)
{
	size_t bytes = (size_t)a->nlist * (size_t)a->base.dim * sizeof *a->centroids;
	return memcmp(a->centroids, b->centroids, bytes) == 0 && codec_same(a->codec, b->codec);
}

static kith_status make_room(struct ivf *ivf, const struct ivf *others, const int64_t *ids)
{
	kith_status status = ivf_reserve_numbers(ivf, ivf->ids.n + others->ids.n, 1);
	for (int64_t l = 0; status == KITH_OK && l < ivf->nlist; l++)
		if (others->lists[l].codes.n)
			status = ivf_reserve_list(
			    ivf, &ivf->lists[l], ivf->lists[l].codes.n + others->lists[l].codes.n);
	/* Last, since only this cannot be undone. */
	return status ? status : ids_append(&ivf->ids, others->ids.n, ids);
}

static void move_list(const struct ivf *ivf, struct list *list, struct list *from, uint32_t first_slot)
{
	int64_t before = list->codes.n, n = from->codes.n;
	for (int64_t i = 0; i < n; i++)
		list_slots(list)[before + i] = first_slot + list_slots(from)[i];
	if (ivf_has_code_norms(ivf) && n)
		memcpy(list_code_norms(list) + before, list_code_norms(from), (size_t)n * sizeof(float));
	list->max_norm = from->max_norm > list->max_norm ? from->max_norm : list->max_norm;
	codes_extend(&list->codes, &from->codes);
	codes_free(&from->codes);
	buffer_free(&from->slots);
	buffer_free(&from->code_norms);
	from->max_norm = 0;
}

kith_status ivf_merge(kith_index *into, kith_index *from, const int64_t *ids)
{
	struct ivf *ivf = ivf_of(into), *others = ivf_of(from);
	if (!alike(ivf, others))
		return merge_unlike(into);
	uint32_t first_slot = (uint32_t)ivf->ids.n;
	kith_status status = make_room(ivf, others, ids);
	if (status)
		return status;
	for (int64_t l = 0; l < ivf->nlist; l++)
		move_list(ivf, &ivf->lists[l], &others->lists[l], first_slot);
	ids_free(&others->ids);
	buffer_free(&others->list_of);
	ivf_free_blocks(others);
	ivf_renumber(ivf);
	ivf_renumber(others);
	return KITH_OK;
}
