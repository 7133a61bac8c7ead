/* Slots of the projected pass (projected.c): the queries of a cluster as int8, with the thresholds of their
 * tile keys. Queries to which no row of the cluster is near enough have no slot.
 */
#include "lib/search/projected.h"

#include "lib/base/rounding.h"

#include <math.h>

void projected_set_threshold(const struct task *t, int64_t i)
{
	struct projected *w = t->scratch->projected;
	const struct slots *slots = &w->slots;
	int64_t q = slots->query[i];
	double bound = (double)pool_bound(task_pool(t, q)), err = (double)slots->v.err[i];
	slots->radius[i] = 0;
	slots->thr[i] = INFINITY;
	if (!(err < (double)TILE_HUGE) || !(bound < TILE_UNBOUNDED))
		return;
	if (t->s->projection->product) {
		double add = slots->add[i], off = TILE_EPS * (fabs(bound) + fabs(add)) + slots->add_err[i];
		slots->radius[i] = 1;
		slots->thr[i] = float_up((bound + add + off + TILE_TINY) / (double)slots->unit[i]);
		return;
	}
	double nsq = (double)slots->v.normsq[i], radius = (bound > 0 ? sqrt(bound) * (1 + 1e-12) : 0) + err;
	double off = TILE_EPS * (nsq + radius * radius) + TILE_TINY;
	slots->radius[i] = float_up(radius);
	slots->thr[i] = bound < 0 ? -INFINITY : float_up(radius * radius - nsq + off);
}

void projected_fill_slot(const struct task *t, int64_t c, int64_t i, int64_t q)
{
	const struct projection *p = t->s->projection;
	struct projected *w = t->scratch->projected;
	struct slots *slots = &w->slots;
	struct tile_form form = p->form;
	const float *z = w->z + q * (p->axes.p + 1);
	char *row = slots->v.data + (size_t)i * form.bytes;
	form.center = p->product ? NULL : p->centroids + c * (p->axes.p + 1);
	slots->query[i] = (uint32_t)q;
	tile_put(&form, z, p->product ? -1 : -2, row, &slots->v, i);
	slots->v.err[i] = float_up((double)slots->v.err[i] + (double)w->zerr[q]);
	if (!(slots->v.err[i] < TILE_HUGE))
		tile_blank(&form, row, &slots->v, i);
	slots->unit[i] = 1;
	if (p->product) {
		/* The error of the sum in floats, and that of z_q. */
		double rounding =
		    (double)(p->axes.p + 9) * 0x1p-24 * (double)w->znorm[q] + (double)w->zerr[q];
		slots->add[i] = (double)w->near[c * t->s->block + q];
		slots->add_err[i] = (double)p->length[c] * rounding;
		if (slots->v.norm[i] > 0) {
			slots->unit[i] = slots->v.norm[i];
			slots->v.factor[i] /= slots->unit[i];
		}
	}
	projected_set_threshold(t, i);
}

/* ---- the queries of a cluster ---- */

/* The least distance from the centroid at which a row can be near enough to query q for its pool. (Few rows
 * are excluded by the greatest such distance, so that it is not used.) */
static float useful_from(const struct task *t, int64_t c, int64_t q)
{
	const struct projection *p = t->s->projection;
	const struct projected *w = t->scratch->projected;
	float near = w->near[c * t->s->block + q], bound = pool_bound(task_pool(t, q));
	if (!(w->zerr[q] < TILE_HUGE) || !(bound < (float)TILE_UNBOUNDED) || !(fabsf(near) < TILE_HUGE))
		return -INFINITY;
	/* A part in 10^4 is more than the error of `near`. */
	if (!p->product)
		return near * 0.9999f - sqrtf(bound > 0 ? bound : 0) * 1.0001f - w->zerr[q] - 1e-15f;
	float norm = w->znorm[q] + w->zerr[q], size = fabsf(near) + fabsf(bound) + p->length[c] * norm;
	return norm > 0 ? (-near - bound - 1e-4f * size - p->length[c] * w->zerr[q]) / norm : -INFINITY;
}

/* Put the n queries in w->active into slots, roughly sorted by w->from, which lies between least and most. */
static void fill_slots(const struct task *t, int64_t c, int64_t n, float least, float most)
{
	enum { BUCKETS = 64 };
	struct projected *w = t->scratch->projected;
	int64_t begin[BUCKETS + 1] = {0};
	float steps = most > least ? (BUCKETS - 1) / (most - least) : 0;
	for (int64_t i = 0; i < n; i++) {
		float at = (w->from[i] - least) * steps;
		w->bucket[i] = at > 0 ? (uint8_t)fminf(at, BUCKETS - 1) : 0;
		begin[w->bucket[i] + 1]++;
	}
	for (int b = 1; b <= BUCKETS; b++)
		begin[b] += begin[b - 1];
	for (int64_t i = 0; i < n; i++) {
		int64_t slot = begin[w->bucket[i]]++;
		projected_fill_slot(t, c, slot, w->active[i]);
		w->slots.from[slot] = w->from[i];
	}
	/* The least of the slot and all later ones, which is ascending. */
	for (int64_t i = n - 2; i >= 0; i--)
		if (w->slots.from[i + 1] < w->slots.from[i])
			w->slots.from[i] = w->slots.from[i + 1];
}

int64_t projected_enter(const struct task *t, int64_t c)
{
	struct projected *w = t->scratch->projected;
	float least = INFINITY, most = -INFINITY;
	int64_t n = 0;
	for (int64_t q = 0; q < t->nq; q++) {
		float from = useful_from(t, c, q);
		if (from > t->s->projection->radius[c])
			continue;
		w->active[n] = (uint32_t)q;
		w->from[n++] = from;
		if (from > -INFINITY) {
			least = from < least ? from : least;
			most = from > most ? from : most;
		}
	}
	fill_slots(t, c, n, least, most);
	return n;
}

uint64_t projected_valid(const struct task *t, int64_t block)
{
	const struct search *s = t->s;
	const struct projection *p = s->projection;
	const uint32_t *row = p->row + block * TILE_ROWS;
	uint64_t valid = tile_valid(p->block[block].count);
	for (uint64_t left = s->pass ? valid : 0; left; left &= left - 1) {
		int i = __builtin_ctzll(left);
		if (!(s->pass[row[i] / 64] >> (row[i] % 64) & 1))
			valid &= ~(UINT64_C(1) << i);
	}
	return valid;
}

void projected_compare(const struct task *t, int64_t q, const uint32_t *row, int64_t n)
{
	const struct search *s = t->s;
	struct projected *w = t->scratch->projected;
	for (int64_t i = 0; i < n && !w->fetched; i++)
		rows_prefetch_plane(&s->base, s->base.a, row[i]);
	s->compare->gather(&s->base, w->scans[q].state, row, n, w->look);
}
