/* Merging indexes: what is the same for every structure. */
#include "lib/index/structure.h"

#include "lib/base/status.h"

#include <string.h>

kith_status merge_unlike(const kith_index *into)
{
	return fail(KITH_INVALID,
	    "from: '%s' learnt something else than the index it is to go into; let both be clones of one "
	    "trained index",
	    into->spec);
}

kith_status structure_merge(kith_index *into, kith_index *from, const int64_t *ids)
{
	if (into->ops != from->ops || strcmp(into->spec, from->spec) != 0)
		return fail(KITH_INVALID, "from is '%s', which cannot go into '%s'", from->spec, into->spec);
	if (!into->ops->merge)
		return fail(KITH_UNSUPPORTED, "an index '%s' cannot be merged with another", into->spec);
	return into->ops->merge(into, from, ids);
}

kith_status merge_children(
    kith_index *into, kith_index *from, const kith_index *from_parent, const int64_t *ids)
{
	int64_t n = from->ops->size(from);
	int64_t *order = mem_alloc((size_t)n, sizeof *order);
	if (!order)
		return fail_nomem("ids", (size_t)n * sizeof *order);
	for (int64_t i = 0; i < n; i++)
		order[i] = ids[from_parent->ops->find(from_parent, from->ops->id_at(from, i))];
	kith_status status = structure_merge(into, from, order);
	mem_free(order);
	return status;
}

kith_status structure_set_centroids(kith_index *child, int64_t nlist, const float *centroids)
{
	return child->ops->set_centroids
	           ? child->ops->set_centroids(child, nlist, centroids)
	           : fail(KITH_INVALID, "index '%s' has no inverted file in it", child->spec);
}
