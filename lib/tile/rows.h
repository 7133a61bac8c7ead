/* Rows: a read-only view of stored vectors, whatever their layout. */
#ifndef KITH_TILE_ROWS_H
#define KITH_TILE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <kith/library.h>

enum rows_kind {
	ROWS_F32,   /* a: floats */
	ROWS_SPLIT, /* a: upper halves (bf16, rounded), b: lower halves; see split in kernels.h */
	ROWS_U8,    /* a: bytes */
	ROWS_I8,
	ROWS_CODE /* a: codes, which decode() turns into floats */
};

struct codec;

/* Rows of a block of ROWS_BLOCK share one bound of what their upper halves leave out. */
enum { ROWS_BLOCK = 64 };

struct rows_bound {
	float err;  /* max ‖x − hi(x)‖ over the block, rounded up */
	float norm; /* max ‖hi(x)‖ over the block, rounded up */
};

struct rows {
	enum rows_kind kind;
	bool normalize;       /* what is meant is x / ‖x‖ (a zero row stays zero) */
	bool whole;           /* SPLIT: graph searches score both halves */
	bool blocked;         /* CODE: in blocks of ROWS_BLOCK rows, byte after byte */
	const float *inverse; /* graph searches of rows that normalize: [n] 1 / ‖x‖, 0 for a zero row */
	const char *a, *b;
	size_t stride; /* bytes from row to row, in a and in b */
	int64_t n, dim;
	const struct rows_bound *bounds; /* SPLIT: [ceil(n / ROWS_BLOCK)] */
	const struct codec *codec;       /* CODE */
	void (*decode)(const struct codec *codec, const uint8_t *code, float *x);
	const float *center; /* CODE: [dim] added to what decode gives; NULL: nothing */
	float max_norm;      /* CODE with a center: >= ‖center + r‖ of all rows */
	const float *code_norms; /* CODE with a center, L2: [n] ‖r‖² + 2⟨center, r⟩, r what decode gives */
	const int64_t *ids; /* NULL: row i has id first_id + i */
	int64_t first_id;
	const uint32_t *slots; /* row i is number slots[i] in ids; NULL: number i */
};

/* View of dense rows of a caller's array. stride 0: dense. */
struct rows rows_of_array(kith_type type, int64_t n, int64_t dim, const void *x, size_t stride);

static inline int64_t rows_id(const struct rows *rows, int64_t i)
{
	if (rows->slots)
		i = rows->slots[i];
	return rows->ids ? rows->ids[i] : rows->first_id + i;
}

/* Ids of n rows from `row` on. */
void rows_ids(const struct rows *rows, int64_t row, int64_t n, int64_t *ids);

static inline const char *rows_at(const struct rows *rows, int64_t i)
{
	return rows->a + (size_t)i * rows->stride;
}

/* Where byte b of the code of row i is. */
static inline size_t rows_code_offset(const struct rows *rows, int64_t i, size_t b)
{
	if (!rows->blocked)
		return (size_t)i * rows->stride + b;
	return (size_t)(i / ROWS_BLOCK) * ROWS_BLOCK * rows->stride + b * ROWS_BLOCK +
	       (size_t)(i % ROWS_BLOCK);
}

/* Row i as floats: a pointer into the rows where they are aligned floats, else scratch [dim], filled. */
const float *rows_load(const struct rows *rows, int64_t i, float *scratch);

/* Whether two rows that do not lie in blocks are stored as the same bytes. */
static inline bool rows_equal(const struct rows *rows, int64_t i, int64_t j)
{
	size_t stride = rows->stride, x = (size_t)i * stride, y = (size_t)j * stride;
	return memcmp(rows->a + x, rows->a + y, stride) == 0 &&
	       (!rows->b || memcmp(rows->b + x, rows->b + y, stride) == 0);
}

/* If rows are floats that are all integers of the byte type wanted, make them a view of such bytes, which the
 * caller frees. NULL: they are not (or no memory: floats will do, only slower), rows as they were. */
void *rows_as_bytes(struct rows *rows, kith_type wanted);

/* First row in [from, to) with a NaN or an infinity, −1: none. Only ROWS_F32 can have one. */
int64_t rows_find_nonfinite(const struct rows *rows, int64_t from, int64_t to, float *scratch);

/* Ask for row i ahead of rows_load. */
void rows_prefetch(const struct rows *rows, int64_t i);

/* Ask for what scoring reads of row i, not in blocks; the hardware follows long rows by itself. */
static inline void rows_prefetch_scored(const struct rows *rows, int64_t i)
{
	enum { MAX = 1024 };
	const char *row = rows_at(rows, i);
	size_t bytes = rows->stride < MAX ? rows->stride : MAX;
	for (size_t b = 0; b < bytes; b += 64)
		__builtin_prefetch(row + b);
	__builtin_prefetch(row + bytes - 1);
	for (size_t b = 0; rows->whole && b < bytes; b += 64)
		__builtin_prefetch(rows->b + (row - rows->a) + b);
}

/* x / ‖x‖ in place, the norm computed in double; zero stays zero. */
void vector_normalize(float *x, int64_t dim);

#endif
