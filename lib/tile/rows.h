/* Rows: a read-only view of stored vectors, whatever their layout. */
#ifndef KITH_TILE_ROWS_H
#define KITH_TILE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <kith/library.h>

#include "lib/base/prefetch.h"
#include "lib/metric/metric.h"

struct codec;
struct rows;

/* The number of rows in a block, which share one bound of what their rough form leaves out. */
enum { ROWS_BLOCK = 64 };

struct rows_bound {
	float err;  /* max ‖x − rough(x)‖ over the block, rounded up */
	float norm; /* max ‖rough(x)‖ over the block, rounded up */
};

/* How rows are stored, and how they are read one at a time. rows.c has the forms of arrays; codecs have forms
 * of their own. */
struct rows_form {
	/* KITH_U8, KITH_I8: `a` has such bytes, which integer kernels can read; else KITH_F32. */
	kith_type type;
	bool blocked; /* in blocks of ROWS_BLOCK rows: first byte 0 of all rows, then byte 1, … */
	/* Row i as floats: a pointer into the rows if they are aligned floats, else scratch [dim], filled. */
	const float *(*load)(const struct rows *rows, int64_t i, float *scratch);

	/* Read row i in a rounded form, which is less to read, into x [dim]. Returns a bound of what that
	 * leaves out, from `bounds`. NULL: there is no such form. */
	float (*load_rough)(const struct rows *rows, int64_t i, float *x);
};

extern const struct rows_form rows_form_f32, rows_form_u8, rows_form_i8;

struct rows {
	const struct rows_form *form;
	const struct codec *codec; /* NULL: a caller's array */
	const char *a, *b;         /* planes, whose contents depend on the form */
	size_t stride;             /* bytes from row to row, in a and in b */
	int64_t n, dim;
	bool normalize;       /* what is meant is x / ‖x‖ (a zero row stays zero) */
	const float *inverse; /* rows that normalize: [n] 1 / ‖x‖ if that is known, and not greater
	                                    than 0 for a row that stands for a zero vector; else NULL */
	const struct rows_bound *bounds; /* [ceil(n / ROWS_BLOCK)], where there is a rough form */
	const float *center;             /* codes: [dim] added to what they decode to; NULL: nothing */
	const int64_t *ids;              /* NULL: row i has id first_id + i */
	int64_t first_id;
	const uint32_t *slots; /* the id of row i is at slots[i] in ids; NULL: at i */
};

/* A view of the rows of a caller's array; stride 0: they are adjacent. */
struct rows rows_of_array(kith_type type, int64_t n, int64_t dim, const void *x, size_t stride);

/* n of the rows from `first` on, which is a multiple of ROWS_BLOCK where rows have bounds or lie in
 * blocks. */
struct rows rows_part(const struct rows *rows, int64_t first, int64_t n);

static inline int64_t rows_id(const struct rows *rows, int64_t i)
{
	if (rows->slots)
		i = rows->slots[i];
	return rows->ids ? rows->ids[i] : rows->first_id + i;
}

/* The ids of n rows from `row` on. */
void rows_ids(const struct rows *rows, int64_t row, int64_t n, int64_t *ids);

static inline const char *rows_at(const struct rows *rows, int64_t i)
{
	return rows->a + (size_t)i * rows->stride;
}

/* Where byte b of the code of row i is. */
static inline size_t rows_code_offset(const struct rows *rows, int64_t i, size_t b)
{
	if (!rows->form->blocked)
		return (size_t)i * rows->stride + b;
	return (size_t)(i / ROWS_BLOCK) * ROWS_BLOCK * rows->stride + b * ROWS_BLOCK +
	       (size_t)(i % ROWS_BLOCK);
}

/* Row i as floats, at unit length if rows->normalize: a pointer into the rows, or scratch [dim], filled. */
const float *rows_load(const struct rows *rows, int64_t i, float *scratch);

/* Whether two rows, which must not be in blocks, are stored as the same bytes. */
static inline bool rows_equal(const struct rows *rows, int64_t i, int64_t j)
{
	size_t stride = rows->stride, x = (size_t)i * stride, y = (size_t)j * stride;
	return memcmp(rows->a + x, rows->a + y, stride) == 0 &&
	       (!rows->b || memcmp(rows->b + x, rows->b + y, stride) == 0);
}

/* Whether rows are a caller's array of floats. */
static inline bool rows_are_floats(const struct rows *rows)
{
	return !rows->codec && rows->form->type == KITH_F32;
}

/* If rows are floats that are all integers of the wanted byte type, make them a view of such bytes, which are
 * returned and which the caller frees. NULL: they are not, or memory was short; rows stay as they were. */
void *rows_as_bytes(struct rows *rows, kith_type wanted);

/* The first row in [from, to) of an array with an element that the metric does not allow; −1: none. */
int64_t rows_find_bad(
    const struct rows *rows, const struct metric *metric, int64_t from, int64_t to, float *scratch);

/* Prefetch row i for rows_load. */
void rows_prefetch(const struct rows *rows, int64_t i);

/* Prefetch the first bytes of row i in one plane, after which the hardware foresees the rest of a long
 * row. */
PREFETCH_INLINE void rows_prefetch_plane(const struct rows *rows, const char *plane, int64_t i)
{
	enum { MAX = 1024 };
	const char *row = plane + (size_t)i * rows->stride;
	size_t bytes = rows->stride < MAX ? rows->stride : MAX;
	for (size_t b = 0; b < bytes; b += 64)
		__builtin_prefetch(row + b);
	__builtin_prefetch(row + bytes - 1);
}

/* x / ‖x‖ in place, the norm computed in double; zero stays zero. */
void vector_normalize(float *x, int64_t dim);

#endif
