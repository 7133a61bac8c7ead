/* Vectors in the form that tiles multiply, many with many, in low precision.
 *
 * One kernel call multiplies a panel of 64 rows, whose dwords are interleaved, with up to TILE_QUERIES
 * queries. It forms products in registers and compares them with a threshold for each query before anything
 * is stored. A vector x is in the form ĉ: c = x − center as floats, or rounded to int8 with a scale for each
 * vector. tile_set brings rows and queries into this form, and tile_pack packs rows into panels. The users
 * are exact search (search/tile.c), the search for the nearest centroid (nearest.c), and the low-precision
 * copies from which graphs are built. */
#ifndef KITH_TILE_FORM_H
#define KITH_TILE_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "lib/base/arena.h"

/* Greater norms could overflow when squared; such vectors have no form (tile_blank). */
static const float TILE_HUGE = 1e18f;

/* A query whose bound is not smaller has no threshold: all rows are candidates, whatever their `low`. */
static const double TILE_UNBOUNDED = 1e36;

/* A bound of the rounding of a key, relative to the squared norms in it: 16 ulp, more than needed. */
static const double TILE_EPS = 0x1p-20;

/* A bound of what sums of squares lose by underflow. */
static const double TILE_TINY = 1e-30;

/* What vectors that are compared with one another have in common. */
struct tile_form {
	const struct kernels *kern;
	int64_t dim;         /* of the vectors */
	const float *center; /* [dim], which belongs to the caller; NULL: zero */
	bool i8;             /* signed bytes with a scale for each vector; else floats */
	bool rough_norms;    /* norms of floats are summed in float; else in double */
	bool direct;         /* floats that are not centred, and compared by their differences, row by row */
	bool wide;           /* with direct: in double; keys are wide_key of squared distances */
	int64_t depth;       /* number of dwords in a row */
	size_t bytes;        /* number of bytes in a row */
};

/* An array of vectors in such a form. */
struct tile_vectors {
	char *data;    /* rows; floats are multiplied by the factor that tile_set is given */
	float *normsq; /* ‖ĉ‖² */
	float *scale;  /* c ≈ scale · row */
	float *factor; /* for products in which it is the query: the factor of tile_set times scale */
	int32_t *bias; /* for such products: −128 Σ row */
	float *norm;   /* >= ‖ĉ‖; NULL: not wanted */
	float *err; /* >= ‖c − ĉ‖; ∞: the vector is too long, and its row is 0. NULL: not wanted; normsq of
	                  such a vector is ∞ then */
};

/* Some rows to be compared with others. */
struct tile_panel {
	uint32_t *data; /* [depth × 64] */
	float normsq[TILE_ROWS], scale[TILE_ROWS];
};

/* The form for vectors of dimension dim: bytes if this CPU multiplies them faster and `coarse` allows it,
 * else floats. */
struct tile_form tile_form(int64_t dim, const float *center, bool coarse);

/* The form with bytes or with floats. */
struct tile_form tile_form_of(int64_t dim, const float *center, bool i8);

/* The form that compares floats by their differences, for data that is far from any centre: products would
 * lose differences that are small compared with the distance from the centre. Norms are 0. */
struct tile_form tile_form_direct(int64_t dim, bool wide);

/* The error of sums in this form, relative to the product of the norms. */
static inline double tile_gamma(const struct tile_form *form)
{
	return form->i8 ? 0 : (double)(form->dim + 8) * 0x1p-24;
}

/* Take the memory of n vectors from an arena, with norm and err if `bounds`, and without data if rows are
 * packed into panels at once. */
struct tile_vectors tile_vectors_take(
    const struct tile_form *form, int64_t n, bool data, bool bounds, struct arena *arena);

/* The same in given memory, which must be aligned to 64 bytes, with data and without bounds. */
size_t tile_vectors_bytes(const struct tile_form *form, int64_t n);
struct tile_vectors tile_vectors_at(const struct tile_form *form, int64_t n, void *memory);

/* Set vector number `at` to x [dim]; row: where its data goes; factor: by which products are multiplied, −2,
 * −1 or 1. For bytes, returns the norm of what they leave out; ∞: the vector is too long. */
float tile_set(const struct tile_form *form, const float *x, float factor, void *row,
    const struct tile_vectors *to, int64_t at);

/* The same for many vectors in two steps: tile_put for each, and tile_finish for n that are adjacent in
 * memory, numbers first … first + n − 1, which finds norms and errors of floats. */
float tile_put(const struct tile_form *form, const float *x, float factor, void *row,
    const struct tile_vectors *to, int64_t at);
void tile_finish(const struct tile_form *form, void *rows, int64_t n, float factor,
    const struct tile_vectors *to, int64_t first);

/* Bring vectors of bytes, u8 or i8, exactly into the form with bytes; u8 are centred on 128. tile_put_bytes:
 * one query; tile_pack_bytes: n rows, at a distance of `stride` bytes, numbers first … first + n − 1, into a
 * panel. ones [dim]: working memory. */
void tile_put_bytes(const struct tile_form *form, const uint8_t *x, bool u8, float factor, void *row,
    const struct tile_vectors *to, int64_t at);
void tile_pack_bytes(const struct tile_form *form, const void *rows, size_t stride, int64_t n, bool u8,
    void *ones, uint32_t *panel, const struct tile_vectors *to, int64_t first);

/* Make a vector zero, with an infinite error, so that it is never excluded by bounds. */
void tile_blank(const struct tile_form *form, void *row, const struct tile_vectors *to, int64_t at);

/* Pack n adjacent rows into a panel. */
static inline void tile_pack_rows(const struct tile_form *form, const void *rows, int64_t n, uint32_t *panel)
{
	form->kern->pack(rows, form->bytes, n, (int64_t)form->bytes, form->i8 ? 0x80808080 : 0, panel);
}

/* Compare nq <= TILE_QUERIES queries from number q on with a panel:
 *
 *   key[j][r] = low[r] + factor · ⟨ĉ_j, ĉ_r⟩      if that is <= thr[j]
 *
 * mask [nq], keys [nq × 64]: as in kernels.h. The same two vectors give the same bits in every place. In
 * direct form the key is low[r] + ‖c_j − c_r‖². */
uint64_t tile_direct(const struct tile_form *form, const uint32_t *panel, const float *low,
    const float *queries, int nq, const float *thr, uint64_t *mask, float *keys);

static inline uint64_t tile_multiply(const struct tile_form *form, const uint32_t *panel, const float *low,
    const float *scale, const struct tile_vectors *queries, int64_t q, int nq, const float *thr,
    uint64_t *mask, float *keys)
{
	const char *rows = queries->data + (size_t)q * form->bytes;
	if (form->i8)
		return form->kern->tile_i8(panel, form->depth, (const int8_t *)rows, form->bytes, nq, low,
		    scale, queries->factor + q, queries->bias + q, thr, mask, keys);
	const float *floats = (const float *)(const void *)rows;
	if (form->direct)
		return tile_direct(form, panel, low, floats, nq, thr, mask, keys);
	return form->kern->tile_f32((const float *)(const void *)panel, form->depth, floats,
	    (size_t)form->depth, nq, low, thr, mask, keys);
}

/* A bit for each row that exists in a panel from whose first row on there are `left` rows. */
static inline uint64_t tile_valid(int64_t left)
{
	return left >= TILE_ROWS ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
}

/* ---- low-precision copies, which are queries for squared distances, and can be packed as rows ---- */

static inline float tile_set_copy(
    const struct tile_form *form, const struct tile_vectors *to, int64_t at, const float *x)
{
	return tile_set(form, x, -2, to->data + (size_t)at * form->bytes, to, at);
}

void tile_copy(const struct tile_form *form, const struct tile_vectors *to, int64_t at,
    const struct tile_vectors *from, int64_t i);

/* The number of bytes of a panel's data, and of `temp` for packing. */
size_t tile_panel_bytes(const struct tile_form *form);

/* Pack copies first … first + n − 1, n <= 64, into the panel; its other rows are infinitely far from all. */
void tile_pack(const struct tile_form *form, const struct tile_vectors *from, int64_t first, int64_t n,
    void *temp, struct tile_panel *panel);

/* Whether all of n floats are integers 0 … 255, which with a centre of 128 fit int8 exactly. */
bool tile_are_bytes(const float *x, int64_t n);

#endif
