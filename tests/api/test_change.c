/* Adding, updating and removing: their errors leave the index as it was; random sequences of them keep it
 * equal to a simple model. */
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A 1-dimensional index whose vectors are their ids tells with one search what is in it. */
static void holds(const kith_index *index, int64_t n, const int64_t *want)
{
	int64_t ids[64];
	REQUIRE(kith_index_size(index) == n);
	OK(kith_index_ids(index, ids));
	for (int64_t i = 0; i < n; i++)
		if (ids[i] != want[i])
			ck_abort_msg(
			    "id %lld at %lld, not %lld", (long long)ids[i], (long long)i, (long long)want[i]);
}

#define HOLDS(index, ...)                                                                                    \
	holds(index, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})
#define IDS(...) ((const int64_t[]){__VA_ARGS__})

START_TEST(add_ids)
{
	static const float x[10] = {0};
	kith_index *index;
	OK(kith_index_new(&index, 1, KITH_L2, "Flat"));
	OK(kith_index_add(index, 2, x, NULL, NULL));
	HOLDS(index, 0, 1);
	OK(kith_index_add(index, 2, x, IDS(2, 3), NULL));
	OK(kith_index_add(index, 1, x, NULL, NULL));
	HOLDS(index, 0, 1, 2, 3, 4);
	/* Sequential ids go on from the largest so far, not from the last. */
	OK(kith_index_add(index, 3, x, IDS(100, 7, 50), NULL));
	OK(kith_index_add(index, 2, x, NULL, NULL));
	HOLDS(index, 0, 1, 2, 3, 4, 100, 7, 50, 101, 102);
	OK(kith_index_add(index, 0, NULL, NULL, NULL));
	OK(kith_index_add(index, 0, NULL, IDS(5), NULL));
	REQUIRE(kith_index_size(index) == 10);
	kith_index_free(index);
}
END_TEST

START_TEST(add_refuses)
{
	float x[4] = {1, 2, 3, 4};
	for (int listed = 0; listed < 2; listed++) {
		kith_index *index;
		OK(kith_index_new(&index, 1, KITH_L2, "Flat"));
		OK(kith_index_add(index, 2, x, listed ? IDS(0, 1) : NULL, NULL));
		if (listed)
			OK(kith_index_add(index, 1, x, IDS(9), NULL));
		int64_t n = kith_index_size(index);
		FAILS(kith_index_add(index, 3, x, IDS(20, 21, 20), NULL), KITH_INVALID, "ids[2] is 20");
		FAILS(kith_index_add(index, 2, x, IDS(30, 1), NULL), KITH_INVALID, "ids[1] is 1");
		FAILS(kith_index_add(index, 2, x, IDS(30, -1), NULL), KITH_INVALID, "ids[1] is -1");
		FAILS(kith_index_add(index, 1, x, IDS(INT64_MIN), NULL), KITH_INVALID, "ids[0]");
		FAILS(kith_index_add(index, 1, x, IDS(INT64_MAX), NULL), KITH_INVALID, "ids[0]");
		FAILS(kith_index_add(index, -1, x, NULL, NULL), KITH_INVALID, "x: -1");
		FAILS(kith_index_add(index, 1, NULL, NULL, NULL), KITH_INVALID, "x is NULL");
		FAILS(kith_index_add(index, INT64_MAX, x, NULL, NULL), KITH_INVALID, "x");
		FAILS(kith_index_add_as(index, KITH_I32, 1, x, NULL, NULL), KITH_INVALID, "type is 3");
		FAILS(kith_index_add_as(index, (kith_type)-1, 1, x, NULL, NULL), KITH_INVALID, "type");
		static const float bad[] = {NAN, INFINITY, -INFINITY};
		for (int i = 0; i < 3; i++) {
			x[3] = bad[i];
			FAILS(kith_index_add(index, 4, x, NULL, NULL), KITH_INVALID, "vector 3, component 0");
		}
		x[3] = 4;
		REQUIRE(
		    kith_index_size(index) == n && !kith_index_has(index, 20) && !kith_index_has(index, 30));
		/* A refused id is free afterwards. */
		OK(kith_index_add(index, 2, x, IDS(30, 20), NULL));
		OK(kith_index_add(index, 1, x, NULL, NULL));
		REQUIRE(kith_index_has(index, 31) && kith_index_size(index) == n + 3);
		kith_index_free(index);
	}
}
END_TEST

static int stop_at_once(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)data;
	REQUIRE(strcmp(stage, "add") == 0 && done >= 0 && done <= total);
	return 1;
}

/* A cancelled add leaves the index as it was, and usable. */
START_TEST(add_cancelled)
{
	enum { FIRST = 70, MORE = 9000, D = 3 };
	float *x = make_gauss(11, FIRST + MORE, D), dist;
	int64_t id;
	kith_index *index = make_index(D, KITH_L2, "Flat", FIRST, x);
	kith_add_options options = KITH_ADD_OPTIONS;
	options.progress = stop_at_once;
	FAILS(kith_index_add(index, MORE, x + FIRST * D, NULL, &options), KITH_CANCELLED, "cancel");
	REQUIRE(kith_index_size(index) == FIRST);
	OK(kith_index_search(index, 1, x + (FIRST + 5) * D, 1, &dist, &id, NULL));
	REQUIRE(id < FIRST && dist > 0);
	OK(kith_index_add(index, MORE, x + FIRST * D, NULL, NULL));
	OK(kith_index_search(index, 1, x + (FIRST + 5) * D, 1, &dist, &id, NULL));
	REQUIRE(id == FIRST + 5 && dist == 0);
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(largest_ids)
{
	static const float x[3] = {1, 2, 3};
	kith_index *index;
	OK(kith_index_new(&index, 1, KITH_L2, "Flat"));
	OK(kith_index_add(index, 1, x, IDS(INT64_MAX - 2), NULL));
	FAILS(kith_index_add(index, 2, x, NULL, NULL), KITH_INVALID, "ids");
	OK(kith_index_add(index, 1, x, NULL, NULL));
	HOLDS(index, INT64_MAX - 2, INT64_MAX - 1);
	FAILS(kith_index_add(index, 1, x, NULL, NULL), KITH_INVALID, "ids");
	OK(kith_index_add(index, 1, x, IDS(0), NULL));
	HOLDS(index, INT64_MAX - 2, INT64_MAX - 1, 0);
	kith_index_free(index);
}
END_TEST

START_TEST(add_types)
{
	static const uint8_t u8[] = {0, 1, 200, 255};
	static const int8_t i8[] = {0, 1, -100, 127};
	static const float fine[] = {0, 255, 7, 1}, fraction[] = {0, 1, 2.5f, 3}, big[] = {0, 1, 2, 256},
	                   below[] = {0, -1, 2, 3}, nan[] = {0, 1, 2, NAN}, zero[] = {-0.0f, 0, 1, 2};
	float got[4];
	kith_index *index;
	/* Bytes into floats: their values. */
	OK(kith_index_new(&index, 4, KITH_L2, "Flat"));
	OK(kith_index_add_as(index, KITH_U8, 1, u8, NULL, NULL));
	OK(kith_index_add_as(index, KITH_I8, 1, i8, NULL, NULL));
	OK(kith_index_get(index, 1, IDS(0), got));
	REQUIRE(got[2] == 200 && got[3] == 255);
	OK(kith_index_get(index, 1, IDS(1), got));
	REQUIRE(got[2] == -100 && got[3] == 127);
	kith_index_free(index);
	/* Floats into bytes: only integers of theirs. */
	OK(kith_index_new(&index, 4, KITH_L2, "U8"));
	OK(kith_index_add(index, 1, fine, NULL, NULL));
	OK(kith_index_add(index, 1, zero, NULL, NULL));
	FAILS(kith_index_add(index, 1, fraction, NULL, NULL), KITH_INVALID, "component 2 is 2.5");
	FAILS(kith_index_add(index, 1, big, NULL, NULL), KITH_INVALID, "component 3 is 256");
	FAILS(kith_index_add(index, 1, below, NULL, NULL), KITH_INVALID, "component 1 is -1");
	FAILS(kith_index_add(index, 1, nan, NULL, NULL), KITH_INVALID, "component 3");
	FAILS(kith_index_add_as(index, KITH_I8, 1, i8, NULL, NULL), KITH_INVALID, "component 2 is -100");
	FAILS(kith_index_update(index, 1, below, IDS(0)), KITH_INVALID, "component 1 is -1");
	OK(kith_index_get(index, 1, IDS(0), got));
	REQUIRE(!memcmp(got, fine, sizeof got) && kith_index_size(index) == 2);
	kith_index_free(index);
	OK(kith_index_new(&index, 4, KITH_L2, "I8"));
	OK(kith_index_add(index, 1, below, NULL, NULL));
	FAILS(kith_index_add(index, 1, fine, NULL, NULL), KITH_INVALID, "component 1 is 255");
	FAILS(kith_index_add_as(index, KITH_U8, 1, u8, NULL, NULL), KITH_INVALID, "component 2 is 200");
	FAILS(kith_index_train(index, 1, fine, NULL), KITH_INVALID, "component 1");
	REQUIRE(kith_index_size(index) == 1);
	kith_index_free(index);
}
END_TEST

START_TEST(update)
{
	static const float x[4] = {10, 11, 12, 13}, y[2] = {20, 21}, bad[2] = {1, INFINITY};
	static const uint8_t bytes[2] = {1, 2};
	float got[4];
	kith_index *index;
	OK(kith_index_new(&index, 1, KITH_L2, "Flat"));
	OK(kith_index_add(index, 4, x, IDS(3, 1, 4, 2), NULL));
	OK(kith_index_update(index, 2, y, IDS(2, 3)));
	OK(kith_index_get(index, 4, IDS(1, 2, 3, 4), got));
	REQUIRE(got[0] == 11 && got[1] == 20 && got[2] == 21 && got[3] == 12);
	HOLDS(index, 3, 1, 4, 2);
	FAILS(kith_index_update(index, 2, y, IDS(1, 9)), KITH_NOTFOUND, "ids[1] is 9");
	FAILS(kith_index_update(index, 2, bad, IDS(1, 2)), KITH_INVALID, "vector 1");
	FAILS(kith_index_update(index, 1, NULL, IDS(1)), KITH_INVALID, "x is NULL");
	FAILS(kith_index_update(index, 1, y, NULL), KITH_INVALID, "ids is NULL");
	FAILS(kith_index_update(index, -1, y, IDS(1)), KITH_INVALID, "x: -1");
	FAILS(kith_index_update_as(index, KITH_I32, 1, y, IDS(1)), KITH_INVALID, "type");
	FAILS(kith_index_update(index, 1, y, IDS(-1)), KITH_NOTFOUND, "-1");
	OK(kith_index_get(index, 4, IDS(1, 2, 3, 4), got));
	REQUIRE(got[0] == 11 && got[1] == 20 && got[2] == 21 && got[3] == 12);
	OK(kith_index_update(index, 0, NULL, NULL));
	OK(kith_index_update_as(index, KITH_U8, 2, bytes, IDS(1, 4)));
	OK(kith_index_get(index, 4, IDS(1, 2, 3, 4), got));
	REQUIRE(got[0] == 1 && got[3] == 2);
	kith_index_free(index);
}
END_TEST

static int is_multiple_of_3(void *data, int64_t id)
{
	++*(int *)data;
	return id % 3 == 0;
}

static kith_index *ten(void)
{
	static const float x[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
	return make_index(1, KITH_L2, "Flat", 10, x);
}

/* Remove what the filter (freed here) lets through; returns the index. */
static kith_index *without(kith_filter *which, int64_t expected)
{
	kith_index *index = ten();
	int64_t removed = -1;
	OK(kith_index_remove(index, which, &removed));
	ck_assert_int_eq(removed, expected);
	kith_filter_free(which);
	/* What is left is found where it belongs. */
	for (int64_t i = 0; i < 10; i++) {
		float q = (float)i, dist;
		int64_t id;
		OK(kith_index_search(index, 1, &q, 1, &dist, &id, NULL));
		REQUIRE((dist == 0) == (kith_index_has(index, i) != 0) && (dist != 0 || id == i));
	}
	return index;
}

START_TEST(remove_by)
{
	static const uint8_t bits[] = {0x0f, 0x01};
	int calls = 0;
	kith_filter *a, *b, *f;
	kith_index *index;
	OK(kith_filter_range(&f, 3, 7));
	index = without(f, 4);
	HOLDS(index, 0, 1, 2, 7, 8, 9);
	/* Ids that are gone are not given again, unless by the caller. */
	static const float x[2] = {5, 6};
	OK(kith_index_add(index, 1, x, NULL, NULL));
	OK(kith_index_add(index, 1, x, IDS(5), NULL));
	HOLDS(index, 0, 1, 2, 7, 8, 9, 10, 5);
	kith_index_free(index);
	OK(kith_filter_ids(&f, 4, IDS(9, 0, 0, 77)));
	index = without(f, 2);
	HOLDS(index, 1, 2, 3, 4, 5, 6, 7, 8);
	kith_index_free(index);
	OK(kith_filter_bitmap(&f, 9, bits));
	index = without(f, 5);
	HOLDS(index, 4, 5, 6, 7, 9);
	kith_index_free(index);
	OK(kith_filter_callback(&f, is_multiple_of_3, &calls));
	index = without(f, 4);
	HOLDS(index, 1, 2, 4, 5, 7, 8);
	ck_assert_int_eq(calls, 10);
	kith_index_free(index);
	OK(kith_filter_callback(&a, is_multiple_of_3, &calls));
	OK(kith_filter_not(&f, a));
	index = without(f, 6);
	HOLDS(index, 0, 3, 6, 9);
	kith_index_free(index);
	OK(kith_filter_callback(&a, is_multiple_of_3, &calls));
	OK(kith_filter_range(&b, 5, 100));
	OK(kith_filter_and(&f, a, b));
	index = without(f, 2);
	HOLDS(index, 0, 1, 2, 3, 4, 5, 7, 8);
	kith_index_free(index);
	OK(kith_filter_callback(&a, is_multiple_of_3, &calls));
	OK(kith_filter_range(&b, 5, 100));
	OK(kith_filter_or(&f, a, b));
	index = without(f, 7);
	HOLDS(index, 1, 2, 4);
	kith_index_free(index);
}
END_TEST

START_TEST(remove_all_and_none)
{
	static const float x[1] = {42};
	float q = 1, dist;
	int64_t id, removed = -1;
	kith_filter *all, *none;
	kith_index *index = ten();
	OK(kith_filter_range(&all, 0, INT64_MAX));
	OK(kith_filter_range(&none, 5, 5));
	OK(kith_index_remove(index, none, &removed));
	REQUIRE(removed == 0 && kith_index_size(index) == 10);
	FAILS(kith_index_remove(index, NULL, &removed), KITH_INVALID, "which");
	OK(kith_index_remove(index, all, NULL));
	REQUIRE(kith_index_size(index) == 0);
	OK(kith_index_search(index, 1, &q, 1, &dist, &id, NULL));
	REQUIRE(id == -1 && dist == INFINITY);
	kith_index *copy;
	OK(kith_index_clone(&copy, index));
	REQUIRE(kith_index_size(copy) == 0);
	OK(kith_index_add(copy, 1, x, NULL, NULL));
	HOLDS(copy, 10);
	kith_index_free(copy);
	OK(kith_index_remove(index, all, &removed));
	REQUIRE(removed == 0);
	OK(kith_index_add(index, 1, x, NULL, NULL));
	HOLDS(index, 10);
	kith_filter_free(all);
	kith_filter_free(none);
	kith_index_free(index);
}
END_TEST

/* ---- the model ---- */

enum { DIM = 3, MAX = 600, STEPS = 400 };

struct model {
	kith_index *index;
	kith_metric metric;
	int64_t min, n, next;
	int64_t ids[MAX];
	float x[MAX][DIM];
};

static int64_t model_find(const struct model *m, int64_t id)
{
	for (int64_t i = 0; i < m->n; i++)
		if (m->ids[i] == id)
			return i;
	return -1;
}

static void random_vectors(const struct model *m, struct rng *rng, int64_t n, float (*x)[DIM])
{
	for (int64_t i = 0; i < n; i++)
		for (int j = 0; j < DIM; j++)
			x[i][j] = (float)(m->min + rng_below(rng, 12));
}

static void step_add(struct model *m, struct rng *rng)
{
	float x[40][DIM];
	int64_t ids[40], n = rng_below(rng, 40), way = rng_below(rng, 4);
	if (m->n + n > MAX)
		return;
	random_vectors(m, rng, n, x);
	bool valid = true;
	for (int64_t i = 0; i < n; i++) {
		ids[i] = way == 0 ? m->next + i : rng_below(rng, 5000);
		valid = valid && model_find(m, ids[i]) < 0;
		for (int64_t j = 0; j < i; j++)
			valid = valid && ids[j] != ids[i];
	}
	if (n && way == 3 && rng_below(rng, 4) == 0) {
		ids[rng_below(rng, n)] = -1 - rng_below(rng, 3);
		valid = false;
	}
	if (!valid) {
		FAILS(kith_index_add(m->index, n, x[0], ids, NULL), KITH_INVALID, "ids[");
		return;
	}
	OK(kith_index_add(m->index, n, x[0], way == 0 ? NULL : ids, NULL));
	for (int64_t i = 0; i < n; i++, m->n++) {
		m->ids[m->n] = ids[i];
		memcpy(m->x[m->n], x[i], sizeof x[i]);
		m->next = ids[i] >= m->next ? ids[i] + 1 : m->next;
	}
}

static void step_update(struct model *m, struct rng *rng)
{
	float x[20][DIM];
	int64_t ids[20], n = 0, from = m->n ? rng_below(rng, m->n) : 0;
	for (int64_t i = from; i < m->n && n < 20; i += 1 + rng_below(rng, 5))
		ids[n++] = m->ids[i];
	random_vectors(m, rng, n, x);
	if (n && rng_below(rng, 4) == 0) {
		ids[rng_below(rng, n)] = 6000;
		FAILS(kith_index_update(m->index, n, x[0], ids), KITH_NOTFOUND, "6000");
		return;
	}
	OK(kith_index_update(m->index, n, x[0], ids));
	for (int64_t i = 0; i < n; i++)
		memcpy(m->x[model_find(m, ids[i])], x[i], sizeof x[i]);
}

static void step_remove(struct model *m, struct rng *rng)
{
	kith_filter *f;
	int64_t from = rng_below(rng, 5000), to = from + rng_below(rng, 1000), kept = 0, removed;
	OK(kith_filter_range(&f, from, to));
	OK(kith_index_remove(m->index, f, &removed));
	kith_filter_free(f);
	for (int64_t i = 0; i < m->n; i++) {
		if (m->ids[i] >= from && m->ids[i] < to)
			continue;
		m->ids[kept] = m->ids[i];
		memmove(m->x[kept++], m->x[i], sizeof m->x[i]);
	}
	REQUIRE(removed == m->n - kept);
	m->n = kept;
}

static void step_other(struct model *m, struct rng *rng)
{
	kith_index *copy;
	if (rng_below(rng, 2)) {
		OK(kith_index_reserve(m->index, m->n + rng_below(rng, 100)));
		return;
	}
	OK(kith_index_clone(&copy, m->index));
	kith_index_free(m->index);
	m->index = copy;
}

static float score(const struct model *m, const float *q, int64_t i)
{
	float sum = 0;
	for (int j = 0; j < DIM; j++) {
		float t = q[j] - m->x[i][j];
		sum += m->metric == KITH_L2 ? t * t : q[j] * m->x[i][j];
	}
	return sum;
}

/* Nearer than (dist, id)? */
static bool before(const struct model *m, float dist, int64_t id, float other, int64_t other_id)
{
	if (dist != other)
		return m->metric == KITH_L2 ? dist < other : dist > other;
	return id < other_id;
}

static void compare_search(const struct model *m, struct rng *rng)
{
	enum { NQ = 13, K = 7 };
	float q[NQ][DIM], dist[NQ][K];
	int64_t ids[NQ][K], nq = 1 + rng_below(rng, NQ);
	random_vectors(m, rng, nq, q);
	OK(kith_index_search(m->index, nq, q[0], K, dist[0], ids[0], NULL));
	for (int64_t query = 0; query < nq; query++)
		for (int64_t j = 0; j < K; j++) {
			if (j >= m->n) {
				REQUIRE(ids[query][j] == -1 && isinf(dist[query][j]));
				continue;
			}
			/* It is there, at its distance, and j others are nearer. */
			int64_t at = model_find(m, ids[query][j]), nearer = 0;
			REQUIRE(at >= 0 && dist[query][j] == score(m, q[query], at));
			for (int64_t i = 0; i < m->n; i++)
				nearer += before(
				    m, score(m, q[query], i), m->ids[i], dist[query][j], ids[query][j]);
			REQUIRE(nearer == j);
		}
}

static void compare(const struct model *m, struct rng *rng)
{
	int64_t ids[MAX];
	float x[MAX][DIM];
	REQUIRE(kith_index_size(m->index) == m->n);
	OK(kith_index_ids(m->index, ids));
	REQUIRE(!memcmp(ids, m->ids, (size_t)m->n * sizeof *ids));
	OK(kith_index_get(m->index, m->n, ids, x[0]));
	REQUIRE(!memcmp(x, m->x, (size_t)m->n * sizeof *x));
	for (int i = 0; i < 10; i++) {
		int64_t id = rng_below(rng, 5000);
		REQUIRE(kith_index_has(m->index, id) == (model_find(m, id) >= 0));
	}
	compare_search(m, rng);
}

START_TEST(model)
{
	static const char *const specs[] = {"Flat", "U8", "I8"};
	struct model *m = make(1, sizeof *m);
	struct rng rng = {(uint64_t)_i};
	m->metric = _i % 2 ? KITH_IP : KITH_L2;
	m->min = _i / 2 == 1 ? 0 : -6;
	OK(kith_index_new(&m->index, DIM, m->metric, specs[_i / 2]));
	for (int step = 0; step < STEPS; step++) {
		switch (rng_below(&rng, 8)) {
		case 0:
		case 1:
		case 2:
			step_add(m, &rng);
			break;
		case 3:
		case 4:
			step_update(m, &rng);
			break;
		case 5:
		case 6:
			step_remove(m, &rng);
			break;
		default:
			step_other(m, &rng);
		}
		compare(m, &rng);
	}
	kith_index_free(m->index);
	free(m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("change");
	TCase *t = tcase_create("change");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, add_ids);
	tcase_add_test(t, add_refuses);
	tcase_add_test(t, add_cancelled);
	tcase_add_test(t, largest_ids);
	tcase_add_test(t, add_types);
	tcase_add_test(t, update);
	tcase_add_test(t, remove_by);
	tcase_add_test(t, remove_all_and_none);
	tcase_add_loop_test(t, model, 0, 6);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
