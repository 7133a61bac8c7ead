/* Projections: a few numbers of each row from which follows how near it can be at most.
 *
 * Let W have p orthonormal columns, c = x − m (m the rows' mean; for inner products 0), y = Wᵀc and r the
 * length of what is left of c, ‖c − Wy‖. The map c → z = (y, r) brings no two vectors farther from one
 * another, and for any two ⟨c, c'⟩ <= ⟨z, z'⟩ (Cauchy and Schwarz for the rest). So in p + 1 dimensions
 *
 *   L2:  ‖x − q‖ >= ‖z_x − z_q‖;      IP (m = 0):  −⟨x, q⟩ >= −⟨z_x, z_q⟩,
 *
 * and a row whose bound is above what a query's pool has reached needs no further look. Where W holds the
 * leading principal components most rows go so. z is kept in int8, packed for the tile kernels, with the
 * error of all that made it: nothing that belongs to the answer is lost, and answers are the same to the bit.
 *
 * What the error is made of. V is W in floats, ‖VᵀV − I‖ <= ω (computed in double): ‖V − W‖ <= ω for W = V
 * (VᵀV)^−½. The sums of Vᵀc in floats are off by γ √p ‖c‖, γ = (d + 8) 2^-24, c itself by 2^-24 ‖c‖. Together
 * ‖y − ŷ‖ <= a ‖c‖. Then r̂² = ‖c‖² − ‖ŷ‖² is off by e₂ = (2a + a² + 2^-22) ‖c‖², and r̂ by √e₂ or e₂ / r̂,
 * whichever is less. Rounding to int8 comes to it, as it is.
 *
 * Rows are kept in the order of clusters of z (with their numbers; the rows themselves stay where they are),
 * and within a cluster by how far from its centroid μ they are. So a query can begin with the clusters that
 * it is nearest to, and has a good threshold for all others; z − μ is shorter than z, and its rounding errors
 * less; and where ‖z_q − μ‖ is far from what the rows of a block have, all of them are too far (triangle
 * inequality).
 */
#ifndef KITH_SEARCH_PROJECTION_H
#define KITH_SEARCH_PROJECTION_H

#include "lib/learn/linear.h"
#include "lib/metric/metric.h"
#include "lib/tile/form.h"
#include "lib/tile/rows.h"

/* Queries below which a search reads rows once, at the speed of memory. */
enum { PROJECTION_FEW = 9 };

/* What is known of 64 rows of a cluster, or of fewer, its last ones. They share a scale. */
struct projection_block {
	float scale; /* z − μ ≈ scale · int8 */
	float err; /* >= ‖z − μ − scale · int8‖ of each, all errors included; ∞: some have no z */
	float norm;      /* >= ‖scale · int8‖ */
	float near, far; /* ‖z − μ‖ lies between */
	int32_t count;   /* rows */
};

struct projection {
	int64_t n;             /* rows that are projected: the first n */
	int64_t dim, p;        /* components of rows; that are kept */
	bool product;          /* by inner product */
	struct tile_form form; /* of z */
	float *mean;           /* [dim] */
	struct linear map;     /* c → y */
	double map_error;      /* ‖y − ŷ‖ / ‖c‖ is at most that */
	int64_t clusters;      /* and one more, of rows that have no z; its centroid is 0 */
	float *centroids;      /* [clusters + 1 × (p + 1)] of z */
	float *length;         /* [clusters + 1] >= their norms */
	float *radius;         /* [clusters + 1] >= ‖z − μ‖ of their rows */
	int64_t *first;        /* [clusters + 2] their first blocks */
	struct rows_bound
	    *bounds;      /* [clusters + 1] the greatest of their rows, where these have some; NULL */
	uint32_t *panels; /* [blocks × depth × 64] */
	uint32_t *row;    /* [blocks × 64] which row each is */
	float *normsq;    /* [blocks × 64] ‖scale · int8‖² */
	struct projection_block *block; /* [blocks] */
	void *heads, *memory;           /* of these arrays */
	size_t bytes;
};

/* Whether rows are of a kind that projections can serve, and enough. */
bool projection_can_pay(const struct rows *rows, const struct metric *metric);

/* Project all rows (at most UINT32_MAX) for searches under the metric, which has a product form. *out is NULL
 * where it would not pay: few rows, few dimensions, or no directions that matter more than others. Takes
 * about a second for 10⁸ components on one thread. Errors: NOMEM, CANCELLED. */
kith_status projection_build(
    struct projection **out, const struct rows *rows, const struct metric *metric, int threads);
void projection_free(struct projection *projection);
size_t projection_memory(const struct projection *projection);

/* What a pair costs, in nanoseconds: by a projection where a share of the pairs is multiplied and another one
 * is looked at, and by all components. Measured on Zen 5; only their ratios matter. */
static inline double projection_product_cost(int64_t depth)
{
	return 0.02 + 0.0025 * (double)depth;
}

static inline double projection_cost(int64_t p, int64_t dim, double product, double look)
{
	return 0.06 + product * projection_product_cost(p + 1) + look * (12 + 0.045 * (double)dim);
}

static inline double projection_plain_cost(int64_t dim)
{
	return 0.1 + projection_product_cost(dim);
}

/* For tests: all projections made from now on have so many axes, at most, and are used, whether that pays or
 * not. 0: as it pays. */
void projection_force_axes(int64_t count);
int64_t projection_forced_axes(void);

static inline int64_t projection_blocks(const struct projection *p)
{
	return p->first[p->clusters + 1];
}

/* c = x − mean. */
void projection_center(const struct projection *projection, const float *x, float *c);

/* From c [dim] and what the map made of it, y [p]: z [p + 1], and what it may be off by; ∞: z is 0 and says
 * nothing. */
float projection_complete(const struct projection *projection, const float *c, const float *y, float *z);

/* The same for n rows of any kind: z [n × (p + 1)], err [n]. Errors: NOMEM, CANCELLED. */
kith_status projection_apply(
    const struct projection *projection, const struct rows *rows, int64_t n, float *z, float *err);

/* ---- between projection_build.c and projection_axes.c ---- */

/* Learn mean and map; p = 0: no number of axes pays. Errors: NOMEM, CANCELLED. */
kith_status projection_learn(
    struct projection *p, const struct rows *rows, const struct metric *metric, int threads);

/* n <= rows->n of the rows, drawn by a stream of random numbers, into x [n × dim]. False: no memory. */
bool projection_sample(const struct rows *rows, uint64_t stream, int64_t n, float *x);

#endif
