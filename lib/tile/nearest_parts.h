/* What the two halves of the nearest pass share: packing (nearest_pack.c) and comparing (nearest.c). */
#ifndef KITH_TILE_NEAREST_PARTS_H
#define KITH_TILE_NEAREST_PARTS_H

#include "kernels/kernels.h"
#include "lib/tile/form.h"
#include "lib/tile/nearest.h"

enum { CANDIDATES = 32 }; /* of a point, between two looks at them */

/* All rows as tile panels: groups of 64. */
struct near_rows {
	int64_t groups;
	uint32_t *data;        /* [groups × depth × 64] */
	struct tile_vectors v; /* [groups × 64] */
	const float *low;      /* [groups × 64] ‖ĉ‖²; inner products: 64 zeros */
	const float *size; /* [groups × 64] ‖ĉ‖², or >= ‖ĉ‖ for inner products: what errors grow with */
	float *group_err;  /* [groups] the largest */
	float *group_size; /* [groups] the largest */
};

/* A block of points as the tile sees them. A row with tile key K can be as near as `reach` only if
 *
 *   L2:  K <= (reach + err)² + base + size · per_size
 *   IP:  K <= reach + err · norm + size · per_size
 */
struct near_points {
	struct tile_vectors v; /* norm is >= ‖y‖ */
	float *base;           /* L2 */
	float *per_size;
	double *offset; /* inner product: ⟨mean, q⟩ */
	float *radius;  /* L2: best distance so far + err; IP: best key so far + offset */
	int32_t *count; /* candidates */
	uint32_t *row;  /* [block × CANDIDATES] */
	float *key;     /* [block × CANDIDATES] of the tile */
	int32_t *best;  /* nearest of those compared exactly, −1: none yet */
	double *exact;  /* its key */
};

/* One worker's memory. */
struct near_scratch {
	void *memory;
	float *x;    /* [dim] and padding */
	char *temp;  /* [64 rows] */
	float *keys; /* [TILE_QUERIES × TILE_ROWS] */
	struct near_points points;
	int64_t checked; /* candidates that the tile left */
};

struct near {
	const struct kernels *kern;
	struct metric_kernels score;
	const struct nearest *what;
	const struct rows *points;
	const int32_t *hints;
	int32_t *labels;
	double *keys;
	int64_t dim, k;
	bool ip; /* minus the product is the key; else a squared distance is made of it */
	struct tile_form form, point_form; /* of rows; of points, which are not centred for inner products */
	int64_t block;                     /* points in a task */
	int64_t begin;                     /* point that task 0 begins at */
	int64_t panel;                     /* groups in a panel */
	double error_bound; /* relative to ‖ĉ‖² + ‖ŷ‖² (2 ‖ĉ‖ ‖ŷ‖): what the tile's sums may be off by */
	double float_err; /* relative error of the float kernels */
	float *mean;      /* [dim] */
	double norms;     /* inner product: >= norm of any row and of the mean, together */
	struct near_rows rows;
	void *memory;                 /* of rows and mean */
	struct near_scratch *scratch; /* [workers] */
	int workers;
	_Atomic bool cancelled;
};

/* Choose the kind of tile and lay out and fill `rows`; *_free undoes it (also after a failure). */
bool near_pack(struct near *s, bool i8);
void near_pack_free(struct near *s);

/* Points first … first + n − 1 into the worker's block. */
void near_fill(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n);

#endif
