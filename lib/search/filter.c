/* Filters: an immutable expression tree over ids.
 *
 * Searches evaluate a filter once per stored row into a bit map (filter_rows), so its cost does not
 * depend on the number of queries, and the kernels never hear of it.
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
	uint8_t *bits;
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

int kith_filter_test(const kith_filter *f, int64_t id)
{
	if (!f)
		return 1;
	switch (f->op) {
	case OP_RANGE:
		return id >= f->min && id < f->max;
	case OP_IDS:
		return f->max && bsearch(&id, f->ids, (size_t)f->max, sizeof id, compare_ids) != NULL;
	case OP_BITMAP:
		return id >= 0 && id < f->max && (f->bits[id / 8] >> (id % 8) & 1);
	case OP_CALLBACK:
		return f->fn(f->data, id) != 0;
	case OP_NOT:
		return !kith_filter_test(f->a, id);
	case OP_AND:
		return kith_filter_test(f->a, id) && kith_filter_test(f->b, id);
	case OP_OR:
		return kith_filter_test(f->a, id) || kith_filter_test(f->b, id);
	}
	return 0;
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

/* Rows per task of filter_rows; a multiple of 64 so that tasks share no word. */
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
		uint64_t word = 0;
		for (int64_t j = i; j < to && j < i + 64; j++)
			word |= (uint64_t)kith_filter_test(job->filter, rows_id(job->rows, j)) << (j - i);
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
