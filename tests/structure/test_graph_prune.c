/* Selecting edges against the rule written down plainly. Components are small integers, so that sketches of
 * every kind are exact and the answer must be the same. */
#include "lib/base/alloc.h"
#include "lib/base/sort.h"
#include "lib/codec/codec.h"
#include "lib/graph/build.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

enum { MAX = 300, MAX_DIM = 70 };

struct world {
	int64_t n, dim; /* node n − 1 selects among the others */
	float x[(MAX + 1) * MAX_DIM];
	struct codec *codec;
	struct codes codes;
	struct graph_space space;
};

static float key_of(const struct world *w, int64_t a, int64_t b)
{
	float sum = 0;
	for (int64_t j = 0; j < w->dim; j++) {
		float t = w->x[a * w->dim + j] - w->x[b * w->dim + j];
		sum += t * t;
	}
	return sum;
}

/* Make a space of the n vectors in w->x. */
static void store(struct world *w, int64_t n, int64_t dim)
{
	float scratch[CODES_SCRATCH(MAX_DIM)];
	w->n = n;
	w->dim = dim;
	OK(codec_new_fp32(&w->codec, dim, false));
	codes_init(&w->codes, w->codec);
	OK(codes_reserve(&w->codes, n, 0));
	codes_append(&w->codes, KITH_F32, n, w->x, scratch);
	w->space =
	    (struct graph_space){.rows = codes_rows(&w->codes), .metric = &metric_l2, .edges = &metric_l2};
}

static void begin(struct world *w, struct rng *rng, int64_t n, int64_t dim, int64_t range)
{
	for (int64_t i = 0; i < n * dim; i++)
		w->x[i] = (float)rng_below(rng, range);
	store(w, n, dim);
}

static void end(struct world *w)
{
	codes_free(&w->codes);
	codec_free(w->codec);
	REQUIRE(alloc_live() == 0);
}

static uint32_t self; /* the node that selects */

/* Of its copies those with the nearest numbers come first. */
static int by_key(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if (x->key == 0 && y->key == 0)
		return number_distance(self, x->node) < number_distance(self, y->node) ? -1 : 1;
	return candidate_before(*x, *y) ? -1 : candidate_before(*y, *x);
}

/* The rule: marks those that are selected, returns how many. */
static int64_t select_plainly(const struct world *w, const struct graph_rule *rule, const struct candidate *c,
    int64_t n, int64_t degree, bool *taken)
{
	int64_t kept = 0, share = degree / 4 > 1 ? degree / 4 : 1;
	for (int64_t i = 0; i < n; i++) {
		bool covered = c[i].key == 0 && kept >= share;
		for (int64_t j = 0; j < i && c[i].key > 0; j++)
			covered |= taken[j] && c[j].key > 0 &&
			           key_of(w, c[i].node, c[j].node) < c[i].key / rule->alpha;
		taken[i] = !covered && kept < degree;
		kept += taken[i];
	}
	for (int64_t i = 0; i < n && rule->keep && kept < degree; i++) {
		kept += !taken[i];
		taken[i] = true;
	}
	return kept;
}

static void check(struct world *w, const struct graph_rule *rule, int64_t degree)
{
	struct candidate c[MAX], before[MAX];
	bool taken[MAX] = {false};
	int64_t n = w->n - 1;
	for (int64_t i = 0; i < n; i++)
		c[i] = (struct candidate){key_of(w, i, n), (uint32_t)i};
	self = (uint32_t)n;
	qsort(c, (size_t)n, sizeof *c, by_key);
	memcpy(before, c, sizeof c);
	void *scratch = mem_alloc(graph_prune_bytes(&w->space, MAX), 1);
	int64_t want = select_plainly(w, rule, before, n, degree, taken);
	int64_t got = graph_prune(&w->space, rule, self, c, n, degree, scratch), at = 0;
	REQUIRE(got == want);
	for (int64_t i = 0; i < n; i++)
		if (taken[i]) {
			REQUIRE(c[at].node == before[i].node && c[at].key == before[i].key);
			at++;
		}
	mem_free(scratch);
}

START_TEST(follows_the_rule)
{
	static const int64_t counts[] = {1, 2, 3, 10, 63, 64, 65, 66, 128, 130, MAX};
	struct isa_list isas = isa_list();
	struct rng rng = {(uint64_t)_i};
	static struct world w;
	OK(kith_set_isa(isas.name[_i % isas.n]));
	for (size_t count = 0; count < sizeof counts / sizeof *counts; count++) {
		int64_t dim = 1 + rng_below(&rng, MAX_DIM), range = _i % 3 ? 100 : 2;
		begin(&w, &rng, counts[count], dim, range);
		for (int keep = 0; keep < 2; keep++)
			for (int wide = 0; wide < 2; wide++) {
				struct graph_rule rule = {.alpha = wide ? 1.25f : 1, .keep = keep};
				check(&w, &rule, 1 + rng_below(&rng, 12));
				check(&w, &rule, 64);
			}
		end(&w);
	}
	OK(kith_set_isa(NULL));
}
END_TEST

START_TEST(sorts)
{
	enum { N = 5000 };
	static uint64_t a[N], b[N];
	struct rng rng = {1};
	for (int round = 0; round < 200; round++) {
		int64_t n = round < 100 ? round : rng_below(&rng, N), k = rng_below(&rng, n + 1);
		/* Distinct: random, ascending, descending. */
		for (int64_t i = 0; i < n; i++)
			a[i] = round % 3 == 0 ? rng_next(&rng) / N * N + (uint64_t)i
			                      : (uint64_t)(round % 3 == 1 ? i : n - i);
		memcpy(b, a, sizeof a);
		sort_u64(b, n);
		for (int64_t i = 1; i < n; i++)
			REQUIRE(b[i - 1] < b[i]);
		select_u64(a, n, k);
		sort_u64(a, k);
		REQUIRE(memcmp(a, b, (size_t)k * sizeof *a) == 0);
	}
}
END_TEST

/* The list of node 0, (4, 0), has nodes 1 … n. Its nearest, 16 … 19, are at (1, 1), or at (4, 1), which is
 * close. */
static void check_near(struct world *w, int64_t n, bool close, const uint32_t *expected)
{
	enum { WIDTH = 16, DIM = 2 };
	static const uint32_t near[] = {16, 17, 18, 19};
	uint32_t list[WIDTH];
	float scratch[2 * DIM];
	memset(w->x, 0, sizeof w->x);
	w->x[0] = 4;
	for (int64_t i = 16; i < 20; i++) {
		w->x[i * DIM] = close ? 4 : 1;
		w->x[i * DIM + 1] = 1;
	}
	store(w, 20, DIM);
	for (int64_t i = 0; i < n; i++)
		list[i] = (uint32_t)i + 1;
	REQUIRE(graph_append_near(&w->space, 0, list, n, WIDTH, near, 4, 3, scratch) ==
	        (n + 3 < WIDTH ? n + 3 : WIDTH));
	for (int64_t i = 0; i < 3 && n - 1 + i < WIDTH; i++)
		REQUIRE(list[n - 1 + i] == expected[i]);
	end(w);
}

/* Near nodes get free places; of a full list a sixteenth, if they are close; and none twice. */
START_TEST(near_nodes)
{
	struct world *w = calloc(1, sizeof *w);
	for (int close = 0; close < 2; close++) {
		check_near(w, 10, close, (const uint32_t[]){10, 16, 17});
		check_near(w, 14, close, (const uint32_t[]){14, 16, 17});
		check_near(w, 15, close, (const uint32_t[]){15, 16});
		check_near(w, 16, close, (const uint32_t[]){close ? 17 : 16});
	}
	free(w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("graph_prune");
	TCase *t = tcase_create("graph_prune");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, follows_the_rule, 0, 12);
	tcase_add_test(t, sorts);
	tcase_add_test(t, near_nodes);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
