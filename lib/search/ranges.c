/* Range results: the neighbours of all queries in one array, and where those of each query begin. */
#include "lib/search/ranges.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"

kith_ranges *ranges_new(int64_t nq, int64_t total)
{
	kith_ranges *r = mem_zalloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->nq = nq;
	r->begin = mem_zalloc((size_t)nq + 1, sizeof *r->begin);
	r->dist = mem_alloc((size_t)total, sizeof *r->dist);
	r->ids = mem_alloc((size_t)total, sizeof *r->ids);
	if (!r->begin || !r->dist || !r->ids) {
		kith_ranges_free(r);
		return NULL;
	}
	return r;
}

kith_status kith_ranges_get(
    const kith_ranges *ranges, int64_t query, int64_t *n, const float **dist, const int64_t **ids)
{
	if (n)
		*n = 0;
	if (dist)
		*dist = NULL;
	if (ids)
		*ids = NULL;
	if (!ranges)
		return fail(KITH_INVALID, "ranges is NULL");
	if (query < 0 || query >= ranges->nq)
		return fail(
		    KITH_INVALID, "query is %lld; there are %lld", (long long)query, (long long)ranges->nq);
	int64_t from = ranges->begin[query];
	if (n)
		*n = ranges->begin[query + 1] - from;
	if (dist)
		*dist = ranges->dist + from;
	if (ids)
		*ids = ranges->ids + from;
	return KITH_OK;
}

int64_t kith_ranges_queries(const kith_ranges *ranges)
{
	return ranges ? ranges->nq : 0;
}

int64_t kith_ranges_total(const kith_ranges *ranges)
{
	return ranges ? ranges->begin[ranges->nq] : 0;
}

void kith_ranges_free(kith_ranges *ranges)
{
	if (!ranges)
		return;
	mem_free(ranges->begin);
	mem_free(ranges->dist);
	mem_free(ranges->ids);
	mem_free(ranges);
}
