/* fbin, u8bin, i8bin, ibin: the files of big-ann-benchmarks. uint32 n, uint32 dim, then n · dim elements.
 * Crops of the billion-vector sets often keep the header of the whole: they are refused, since a count
 * that is wrong once may hide a download that broke off.
 *
 * Ground truth is in ibin or bin: uint32 n, uint32 k, then the ids [n × k] as uint32, then the distances
 * [n × k] as float, in one file. It is known by its size, twice what the header says of one of them; the ids
 * are read, or, by the name "truth.ibin:distances", the distances.
 */
#include "lib/store/vecs.h"

#include <string.h>

enum { HEADER = 8 };

static bool plausible(uint64_t n, uint64_t dim)
{
	return n > 0 && n <= INT64_MAX / (KITH_MAX_DIM * INT64_C(8)) && dim > 0 && dim <= KITH_MAX_DIM;
}

/* Ids and distances. */
static bool is_truth(const struct vecs_head *head, uint32_t n, uint32_t k)
{
	return plausible(n, k) && head->size == HEADER + (int64_t)n * k * 8;
}

/* FORMAT if the file's size fits a header that other programs write instead: 64-bit or big-endian counts. */
static kith_status check_other_header(const struct vecs_head *head, uint32_t n, uint32_t dim)
{
	const int64_t cell =
	    head->type == (kith_type)VECS_ANY_TYPE ? 4 : (int64_t)vecs_cell_size((enum vecs_cell)head->type);
	if (plausible(n, dim) && head->size == HEADER + (int64_t)n * dim * cell)
		return KITH_OK;
	uint64_t n64 = 0, dim64 = 0;
	uint32_t dim32 = 0;
	if (head->n >= 16) {
		memcpy(&n64, head->bytes, sizeof n64);
		memcpy(&dim64, head->bytes + 8, sizeof dim64);
		memcpy(&dim32, head->bytes + 8, sizeof dim32);
	}
	for (int64_t header = 12; header <= 16; header += 4) {
		uint64_t d = header == 16 ? dim64 : dim32;
		if (plausible(n64, d) && head->size == header + (int64_t)n64 * (int64_t)d * cell)
			return vecs_fail(KITH_FORMAT, head->path,
			    "has a header of %lld bytes with 64-bit counts (%llu vectors of dimension %llu), "
			    "as some versions of cuVS write it; expected two of 32 bits",
			    (long long)header, (unsigned long long)n64, (unsigned long long)d);
	}
	n = __builtin_bswap32(n);
	dim = __builtin_bswap32(dim);
	if (plausible(n, dim) && head->size == HEADER + (int64_t)n * dim * cell)
		return vecs_fail(KITH_FORMAT, head->path,
		    "is big-endian (%lu vectors of dimension %lu): convert it to little-endian",
		    (unsigned long)n, (unsigned long)dim);
	return KITH_OK;
}

/* The error for a .bin that is no ground truth. */
static kith_status fail_bin(const struct vecs_head *head, uint32_t n, uint32_t dim)
{
	const int64_t bytes = head->size - HEADER, cells = plausible(n, dim) ? (int64_t)n * dim : 0;
	const char *name = !cells               ? NULL
	                   : bytes == cells     ? "u8bin or i8bin"
	                   : bytes == 4 * cells ? "fbin or ibin"
	                                        : NULL;
	if (name)
		return vecs_fail(KITH_UNSUPPORTED, head->path,
		    "a .bin is read as ground truth of ids and distances; by its size this holds %lu vectors "
		    "of dimension %lu: rename it to %s",
		    (unsigned long)n, (unsigned long)dim, name);
	return vecs_fail(KITH_FORMAT, head->path,
	    "is no ground truth: its header promises %lu rows of %lu ids and distances, but it has %lld "
	    "bytes",
	    (unsigned long)n, (unsigned long)dim, (long long)head->size);
}

static kith_status bin_parse(const struct vecs_head *head, struct vecs_layout *layout)
{
	uint32_t n, dim;
	if (head->n < HEADER)
		return vecs_fail(KITH_FORMAT, head->path,
		    "truncated: %lld byte%s cannot hold its 8-byte header", (long long)head->size,
		    PLURAL(head->size));
	memcpy(&n, head->bytes, sizeof n);
	memcpy(&dim, head->bytes + sizeof n, sizeof dim);
	enum vecs_cell cell = head->type == (kith_type)VECS_ANY_TYPE ? CELL_I32 : (enum vecs_cell)head->type;
	if (cell == CELL_I32 && is_truth(head, n, dim)) {
		const int64_t part = (int64_t)n * dim * 4;
		*layout = (struct vecs_layout){.n = n,
		    .dim = dim,
		    .cell = head->distances ? CELL_F32 : CELL_I32,
		    .offset = HEADER + (head->distances ? (size_t)part : 0),
		    .stride = (size_t)dim * 4};
		return KITH_OK;
	}
	if (head->distances)
		return vecs_fail(KITH_FORMAT, head->path,
		    "holds no distances: it is no ground truth of ids and distances, whose size would be "
		    "8 + 8 · n · k bytes");
	kith_status status = check_other_header(head, n, dim);
	if (status == KITH_OK && head->type == (kith_type)VECS_ANY_TYPE)
		status = fail_bin(head, n, dim);
	if (status == KITH_OK)
		status = vecs_check_dim(head->path, dim);
	if (status)
		return status;
	if (n == 0)
		return vecs_fail(KITH_FORMAT, head->path, "is empty: its header counts 0 vectors");
	/* 2^32 · 2^15 · 4 fits in 63 bits */
	const int64_t row = (int64_t)dim * (int64_t)vecs_cell_size(cell), want = HEADER + (int64_t)n * row;
	if (head->size != want)
		return vecs_fail(KITH_FORMAT, head->path,
		    "its header promises %lu vector%s of dimension %lu (%lld bytes), but it has %lld byte%s, "
		    "room for %lld: a download that broke off, or a part of a larger set that kept its "
		    "header",
		    (unsigned long)n, PLURAL(n), (unsigned long)dim, (long long)want, (long long)head->size,
		    PLURAL(head->size), (long long)(row > 0 ? (head->size - HEADER) / row : 0));
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

const struct vecs_plan vecs_bin = {
    .parse = bin_parse, .header = bin_header, .max_n = UINT32_MAX, .parts = true};

/* .bin is only read, since other programs use that name for vectors of any type. */
const struct vecs_plan vecs_truth = {.parse = bin_parse, .parts = true};
