/* Codes in files: each plane is a section with the same bytes as in memory, list after list. The rows that
 * the last block lacks are written as zeros, so that equal codes give equal files. */
#include "lib/codec/codec.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <stdatomic.h>

enum part { PLANE0, PLANE1, BOUNDS, LENGTHS, PARTS };
_Static_assert((int)PARTS == (int)CODES_BLOCKS, "a block for each part");

static const char *const tags[PARTS] = {"COD0", "COD1", "BNDS", "leng"};

static bool has_part(const struct codes *codes, enum part part)
{
	const struct codec_ops *ops = codes->codec->ops;
	if (part == LENGTHS)
		return codes_keep_lengths(codes);
	return part == BOUNDS ? ops->renew != NULL : (int)part < ops->planes;
}

static bool part_bytes(const struct codes *codes, int64_t n, enum part part, size_t *bytes)
{
	if (part < BOUNDS)
		return codes_plane_bytes(codes, n, bytes);
	*bytes = part == BOUNDS ? codes_bounds_bytes(n) : (size_t)n * sizeof(float);
	return true;
}

static struct buffer *part_buffer(struct codes *codes, enum part part)
{
	return part == LENGTHS ? &codes->inverse : part == BOUNDS ? &codes->bounds : &codes->plane[part];
}

static const char *part_data(const struct codes *codes, enum part part)
{
	return part_buffer((struct codes *)codes, part)->data;
}

static const struct codes *list_at(const struct codes *first, size_t stride, int64_t i)
{
	return (const struct codes *)(const void *)((const char *)first + (size_t)i * stride);
}

/* ---- saving ---- */

/* Write the last block, which has fewer rows. */
static void put_last_block(const struct codes *codes, struct blob_writer *w)
{
	int64_t first = codes->n / ROWS_BLOCK * ROWS_BLOCK, rows = codes->n - first;
	size_t size = codes->codec->row_bytes;
	if (rows == 0)
		return;
	const char *block = codes->plane[0].data + (size_t)first * size;
	for (size_t b = 0; b < size; b++) {
		blob_put(w, block + b * ROWS_BLOCK, (size_t)rows);
		blob_put_zeros(w, (size_t)(ROWS_BLOCK - rows));
	}
}

static void put_part(const struct codes *codes, enum part part, struct blob_writer *w)
{
	bool blocked = part < BOUNDS && codes_blocked(codes);
	int64_t n = blocked ? codes->n / ROWS_BLOCK * ROWS_BLOCK : codes->n;
	size_t bytes = 0;
	part_bytes(codes, n, part, &bytes);
	blob_put(w, part_data(codes, part), bytes);
	if (blocked)
		put_last_block(codes, w);
}

void codes_save(const struct codes *first, size_t stride, int64_t lists, struct blob_writer *w)
{
	for (enum part part = 0; part < PARTS; part++) {
		if (!has_part(first, part))
			continue;
		blob_section(w, tags[part]);
		for (int64_t i = 0; i < lists; i++)
			put_part(list_at(first, stride, i), part, w);
	}
}

/* ---- loading ---- */

/* The size of a part of all lists, which must be exactly that of the section. */
static kith_status expect_part(const struct codes *codes, enum part part, int64_t lists, const int64_t *size,
    struct blob_reader *r, size_t *total)
{
	*total = 0;
	for (int64_t i = 0; i < lists; i++) {
		size_t bytes;
		if (!part_bytes(codes, size[i], part, &bytes) || !size_add(*total, bytes, total))
			return blob_fail(r, tags[part], "cannot hold so many vectors");
	}
	return blob_expect(r, tags[part], *total);
}

/* What is wrong with some rows. */
enum { BAD_CODE = 1, BAD_BOUND = 2, BAD_LENGTH = 4 };

static const struct {
	enum part part;
	const char *text;
} faults[] = {[BAD_CODE] = {PLANE0, "holds a vector that is not finite"},
    [BAD_BOUND] = {BOUNDS, "holds a bound that is negative or NaN"},
    [BAD_LENGTH] = {LENGTHS, "holds a length that is not finite"}};

/* Whether there is anything to be wrong. */
static bool can_be_bad(const struct codes *codes)
{
	const struct codec_ops *ops = codes->codec->ops;
	return ops->finite || ops->renew || codes_keep_lengths(codes);
}

/* Check rows from … to − 1, which are whole blocks except for the last. Bounds may be infinite, as those of
 * very long vectors are. 0: nothing is wrong. */
static int find_fault(const struct codes *codes, int64_t from, int64_t to)
{
	const struct codec_ops *ops = codes->codec->ops;
	const struct rows_bound *bounds = (const struct rows_bound *)(const void *)codes->bounds.data;
	if (ops->finite && !ops->finite(codes, from, to))
		return BAD_CODE;
	for (int64_t i = from; ops->renew && i < to; i += ROWS_BLOCK)
		if (!(bounds[i / ROWS_BLOCK].err >= 0 && bounds[i / ROWS_BLOCK].norm >= 0))
			return BAD_BOUND;
	if (codes_keep_lengths(codes) &&
	    kernels()->find_nonfinite(codes_inverse(codes) + from, to - from) >= 0)
		return BAD_LENGTH;
	return 0;
}

/* Lists are checked by tasks: a single list by ranges of rows, several by lists. */
enum { CHECK_ROWS = 128 * ROWS_BLOCK };

struct checking {
	const struct codes *first;
	size_t stride;
	int64_t lists;
	_Atomic int found;
};

static void check_some(void *arg, int64_t task, int worker)
{
	struct checking *c = arg;
	const struct codes *codes = c->lists == 1 ? c->first : list_at(c->first, c->stride, task);
	int64_t from = c->lists == 1 ? task * CHECK_ROWS : 0,
	        to = c->lists == 1 ? from + CHECK_ROWS : codes->n;
	(void)worker;
	if (atomic_load_explicit(&c->found, memory_order_relaxed))
		return;
	int found = find_fault(codes, from, to < codes->n ? to : codes->n);
	if (found)
		atomic_fetch_or(&c->found, found);
}

static kith_status check_codes(
    const struct codes *first, size_t stride, int64_t lists, const struct blob_reader *r)
{
	struct checking c = {.first = first, .stride = stride, .lists = lists};
	int64_t tasks = lists == 1 ? (first->n + CHECK_ROWS - 1) / CHECK_ROWS : lists;
	if (!can_be_bad(first))
		return KITH_OK;
	threads_run(threads_resolve(0), tasks, check_some, &c);
	int found = atomic_load(&c.found);
	found &= -found; /* the first kind */
	return found ? blob_fail(r, tags[faults[found].part], "%s", faults[found].text) : KITH_OK;
}

kith_status codes_validate(const struct codes *codes)
{
	int found = can_be_bad(codes) ? find_fault(codes, 0, codes->n) : 0;
	return found ? fail(KITH_FORMAT, "the index file is damaged: section %s %s", tags[faults[found].part],
	                   faults[found].text)
	             : KITH_OK;
}

static kith_status take_part(struct codes *first, size_t stride, int64_t lists, enum part part, size_t total,
    struct buffer *block, struct blob_reader *r)
{
	kith_status status =
	    block ? blob_open_block(r, tags[part], total, block) : blob_open(r, tags[part], total);
	for (int64_t i = 0; status == KITH_OK && i < lists; i++) {
		struct codes *codes = (struct codes *)(void *)((char *)first + (size_t)i * stride);
		size_t bytes = 0;
		part_bytes(codes, codes->n, part, &bytes);
		status = blob_take(r, part_buffer(codes, part), bytes);
	}
	return status ? status : blob_close(r);
}

/* Files of older releases have no lengths. */
static bool is_there(const struct codes *codes, enum part part, const struct blob_reader *r)
{
	return has_part(codes, part) && (part != LENGTHS || blob_has(r, tags[part]));
}

static kith_status find_lengths(struct codes *first, size_t stride, int64_t lists)
{
	kith_status status = KITH_OK;
	for (int64_t i = 0; status == KITH_OK && i < lists; i++) {
		struct codes *codes = (struct codes *)(void *)((char *)first + (size_t)i * stride);
		status = codes_reserve(codes, codes->n, 0);
		if (status == KITH_OK && codes->n)
			status = codes_find_lengths(codes, codes_rows(codes));
	}
	return status;
}

kith_status codes_load(struct codes *first, size_t stride, int64_t lists, const int64_t *size,
    struct buffer *blocks, struct blob_reader *r)
{
	size_t total[PARTS] = {0};
	bool lacks_lengths = has_part(first, LENGTHS) && !is_there(first, LENGTHS, r);
	kith_status status = KITH_OK;
	for (enum part part = 0; status == KITH_OK && part < PARTS; part++)
		if (is_there(first, part, r))
			status = expect_part(first, part, lists, size, r, &total[part]);
	for (int64_t i = 0; i < lists; i++)
		((struct codes *)(void *)((char *)first + (size_t)i * stride))->n = size[i];
	for (enum part part = 0; status == KITH_OK && part < PARTS; part++)
		if (is_there(first, part, r))
			status = take_part(
			    first, stride, lists, part, total[part], blocks ? &blocks[part] : NULL, r);
	if (status == KITH_OK && lacks_lengths)
		status = find_lengths(first, stride, lists);
	return status || r->lazy ? status : check_codes(first, stride, lists, r);
}
