/* fbin, u8bin, i8bin, ibin: the files of big-ann-benchmarks. uint32 n, uint32 dim, then n · dim elements.
 * Crops of the billion-vector sets often keep the header of the whole: they are refused, since a count
 * that is wrong once may hide a download that broke off.
 */
#include "lib/store/vecs.h"

#include <string.h>

enum { HEADER = 8 };

static kith_status bin_parse(const struct vecs_head *head, struct vecs_layout *layout)
{
	uint32_t n, dim;
	if (head->n < HEADER)
		return vecs_fail(KITH_FORMAT, head->path,
		    "truncated: %lld bytes cannot hold its 8-byte header", (long long)head->size);
	memcpy(&n, head->bytes, sizeof n);
	memcpy(&dim, head->bytes + sizeof n, sizeof dim);
	kith_status status = vecs_check_dim(head->path, dim);
	if (status)
		return status;
	if (n == 0)
		return vecs_fail(KITH_FORMAT, head->path, "is empty: its header counts 0 vectors");
	const enum vecs_cell cell = (enum vecs_cell)head->type;
	/* 2^32 · 2^15 · 4 fits in 63 bits */
	const int64_t row = (int64_t)dim * (int64_t)vecs_cell_size(cell), want = HEADER + (int64_t)n * row;
	if (head->size != want)
		return vecs_fail(KITH_FORMAT, head->path,
		    "its header promises %lu vectors of dimension %lu (%lld bytes), but it has %lld bytes, "
		    "room "
		    "for %lld: download it whole, or correct the count in its first 4 bytes",
		    (unsigned long)n, (unsigned long)dim, (long long)want, (long long)head->size,
		    (long long)((head->size - HEADER) / row));
	*layout =
	    (struct vecs_layout){.n = n, .dim = dim, .cell = cell, .offset = HEADER, .stride = (size_t)row};
	return KITH_OK;
}

static size_t bin_header(const kith_vecs_writer *writer, uint8_t *out)
{
	const uint32_t header[2] = {(uint32_t)writer->n, (uint32_t)writer->dim};
	memcpy(out, header, sizeof header);
	return sizeof header;
}

const struct vecs_plan vecs_bin = {.parse = bin_parse, .header = bin_header, .max_n = UINT32_MAX};
