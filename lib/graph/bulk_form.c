/* The form in which bulk building compares vectors: the fastest that distinguishes near ones.
 *
 *   bytes    around one centre, with a scale for each vector: if their rounding is small against distances
 *   floats   around one centre: ‖a‖² + ‖b‖² − 2⟨a, b⟩ loses what is small compared with the distance from it
 *   direct   differences of floats, eight to ten times slower to compare: for clusters far apart, which
 *            have no common centre, and numbers along a line, which are far from it
 *
 * Whether bytes can be used is decided by a sample, before there are leaves. Whether the form is good enough
 * is tried out when leaves have been made, since only then near vectors are known: for a sample of vectors,
 * the exactly nearest members of their leaves must be among the nearest by the form. If too many are not, the
 * leaves are not reliable either, and are made again in direct form; if that is no better, the squares of the
 * values do not fit floats, and bulk building is not possible.
 *
 * The centre is the mean of the vectors that are not far longer than most: a single extremely long vector
 * does not move it. If the square of the typical length does not fit a float, all vectors are scaled by the
 * same power of two.
 */
#include "lib/graph/bulk.h"

#include "lib/base/arena.h"
#include "lib/base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 1024 };

/* The number of points in a task: the larger it is, the fewer tasks share a leaf; but each point takes memory
 * for its candidates, and there must be enough tasks for all threads. The graph does not depend on it. */
void bulk_choose_batch(struct bulk *b)
{
	enum { MIN_BATCH = 512, MAX_BATCH = 16384, TASKS = 8, ROOM = 64 };
	int64_t threads = b->how->threads, batch = b->n / (TASKS * threads);
	int64_t bytes = (2 * b->max + TILE_ROWS) * (int64_t)sizeof(uint64_t) + 2 * (int64_t)b->form.bytes;
	int64_t room = b->n * ROOM / (bytes * threads);
	batch = batch < room ? batch : room;
	b->batch = batch < MIN_BATCH ? MIN_BATCH : batch > MAX_BATCH ? MAX_BATCH : batch;
}

void bulk_load(const struct bulk *b, int64_t point, float *x)
{
	if (graph_space_is_null(b->space, bulk_node(b, point), x))
		bulk_set_direction(x, b->dim);
	for (int64_t j = 0; b->scale != 1 && j < b->dim; j++)
		x[j] *= b->scale;
	if (!b->space->edges->similarity)
		return;
	double nsq = b->kern->ip_exact(x, x, b->dim), factor = nsq > 0 ? pow(nsq, -0.75) : 1;
	for (int64_t j = 0; j < b->dim; j++)
		x[j] = (float)((double)x[j] * factor);
}

int64_t bulk_spread(const struct bulk *b, int64_t i, int64_t count)
{
	return (int64_t)((__int128)i * b->n / count);
}

/* ---- before there are leaves ---- */

static bool is_bytes(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (!(x[i] >= 0 && x[i] <= 255) || x[i] != (float)(int)x[i])
			return false;
	return true;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The median length of the vectors x [n × dim]; length [n] gets the length of each. sorted [n]: scratch. */
static double median_length(const struct bulk *b, const float *x, int64_t n, double *length, double *sorted)
{
	for (int64_t i = 0; i < n; i++)
		length[i] = sqrt(b->kern->ip_exact(x + i * b->dim, x + i * b->dim, b->dim));
	memcpy(sorted, length, (size_t)n * sizeof *sorted);
	qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
	return sorted[n / 2];
}

/* The mean of x [n × dim] without the longest, or 128 for bytes, which then fit int8 exactly. */
static void choose_mean(struct bulk *b, const float *x, int64_t n, const double *length, double median)
{
	enum { ABSURD = 64 }; /* times the median */
	bool bytes = is_bytes(x, n * b->dim);
	for (int64_t j = 0; j < b->dim; j++) {
		double sum = 0;
		int64_t count = 0;
		for (int64_t i = 0; i < n; i++)
			if (!(length[i] > ABSURD * median)) {
				sum += (double)x[i * b->dim + j];
				count++;
			}
		b->mean[j] = bytes ? 128 : (float)(sum / (double)count);
	}
}

/* Whether int8 is precise enough for the distances between near vectors of x [n × dim]: for most, the
 * rounding error of the low-precision copy is small compared with the distance to the nearest in the
 * sample. */
static bool bytes_resolve(struct bulk *b, const float *x, int64_t n, void *memory)
{
	enum { LOOKED_AT = 64 };
	struct tile_form form = tile_form(b->dim, b->mean, true);
	struct tile_vectors s = tile_vectors_at(&form, 1, memory);
	int64_t good = 0, bad = 0;
	for (int64_t i = 0; i < LOOKED_AT && i < n && !bulk_stopped(b); i++) {
		double err = (double)tile_set_copy(&form, &s, 0, x + i * b->dim), min = INFINITY;
		for (int64_t j = 0; j < n; j++) {
			double key = form.kern->l2sq_exact(x + i * b->dim, x + j * b->dim, b->dim);
			min = key > 0 && key < min ? key : min;
		}
		if (min < INFINITY && 2 * err * err > 0.01 * min)
			bad++;
		else
			good++;
	}
	return bad <= good;
}

/* A power of two that scales lengths to about 1 if their squares do not fit floats; else 1. */
static float choose_scale(double median)
{
	if (median == 0 || (median > 1e-12 && median < 1e12))
		return 1;
	int exponent;
	frexp(median, &exponent);
	exponent = exponent > 126 ? 126 : exponent < -126 ? -126 : exponent;
	return ldexpf(1, -exponent);
}

kith_status bulk_choose_form(struct bulk *b)
{
	int64_t n = b->n < SAMPLE ? b->n : SAMPLE;
	size_t cells;
	float *x = size_mul((size_t)n, (size_t)b->dim, &cells) ? mem_alloc(cells, sizeof *x) : NULL;
	double *length = mem_alloc(2 * (size_t)n, sizeof *length);
	struct tile_form floats = tile_form(b->dim, NULL, false);
	void *memory = mem_alloc(tile_vectors_bytes(&floats, 1), 1);
	bool ready = x && length && memory;
	b->scale = 1;
	for (int again = 0; ready && again < 2; again++) {
		for (int64_t i = 0; i < n; i++)
			bulk_load(b, bulk_spread(b, i, n), x + i * b->dim);
		double median = median_length(b, x, n, length, length + n);
		float scale = again ? 1 : choose_scale(median);
		choose_mean(b, x, n, length, median);
		if (scale == 1)
			break;
		b->scale = scale;
	}
	if (ready)
		b->form = tile_form(b->dim, b->mean, bytes_resolve(b, x, n, memory));
	mem_free(x);
	mem_free(length);
	mem_free(memory);
	return ready ? bulk_status(b) : fail(KITH_NOMEM, "no memory to build a graph");
}

/* ---- when there are leaves ---- */

/* How many nearest vectors are looked for (4 as well as 16, because of clusters of ten), and how far down
 * they may come, in multiples of that; the most members of a leaf that are compared, and the number of
 * points. The errors of bytes are about one percent, which does not matter to edges: if more than one in
 * eight is lost, they are larger. A vector that cannot be distinguished from an equal one is lost, too. */
static const int64_t wanted_near[] = {4, 16};
enum { ASKED = 2, TIMES = 2, MAX_MEMBERS = 2048, POINTS = 48, LOST_SHARE = 8 };

struct trial {
	struct bulk *b;
	float *x, *y;             /* [dim] */
	struct tile_vectors self; /* [1] */
	struct tile_vectors rows; /* [64] */
	struct tile_panel panel;
	void *temp;
	double *exact, *sorted; /* [MAX_MEMBERS] */
	float *key, *order;     /* [MAX_MEMBERS] */
	float min;              /* keys up to this count as 0 */
};

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* Exact and approximate keys of up to 64 members. */
static void score(
    struct trial *t, uint32_t point, const uint32_t *member, int64_t n, double *exact, float *key)
{
	const struct bulk *b = t->b;
	float thr = INFINITY, keys[TILE_ROWS];
	t->min = t->self.normsq[0] * 0x1p-20f;
	uint64_t mask;
	for (int64_t i = 0; i < n; i++) {
		bulk_load(b, member[i], t->y);
		exact[i] = member[i] == point ? INFINITY : b->kern->l2sq_exact(t->x, t->y, b->dim);
		tile_set_copy(&b->form, &t->rows, i, t->y);
	}
	tile_pack(&b->form, &t->rows, 0, n, t->temp, &t->panel);
	tile_multiply(
	    &b->form, t->panel.data, t->panel.normsq, t->panel.scale, &t->self, 0, 1, &thr, &mask, keys);
	for (int64_t i = 0; i < n; i++)
		key[i] = keys[i] + t->self.normsq[0];
}

/* How many of the `wanted` nearest of n members the form may lose. */
static int64_t count_lost(struct trial *t, int64_t n, int64_t wanted)
{
	memcpy(t->sorted, t->exact, (size_t)n * sizeof *t->sorted);
	qsort(t->sorted, (size_t)n, sizeof *t->sorted, compare_doubles);
	double limit = t->sorted[wanted - 1] * (1 + 1e-6);
	int64_t far = 0, lost = 0, near = 0;
	for (int64_t i = 0; i < n; i++)
		if (t->exact[i] > limit && t->exact[i] < INFINITY)
			t->order[far++] = t->key[i];
	qsort(t->order, (size_t)far, sizeof *t->order, compare_floats);
	for (int64_t i = 0; i < n; i++) {
		if (t->exact[i] > limit)
			continue;
		near++;
		/* It is lost if too many of the far ones have keys that are no greater. */
		int64_t places = (TIMES - 1) * wanted;
		bool hidden = far > places && !(t->key[i] < t->order[places]);
		lost += hidden || (t->exact[i] > 0 && !(t->key[i] > t->min));
	}
	return lost * wanted / near;
}

static bool form_holds(struct trial *t)
{
	struct bulk *b = t->b;
	const struct leaves *l = &b->leaves;
	int64_t tried[ASKED] = {0}, lost[ASKED] = {0};
	for (int64_t i = 0; i < POINTS && i < b->n && !bulk_stopped(b); i++) {
		uint32_t point = (uint32_t)bulk_spread(b, i, POINTS < b->n ? POINTS : b->n);
		const uint32_t *of = l->of + (size_t)point * (size_t)l->overlap;
		int64_t n = 0;
		bulk_load(b, point, t->x);
		tile_set_copy(&b->form, &t->self, 0, t->x);
		/* One leaf is enough, and has no member twice. */
		uint32_t leaf = of[i % l->overlap];
		for (int64_t at = l->begin[leaf]; at < l->begin[leaf + 1] && n < MAX_MEMBERS;) {
			int64_t count = l->begin[leaf + 1] - at;
			count = count < TILE_ROWS ? count : TILE_ROWS;
			count = count < MAX_MEMBERS - n ? count : MAX_MEMBERS - n;
			score(t, point, l->member + at, count, t->exact + n, t->key + n);
			at += count;
			n += count;
		}
		for (int a = 0; a < ASKED && n > wanted_near[a]; a++) {
			tried[a] += wanted_near[a];
			lost[a] += count_lost(t, n, wanted_near[a]);
		}
	}
	return lost[0] * LOST_SHARE <= tried[0] && lost[1] * LOST_SHARE <= tried[1];
}

kith_status bulk_try_form(struct bulk *b, bool *holds)
{
	struct trial t = {.b = b};
	size_t panel = align64(tile_panel_bytes(&b->form));
	size_t one = tile_vectors_bytes(&b->form, 1), many = tile_vectors_bytes(&b->form, TILE_ROWS);
	char *memory = mem_alloc(2 * panel + one + many, 1);
	t.x = mem_alloc(2 * (size_t)b->dim, sizeof *t.x);
	t.exact = mem_alloc(2 * MAX_MEMBERS, sizeof *t.exact);
	t.key = mem_alloc(2 * MAX_MEMBERS, sizeof *t.key);
	bool ready = memory && t.x && t.exact && t.key;
	if (ready) {
		t.y = t.x + b->dim;
		t.sorted = t.exact + MAX_MEMBERS;
		t.order = t.key + MAX_MEMBERS;
		t.panel.data = (uint32_t *)(void *)memory;
		t.temp = memory + panel;
		t.self = tile_vectors_at(&b->form, 1, memory + 2 * panel);
		t.rows = tile_vectors_at(&b->form, TILE_ROWS, memory + 2 * panel + one);
		*holds = form_holds(&t);
	}
	mem_free(memory);
	mem_free(t.x);
	mem_free(t.exact);
	mem_free(t.key);
	return ready ? bulk_status(b) : fail(KITH_NOMEM, "no memory to build a graph");
}
