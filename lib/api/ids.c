/* The ids of an index. A structure keeps them, unless they are the numbers of its rows. */
#include "lib/api/guard.h"
#include "lib/base/status.h"
#include "lib/index/structure.h"

int kith_index_has(const kith_index *index, int64_t id)
{
	return index && index->ops->find(index, id) >= 0;
}

kith_status kith_index_ids(const kith_index *index, int64_t *ids)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	kith_status status = read_begin(index);
	if (status)
		return status;
	int64_t n = index->ops->size(index);
	if (n > 0 && !ids)
		status = fail(KITH_INVALID, "ids is NULL, with %lld id%s to write", (long long)n, PLURAL(n));
	for (int64_t i = 0; ids && i < n; i++)
		ids[i] = index->ops->id_at(index, i);
	read_end(index);
	return status;
}

kith_status kith_index_id_range(const kith_index *index, int64_t *min, int64_t *max)
{
	if (!index || !min || !max)
		return fail(KITH_INVALID, "%s is NULL", !index ? "index" : !min ? "min" : "max");
	kith_status status = read_begin(index);
	if (status)
		return status;
	int64_t n = index->ops->size(index), low = n ? INT64_MAX : 0, high = -1;
	for (int64_t i = 0; i < n; i++) {
		int64_t id = index->ops->id_at(index, i);
		low = id < low ? id : low;
		high = id > high ? id : high;
	}
	read_end(index);
	*min = low;
	*max = high;
	return KITH_OK;
}
