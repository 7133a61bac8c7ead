/* Sketches: vectors in the form that tiles take, for squared L2 distances that need not be exact. */
#ifndef KITH_SEARCH_SKETCH_H
#define KITH_SEARCH_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* What sketches that are compared with one another have in common. */
struct sketch_form {
	const struct kernels *kern;
	int64_t dim;       /* of the vectors */
	const float *mean; /* [dim] the centre, not owned; distances do not change when all vectors move */
	bool i8;           /* signed bytes with a scale for each vector; else floats */
	bool direct;       /* floats that are not centred and compared by their differences, row by row */
	bool wide;         /* direct, in double: keys are wide_key (codec.h) of squared distances */
	int64_t depth;     /* dwords in a row */
	size_t bytes;      /* in a row */
};

/* An array of sketches. */
struct sketches {
	char *data;    /* rows */
	float *normsq; /* ‖ĉ‖²; +∞ for a vector too long to have a sketch: nothing is near it */
	float *scale;  /* c ≈ scale · row */
	float *factor; /* of products in which it is the query: −2 · scale */
	int32_t *bias; /* of such products */
};

/* 64 sketches, dword by dword, to be compared with others. */
struct sketch_panel {
	uint32_t *data; /* [depth × 64] */
	float normsq[TILE_ROWS], scale[TILE_ROWS];
};

/* The form for vectors of dimension dim: bytes where this CPU multiplies those faster and `coarse` allows
 * it. */
struct sketch_form sketch_form(int64_t dim, const float *mean, bool coarse);

/* The form that is as good as the floats themselves, for data that no centre is near to: products lose
 * differences that are small against the distance from the centre. Norms of such sketches are 0. */
struct sketch_form sketch_form_direct(int64_t dim, bool wide);

/* Memory of n sketches; their arrays in it (64-byte aligned). */
size_t sketches_bytes(const struct sketch_form *form, int64_t n);
struct sketches sketches_at(const struct sketch_form *form, int64_t n, void *memory);

/* Sketch number `at` becomes that of x [dim]. Returns the norm of what the sketch leaves out. */
float sketch_set(const struct sketch_form *form, const struct sketches *to, int64_t at, const float *x);

void sketch_copy(const struct sketch_form *form, const struct sketches *to, int64_t at,
    const struct sketches *from, int64_t i);

/* Memory of a panel's data; `temp` for packing, as large again. */
size_t sketch_panel_bytes(const struct sketch_form *form);

/* Sketches first … first + n − 1 (n <= 64) into the panel; nothing is near the rest. */
void sketch_pack(const struct sketch_form *form, const struct sketches *from, int64_t first, int64_t n,
    void *temp, struct sketch_panel *panel);

/* Sketches q … q + nq − 1 (nq <= TILE_QUERIES) against a panel:
 *
 *   key[j][r] = low[r] − 2⟨ĉ_j, ĉ_r⟩      where that is <= thr[j]
 *
 * With low = panel->normsq it is the squared distance less normsq[q + j]. mask [nq], keys [nq × 64]: as in
 * kernels.h. The same two sketches give the same bits wherever they lie. In direct form the key is low[r] +
 * ‖c_j − c_r‖², so that what is said above holds with norms of 0. */
uint64_t sketch_tile_direct(const struct sketch_form *form, const struct sketch_panel *panel,
    const float *low, const float *queries, int nq, const float *thr, uint64_t *mask, float *keys);

static inline uint64_t sketch_tile(const struct sketch_form *form, const struct sketch_panel *panel,
    const float *low, const struct sketches *queries, int64_t q, int nq, const float *thr, uint64_t *mask,
    float *keys)
{
	const char *rows = queries->data + (size_t)q * form->bytes;
	if (form->direct)
		return sketch_tile_direct(
		    form, panel, low, (const float *)(const void *)rows, nq, thr, mask, keys);
	if (!form->i8)
		return form->kern->tile_f32((const float *)(const void *)panel->data, form->depth,
		    (const float *)(const void *)rows, form->bytes / sizeof(float), nq, low, thr, mask, keys);
	return form->kern->tile_i8(panel->data, form->depth, (const int8_t *)rows, form->bytes, nq, low,
	    panel->scale, queries->factor + q, queries->bias + q, thr, mask, keys);
}

#endif
