/* Sinks. The k best are sorted arrays, into which sorted batches are merged; the lists of range searches grow
 * by doubling. The order is by (key, id) alone, so that the result does not depend on the order in which
 * neighbours are added, nor on how the work is divided among threads. */
#include "lib/search/sink.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/search/ranges.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

kith_status sink_init_topk(struct sink *sink, int64_t nq, int64_t k)
{
	size_t cells, bytes;
	*sink = (struct sink){.nq = nq, .k = k};
	if (!size_mul((size_t)nq, (size_t)k, &cells) || !size_mul(cells, sizeof *sink->best, &bytes))
		return fail(KITH_NOMEM, "no memory for %lld %s × %lld result%s", (long long)nq, QUERIES(nq),
		    (long long)k, PLURAL(k));
	sink->best = mem_alloc(cells, sizeof *sink->best);
	sink->count = mem_zalloc((size_t)nq, sizeof *sink->count);
	pthread_mutex_init(&sink->lock, NULL);
	if (!sink->best || !sink->count) {
		sink_free(sink);
		return fail_nomem("search results", bytes);
	}
	return KITH_OK;
}

kith_status sink_init_range(struct sink *sink, int64_t nq, double radius)
{
	*sink = (struct sink){.nq = nq, .radius = radius};
	sink->lists = mem_zalloc((size_t)nq, sizeof *sink->lists);
	pthread_mutex_init(&sink->lock, NULL);
	if (!sink->lists) {
		sink_free(sink);
		return fail_nomem("range results", (size_t)nq * sizeof *sink->lists);
	}
	return KITH_OK;
}

void sink_free(struct sink *sink)
{
	if (sink->lists)
		for (int64_t q = 0; q < sink->nq; q++)
			mem_free(sink->lists[q].items);
	mem_free(sink->lists);
	mem_free(sink->best);
	mem_free(sink->count);
	pthread_mutex_destroy(&sink->lock);
	sink->lists = NULL;
	sink->best = NULL;
	sink->count = NULL;
}

void sink_part(struct sink *part, const struct sink *sink, int64_t from, int64_t n)
{
	*part =
	    (struct sink){.nq = n, .k = sink->k, .radius = sink->radius, .lock = PTHREAD_MUTEX_INITIALIZER};
	if (sink->k) {
		part->best = sink->best + from * sink->k;
		part->count = sink->count + from;
	} else {
		part->lists = sink->lists + from;
	}
}

double sink_bound(const struct sink *sink, int64_t q)
{
	/* A key that rounds to the radius is within it, as distances are reported as floats. */
	if (!sink->k)
		return (double)nextafterf((float)sink->radius, INFINITY);
	return sink->count[q] < sink->k ? INFINITY : sink->best[q * sink->k + sink->k - 1].key;
}

static bool list_append(struct found_list *list, const struct found *items, int64_t n)
{
	if (list->n + n > list->capacity) {
		int64_t capacity = 2 * (list->n + n) + 16;
		struct found *grown = mem_alloc((size_t)capacity, sizeof *grown);
		if (!grown)
			return false;
		if (list->n)
			memcpy(grown, list->items, (size_t)list->n * sizeof *grown);
		mem_free(list->items);
		list->items = grown;
		list->capacity = capacity;
	}
	memcpy(list->items + list->n, items, (size_t)n * sizeof *items);
	list->n += n;
	return true;
}

/* Merge ascending items into an ascending list of `count` <= k, in place from the back. Returns the new
 * count. */
static int64_t merge_topk(struct found *best, int64_t count, int64_t k, const struct found *items, int64_t n)
{
	/* How many of each side are among the first k. */
	int64_t a = 0, b = 0;
	while (a + b < k && (a < count || b < n)) {
		if (b == n || (a < count && compare_found(&best[a], &items[b]) < 0))
			a++;
		else
			b++;
	}
	int64_t total = a + b;
	for (int64_t w = total - 1; b > 0; w--) {
		if (a > 0 && compare_found(&best[a - 1], &items[b - 1]) > 0)
			best[w] = best[--a];
		else
			best[w] = items[--b];
	}
	return total;
}

bool sink_merge(struct sink *sink, int64_t q, struct found *items, int64_t n)
{
	double bound = sink_bound(sink, q);
	int64_t kept = 0;
	for (int64_t i = 0; i < n; i++)
		if (sink->k ? items[i].key <= bound : (double)(float)items[i].key <= sink->radius)
			items[kept++] = items[i];
	if (!kept)
		return true;
	if (!sink->k)
		return list_append(&sink->lists[q], items, kept);
	qsort(items, (size_t)kept, sizeof *items, compare_found);
	sink->count[q] = merge_topk(sink->best + q * sink->k, sink->count[q], sink->k, items, kept);
	return true;
}

static float score(double key, const struct metric *metric)
{
	/* Adding zero turns −0 into 0. */
	return (float)metric_convert(metric, key) + 0.0f;
}

void sink_write_topk(
    const struct sink *sink, int64_t k, const struct metric *metric, float *dist, int64_t *ids)
{
	float none = metric_favours_large(metric) ? -INFINITY : INFINITY;
	for (int64_t q = 0; q < sink->nq; q++) {
		const struct found *best = sink->best + q * sink->k;
		for (int64_t j = 0; j < k; j++) {
			bool have = j < sink->count[q];
			ids[q * k + j] = have ? best[j].id : -1;
			dist[q * k + j] = have ? score(best[j].key, metric) : none;
		}
	}
}

/* 1 − key and key round differently. The sink takes some more keys, and what is beyond the radius as a score
 * is dropped at the end. */
kith_status sink_init_scores(struct sink *sink, int64_t nq, const struct metric *metric, float radius)
{
	double slack = metric->one_minus ? 0x1p-22 * (1 + fabs((double)radius)) : 0;
	return sink_init_range(sink, nq, metric_convert(metric, (double)radius) + slack);
}

static void drop_beyond(struct found_list *list, const struct metric *metric, float radius)
{
	int64_t kept = 0;
	for (int64_t i = 0; i < list->n; i++)
		if (!metric->one_minus || score(list->items[i].key, metric) >= radius)
			list->items[kept++] = list->items[i];
	list->n = kept;
}

kith_status sink_take_ranges(struct sink *sink, const struct metric *metric, float radius, kith_ranges **out)
{
	int64_t total = 0;
	for (int64_t q = 0; q < sink->nq; q++) {
		drop_beyond(&sink->lists[q], metric, radius);
		total += sink->lists[q].n;
	}
	kith_ranges *r = ranges_new(sink->nq, total);
	if (!r)
		return fail_nomem("range results", (size_t)total * (sizeof(float) + sizeof(int64_t)));
	int64_t at = 0;
	for (int64_t q = 0; q < sink->nq; q++) {
		struct found_list *list = &sink->lists[q];
		if (list->n)
			qsort(list->items, (size_t)list->n, sizeof *list->items, compare_found);
		r->begin[q] = at;
		for (int64_t j = 0; j < list->n; j++, at++) {
			r->dist[at] = score(list->items[j].key, metric);
			r->ids[at] = list->items[j].id;
		}
	}
	r->begin[sink->nq] = at;
	*out = r;
	return KITH_OK;
}
