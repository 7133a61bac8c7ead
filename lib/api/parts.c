/* Putting indexes together from parts that are trained and filled, and looking at parts of one. The
 * structures do the work (index/parts.h); here arguments are checked and guards taken. */
#include <kith/parts.h>

#include "lib/api/check.h"
#include "lib/api/guard.h"
#include "lib/api/journal.h"
#include "lib/base/status.h"
#include "lib/index/parts.h"

const kith_index *kith_index_part(const kith_index *index, int64_t depth)
{
	for (; index && depth > 0; depth--)
		index = structure_only_child(index);
	return depth < 0 ? NULL : index;
}

const kith_index *kith_index_fine(const kith_index *index)
{
	return index ? refine_fine(index) : NULL;
}

const kith_index *kith_index_quantizer(const kith_index *index)
{
	return index ? structure_quantizer(index) : NULL;
}

/* ---- putting together ---- */

/* Wrap take_child, which is held for writing, in the transform that `like`, held for reading, begins with. */
static kith_status wrap_like(
    kith_index **out, kith_index *take_child, const struct metric *metric, const kith_index *like)
{
	struct transform_components parts;
	struct linear forward = {0}, inverse = {0};
	if (!transform_components(like, &parts))
		return fail(KITH_INVALID, "like is '%s', which begins with no transform", like->spec);
	if (parts.forward && !parts.forward->panels)
		return fail(KITH_UNTRAINED, "like, '%s', must be trained", like->spec);
	kith_status status = parts.forward ? linear_copy(&forward, parts.forward) : KITH_OK;
	if (status == KITH_OK && parts.forward)
		status = linear_copy(&inverse, parts.inverse);
	if (status == KITH_OK)
		status = transform_from_components(
		    out, metric, parts.mapping, &forward, &inverse, true, take_child);
	if (status) {
		linear_free(&forward);
		linear_free(&inverse);
	}
	return status;
}

kith_status kith_index_wrap_like(
    kith_index **out, kith_index *take_child, kith_metric metric, const kith_index *like)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!take_child || !like || take_child == like)
		return fail(KITH_INVALID, "%s",
		    take_child ? like ? "take_child and like are the same index" : "like is NULL"
		               : "take_child is NULL");
	kith_status status = check_metric(metric);
	if (status == KITH_OK)
		status = write_begin(take_child);
	if (status)
		return status;
	status = read_begin(like);
	if (status == KITH_OK) {
		status = wrap_like(out, take_child, metric_of(metric), like);
		read_end(like);
	}
	write_end(take_child);
	return status;
}

kith_status kith_index_wrap_fine(kith_index **out, kith_index *take_child, kith_index *take_fine)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!take_child || !take_fine || take_child == take_fine)
		return fail(KITH_INVALID, "%s",
		    take_child && take_fine ? "take_child and take_fine are the same index"
		    : take_child            ? "take_fine is NULL"
		                            : "take_child is NULL");
	if (take_child->dim != take_fine->dim || take_child->metric != take_fine->metric)
		return fail(KITH_INVALID, "take_fine has dimension %lld, metric %s; take_child has %lld, %s",
		    (long long)take_fine->dim, take_fine->metric->name, (long long)take_child->dim,
		    take_child->metric->name);
	kith_status status = write_begin(take_child);
	if (status)
		return status;
	status = write_begin(take_fine);
	if (status == KITH_OK) {
		status = refine_join(out, take_child, take_fine);
		write_end(take_fine);
	}
	write_end(take_child);
	if (status == KITH_OK)
		structure_free(take_fine);
	return status;
}

/* ---- changing what is there ---- */

kith_status kith_index_set_centroids(kith_index *index, int64_t nlist, const float *centroids)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	if (nlist < 0 || (nlist > 0 && !centroids))
		return fail(KITH_INVALID, "nlist is %lld, centroids %s", (long long)nlist,
		    centroids ? "given" : "NULL");
	kith_status status = write_begin(index);
	if (status)
		return status;
	status = structure_set_centroids(index, nlist, centroids);
	if (status == KITH_OK)
		change_unrecorded(index, "it was given centroids");
	write_end(index);
	return status;
}

kith_status kith_index_renumber(kith_index *index)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	kith_status status = write_begin(index);
	if (status)
		return status;
	status = structure_renumber(index, NULL);
	if (status == KITH_OK)
		change_unrecorded(index, "its vectors were numbered anew");
	write_end(index);
	return status;
}
