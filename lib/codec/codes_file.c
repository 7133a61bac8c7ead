/* Codes in files: each plane of bytes is a section, as it lies in memory, list after list. Rows of a block
 * that there are not are written as zeros, so that equal codes give equal files. */
#include "lib/codec/codec.h"

#include "lib/base/status.h"

#include <math.h>

enum part { PLANE0, PLANE1, BOUNDS, PARTS };

static const char *const tags[PARTS] = {"COD0", "COD1", "BNDS"};

static bool has_part(const struct codec *codec, enum part part)
{
	return part == BOUNDS ? codec->ops->kind == ROWS_SPLIT : (int)part < codec->ops->planes;
}

static bool part_bytes(const struct codes *codes, int64_t n, enum part part, size_t *bytes)
{
	if (part != BOUNDS)
		return codes_plane_bytes(codes, n, bytes);
	*bytes = codes_bounds_bytes(n);
	return true;
}

static const char *part_data(const struct codes *codes, enum part part)
{
	return part == BOUNDS ? codes->bounds.data : codes->plane[part].data;
}

static struct buffer *part_buffer(struct codes *codes, enum part part)
{
	return part == BOUNDS ? &codes->bounds : &codes->plane[part];
}

static const struct codes *list_at(const struct codes *first, size_t stride, int64_t i)
{
	return (const struct codes *)(const void *)((const char *)first + (size_t)i * stride);
}

/* ---- saving ---- */

/* The last block, of which only some rows are there. */
static void put_last_block(const struct codes *codes, struct blob_writer *w)
{
	int64_t first = codes->n / ROWS_BLOCK * ROWS_BLOCK, rows = codes->n - first;
	size_t size = codes->codec->ops->row_bytes(codes->codec);
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
	bool blocked = part != BOUNDS && codes_blocked(codes);
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
		if (!has_part(first->codec, part))
			continue;
		blob_section(w, tags[part]);
		for (int64_t i = 0; i < lists; i++)
			put_part(list_at(first, stride, i), part, w);
	}
}

/* ---- loading ---- */

/* What a part of all lists takes; the section must have exactly that. */
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

/* Bounds may be infinite, where the vectors are that long. */
static bool bounds_are_good(const struct codes *codes)
{
	const struct rows_bound *bounds = (const struct rows_bound *)(const void *)codes->bounds.data;
	for (size_t i = 0; i < codes_bounds_bytes(codes->n) / sizeof *bounds; i++)
		if (!(bounds[i].err >= 0 && bounds[i].norm >= 0))
			return false;
	return true;
}

/* NULL, or what is wrong with them, in which part. */
static const char *find_fault(const struct codes *codes, enum part *part)
{
	const struct codec_ops *ops = codes->codec->ops;
	*part = PLANE0;
	if (ops->find_bad && ops->find_bad(codes) >= 0)
		return "holds a vector that is not finite";
	*part = BOUNDS;
	if (ops->kind == ROWS_SPLIT && !bounds_are_good(codes))
		return "holds a bound that is negative or no number";
	return NULL;
}

static kith_status check_codes(const struct codes *codes, struct blob_reader *r)
{
	enum part part;
	const char *fault = find_fault(codes, &part);
	return fault ? blob_fail(r, tags[part], "%s", fault) : KITH_OK;
}

kith_status codes_settle(const struct codes *codes)
{
	enum part part;
	const char *fault = find_fault(codes, &part);
	return fault ? fail(KITH_FORMAT, "the index file is damaged: section %s %s", tags[part], fault)
	             : KITH_OK;
}

static kith_status take_part(
    struct codes *first, size_t stride, int64_t lists, enum part part, size_t total, struct blob_reader *r)
{
	kith_status status = blob_open(r, tags[part], total);
	for (int64_t i = 0; status == KITH_OK && i < lists; i++) {
		struct codes *codes = (struct codes *)(void *)((char *)first + (size_t)i * stride);
		size_t bytes = 0;
		part_bytes(codes, codes->n, part, &bytes);
		status = blob_take(r, part_buffer(codes, part), bytes);
	}
	return status ? status : blob_close(r);
}

kith_status codes_load(
    struct codes *first, size_t stride, int64_t lists, const int64_t *size, struct blob_reader *r)
{
	const struct codec *codec = first->codec;
	size_t total[PARTS] = {0};
	kith_status status = KITH_OK;
	for (enum part part = 0; status == KITH_OK && part < PARTS; part++)
		if (has_part(codec, part))
			status = expect_part(first, part, lists, size, r, &total[part]);
	for (int64_t i = 0; i < lists; i++)
		((struct codes *)(void *)((char *)first + (size_t)i * stride))->n = size[i];
	for (enum part part = 0; status == KITH_OK && part < PARTS; part++)
		if (has_part(codec, part))
			status = take_part(first, stride, lists, part, total[part], r);
	for (int64_t i = 0; status == KITH_OK && !r->lazy && i < lists; i++)
		status = check_codes(list_at(first, stride, i), r);
	return status;
}
