/* What nearest_pack.c, which packs, and nearest.c, which compares, share. */
#ifndef KITH_TILE_NEAREST_PARTS_H
#define KITH_TILE_NEAREST_PARTS_H

#include "kernels/kernels.h"
#include "lib/tile/form.h"
#include "lib/tile/nearest.h"

enum { CANDIDATES = 32 }; /* the most candidates of a point before they are compared exactly */

/* All rows as tile panels: groups of 64. */
struct near_rows {
	int64_t groups;
	uint32_t *data;        /* [groups × depth × 64] */
	struct tile_vectors v; /* [groups × 64] */
	const float *low;      /* [groups × 64] ‖ĉ‖²; inner products: 64 zeros */
	const float *size; /* [groups × 64] ‖ĉ‖², or >= ‖ĉ‖ for inner products, with which errors grow */
	float *group_err;  /* [groups] the largest v.err of the group */
	float *group_size; /* [groups] the largest size of the group */
};

/* A block of points in the form of tiles. A row with tile key K can be within the radius of a point only if
 *
 *   L2:  K <= (radius + err)² + base + size · per_size
 *   IP:  K <= radius + err · norm + size · per_size
 */
struct near_points {
	struct tile_vectors v; /* norm is >= ‖y‖ */
	float *base;           /* L2 */
	float *per_size;
	double *offset; /* inner product: ⟨mean, q⟩ */
	float *radius;  /* L2: best distance so far + err; IP: best key so far + offset */
	int32_t *count; /* number of candidates */
	uint32_t *row;  /* [block × CANDIDATES] */
	float *key;     /* [block × CANDIDATES] tile keys */
	int32_t *best;  /* the nearest row of those compared exactly; −1: none yet */
	double *exact;  /* its exact key */
};

/* One worker's memory. */
struct near_scratch {
	void *memory;
	float *x;    /* [dim] and padding */
	char *temp;  /* [64 rows] */
	float *keys; /* [TILE_QUERIES × TILE_ROWS] */
	struct near_points points;
	int64_t checked; /* number of candidates that were left after the tiles */
};

struct near {
	const struct kernels *kern;
	struct metric_kernels score;
	const struct nearest *what;
	const struct nearest_lower *lower; /* NULL: tiles compare the vectors themselves */
	const struct rows *points;
	const int32_t *hints;
	int32_t *labels;
	double *keys;
	int64_t dim, k;
	bool ip;                           /* the key is minus the product; else it is a squared distance */
	struct tile_form form, point_form; /* of rows; of points, which are not centred for inner products */
	int64_t block;                     /* number of points in a task */
	int64_t begin;                     /* the first point of task 0 */
	int64_t panel;                     /* number of groups in a panel */
	double error_bound; /* of the tile's sums, relative to ‖ĉ‖² + ‖ŷ‖² (IP: ‖ĉ‖ ‖ŷ‖) */
	double float_err; /* relative error of the float kernels */
	float *mean;      /* [dim] */
	double norms;     /* inner product: >= the norm of any row plus that of the mean */
	struct near_rows rows;
	void *memory;                 /* of rows and mean */
	struct near_scratch *scratch; /* [workers] */
	int workers;
	_Atomic bool cancelled;
};

/* Choose the form of tiles, and allocate and fill `rows`. False: no memory. near_pack_free is needed also
 * then. */
bool near_pack(struct near *s, bool i8);
void near_pack_free(struct near *s);

/* Bring points first … first + n − 1 into the worker's block. */
void near_fill(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n);

#endif
