/* Graphs in the log: what was appended carries the edges, so that opening inserts nothing and gives the index
 * that appended, to the bit, whatever the index did by itself meanwhile: bulk building, leading around
 * removed nodes, using them again, closing up. And whatever the log says instead, opening fails or gives an
 * index that can be used, changed and saved. Long form: more steps. */
#include "lib/base/blob_parts.h"
#include "tests/store/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"

static char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];

static void setup(void)
{
	scratch_make(folder);
	scratch_path(path, folder, "a.kith");
}

static void teardown(void)
{
	scratch_remove(folder);
}

static kith_index *open_file(int flags)
{
	kith_index *index;
	OK(kith_index_open(&index, path, flags));
	return index;
}

/* An empty, trained index in the file, opened to be updated. */
static kith_index *begin(const char *spec, kith_metric metric)
{
	kith_index *index = make_empty(spec, metric);
	REQUIRE(index);
	float *x = make_gauss(3, 400, DIM);
	OK(kith_index_train(index, 400, x, NULL));
	OK(kith_index_save(index, path));
	kith_index_free(index);
	free(x);
	return open_file(KITH_UPDATE);
}

static void add(kith_index *index, int64_t n, uint64_t seed)
{
	float *x = make_gauss(seed, n, DIM);
	OK(kith_index_add(index, n, x, NULL, NULL));
	free(x);
}

static void remove_range(kith_index *index, int64_t from, int64_t to)
{
	kith_filter *some;
	OK(kith_filter_range(&some, from, to));
	OK(kith_index_remove(index, some, NULL));
	kith_filter_free(some);
}

static void update_some(kith_index *index, int64_t n, struct rng *rng)
{
	int64_t size = kith_index_size(index), *ids = make(size + 1, sizeof *ids);
	float *x = make_gauss(rng_next(rng), n, DIM);
	OK(kith_index_ids(index, ids));
	for (int64_t i = 0; i < n && size > 0; i++) {
		int64_t at = rng_below(rng, size);
		OK(kith_index_update(index, 1, x + i * DIM, &ids[at]));
	}
	free(ids);
	free(x);
}

/* What opening gives is what appended, to the bit. */
static void check(const kith_index *index)
{
	static const int flags[] = {0, KITH_MMAP, KITH_UPDATE | KITH_VERIFY};
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		kith_index *opened = open_file(flags[i]);
		same_bytes(index, opened);
		kith_index_free(opened);
	}
}

static const char *const graphs[] = {"HNSW4", "HNSW3,SQ8", "HNSW3,PQ4", "PCA4,HNSW4,SQ8,RFlat",
    "HNSW2,SQ8_direct", "Shards3(HNSW4,Flat)", "HNSW16,SQfp16"};
enum { GRAPHS = sizeof graphs / sizeof *graphs };

static bool takes_gauss(const char *spec)
{
	return !strstr(spec, "direct");
}

/* ---- the same index ---- */

static void random_step(kith_index *index, struct rng *rng, int64_t max)
{
	int64_t size = kith_index_size(index), from;
	switch (rng_below(rng, 5)) {
	case 0:
		from = rng_below(rng, max);
		remove_range(index, from, from + rng_below(rng, size / 4 + 2));
		break;
	case 1:
		update_some(index, rng_below(rng, 20), rng);
		break;
	case 2:
		remove_range(index, 0, rng_below(rng, 50) ? size / 3 : INT64_MAX);
		break;
	default:
		add(index, 1 + rng_below(rng, size < 600 ? 120 : 10), rng_next(rng));
	}
}

START_TEST(same_index)
{
	struct rng rng = {(uint64_t)_i + 1};
	if (!takes_gauss(graphs[_i % GRAPHS]))
		return;
	kith_index *index = begin(graphs[_i % GRAPHS], metrics[_i / GRAPHS]);
	int steps = test_long() ? 300 : sanitized ? 6 : 12;
	for (int step = 0; step < steps; step++) {
		for (int64_t i = rng_below(&rng, 4); i >= 0; i--)
			random_step(index, &rng, 2000);
		OK(kith_index_append(index, path));
		check(index);
		if (step % 5 == 4) { /* by another, or with the log folded in */
			if (step % 2)
				OK(kith_index_save(index, path));
			kith_index_free(index);
			index = open_file(KITH_UPDATE | (step % 3 ? KITH_MMAP : 0));
		}
	}
	kith_index_free(index);
}
END_TEST

/* Large adds: the graph is built anew in bulk, after closing up, in one append with small changes. */
START_TEST(bulk)
{
	struct rng rng = {9};
	kith_index *index = begin("HNSW4", metrics[_i]);
	add(index, 6000, 1);
	add(index, 3, 2);
	OK(kith_index_append(index, path));
	check(index);
	remove_range(index, 100, 2500);
	add(index, 2, 3);
	OK(kith_index_append(index, path));
	check(index);
	add(index, 5000, 4);
	update_some(index, 9, &rng);
	remove_range(index, 0, 4000);
	add(index, 9000, 5);
	add(index, 1, 6);
	OK(kith_index_append(index, path));
	check(index);
	kith_index_free(index);
}
END_TEST

/* ---- what is in the file ---- */

static struct frame_head last_frame(const struct bytes *b, size_t *at)
{
	struct frame_mark mark;
	struct frame_head head;
	memcpy(&mark, b->data + b->n - sizeof mark, sizeof mark);
	REQUIRE(mark.kind == MARK_CHAINED);
	*at = (size_t)mark.offset;
	memcpy(&head, b->data + mark.offset, sizeof head);
	return head;
}

static uint32_t first_kind(const struct bytes *b)
{
	size_t at;
	uint32_t kind;
	last_frame(b, &at);
	memcpy(&kind, b->data + at + sizeof(struct frame_head), sizeof kind);
	return kind;
}

/* The edges are there, and once for all vectors of an append; without a change of the graph there are none.
 */
START_TEST(contents)
{
	enum { CHANGE_ADD = 1, CHANGE_REMOVE = 3, CHANGE_GRAPHS = 5 };
	kith_index *index = begin("HNSW8", KITH_L2);
	add(index, 500, 1);
	OK(kith_index_append(index, path));
	struct bytes b = read_file(path);
	REQUIRE(first_kind(&b) == CHANGE_GRAPHS);
	/* Vectors, and all lists of 16 at most, upper levels and what surrounds it. */
	size_t at;
	struct frame_head head = last_frame(&b, &at);
	REQUIRE(head.length < 500 * (DIM * 4 + 16 * 4 + 16) + 4096);
	free(b.data);
	remove_range(index, 3, 5);
	OK(kith_index_append(index, path));
	b = read_file(path);
	REQUIRE(first_kind(&b) == CHANGE_REMOVE);
	free(b.data);
	kith_index_free(index);
	index = begin("Flat", KITH_L2);
	add(index, 5, 1);
	OK(kith_index_append(index, path));
	b = read_file(path);
	REQUIRE(first_kind(&b) == CHANGE_ADD);
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* data: the stage to cancel, NULL: the first. */
static int cancel(void *data, const char *what, int64_t done, int64_t total)
{
	(void)done;
	(void)total;
	return !data || !strcmp(data, what);
}

/* A change that fails after the graph was put in order for it: that cannot be told. */
START_TEST(failed_change)
{
	kith_index *index = begin("HNSW4", KITH_L2);
	add(index, 300, 1);
	OK(kith_index_append(index, path));
	float *x = make_gauss(7, 40, DIM);
	kith_add_options options = KITH_ADD_OPTIONS;
	options.progress = cancel;
	/* Nothing was put in order: nothing is lost. */
	ck_assert_int_eq(kith_index_add(index, 40, x, NULL, &options), KITH_CANCELLED);
	add(index, 3, 2);
	OK(kith_index_append(index, path));
	check(index);
	remove_range(index, 0, 150);
	char repair[] = "repair", adding[] = "add";
	options.progress_data = repair;
	ck_assert_int_eq(kith_index_add(index, 40, x, NULL, &options), KITH_CANCELLED);
	OK(kith_index_append(index, path));
	check(index);
	options.progress_data = adding;
	ck_assert_int_eq(kith_index_add(index, 40, x, NULL, &options), KITH_CANCELLED);
	add(index, 3, 3);
	FAILS(kith_index_append(index, path), KITH_INVALID, "save it");
	OK(kith_index_save(index, path));
	add(index, 3, 4);
	OK(kith_index_append(index, path));
	check(index);
	int64_t twice[2] = {5000, 5000};
	remove_range(index, 150, 300);
	FAILS(kith_index_add(index, 2, x, twice, NULL), KITH_INVALID, "5000");
	add(index, 3, 5);
	kith_status status = kith_index_append(index, path);
	if (status == KITH_OK)
		check(index);
	else
		REQUIRE(status == KITH_INVALID);
	free(x);
	kith_index_free(index);
}
END_TEST

/* ---- made-up logs ---- */

/* A small file whose last frame has edges; with everything that may be in one. */
static struct bytes make_sample(int way)
{
	struct rng rng = {5};
	kith_index *index = begin(way == 2 ? "Shards2(HNSW2,Flat)" : "HNSW2", KITH_L2);
	add(index, 30, 1);
	if (way == 1) {
		remove_range(index, 2, 12);
		add(index, 9, 2);
		remove_range(index, 12, 14);
	}
	OK(kith_index_save(index, path));
	add(index, 6, 3);
	update_some(index, 3, &rng);
	OK(kith_index_append(index, path));
	kith_index_free(index);
	return read_file(path);
}

/* Give the last frame the checksums of what it holds. */
static void mend(struct bytes *b, size_t at)
{
	struct frame_head head;
	memcpy(&head, b->data + at, sizeof head);
	head.records = XXH3_64bits(b->data + at + sizeof head, head.length);
	head.checksum = XXH3_64bits(&head, offsetof(struct frame_head, checksum));
	struct frame_mark mark = log_mark(&head);
	memcpy(b->data + at, &head, sizeof head);
	memcpy(b->data + at + sizeof head + head.length, &mark, sizeof mark);
}

/* Whatever opens can be used, changed, and saved so that it opens again. */
static void try_sample(struct bytes *b)
{
	kith_index *index, *again;
	if (open_bytes(&index, b, false)) {
		REQUIRE(!index);
		return;
	}
	struct bytes saved = bytes_of(index, NULL);
	OK(open_bytes(&again, &saved, true));
	free(saved.data);
	kith_index_free(again);
	use(index);
	add(index, 5, 7);
	remove_range(index, 0, 10);
	add(index, 30, 8);
	use(index);
	saved = bytes_of(index, NULL);
	OK(open_bytes(&again, &saved, true));
	free(saved.data);
	kith_index_free(again);
	kith_index_free(index);
}

/* Every byte of the graphs' record, with checksums put right. */
START_TEST(made_up)
{
	struct bytes b = make_sample(_i);
	size_t at;
	struct frame_head head = last_frame(&b, &at);
	const char masks[] = {1, 2, (char)0x80, (char)0xff, 'R', 'S' ^ 'A', 'G' ^ 'A', 'B' ^ 'A', 'R' ^ 'A'};
	try_sample(&b);
	for (size_t i = at + sizeof head; i < at + sizeof head + head.length; i += sanitized ? 5 : 1)
		for (size_t m = 0; m < sizeof masks; m += sanitized ? 2 : 1) {
			b.data[i] ^= masks[m];
			mend(&b, at);
			try_sample(&b);
			b.data[i] ^= masks[m];
		}
	free(b.data);
}
END_TEST

/* Events of every kind before the vectors of an append. */
START_TEST(made_up_events)
{
	static const char kinds[] = "RSGABX";
	struct bytes b = make_sample(_i);
	size_t at;
	last_frame(&b, &at);
	char *events = NULL;
	for (size_t i = at; !events && i + 5 < b.n; i++)
		if (!memcmp(b.data + i, "AAAA", 4))
			events = b.data + i;
	if (!events) /* one for each shard */
		events = memchr(b.data + at + 200, 'A', b.n - at - 200);
	REQUIRE(events);
	for (int i = 0; i < 6 * 6 * 6; i++) {
		events[0] = kinds[i % 6];
		events[1] = kinds[i / 6 % 6];
		events[2] = kinds[i / 36];
		mend(&b, at);
		try_sample(&b);
	}
	free(b.data);
}
END_TEST

/* ---- failed allocations ---- */

static bool attempt(int64_t i, bool sticky)
{
	kith_index *index = NULL;
	int64_t live = alloc_live();
	struct bytes sample = make_sample(1), after;
	float x[2 * DIM] = {1};
	alloc_fail_at(i, sticky);
	kith_status status = kith_index_open(&index, path, KITH_UPDATE);
	if (status == KITH_OK)
		status = kith_index_add(index, 2, x, NULL, NULL);
	if (status == KITH_OK) {
		status = kith_index_append(index, path);
		/* There was no memory to note what changed. */
		status = status == KITH_INVALID && strstr(kith_last_error(), "memory") ? KITH_NOMEM : status;
	}
	bool reached = alloc_count() >= i;
	alloc_fail_at(0, false);
	REQUIRE(status == KITH_OK || (reached && status == KITH_NOMEM));
	if (status == KITH_OK)
		check(index);
	after = read_file(path);
	REQUIRE(status == KITH_OK || after.n == sample.n);
	free(sample.data);
	free(after.data);
	kith_index_free(index);
	REQUIRE(alloc_live() == live);
	return reached;
}

START_TEST(no_memory)
{
	for (int sticky = 0; sticky < 2; sticky++)
		for (int64_t i = 1; attempt(i, sticky); i += sanitized ? 7 : 1)
			;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("append_graph");
	TCase *t = tcase_create("append_graph");
	tcase_set_timeout(t, 600);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, same_index, 0, 3 * GRAPHS);
	tcase_add_loop_test(t, bulk, 0, 3);
	tcase_add_test(t, contents);
	tcase_add_test(t, failed_change);
	tcase_add_loop_test(t, made_up, 0, 3);
	tcase_add_loop_test(t, made_up_events, 0, 3);
	tcase_add_test(t, no_memory);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
