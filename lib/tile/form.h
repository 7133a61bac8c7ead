/* Vectors in the form that tiles multiply: many against many, in low precision.
 *
 * A panel of 64 rows, dword by dword, is multiplied with up to TILE_QUERIES queries by one call of a
 * kernel, which forms products in registers and compares them with a threshold per query before anything is
 * stored. Of a vector x it sees ĉ: c = x − center in floats, or rounded to int8 with a scale of its own.
 * Rows and queries are brought into this form by tile_set, rows then into panels by tile_pack, for every
 * user: exact search (search/tile.c), the nearest centroid (nearest.c), and the low-precision copies that
 * graphs are built from. */
#ifndef KITH_TILE_FORM_H
#define KITH_TILE_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "lib/base/arena.h"

/* Norms above it would overflow when squared; such vectors have no form. */
static const float TILE_HUGE = 1e18f;

/* A query whose bound is not below it has no threshold: all rows are its candidates, whatever their `low`. */
static const double TILE_UNBOUNDED = 1e36;

/* Relative size of what rounding does to a key, against the squared norms in it: a generous 16 ulp. */
static const double TILE_EPS = 0x1p-20;

/* Covers sums of squares that underflow. */
static const double TILE_TINY = 1e-30;

/* What vectors that are compared with one another have in common. */
struct tile_form {
	const struct kernels *kern;
	int64_t dim;         /* of the vectors */
	const float *center; /* [dim], not owned, NULL: zero; distances do not change when all vectors move */
	bool i8;             /* signed bytes with a scale for each vector; else floats */
	bool rough_norms;    /* norms of floats are sums in float; else in double */
	bool direct;         /* floats that are not centred and compared by their differences, row by row */
	bool wide;           /* direct, in double: keys are wide_key of squared distances */
	int64_t depth;       /* dwords in a row */
	size_t bytes;        /* in a row */
};

/* An array of vectors in such a form. */
struct tile_vectors {
	char *data;    /* rows; floats are multiplied by the factor that tile_set is given */
	float *normsq; /* ‖ĉ‖² */
	float *scale;  /* c ≈ scale · row */
	float *factor; /* of products in which it is the query: the factor times scale */
	int32_t *bias; /* of such products: −128 Σ row */
	float *norm;   /* >= ‖ĉ‖; NULL: nobody asks */
	float *
	    err; /* >= ‖c − ĉ‖; ∞: too long a vector, and the row is 0. NULL: nobody asks, normsq is ∞ then */
};

/* Some rows to be compared with others. */
struct tile_panel {
	uint32_t *data; /* [depth × 64] */
	float normsq[TILE_ROWS], scale[TILE_ROWS];
};

/* The form for vectors of dimension dim: bytes where this CPU multiplies those faster and `coarse` allows
 * it. */
struct tile_form tile_form(int64_t dim, const float *center, bool coarse);

/* Bytes or floats, as told. */
struct tile_form tile_form_of(int64_t dim, const float *center, bool i8);

/* The form that is as good as the floats themselves, for data that no centre is near to: products lose
 * differences that are small against the distance from the centre. Norms are 0. */
struct tile_form tile_form_direct(int64_t dim, bool wide);

/* What float sums in this form may be off by, relative to the product of the norms. */
static inline double tile_gamma(const struct tile_form *form)
{
	return form->i8 ? 0 : (double)(form->dim + 8) * 0x1p-24;
}

/* n vectors in an arena, with norm and err if bounds are wanted; without data for rows that go to panels. */
struct tile_vectors tile_vectors_take(
    const struct tile_form *form, int64_t n, bool data, bool bounds, struct arena *arena);

/* The same in memory of their own (64-byte aligned), without bounds. */
size_t tile_vectors_bytes(const struct tile_form *form, int64_t n);
struct tile_vectors tile_vectors_at(const struct tile_form *form, int64_t n, void *memory);

/* Number `at` becomes x [dim], with its row at `row` and products to be multiplied by factor, −2, −1 or 1.
 * Of bytes it returns the norm of what they leave out; ∞: all. */
float tile_set(const struct tile_form *form, const float *x, float factor, void *row,
    const struct tile_vectors *to, int64_t at);

/* The same for many, in two steps: first each by itself, then what is left to find of n that lie one after
 * another, numbers first … first + n − 1: norms and errors of floats. */
float tile_put(const struct tile_form *form, const float *x, float factor, void *row,
    const struct tile_vectors *to, int64_t at);
void tile_finish(const struct tile_form *form, void *rows, int64_t n, float factor,
    const struct tile_vectors *to, int64_t first);

/* Vectors that are bytes, u8 or i8, in a form of bytes: exactly. u8 are centred on 128. A query; and n
 * rows, stride bytes from one to the next, numbers first … first + n − 1, into a panel. ones [dim]:
 * scratch. */
void tile_put_bytes(const struct tile_form *form, const uint8_t *x, bool u8, float factor, void *row,
    const struct tile_vectors *to, int64_t at);
void tile_pack_bytes(const struct tile_form *form, const void *rows, size_t stride, int64_t n, bool u8,
    void *ones, uint32_t *panel, const struct tile_vectors *to, int64_t first);

/* It becomes one that the tile sees nothing of. */
void tile_blank(const struct tile_form *form, void *row, const struct tile_vectors *to, int64_t at);

/* Rows one after another into a panel. */
static inline void tile_pack_rows(const struct tile_form *form, const void *rows, int64_t n, uint32_t *panel)
{
	form->kern->pack(rows, form->bytes, n, (int64_t)form->bytes, form->i8 ? 0x80808080 : 0, panel);
}

/* nq queries from number q on (nq <= TILE_QUERIES) against a panel:
 *
 *   key[j][r] = low[r] + factor · ⟨ĉ_j, ĉ_r⟩      where that is <= thr[j]
 *
 * mask [nq], keys [nq × 64]: as in kernels.h. The same two vectors give the same bits wherever they lie. In
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

/* A bit for each row of a panel that is there, of `left` rows from its first on. */
static inline uint64_t tile_valid(int64_t left)
{
	return left >= TILE_ROWS ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
}

/* ---- low-precision copies: queries of squared distances, and rows of a panel in turn ---- */

static inline float tile_set_copy(
    const struct tile_form *form, const struct tile_vectors *to, int64_t at, const float *x)
{
	return tile_set(form, x, -2, to->data + (size_t)at * form->bytes, to, at);
}

void tile_copy(const struct tile_form *form, const struct tile_vectors *to, int64_t at,
    const struct tile_vectors *from, int64_t i);

/* Memory of a panel's data; `temp` for packing, as large again. */
size_t tile_panel_bytes(const struct tile_form *form);

/* Copies first … first + n − 1 (n <= 64) into the panel; nothing is near the rest. */
void tile_pack(const struct tile_form *form, const struct tile_vectors *from, int64_t first, int64_t n,
    void *temp, struct tile_panel *panel);

/* Whether all of n floats are integers 0 … 255: with a centre of 128 they fit int8 exactly. */
bool tile_are_bytes(const float *x, int64_t n);

#endif
