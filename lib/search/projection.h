/* Projections: a few numbers of each row from which a lower bound of its distance follows.
 *
 * z = (y, r) of a vector is its coordinates along p axes and the length of the rest (lib/learn/axes.h). In
 * these p + 1 dimensions
 *
 *   L2:  ‖x − q‖ >= ‖z_x − z_q‖;      IP:  −⟨x, q⟩ >= −⟨z_x, z_q⟩,
 *
 * and a row whose bound is above the bound of a query's pool is not a candidate. If the axes are the leading
 * principal components, this excludes most rows. z is kept as int8, packed for the tile kernels, together
 * with an upper bound of its error, rounding included, so that no neighbour is lost and answers are the same
 * to the bit.
 *
 * Rows are listed by clusters of z, and within a cluster by their distance from its centroid μ; the rows
 * themselves are not moved. A query begins with its nearest clusters, which gives it a good threshold for all
 * others. As z − μ is shorter than z, its rounding error is smaller. And if ‖z_q − μ‖ exceeds ‖z_x − μ‖ by
 * more than the query's radius, x is too far away (triangle inequality), which excludes whole blocks.
 */
#ifndef KITH_SEARCH_PROJECTION_H
#define KITH_SEARCH_PROJECTION_H

#include "lib/learn/axes.h"
#include "lib/metric/metric.h"
#include "lib/tile/form.h"
#include "lib/tile/rows.h"

/* With fewer queries a search without projections takes the time of reading all rows. */
enum { PROJECTION_FEW = 9 };

/* A block of 64 rows of a cluster, or fewer if it is the last one. */
struct projection_block {
	float scale;   /* z − μ ≈ scale · int8, for all of the rows */
	float err;     /* >= ‖z − μ − scale · int8‖, all errors included; ∞: no bound is known */
	float norm;    /* >= ‖scale · int8‖ */
	float far;     /* >= ‖z − μ‖ of each */
	int32_t count; /* rows */
};

struct projection {
	int64_t n; /* the first n rows are projected */
	struct axes axes;
	bool product;          /* the metric is an inner product */
	struct tile_form form; /* of z */
	int64_t clusters;      /* there is one more, with centroid 0, for rows whose z is unknown */
	float *centroids;      /* [clusters + 1 × (p + 1)] of z */
	float *length;         /* [clusters + 1] >= their norms */
	float *radius;         /* [clusters + 1] >= ‖z − μ‖ of their rows */
	int64_t *first;        /* [clusters + 2] the first block of each */
	struct rows_bound
	    *bounds;      /* [clusters + 1] the greatest of its rows, if rows have bounds; else NULL */
	uint32_t *panels; /* [blocks × depth × 64] */
	uint32_t *row;    /* [blocks × 64] the numbers of the rows */
	float *normsq;    /* [blocks × 64] ‖scale · int8‖² */
	struct projection_block *block; /* [blocks] */
	void *heads, *memory;           /* of these arrays */
	size_t bytes;
};

/* Whether rows are of a kind that projections can serve, and enough. */
bool projection_can_pay(const struct rows *rows, const struct metric *metric);

/* Project all rows (at most UINT32_MAX) for searches under the metric, which has a product form. *out is NULL
 * if that would not pay: few rows, few dimensions, or no directions with more variance than others. Takes
 * about a second for 10⁸ components on one thread. Errors: NOMEM, CANCELLED. */
kith_status projection_build(
    struct projection **out, const struct rows *rows, const struct metric *metric, int threads);
void projection_free(struct projection *projection);
size_t projection_memory(const struct projection *projection);

/* The cost of a (query, row) pair in nanoseconds, measured on Zen 5; only the ratios matter. projection_cost:
 * of all pairs the share `product` is multiplied, and the share `look` is compared by all components after
 * that. projection_plain_cost: without a projection. */
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

/* For tests: from now on projections are made with `count` axes (fewer if dim is smaller) and used, even if
 * that does not pay. 0: only if it pays, as usual. */
void projection_force_axes(int64_t count);
int64_t projection_forced_axes(void);

static inline int64_t projection_blocks(const struct projection *p)
{
	return p->first[p->clusters + 1];
}

/* ---- between projection_build.c and projection_axes.c ---- */

/* Learn mean and map; p = 0: no number of axes pays. Errors: NOMEM, CANCELLED. */
kith_status projection_learn(
    struct projection *p, const struct rows *rows, const struct metric *metric, int threads);

/* Numbers of n of the rows (n <= rows->n), drawn with the random numbers of a stream. NOMEM. The caller frees
 * *which. */
kith_status projection_draw(const struct rows *rows, uint64_t stream, int64_t n, uint32_t **which);

#endif
