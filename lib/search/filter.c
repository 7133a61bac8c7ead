/* Filters: an immutable expression tree over ids.
 *
 * Flat searches evaluate a filter once for each stored row into a bit map (filter_rows), so that its cost
 * does not depend on the number of queries. Inverted files evaluate it for the rows that are scanned, as a
 * few queries see only a part of the rows. The kernels know nothing of filters.
 *
 * Ids are tested 64 at a time: each node of the tree turns a word of the ids that are still in question into
 * a word of those that pass, without a branch for each id. A set of ids is a bit map if that takes no more
 * memory than the ids. Otherwise a Bloom filter with one hash and 16 bits for each id excludes nearly all
 * other ids before the ids are searched.
 */
#include "lib/search/filter.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

enum filter_op { OP_RANGE, OP_IDS, OP_BITMAP, OP_CALLBACK, OP_NOT, OP_AND, OP_OR };

struct kith_filter {
	enum filter_op op;
	int depth;
	int64_t min, max; /* RANGE: min <= id < max; BITMAP: max bits; IDS: max ids */
	int64_t *ids;     /* IDS: ascending, distinct */
	uint8_t *bits;    /* BITMAP; IDS: a bit map of ids from ids[0] on, or a Bloom filter */
	int64_t span;     /* IDS: the number of bits of the bit map; 0: it is a Bloom filter */
	int shift;        /* of the Bloom filter's hash */
	kith_filter_fn fn;
	void *data;
	kith_filter *a, *b;
};

static kith_status filter_new(kith_filter **out, enum filter_op op)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = mem_zalloc(1, sizeof **out);
	if (!*out)
		return fail_nomem("a filter", sizeof **out);
	(*out)->op = op;
	(*out)->depth = 1;
	return KITH_OK;
}

kith_status kith_filter_range(kith_filter **out, int64_t min, int64_t max)
{
	if (out)
		*out = NULL;
	if (min > max)
		return fail(KITH_INVALID, "min is %lld, above max %lld", (long long)min, (long long)max);
	kith_status status = filter_new(out, OP_RANGE);
	if (status)
		return status;
	(*out)->min = min;
	(*out)->max = max;
	return KITH_OK;
}

static int compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static uint64_t bloom_place(const kith_filter *f, int64_t id)
{
	return ((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15)) >> f->shift;
}

/* Make the bit map or the Bloom filter of the ids. False: no memory. */
static bool make_bits(kith_filter *f)
{
	enum { DENSE = 64, MIN_LOG = 9, PER_ID_LOG = 4 };
	uint64_t span = f->max ? (uint64_t)f->ids[f->max - 1] - (uint64_t)f->ids[0] + 1 : 1;
	bool dense = span && span / DENSE <= (uint64_t)f->max;
	int log = MIN_LOG;
	while ((INT64_C(1) << (log - PER_ID_LOG)) < f->max)
		log++;
	f->span = dense ? (int64_t)span : 0;
	f->shift = 64 - log;
	f->bits = mem_zalloc(dense ? span / 8 + 1 : (size_t)1 << (log - 3), 1);
	for (int64_t i = 0; f->bits && i < f->max; i++) {
		uint64_t at = dense ? (uint64_t)(f->ids[i] - f->ids[0]) : bloom_place(f, f->ids[i]);
		f->bits[at / 8] = (uint8_t)(f->bits[at / 8] | 1 << at % 8);
	}
	return f->bits != NULL;
}

kith_status kith_filter_ids(kith_filter **out, int64_t n, const int64_t *ids)
{
	if (out)
		*out = NULL;
	if (n < 0 || (n > 0 && !ids))
		return fail(
		    KITH_INVALID, "ids: %lld of them at %s", (long long)n, ids ? "an address" : "NULL");
	kith_filter *f;
	kith_status status = filter_new(&f, OP_IDS);
	if (status)
		return status;
	if (!out) {
		kith_filter_free(f);
		return fail(KITH_INVALID, "out is NULL");
	}
	f->ids = mem_alloc((size_t)n, sizeof *ids);
	if (!f->ids) {
		kith_filter_free(f);
		return fail_nomem("a filter's ids", (size_t)n * sizeof *ids);
	}
	if (n)
		memcpy(f->ids, ids, (size_t)n * sizeof *ids);
	qsort(f->ids, (size_t)n, sizeof *ids, compare_ids);
	for (int64_t i = 0; i < n; i++)
		if (!f->max || f->ids[f->max - 1] != f->ids[i])
			f->ids[f->max++] = f->ids[i];
	if (!make_bits(f)) {
		kith_filter_free(f);
		return fail_nomem("a filter's bits", (size_t)n * sizeof *ids);
	}
	*out = f;
	return KITH_OK;
}

kith_status kith_filter_bitmap(kith_filter **out, int64_t nbits, const uint8_t *bits)
{
	if (out)
		*out = NULL;
	if (nbits < 0 || (nbits > 0 && !bits))
		return fail(
		    KITH_INVALID, "bits: %lld of them at %s", (long long)nbits, bits ? "an address" : "NULL");
	kith_filter *f;
	kith_status status = filter_new(&f, OP_BITMAP);
	if (status)
		return status;
	size_t bytes = (size_t)(nbits / 8 + (nbits % 8 != 0));
	f->bits = out ? mem_alloc(bytes, 1) : NULL;
	if (!f->bits) {
		kith_filter_free(f);
		return out ? fail_nomem("a filter's bit map", bytes) : fail(KITH_INVALID, "out is NULL");
	}
	if (bytes)
		memcpy(f->bits, bits, bytes);
	f->max = nbits;
	*out = f;
	return KITH_OK;
}

kith_status kith_filter_callback(kith_filter **out, kith_filter_fn fn, void *data)
{
	if (out)
		*out = NULL;
	if (!fn)
		return fail(KITH_INVALID, "fn is NULL");
	kith_status status = filter_new(out, OP_CALLBACK);
	if (status)
		return status;
	(*out)->fn = fn;
	(*out)->data = data;
	return KITH_OK;
}

static kith_status combine(kith_filter **out, enum filter_op op, kith_filter *a, kith_filter *b)
{
	if (out)
		*out = NULL;
	if (!a || (op != OP_NOT && !b))
		return fail(KITH_INVALID, "a filter to combine is NULL");
	if (a == b)
		return fail(KITH_INVALID, "take_a and take_b are the same filter; each can be taken once");
	int depth = 1 + (b && b->depth > a->depth ? b->depth : a->depth);
	if (depth > MAX_DEPTH)
		return fail(KITH_INVALID, "filter nested %d deep; at most %d", depth, MAX_DEPTH);
	kith_status status = filter_new(out, op);
	if (status)
		return status;
	(*out)->depth = depth;
	(*out)->a = a;
	(*out)->b = b;
	return KITH_OK;
}

kith_status kith_filter_not(kith_filter **out, kith_filter *take_a)
{
	return combine(out, OP_NOT, take_a, NULL);
}

kith_status kith_filter_and(kith_filter **out, kith_filter *take_a, kith_filter *take_b)
{
	return combine(out, OP_AND, take_a, take_b);
}

kith_status kith_filter_or(kith_filter **out, kith_filter *take_a, kith_filter *take_b)
{
	return combine(out, OP_OR, take_a, take_b);
}

/* ---- testing ---- */

static uint64_t test_range(const kith_filter *f, const int64_t *ids, int64_t n)
{
	uint64_t mask = 0, span = (uint64_t)f->max - (uint64_t)f->min;
	for (int64_t i = 0; i < n; i++)
		mask |= (uint64_t)((uint64_t)ids[i] - (uint64_t)f->min < span) << i;
	return mask;
}

/* Test ids in a bit map of `span` >= 1 bits for ids from `first` on. */
static uint64_t test_bits(const uint8_t *bits, int64_t first, int64_t span, const int64_t *ids, int64_t n)
{
	uint64_t mask = 0;
	for (int64_t i = 0; i < n; i++) {
		uint64_t at = (uint64_t)ids[i] - (uint64_t)first, there = at < (uint64_t)span;
		at = there ? at : 0;
		mask |= (there & (uint64_t)(bits[at / 8] >> at % 8)) << i;
	}
	return mask;
}

static uint64_t test_ids(const kith_filter *f, const int64_t *ids, int64_t n)
{
	uint64_t mask = 0, perhaps = 0;
	if (f->max == 0)
		return 0;
	if (f->span)
		return test_bits(f->bits, f->ids[0], f->span, ids, n);
	for (int64_t i = 0; i < n; i++) {
		uint64_t at = bloom_place(f, ids[i]);
		perhaps |= (uint64_t)(f->bits[at / 8] >> at % 8 & 1) << i;
	}
	for (; perhaps; perhaps &= perhaps - 1) {
		int i = __builtin_ctzll(perhaps);
		void *found = bsearch(&ids[i], f->ids, (size_t)f->max, sizeof *ids, compare_ids);
		mask |= (uint64_t)(found != NULL) << i;
	}
	return mask;
}

static uint64_t test_callback(const kith_filter *f, const int64_t *ids, uint64_t wanted)
{
	uint64_t mask = 0;
	for (; wanted; wanted &= wanted - 1) {
		int i = __builtin_ctzll(wanted);
		mask |= (uint64_t)(f->fn(f->data, ids[i]) != 0) << i;
	}
	return mask;
}

/* The bits of those ids that pass among the n ids whose bits are set in `wanted`. A callback is not called
 * for others. */
static uint64_t test(const kith_filter *f, const int64_t *ids, int64_t n, uint64_t wanted)
{
	uint64_t mask;
	if (!wanted)
		return 0;
	switch (f->op) {
	case OP_RANGE:
		return wanted & test_range(f, ids, n);
	case OP_IDS:
		return wanted & test_ids(f, ids, n);
	case OP_BITMAP:
		return f->max ? wanted & test_bits(f->bits, 0, f->max, ids, n) : 0;
	case OP_CALLBACK:
		return test_callback(f, ids, wanted);
	case OP_NOT:
		return wanted & ~test(f->a, ids, n, wanted);
	case OP_AND:
		return test(f->b, ids, n, test(f->a, ids, n, wanted));
	case OP_OR:
		mask = test(f->a, ids, n, wanted);
		return mask | test(f->b, ids, n, wanted & ~mask);
	}
	return 0;
}

uint64_t filter_block(const kith_filter *filter, const int64_t *ids, int64_t n)
{
	uint64_t all = n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
	return filter ? test(filter, ids, n, all) : all;
}

int kith_filter_test(const kith_filter *filter, int64_t id)
{
	return (int)filter_block(filter, &id, 1);
}

void kith_filter_free(kith_filter *filter)
{
	if (!filter)
		return;
	kith_filter_free(filter->a);
	kith_filter_free(filter->b);
	mem_free(filter->ids);
	mem_free(filter->bits);
	mem_free(filter);
}

/* The number of rows in a task of filter_rows; a multiple of 64, so that tasks share no word. */
enum { FILTER_CHUNK = 16384 };

struct filter_job {
	const kith_filter *filter;
	const struct rows *rows;
	uint64_t *bits;
	_Atomic int64_t passed;
};

static void filter_chunk(void *arg, int64_t task, int worker)
{
	(void)worker;
	struct filter_job *job = arg;
	int64_t from = task * FILTER_CHUNK, to = from + FILTER_CHUNK, passed = 0;
	if (to > job->rows->n)
		to = job->rows->n;
	for (int64_t i = from; i < to; i += 64) {
		int64_t ids[64], n = to - i < 64 ? to - i : 64;
		rows_ids(job->rows, i, n, ids);
		uint64_t word = filter_block(job->filter, ids, n);
		job->bits[i / 64] = word;
		passed += __builtin_popcountll(word);
	}
	atomic_fetch_add(&job->passed, passed);
}

int64_t filter_rows(const kith_filter *filter, const struct rows *rows, int threads, uint64_t *bits)
{
	struct filter_job job = {filter, rows, bits, 0};
	threads_run(threads, (rows->n + FILTER_CHUNK - 1) / FILTER_CHUNK, filter_chunk, &job);
	return job.passed;
}
