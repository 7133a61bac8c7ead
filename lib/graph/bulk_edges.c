/* Edges from candidates: pruned in both directions.
 *
 * First every point selects among its own candidates (prune.c). Then the points that selected it are added,
 * and if both together are more than its list holds, it selects once more among them. A point's list is
 * written only by the task that has the point, and the lists of who selected whom are sorted before they are
 * used, so that the edges do not depend on threads.
 *
 * Tasks are ranges of the order of leaves. Points near each other have neighbours in common, so a task keeps
 * the low-precision copies that it made in a table, which is emptied when it is full.
 *
 * Memory: 4 bytes an edge for who selected whom, in addition to the lists themselves.
 */
#include "lib/graph/bulk.h"

#include "lib/base/arena.h"
#include "lib/base/sort.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/graph/prune.h"

#include <float.h>
#include <math.h>

enum {
	KEPT_BYTES = 8 << 20, /* size of the low-precision copies that a worker keeps */
	LOOK = 16             /* points between two checks whether to stop */
};

/* Low-precision copies by point: an open-addressed hash table of 2^bits places. */
struct table {
	int bits;
	int64_t n, capacity; /* number of copies, at most a quarter of the places */
	uint64_t *place;     /* [2^bits] point << 32 | number of its copy + 1; 0: free place */
	struct tile_vectors vectors;
};

struct worker {
	struct bulk *b;
	struct near_points *near;
	struct table table;
	struct pruner pruner;
	float *x;                 /* [dim] */
	struct tile_vectors self; /* [1] the point whose edges are being selected */
	uint64_t *entry;          /* [capacity] */
	struct candidate *some;   /* [b->max] */
	uint32_t *points;         /* [64] */
	void *memory;
};

struct linking {
	struct bulk *b;
	struct worker *worker; /* [threads] */
	int64_t *begin; /* [n + 1] begin of the points that selected each point; or where the next goes */
	uint32_t *from; /* [edges] */
};

/* ---- workers ---- */

static int64_t entries(const struct bulk *b)
{
	return 2 * b->max + TILE_ROWS;
}

static void carve_worker(const struct bulk *b, struct worker *w, struct arena *c)
{
	const struct tile_form *form = &b->form;
	struct table *table = &w->table;
	int64_t rows = KEPT_BYTES / (int64_t)form->bytes, min = 4 * TILE_ROWS;
	rows = rows < b->n ? rows : b->n;
	table->capacity = rows < min ? min : rows;
	table->bits = 1;
	while (INT64_C(1) << table->bits < 4 * table->capacity)
		table->bits++;
	void *near = arena_take(c, 1, near_bytes(b));
	table->place = arena_take(c, INT64_C(1) << table->bits, sizeof *table->place);
	void *vectors = arena_take(c, 1, tile_vectors_bytes(form, table->capacity));
	void *pruner = arena_take(c, 1, pruner_bytes(form, entries(b), b->max));
	void *self = arena_take(c, 1, tile_vectors_bytes(form, 1));
	w->x = arena_take(c, b->dim, sizeof *w->x);
	w->entry = arena_take(c, entries(b), sizeof *w->entry);
	w->some = arena_take(c, b->max, sizeof *w->some);
	w->points = arena_take(c, TILE_ROWS, sizeof *w->points);
	if (!c->memory)
		return;
	w->near = near_init(b, near);
	table->vectors = tile_vectors_at(form, table->capacity, vectors);
	w->self = tile_vectors_at(form, 1, self);
	pruner_init(&w->pruner, form, b->max, pruner);
}

static void empty_table(struct table *table)
{
	memset(table->place, 0, sizeof(uint64_t) << table->bits);
	table->n = 0;
}

/* The number of a point's low-precision copy; −1: there is none, and *at is the place for it. */
static int64_t find_vector(const struct table *table, uint32_t point, size_t *at)
{
	size_t mask = ((size_t)1 << table->bits) - 1;
	size_t i = (size_t)((uint64_t)point * UINT64_C(0x9e3779b97f4a7c15) >> (64 - table->bits));
	while (table->place[i] && table->place[i] >> 32 != point)
		i = (i + 1) & mask;
	*at = i;
	return (int64_t)(uint32_t)table->place[i] - 1;
}

static int64_t get_vector(struct worker *w, uint32_t point)
{
	struct table *table = &w->table;
	size_t at;
	int64_t i = find_vector(table, point, &at);
	if (i >= 0)
		return i;
	bulk_load(w->b, point, w->x);
	tile_set_copy(&w->b->form, &table->vectors, table->n, w->x);
	table->place[at] = (uint64_t)point << 32 | (uint64_t)++table->n;
	return table->n - 1;
}

/* Write the low-precision copies of n <= 64 points into rows. */
static void gather(struct worker *w, const uint32_t *points, int64_t n, const struct tile_vectors *rows)
{
	size_t at;
	if (w->table.n + n > w->table.capacity)
		empty_table(&w->table);
	for (int64_t i = 0; i < n; i++)
		if (find_vector(&w->table, points[i], &at) < 0)
			bulk_prefetch(w->b, points[i]);
	for (int64_t i = 0; i < n; i++)
		tile_copy(&w->b->form, rows, i, &w->table.vectors, get_vector(w, points[i]));
}

static void fetch(void *arg, const struct candidate *candidates, int64_t n, const struct tile_vectors *rows)
{
	struct worker *w = arg;
	for (int64_t i = 0; i < n; i++)
		w->points[i] = candidates[i].node;
	gather(w, w->points, n, rows);
}

static bool begin_workers(struct linking *l)
{
	struct bulk *b = l->b;
	struct worker none;
	struct arena c = {NULL, 0};
	carve_worker(b, &none, &c);
	l->worker = mem_zalloc((size_t)b->how->threads, sizeof *l->worker);
	for (int t = 0; l->worker && t < b->how->threads; t++) {
		struct worker *w = &l->worker[t];
		struct arena own = {mem_alloc(c.used, 1), 0};
		w->memory = own.memory;
		if (!w->memory)
			return false;
		w->b = b;
		carve_worker(b, w, &own);
		w->pruner.fetch = fetch;
		w->pruner.arg = w;
		empty_table(&w->table);
	}
	return l->worker != NULL;
}

static void end_workers(struct linking *l)
{
	for (int t = 0; l->worker && t < l->b->how->threads; t++)
		mem_free(l->worker[t].memory);
	mem_free(l->worker);
}

/* ---- the first selection ---- */

/* Write the list of a point. Lists hold points, not nodes, until all of them are complete (name_nodes). */
static void write_list(const struct bulk *b, uint32_t point, const struct candidate *some, int64_t n)
{
	uint32_t *list = bulk_list(b, point);
	for (int64_t i = 0; i < b->degree; i++)
		list[i] = i < n ? some[i].node : GRAPH_NONE;
}

/* Add to the progress. False: the build is to stop. */
static bool advance(struct bulk *b, int64_t steps)
{
	if (b->how->progress && !progress_add(b->how->progress, b->level == 0 && !b->lists ? steps : 0))
		atomic_store(&b->stopped, true);
	return !atomic_load(&b->stopped);
}

static void first_batch(void *arg, int64_t task, int worker)
{
	const struct linking *l = arg;
	struct bulk *b = l->b;
	struct worker *w = &l->worker[worker];
	int64_t first, n = bulk_task(b, task, &first);
	if (!advance(b, 0))
		return;
	near_find(b, w->near, first, n);
	for (int64_t i = 0; i < n; i++) {
		if (i % LOOK == 0 && bulk_stopped(b))
			return;
		int64_t count = near_take(b, w->near, i, w->some);
		count = pruner_select(&w->pruner, &b->rule, w->some, count, b->degree);
		write_list(b, b->leaves.order[first + i], w->some, count);
	}
	advance(b, n - n / 2);
}

/* ---- alpha ---- */

/* Points of a sample and their candidates: [points × b->max], and space for the candidates of one more
 * point. */
struct sample {
	int64_t points;
	int64_t *count; /* [points] */
	struct candidate *candidates;
};

/* How many neighbours a point of the sample gets on average if the length of lists is not limited. */
static double mean_degree(struct worker *w, const struct sample *sample, float alpha)
{
	const struct bulk *b = w->b;
	struct graph_rule rule = {.alpha = alpha};
	struct candidate *copy = sample->candidates + sample->points * b->max;
	int64_t total = 0;
	for (int64_t i = 0; i < sample->points && !bulk_stopped(w->b); i++) {
		memcpy(copy, sample->candidates + i * b->max, (size_t)sample->count[i] * sizeof *copy);
		total += pruner_select(&w->pruner, &rule, copy, sample->count[i], b->max);
	}
	return (double)total / (double)sample->points;
}

/* The largest alpha with which selection fills lists to no more than two thirds. Edges in the other direction
 * fill the rest; with more of them, lists would be cut at the far edges, which are the reason for an alpha
 * greater than one. Measured on data of few and of many dimensions, this is about the value with which a
 * given recall takes the fewest distances; values above 1.2 improved nothing. */
static float best_alpha(struct worker *w, const struct sample *sample)
{
	static const float alphas[] = {1.2f, 1.15f, 1.1f, 1.05f};
	for (size_t i = 0; i < sizeof alphas / sizeof *alphas; i++)
		if (mean_degree(w, sample, alphas[i]) * 3 <= 2 * (double)w->b->degree)
			return alphas[i];
	return 1;
}

/* Whether most points of the sample are in clusters so tight and so small that their candidates are all
 * points of their cluster and a few of the next clusters: between two successive candidates the distance
 * increases greatly. Edges to the nearest points of other clusters are not enough to get through hundreds of
 * clusters: insertion, which links the first nodes before there are near ones, has recall .99 there instead
 * of .95. If candidates are all in the same cluster, that is large enough to have nodes on the upper levels,
 * by which it is found. */
static bool is_clustered(const struct sample *sample, int64_t max)
{
	const float leap = 64; /* elsewhere squared distances of successive neighbours increase by far less */
	enum { FIRST = 4 };    /* the nearest few may be copies of the point with a little noise */
	int64_t leaps = 0;
	for (int64_t i = 0; i < sample->points; i++) {
		const struct candidate *c = sample->candidates + i * max;
		bool found = false;
		for (int64_t j = FIRST; j + 1 < sample->count[i]; j++)
			found |= c[j].key > 0 && c[j + 1].key > leap * c[j].key;
		leaps += found;
	}
	return 4 * leaps > sample->points;
}

/* Choose alpha by a sample of points, spread evenly over the order of leaves. */
static kith_status choose_alpha(struct linking *l)
{
	enum { PARTS = 8, POINTS = 32, MAX_POINTS = PARTS * POINTS };
	struct bulk *b = l->b;
	struct worker *w = &l->worker[0];
	int64_t count[MAX_POINTS];
	struct sample sample = {.count = count};
	size_t cells = (size_t)(MAX_POINTS + 1) * (size_t)b->max;
	sample.candidates = mem_alloc(cells, sizeof *sample.candidates);
	if (!sample.candidates)
		return fail_nomem("a sample of edges", cells * sizeof *sample.candidates);
	for (int64_t part = 0; part < PARTS; part++) {
		int64_t first = b->n / PARTS * part, n = b->n / PARTS < POINTS ? b->n / PARTS : POINTS;
		near_find(b, w->near, first, n);
		for (int64_t i = 0; i < n; i++, sample.points++)
			count[sample.points] =
			    near_take(b, w->near, i, sample.candidates + sample.points * b->max);
	}
	b->rule.alpha = sample.points ? best_alpha(w, &sample) : 1;
	bool clustered = b->level == 0 && !b->lists && is_clustered(&sample, b->max);
	mem_free(sample.candidates);
	return clustered ? fail(KITH_UNSUPPORTED, "clusters too tight to link in bulk") : KITH_OK;
}

/* ---- the second selection ---- */

static void count_edges(void *arg, int64_t task, int worker)
{
	(void)worker;
	const struct linking *l = arg;
	const struct bulk *b = l->b;
	int64_t first, n = bulk_task(b, task, &first);
	for (int64_t p = first; p < first + n; p++) {
		const uint32_t *list = bulk_list(b, p);
		for (int64_t i = 0; i < b->degree && list[i] != GRAPH_NONE; i++)
			__atomic_fetch_add(&l->begin[list[i] + 1], 1, __ATOMIC_RELAXED);
	}
}

static void turn_edges(void *arg, int64_t task, int worker)
{
	(void)worker;
	const struct linking *l = arg;
	const struct bulk *b = l->b;
	int64_t first, n = bulk_task(b, task, &first);
	for (int64_t p = first; p < first + n; p++) {
		const uint32_t *list = bulk_list(b, p);
		for (int64_t i = 0; i < b->degree && list[i] != GRAPH_NONE; i++) {
			int64_t at = __atomic_fetch_add(&l->begin[list[i]], 1, __ATOMIC_RELAXED);
			l->from[at] = (uint32_t)p;
		}
	}
}

/* List for each point the points that selected it. */
static kith_status collect(struct linking *l)
{
	struct bulk *b = l->b;
	l->begin = mem_zalloc((size_t)b->n + 1, sizeof *l->begin);
	if (!l->begin)
		return fail_nomem("edges", (size_t)b->n * sizeof *l->begin);
	threads_run(b->how->threads, bulk_tasks(b), count_edges, l);
	for (int64_t p = 0; p < b->n; p++)
		l->begin[p + 1] += l->begin[p];
	l->from = mem_alloc((size_t)l->begin[b->n], sizeof *l->from);
	if (!l->from)
		return fail_nomem("edges", (size_t)l->begin[b->n] * sizeof *l->from);
	threads_run(b->how->threads, bulk_tasks(b), turn_edges, l);
	/* Filling has moved each begin to that of the next point: move them back. */
	memmove(l->begin + 1, l->begin, (size_t)b->n * sizeof *l->begin);
	l->begin[0] = 0;
	return KITH_OK;
}

/* Add entries for n <= 64 points to the `count` entries, keeping the nearest; returns how many there are. */
static int64_t add_entries(struct worker *w, uint32_t p, const uint32_t *points, int64_t n, int64_t count)
{
	const struct bulk *b = w->b;
	struct pruner *pruner = &w->pruner;
	float normsq = w->self.normsq[0], min = normsq * 0x1p-20f, thr = FLT_MAX, keys[TILE_ROWS];
	uint64_t mask;
	gather(w, points, n, &pruner->rows);
	tile_pack(&b->form, &pruner->rows, 0, n, pruner->temp, &pruner->panel);
	tile_multiply(&b->form, pruner->panel.data, pruner->panel.normsq, pruner->panel.scale, &w->self, 0, 1,
	    &thr, &mask, keys);
	for (; mask; mask &= mask - 1) {
		int r = __builtin_ctzll(mask);
		float key = keys[r] + normsq;
		w->entry[count++] = bulk_entry(key > min ? key : 0, p, points[r]);
	}
	if (count + TILE_ROWS <= entries(b))
		return count;
	select_u64(w->entry, count, b->max);
	return b->max;
}

static void second_point(const struct linking *l, struct worker *w, uint32_t p)
{
	const struct bulk *b = w->b;
	uint32_t *list = bulk_list(b, p);
	const uint32_t *from = l->from + l->begin[p];
	int64_t own = graph_list_length(list, b->degree), came = l->begin[p + 1] - l->begin[p], added = 0;
	for (int64_t i = 0; i < came; i++)
		added += !graph_list_has(list, own, from[i]);
	if (added == 0)
		return;
	uint32_t points[TILE_ROWS];
	int64_t n = 0, count = 0;
	bulk_load(b, p, w->x);
	tile_set_copy(&b->form, &w->self, 0, w->x);
	for (int64_t i = 0; i < own + came; i++) {
		uint32_t c = i < own ? list[i] : from[i - own];
		if (i >= own && graph_list_has(list, own, c))
			continue;
		points[n++] = c;
		if (n == TILE_ROWS) {
			count = add_entries(w, p, points, n, count);
			n = 0;
		}
	}
	if (n)
		count = add_entries(w, p, points, n, count);
	select_u64(w->entry, count, b->max < count ? b->max : count);
	count = b->max < count ? b->max : count;
	sort_u64(w->entry, count);
	for (int64_t i = 0; i < count; i++)
		w->some[i] = bulk_candidate(w->entry[i], p);
	if (count > b->degree)
		count = pruner_select(&w->pruner, &b->rule, w->some, count, b->degree);
	write_list(b, p, w->some, count);
}

static void second_batch(void *arg, int64_t task, int worker)
{
	const struct linking *l = arg;
	struct bulk *b = l->b;
	int64_t first, n = bulk_task(b, task, &first);
	if (!advance(b, 0))
		return;
	for (int64_t i = 0; i < n; i++) {
		if (i % LOOK == 0 && bulk_stopped(b))
			return;
		second_point(l, &l->worker[worker], b->leaves.order[first + i]);
	}
	advance(b, n / 2);
}

/* Replace points by their nodes in the lists. */
static void name_nodes(void *arg, int64_t task, int worker)
{
	(void)worker;
	const struct bulk *b = ((const struct linking *)arg)->b;
	int64_t first, n = bulk_task(b, task, &first);
	for (int64_t p = first; p < first + n; p++) {
		uint32_t *list = bulk_list(b, p);
		for (int64_t i = 0; i < b->degree && list[i] != GRAPH_NONE; i++)
			list[i] = bulk_node(b, list[i]);
	}
}

kith_status bulk_link(struct bulk *b)
{
	struct linking l = {.b = b};
	int threads = b->how->threads;
	kith_status status = begin_workers(&l) ? KITH_OK : fail(KITH_NOMEM, "no memory to build a graph");
	if (status == KITH_OK && !(b->rule.alpha >= 1))
		status = choose_alpha(&l);
	if (status == KITH_OK && !atomic_load(&b->stopped)) {
		threads_run(threads, bulk_tasks(b), first_batch, &l);
		if (!atomic_load(&b->stopped))
			status = collect(&l);
	}
	if (status == KITH_OK && !atomic_load(&b->stopped))
		threads_run(threads, bulk_tasks(b), second_batch, &l);
	if (status == KITH_OK && !atomic_load(&b->stopped) && b->nodes)
		threads_run(threads, bulk_tasks(b), name_nodes, &l);
	end_workers(&l);
	mem_free(l.begin);
	mem_free(l.from);
	return status ? status : bulk_status(b);
}
