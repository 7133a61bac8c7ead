/* Codecs: how vectors lie in memory. One file per codec; nobody else knows the layout. */
#ifndef KITH_CODEC_CODEC_H
#define KITH_CODEC_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/library.h>

#include "lib/base/alloc.h"
#include "lib/search/rows.h"

struct codes;

struct codec_ops {
	const char *word; /* in factory strings */
	kith_type type;   /* of the elements that are kept */
	bool normalizes;  /* stores unit vectors under cosine; others are normalised when read */
	size_t (*row_bytes)(int64_t dim); /* of each plane */
	int planes;

	/* Whether n vectors of `type` can be kept; INVALID names the first that cannot. */
	kith_status (*check)(int64_t dim, kith_type type, int64_t n, const void *x);

	/* Store n vectors, checked before, at positions from `at` (room is there). */
	void (*write)(struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x);

	/* Rows from … to − 1 were written or have moved: renew what is kept about them. NULL: nothing is. */
	void (*renew)(struct codes *codes, int64_t from, int64_t to);

	/* Rows that this codec's planes make up. */
	enum rows_kind kind;
};

extern const struct codec_ops codec_fp32, codec_u8, codec_i8;

/* Vectors of one codec, positions 0 … n − 1. */
struct codes {
	const struct codec_ops *ops;
	int64_t dim, n;
	bool cosine;
	struct buffer plane[2];
	struct buffer bounds; /* struct rows_bound per block of rows, where the codec has them */
};

void codes_init(struct codes *codes, const struct codec_ops *ops, int64_t dim, bool cosine);
void codes_free(struct codes *codes);
kith_status codes_copy(struct codes *to, const struct codes *from);

/* Make room for n vectors in all. */
kith_status codes_reserve(struct codes *codes, int64_t n, bool exact);

/* Append or overwrite n vectors that passed check; appending needs room. */
void codes_append(struct codes *codes, kith_type type, int64_t n, const void *x);

/* Keep position i where keep bit i is set, in order. */
void codes_keep(struct codes *codes, const uint64_t *keep);

/* Overwrite position `at`. */
void codes_replace(struct codes *codes, int64_t at, kith_type type, const void *x);

/* View for searching. */
struct rows codes_rows(const struct codes *codes);

/* Vector at a position, as kept (never normalised again). */
void codes_read(const struct codes *codes, int64_t at, float *x);

size_t codes_memory(const struct codes *codes);

#endif
