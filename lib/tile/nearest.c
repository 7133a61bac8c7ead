/* The nearest of k rows for each of very many points.
 *
 * This is the tile pass of search/tile.c for the needs of k-means: few rows, which are packed once for all
 * points; points in blocks, which are compared with all panels; and one result for each point. So a point has
 * no pool, but an upper bound of its best distance and the few rows that may be as near.
 *
 * The bound. As in tile.c the tile sees ĉ of c = row − m and ŷ of y = point − m, ‖c − ĉ‖ <= δ, ‖y − ŷ‖ <= ε.
 * Once some row is known to be within t of the point, another one can be as near only if
 *
 *   L2:  ‖ĉ − ŷ‖ <= t + ε + δ,  that is  ‖ĉ‖² − 2⟨ĉ,ŷ⟩ <= (t + ε + δ)² − ‖ŷ‖²;
 *   IP:  −⟨ĉ,ŷ⟩ <= t + δ ‖q‖ + ‖ĉ‖ ε,  t a key of c: −⟨row,q⟩ + ⟨m,q⟩  (only rows are centred);
 *
 * to which the error of the tile's sums is added: `error_bound` times ‖ĉ‖² + ‖ŷ‖², or ‖ĉ‖ ‖ŷ‖. A kernel call
 * uses the largest δ and ‖ĉ‖ of its 64 rows, so that a point has one threshold. A hit then lowers t to its
 * own upper bound, which follows from the same inequalities. A hint gives t before the first tile; after the
 * first iteration of k-means there are hardly any other hits.
 *
 * The rows that are left are compared in floats, whose relative errors are about 10^-5, and those that these
 * cannot separate in double precision. So the result is that of exact distances.
 *
 * If the caller gives shorter vectors z whose distances are lower bounds (nearest_lower), tiles multiply
 * these instead, and δ and ε include the errors of z. A hit says nothing then of how near a row is, so that
 * only hints and exact distances lower t.
 *
 * If int8 leaves too many rows, as when one component is much larger than the others, floats are used
 * instead, and instead of z the vectors themselves.
 */
#include "lib/tile/nearest.h"

#include "lib/base/alloc.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/tile/nearest_parts.h"

#include <math.h>
#include <string.h>

enum {
	MIN_I8_DIM = 16,       /* with a smaller dimension, quantizing a point costs more than it saves */
	CROWDED = 8,           /* floats are used if int8 leaves more than one pair in so many, */
	CROWDED_LOWER = 24,    /* and the vectors themselves if their z do */
	SERIAL_WORK = 1 << 20, /* multiplications below which threads cost more than they save */
};

/* A factor that covers the rounding of a sum of a few floats. */
static const float GROW = 1 + 0x1p-20f;

/* The largest tile key that a row with this error and size can have if it is within point j's radius. */
static inline float limit(bool ip, const struct near_points *p, int64_t j, float err, float size)
{
	if (ip)
		return p->radius[j] + err * p->v.norm[j] + size * p->per_size[j];
	float radius = p->radius[j] + err;
	return radius * radius * GROW + (p->base[j] + size * p->per_size[j]);
}

/* Lower the radius of point j: some row is within t (L2: a distance; IP: a key without the part of the
 * mean). */
static void tighten(const struct near *s, struct near_points *p, int64_t j, double t)
{
	if (!(p->v.err[j] < TILE_HUGE))
		return;
	float radius = float_above(s->ip ? t + TILE_EPS * fabs(t) + TILE_TINY : t + (double)p->v.err[j]);
	if (radius < p->radius[j])
		p->radius[j] = radius;
}

/* The t of a row with this tile key, for tighten. */
static double upper(const struct near *s, const struct near_points *p, int64_t j, int64_t row, float key)
{
	double err = (double)s->rows.v.err[row], size = (double)s->rows.size[row];
	if (s->ip)
		return (double)key + err * (double)p->v.norm[j] + size * (double)p->per_size[j];
	double off = s->error_bound * (size + (double)p->v.normsq[j]) + TILE_TINY;
	double sq = (double)key + (double)p->v.normsq[j] + off;
	return (sq > 0 ? sqrt(sq) * (1 + 1e-12) : 0) + err + (double)p->v.err[j];
}

/* The error of a float kernel's inner product with point j. */
static double product_err(const struct near *s, const struct near_points *p, int64_t j)
{
	return p->v.err[j] < TILE_HUGE ? s->float_err * (double)p->v.norm[j] * s->norms + TILE_TINY
	                               : INFINITY;
}

/* Drop candidates that are farther than another one or the best so far, by keys in float. Returns how many
 * are left. */
static int32_t compare_floats(
    const struct near *s, const struct near_points *p, int64_t j, const float *x, uint32_t *row, int32_t n)
{
	float out[CANDIDATES];
	double low[CANDIDATES], off = s->ip ? product_err(s, p, j) : 0;
	double min = p->best[j] >= 0 ? p->exact[j] : INFINITY;
	size_t stride = (size_t)s->dim * sizeof(float);
	s->score.f32_gather(x, s->what->rows, stride, row, n, s->dim, out);
	for (int32_t i = 0; i < n; i++) {
		double key = s->ip ? -(double)out[i] : (double)out[i];
		double err = s->ip ? off : s->float_err * key + TILE_TINY;
		bool sound = fabsf(out[i]) < 1e37f;
		low[i] = sound ? key - err : -INFINITY;
		if (sound && key + err < min)
			min = key + err;
	}
	int32_t kept = 0;
	for (int32_t i = 0; i < n; i++)
		if (low[i] <= min)
			row[kept++] = row[i];
	return kept;
}

static void compare_exactly(
    const struct near *s, struct near_points *p, int64_t j, const float *x, const uint32_t *row, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		const float *c = s->what->rows + row[i] * s->dim;
		double key = metric_exact(&s->score, x, c, s->dim);
		if (p->best[j] >= 0 &&
		    (key > p->exact[j] || (key == p->exact[j] && (int32_t)row[i] > p->best[j])))
			continue;
		p->exact[j] = key;
		p->best[j] = (int32_t)row[i];
	}
}

/* Reduce the candidates of point j, number `point` of all, to the nearest of them. */
static void nearest_exact(const struct near *s, struct near_scratch *scratch, int64_t j, int64_t point)
{
	struct near_points *p = &scratch->points;
	uint32_t *row = p->row + j * CANDIDATES;
	const float *key = p->key + j * CANDIDATES;
	int32_t n = 0;
	for (int32_t i = 0; i < p->count[j]; i++)
		if (key[i] <= limit(s->ip, p, j, s->rows.v.err[row[i]], s->rows.size[row[i]]))
			row[n++] = row[i];
	p->count[j] = 0;
	scratch->checked += n;
	if (n == 0)
		return;
	const float *x = rows_load(s->points, point, scratch->x);
	if (n > 1 || s->lower)
		n = compare_floats(s, p, j, x, row, n);
	compare_exactly(s, p, j, x, row, n);
}

/* Lower the radius of point j to its best exact distance, if it has one. */
static void tighten_exactly(const struct near *s, struct near_points *p, int64_t j)
{
	if (p->best[j] < 0)
		return;
	if (s->ip)
		tighten(s, p, j, p->exact[j] + p->offset[j] + 0x1p-40 * (double)p->v.norm[j] * s->norms);
	else
		tighten(s, p, j, sqrt(p->exact[j]) * (1 + 1e-12));
}

/* Begin with the rows that the hints name. */
static void take_hints(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n)
{
	for (int64_t j = 0; j < n; j++) {
		uint32_t row = (uint32_t)s->hints[first + j];
		if (row >= (uint64_t)s->k)
			continue;
		compare_exactly(s, &scratch->points, j, rows_load(s->points, first + j, scratch->x), &row, 1);
		tighten_exactly(s, &scratch->points, j);
	}
}

/* The number of the smallest key in the mask, which is not empty. */
static int64_t find_min(uint64_t mask, const float *keys)
{
	int64_t best = __builtin_ctzll(mask);
	for (; mask; mask &= mask - 1)
		if (keys[__builtin_ctzll(mask)] < keys[best])
			best = __builtin_ctzll(mask);
	return best;
}

/* The same for a full mask, as for a point without a hint at first: 16 minima are found in parallel. */
static int64_t find_min_of_all(const float *keys)
{
	float min[16], max = INFINITY;
	memcpy(min, keys, sizeof min);
	for (int r = 16; r < TILE_ROWS; r += 16)
		for (int i = 0; i < 16; i++)
			min[i] = keys[r + i] < min[i] ? keys[r + i] : min[i];
	for (int i = 0; i < 16; i++)
		max = min[i] < max ? min[i] : max;
	for (int64_t r = 0; r < TILE_ROWS; r++)
		if (keys[r] == max)
			return r;
	return 0;
}

/* Those of the mask whose keys are at most `max`. */
static uint64_t narrow(const struct near *s, uint64_t mask, const float *keys, float max)
{
	uint32_t pos[TILE_ROWS];
	int64_t n = s->kern->select_le(keys, TILE_ROWS, max, pos);
	uint64_t within = 0;
	for (int64_t i = 0; i < n; i++)
		within |= UINT64_C(1) << pos[i];
	return mask & within;
}

/* Handle the hits of point j, number `point` of all, in a group. */
static void take_hits(const struct near *s, struct near_scratch *scratch, int64_t j, int64_t point,
    int64_t group, uint64_t mask, const float *keys)
{
	struct near_points *p = &scratch->points;
	float err = s->rows.group_err[group], size = s->rows.group_size[group];
	int64_t first = group * TILE_ROWS, own = p->best[j] - first;
	if (own >= 0 && own < TILE_ROWS)
		mask &= ~(UINT64_C(1) << own);
	if (!mask)
		return;
	if (!s->lower) {
		int64_t min = ~mask ? find_min(mask, keys) : find_min_of_all(keys);
		tighten(s, p, j, upper(s, p, j, first + min, keys[min]));
	}
	float max = limit(s->ip, p, j, err, size);
	if (!~mask)
		mask = narrow(s, mask, keys, max);
	for (; mask; mask &= mask - 1) {
		int64_t r = __builtin_ctzll(mask);
		if (!(keys[r] <= max))
			continue;
		if (p->count[j] == CANDIDATES) {
			nearest_exact(s, scratch, j, point);
			tighten_exactly(s, p, j);
			max = limit(s->ip, p, j, err, size);
		}
		int64_t at = j * CANDIDATES + p->count[j]++;
		p->row[at] = (uint32_t)(first + r);
		p->key[at] = keys[r];
	}
}

/* Find the thresholds of points from … to − 1 for a group. If the radius of a point shrinks during the kernel
 * call, its threshold is only larger than necessary. */
static void find_thresholds(const struct near *s, const struct near_points *p, int64_t from, int64_t to,
    int64_t group, float *restrict thr)
{
	float err = s->rows.group_err[group], size = s->rows.group_size[group];
	if (s->ip)
		for (int64_t j = from; j < to; j++)
			thr[j - from] = limit(true, p, j, err, size);
	else
		for (int64_t j = from; j < to; j++)
			thr[j - from] = limit(false, p, j, err, size);
}

/* Compare points from … to − 1, at most TILE_QUERIES of them, with one group. */
static void pass_group(const struct near *s, struct near_scratch *scratch, int64_t point, int64_t from,
    int64_t to, int64_t group)
{
	uint64_t mask[TILE_QUERIES];
	float *keys = scratch->keys, thr[TILE_QUERIES];
	int64_t first = group * TILE_ROWS, left = s->k - first;
	uint64_t valid = tile_valid(left);
	find_thresholds(s, &scratch->points, from, to, group, thr);
	if (!tile_multiply(&s->form, s->rows.data + first * s->form.depth, s->rows.low + (s->ip ? 0 : first),
	        s->rows.v.scale + first, &scratch->points.v, from, (int)(to - from), thr, mask, keys))
		return;
	for (int64_t j = from; j < to; j++)
		if (mask[j - from] & valid)
			take_hits(s, scratch, j, point + j, group, mask[j - from] & valid,
			    keys + (j - from) * TILE_ROWS);
}

static void find_block(void *arg, int64_t task, int worker)
{
	struct near *s = arg;
	struct near_scratch *scratch = &s->scratch[worker];
	struct near_points *p = &scratch->points;
	if (progress_stopped()) {
		atomic_store(&s->cancelled, true);
		return;
	}
	int64_t first = s->begin + task * s->block, left = s->points->n - first;
	int64_t n = left < s->block ? left : s->block;
	near_fill(s, scratch, first, n);
	if (s->hints)
		take_hints(s, scratch, first, n);
	for (int64_t panel = 0; panel < s->rows.groups; panel += s->panel) {
		if (progress_stopped()) {
			atomic_store(&s->cancelled, true);
			return;
		}
		int64_t end = panel + s->panel < s->rows.groups ? panel + s->panel : s->rows.groups;
		for (int64_t from = 0; from < n; from += TILE_QUERIES)
			for (int64_t group = panel; group < end; group++)
				pass_group(s, scratch, first, from,
				    from + TILE_QUERIES < n ? from + TILE_QUERIES : n, group);
	}
	for (int64_t j = 0; j < n; j++) {
		nearest_exact(s, scratch, j, first + j);
		s->labels[first + j] = p->best[j];
		if (s->keys)
			s->keys[first + j] = p->exact[j];
	}
	if (s->what->progress)
		progress_add(s->what->progress, n * s->what->step);
}

kith_status nearest_find(const struct nearest *what, const struct rows *points, const int32_t *hints,
    int32_t *labels, double *keys)
{
	if (points->n == 0)
		return KITH_OK;
	struct near s = {.kern = kernels(), .what = what, .points = points, .hints = hints, .labels = labels};
	s.keys = keys;
	s.dim = what->dim;
	s.k = what->k;
	s.score = metric_kernels(what->metric);
	s.ip = what->metric->product == PRODUCT_IP;
	s.float_err = 2 * (double)(s.dim + 8) * 0x1p-24;
	s.workers = (double)points->n * (double)s.k * (double)s.dim < SERIAL_WORK ? 1 : what->threads;
	s.lower = what->lower;
	bool ready = near_pack(&s, s.lower || (s.kern->i8_is_fast && s.dim >= MIN_I8_DIM));
	if (ready) {
		find_block(&s, 0, 0);
		s.begin = s.block < points->n ? s.block : points->n;
	}
	int64_t most = s.begin * s.k / (s.lower ? CROWDED_LOWER : CROWDED);
	bool always = s.lower && s.lower->always;
	if (ready && s.form.i8 && !always && s.scratch[0].checked > most) {
		near_pack_free(&s);
		bool i8 = s.lower && s.kern->i8_is_fast;
		s.lower = NULL;
		ready = near_pack(&s, i8);
	}
	if (ready)
		threads_run(s.workers, (points->n - s.begin + s.block - 1) / s.block, find_block, &s);
	near_pack_free(&s);
	if (!ready)
		return fail_nomem("packed rows", (size_t)s.k * s.form.bytes);
	return s.cancelled ? fail_cancelled() : KITH_OK;
}
