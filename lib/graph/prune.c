/* Selecting edges: of the candidates of a node, nearest first, each is kept that is not covered by a kept
 * one.
 *
 * A kept neighbour s covers a candidate c if  α · ‖c − s‖² < ‖c − p‖²: a search at p that is on its way to c
 * gets there through s. With α = 1 this is the heuristic of HNSW (Malkov & Yashunin 2016, Algorithm 4), which
 * makes a relative neighbourhood graph; a larger α also keeps longer edges (Vamana: Subramanya et al.,
 * NeurIPS 2019).
 *
 * The test is done by tiles. Candidates are packed into panels of 64, and with  low = ‖ĉ‖² − ‖c − p‖² / α
 * for their part of the key and −‖ŝ‖² for the threshold, the mask that a tile call returns is the set of the
 * candidates that s covers: 64 tests in about 100 instructions at 128 dimensions. The next candidate to keep
 * is the lowest bit still set. Panels are packed when they are reached, which the far candidates of a full
 * list never are; candidates kept before are tested against a new panel six at a time.
 *
 * If s is as far from c as p is, it does not cover c. Among vectors of small integers that is often so, and
 * counting it as covered loses half of the edges (8,000 vectors of 64 bits, one in ten set, efSearch 16:
 * recall .94 instead of .99). As rounding makes such keys differ, s has to be nearer by more than rounding.
 *
 * Vectors equal to the node get at most a quarter of its list: they cover only each other, and many equal
 * vectors must not have edges only among themselves.
 *
 * graph_prune centres low-precision copies on the nearest candidate: all candidates that matter are near it,
 * so that bytes are precise enough. */
#include "lib/graph/prune.h"

#include "lib/base/arena.h"

#include <math.h>
#include <string.h>

static void take_pruner(
    struct pruner *p, const struct tile_form *form, int64_t max, int64_t degree, struct arena *arena)
{
	void *rows = arena_take(arena, 1, tile_vectors_bytes(form, TILE_ROWS));
	void *kept = arena_take(arena, 1, tile_vectors_bytes(form, degree));
	p->form = form;
	p->panel.data = arena_take(arena, 1, tile_panel_bytes(form));
	p->temp = arena_take(arena, 1, tile_panel_bytes(form));
	p->taken = arena_take(arena, (max + 63) / 64, sizeof *p->taken);
	if (!arena->memory)
		return;
	p->rows = tile_vectors_at(form, TILE_ROWS, rows);
	p->kept = tile_vectors_at(form, degree, kept);
}

size_t pruner_bytes(const struct tile_form *form, int64_t max, int64_t degree)
{
	struct pruner none;
	struct arena arena = {NULL, 0};
	take_pruner(&none, form, max, degree, &arena);
	return arena.used;
}

void pruner_init(struct pruner *p, const struct tile_form *form, int64_t degree, void *memory)
{
	struct arena arena = {memory, 0};
	take_pruner(p, form, 0, degree, &arena); /* `temp` does not depend on max */
}

/* Low-precision copies that are compared before testing whether any candidate is left. */
enum { AT_ONCE = 6 };

/* The candidates of the panel that the kept copies from … from + nq − 1 cover. */
static uint64_t covered(
    const struct pruner *p, const float *low, const struct tile_vectors *by, int64_t from, int nq)
{
	float thr[AT_ONCE], keys[AT_ONCE * TILE_ROWS];
	uint64_t mask[AT_ONCE];
	for (int j = 0; j < nq; j++)
		thr[j] = -by->normsq[from + j];
	return tile_multiply(p->form, p->panel.data, low, p->panel.scale, by, from, nq, thr, mask, keys);
}

/* Select among the candidates of one panel; `kept` are selected already. Returns a bit for each newly
 * selected one. */
static uint64_t select_panel(struct pruner *p, const struct graph_rule *rule,
    const struct candidate *candidates, int64_t n, int64_t kept, int64_t degree)
{
	float low[TILE_ROWS];
	p->fetch(p->arg, candidates, n, &p->rows);
	tile_pack(p->form, &p->rows, 0, n, p->temp, &p->panel);
	float alpha = p->form->wide ? sqrtf(sqrtf(rule->alpha)) : rule->alpha;
	for (int64_t r = 0; r < TILE_ROWS; r++) {
		float key = r < n ? candidates[r].key / alpha : 0, normsq = p->panel.normsq[r];
		low[r] = normsq - key + fmaxf(key * 0x1p-20f, normsq * 0x1p-22f);
	}
	uint64_t alive = n == TILE_ROWS ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1, chosen = 0;
	for (int64_t s = 0; s < kept && alive; s += AT_ONCE)
		alive &= ~covered(p, low, &p->kept, s, kept - s < AT_ONCE ? (int)(kept - s) : AT_ONCE);
	while (alive && kept < degree) {
		int64_t r = __builtin_ctzll(alive);
		chosen |= UINT64_C(1) << r;
		alive &= alive - 1;
		tile_copy(p->form, &p->kept, kept++, &p->rows, r);
		if (alive)
			alive &= ~covered(p, low, &p->rows, r, 1);
	}
	return chosen;
}

/* Take the nearest of those that are not taken yet, up to the degree. */
static int64_t fill_up(uint64_t *taken, int64_t n, int64_t kept, int64_t degree)
{
	for (int64_t i = 0; i < n && kept < degree; i++) {
		uint64_t bit = UINT64_C(1) << (i % 64);
		kept += !(taken[i / 64] & bit);
		taken[i / 64] |= bit;
	}
	return kept;
}

int64_t pruner_select(
    struct pruner *p, const struct graph_rule *rule, struct candidate *candidates, int64_t n, int64_t degree)
{
	int64_t equal = 0, share = degree / 4 > 1 ? degree / 4 : 1, kept = 0;
	memset(p->taken, 0, (size_t)(n + 63) / 64 * sizeof *p->taken);
	while (equal < n && !(candidates[equal].key > 0))
		equal++;
	for (; kept < equal && kept < share; kept++)
		p->taken[kept / 64] |= UINT64_C(1) << (kept % 64);
	int64_t equals = kept;
	for (int64_t at = equal; at < n && kept < degree; at += TILE_ROWS) {
		int64_t count = n - at < TILE_ROWS ? n - at : TILE_ROWS;
		uint64_t chosen =
		    select_panel(p, rule, candidates + at, count, kept - equals, degree - equals);
		kept += __builtin_popcountll(chosen);
		for (; chosen; chosen &= chosen - 1) {
			int64_t i = at + __builtin_ctzll(chosen);
			p->taken[i / 64] |= UINT64_C(1) << (i % 64);
		}
	}
	if (rule->keep)
		kept = fill_up(p->taken, n, kept, degree);
	int64_t to = 0;
	for (int64_t i = 0; i < n && to < kept; i++)
		if (p->taken[i / 64] >> (i % 64) & 1)
			candidates[to++] = candidates[i];
	return kept;
}

/* ---- among nodes of a space ---- */

struct space_fetch {
	const struct graph_space *space;
	const struct tile_form *form;
	float *x; /* [dim] */
};

static void fetch_nodes(
    void *arg, const struct candidate *candidates, int64_t n, const struct tile_vectors *rows)
{
	const struct space_fetch *f = arg;
	for (int64_t i = 0; i < n; i++) {
		graph_space_load(f->space, candidates[i].node, f->x);
		tile_set_copy(f->form, rows, i, f->x);
	}
}

static size_t vector_bytes(const struct graph_space *space)
{
	return align64((size_t)space->rows.dim * sizeof(float));
}

size_t graph_prune_bytes(const struct graph_space *space, int64_t max)
{
	struct tile_form floats = tile_form(space->rows.dim, NULL, false);
	if (space->edges->product != PRODUCT_L2)
		return prune_ip_bytes(space, max);
	return 2 * vector_bytes(space) + pruner_bytes(&floats, max, max);
}

/* Move the copies of a node to the places before others with the same key, those with the nearest numbers
 * first. */
static void order_copies(
    const struct graph_space *space, uint32_t node, struct candidate *candidates, int64_t n)
{
	for (int64_t from = 0, to; from + 1 < n; from = to) {
		int64_t copies = from;
		for (to = from + 1; to < n && candidates[to].key == candidates[from].key;)
			to++;
		for (int64_t i = from; to > from + 1 && i < to; i++) {
			struct candidate c = candidates[i];
			if (!rows_equal(&space->rows, node, c.node))
				continue;
			candidates[i] = candidates[copies];
			int64_t at = copies++;
			for (; at > from &&
			       number_distance(node, c.node) < number_distance(node, candidates[at - 1].node);
			     at--)
				candidates[at] = candidates[at - 1];
			candidates[at] = c;
		}
	}
}

int64_t graph_prune(const struct graph_space *space, const struct graph_rule *rule, uint32_t node,
    struct candidate *candidates, int64_t n, int64_t degree, void *scratch)
{
	if (n == 0)
		return 0;
	order_copies(space, node, candidates, n);
	if (space->edges->product != PRODUCT_L2)
		return prune_ip(space, node, candidates, n, degree, scratch);
	char *memory = scratch;
	float *center = (float *)(void *)memory, *x = (float *)(void *)(memory + vector_bytes(space));
	graph_space_load(space, candidates[0].node, center);
	struct tile_form form = space->precision == KEYS_CODED
	                            ? tile_form(space->rows.dim, center, true)
	                            : tile_form_direct(space->rows.dim, space->precision == KEYS_WIDE);
	struct space_fetch fetch = {.space = space, .form = &form, .x = x};
	struct pruner pruner = {.fetch = fetch_nodes, .arg = &fetch};
	pruner_init(&pruner, &form, degree < n ? degree : n, memory + 2 * vector_bytes(space));
	return pruner_select(&pruner, rule, candidates, n, degree);
}

/* Of n candidates, ascending, how many are near: no farther than FAR times the fifth whose key is not 0. Of
 * squared distances. */
static int64_t count_near(const struct graph_space *space, const struct candidate *c, int64_t n)
{
	enum { FIFTH = 4 };
	const float far = space->precision == KEYS_WIDE ? 2 : 16; /* wide keys are fourth roots */
	int64_t near = n, rank = FIFTH;
	while (rank < n && !(c[rank].key > 0))
		rank++;
	while (rank < n && near > 0 && c[near - 1].key > far * c[rank].key)
		near--;
	return near;
}

/* Selecting by alpha = 1 fills a quarter of most lists. A larger one leaves lists too full for edges back
 * where it selects most of a list: then alpha is 1.
 *
 * Where vectors form tight crowds, the edges between crowds are what searches lack: one vector of each gets
 * most edges back from other crowds, and whenever its list is cut those would go that come from behind
 * another crowd. So far candidates are selected by themselves, with a larger alpha still. Without such a gap
 * there are none.
 *
 * Recall@10 at efSearch 16 / 64 by alpha = 1 alone and so: 200 crowds of 100 near copies, queries from
 * elsewhere, .50 .60 and .77 .86; 8 crowds of 500 .70 .95 and .94 1.00; inserted, 20,000 vectors of SIFT .952
 * .997 and .972 .999, of Debian's packages .929 .994 and .965 .998. With lists of 64, which get fuller,
 * insertion takes an eighth longer. */
int64_t graph_prune_far(const struct graph_space *space, const struct graph_rule *rule, uint32_t node,
    struct candidate *candidates, int64_t n, int64_t degree, struct candidate *others, void *scratch)
{
	static const struct graph_rule longer = {.alpha = 1.2F}, longest = {.alpha = 2};
	if (space->edges->product != PRODUCT_L2 || rule->keep)
		return graph_prune(space, rule, node, candidates, n, degree, scratch);
	int64_t near = count_near(space, candidates, n), most = degree * 2 / 3;
	/* Beyond `most` they are selected again, so the first selection need not go on. The share of equal
	 * vectors depends on the degree. */
	int64_t limit = near > 0 && candidates[0].key > 0 ? most + 1 : degree;
	memcpy(others, candidates, (size_t)n * sizeof *others);
	int64_t selected = graph_prune(space, &longer, node, candidates, near, limit, scratch);
	if (selected > most) {
		memcpy(candidates, others, (size_t)near * sizeof *others);
		selected = graph_prune(space, rule, node, candidates, near, degree, scratch);
	}
	int64_t far = graph_prune(space, &longest, node, others + near, n - near, degree - selected, scratch);
	memcpy(candidates + selected, others + near, (size_t)far * sizeof *others);
	return selected + far;
}
