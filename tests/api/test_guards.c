/* Every call beside every other: an index is read by many at a time or changed by one, and a call that cannot
 * have it fails with BUSY, at once and without harm.
 *
 * Calls are made from within a call that is going on, from its callback (a filter, progress, a stream's
 * write) or while it waits for somebody to read from a pipe, so that what meets is certain. Beside a call
 * that reads, every other one that reads succeeds and every change is refused; beside a change, both are.
 * Afterwards the index is what it would be without them. Every index is tried as it was made, and opened from
 * a file with KITH_MMAP, where the first change has most to do. tests/lint/tree.py wants every function of an
 * index here.
 */
#include <kith/kith.h>

#include "tests/api/guards.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GONE = 200, Q = 20 };

static const char *const specs[] = {"Flat", "SQ8", "IVF4,Flat", "IVF4_HNSW4,PQ4x4", "HNSW4", "HNSW4,SQ8",
    "PQ4x4,RFlat", "PCA8,HNSW4,SQ8,RFlat", "Shards2(HNSW4)", "Shards2(IVF4,SQ8)"};
enum { SPECS = sizeof specs / sizeof *specs };

/* What never changes may be asked at any time, and its own counters may be set to zero. */
static void check_constants(const struct scene *s)
{
	REQUIRE(kith_index_dim(s->index) == DIM && kith_index_metric(s->index) == KITH_L2);
	REQUIRE(kith_index_code_size(s->index) <= sizeof(float) * DIM);
	REQUIRE(kith_index_type(s->index) == KITH_F32 && strlen(kith_index_describe(s->index)) > 2);
	REQUIRE(!kith_index_uses(s->index, "nothing") && !kith_index_stats_reset(s->index));
}

/* What returns no status may be asked beside calls that read. */
static void check_state(const struct scene *s)
{
	REQUIRE(kith_index_size(s->index) == N - GONE && kith_index_trained(s->index));
	REQUIRE(kith_index_has(s->index, N - 1) && !kith_index_has(s->index, 1));
	REQUIRE(strcmp(kith_index_tag(s->index, "kind"), "old") == 0);
	REQUIRE(strcmp(kith_index_tag_at(s->index, 0), "kind") == 0 && !kith_index_tag_at(s->index, 1));
	REQUIRE(!kith_index_labels(s->index, NULL) && kith_index_part(s->index, 0) == s->index);
	const kith_index *fine = kith_index_fine(s->index);
	REQUIRE(!fine || kith_index_size(fine) == N - GONE);
	const kith_index *quantizer = kith_index_quantizer(s->index);
	REQUIRE(!quantizer || kith_index_size(quantizer) == 4);
	REQUIRE(strcmp(kith_index_note(s->index), "") == 0 && kith_index_memory(s->index) > 0);
}

/* Some things that an index may not offer, whenever it is asked. */
static bool is_allowed(kith_status status)
{
	return status == KITH_OK || status == KITH_UNSUPPORTED;
}

static void make_all_calls(struct scene *s, bool changing)
{
	check_constants(s);
	if (!changing)
		check_state(s);
	for (int i = 0; i < CALLS; i++) {
		kith_status status = calls[i].make(s);
		bool right = calls[i].reads && !changing ? is_allowed(status) : status == KITH_BUSY;
		if (!right)
			ck_abort_msg("%s beside a call that %s: %s", calls[i].name,
			    changing ? "changes" : "reads", status ? kith_last_error() : "succeeded");
	}
}

/* ---- what is going on ---- */

struct beside {
	struct scene *scene;
	bool changing;
	int asked;
};

/* At its first call, and well into the others. */
static void meet(struct beside *b)
{
	int at = b->asked++;
	if (at == 0 || at == 40)
		make_all_calls(b->scene, b->changing);
}

static int from_filter(void *data, int64_t id)
{
	meet(data);
	return id % 3 > 0;
}

static int from_progress(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	(void)done;
	(void)total;
	meet(data);
	return 0;
}

static int from_write(void *data, const void *bytes, size_t n)
{
	(void)bytes;
	(void)n;
	meet(data);
	return 0;
}

static void read_search(struct beside *b)
{
	float dist[Q * K];
	int64_t ids[Q * K];
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = 1;
	OK(kith_filter_callback((kith_filter **)&options.filter, from_filter, b));
	OK(kith_index_search(b->scene->index, Q, b->scene->x, K, dist, ids, &options));
	kith_filter_free((kith_filter *)options.filter);
}

static void read_range(struct beside *b)
{
	kith_ranges *ranges;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = 1;
	options.progress = from_progress;
	options.progress_data = b;
	OK(kith_index_range(b->scene->index, Q, b->scene->x, 10, &ranges, &options));
	kith_ranges_free(ranges);
}

static void read_write(struct beside *b)
{
	OK(kith_index_write(b->scene->index, from_write, b));
}

static void read_tune(struct beside *b)
{
	int64_t truth[K] = {0, 1, 2, 3, 4};
	kith_search_options search = KITH_SEARCH_OPTIONS;
	kith_tune_options options = KITH_TUNE_OPTIONS;
	options.runs = 1;
	options.progress = from_progress;
	options.progress_data = b;
	OK(kith_index_tune(b->scene->index, 1, b->scene->x, K, truth, 0, &search, &options));
}

/* A call that writes to a pipe waits for its reader, who calls the others meanwhile. */
struct piped {
	const kith_index *index;
	kith_status (*call)(const kith_index *index, const char *path);
	char pipe[SCRATCH_PATH + 8];
	kith_status status;
};

static void *write_pipe(void *data)
{
	struct piped *p = data;
	p->status = p->call(p->index, p->pipe);
	return NULL;
}

static void read_piped(struct beside *b, kith_status (*call)(const kith_index *index, const char *path))
{
	struct piped p = {.index = b->scene->index, .call = call};
	pthread_t thread;
	char block[4096];
	snprintf(p.pipe, sizeof p.pipe, "%s.pipe", b->scene->other);
	REQUIRE(mkfifo(p.pipe, 0600) == 0);
	/* A page: no file fits. */
	int from = open(p.pipe, O_RDONLY | O_NONBLOCK);
	REQUIRE(from >= 0 && fcntl(from, F_SETPIPE_SZ, 4096) == 4096 && fcntl(from, F_SETFL, 0) == 0);
	REQUIRE(pthread_create(&thread, NULL, write_pipe, &p) == 0);
	struct pollfd ready = {.fd = from, .events = POLLIN};
	REQUIRE(poll(&ready, 1, -1) == 1);
	ssize_t got = read(from, block, 1);
	if (got > 0)
		meet(b);
	while (got > 0)
		got = read(from, block, sizeof block);
	pthread_join(thread, NULL);
	close(from);
	unlink(p.pipe);
	REQUIRE(p.status == KITH_OK);
}

static void read_save(struct beside *b)
{
	read_piped(b, kith_index_save);
}

static void read_export(struct beside *b)
{
	if (kith_index_export_faiss(b->scene->index, b->scene->other) == KITH_UNSUPPORTED)
		b->asked = -1;
	else
		read_piped(b, kith_index_export_faiss);
}

static kith_add_options telling(struct beside *b)
{
	kith_add_options options = KITH_ADD_OPTIONS;
	options.threads = 1;
	options.progress = b ? from_progress : NULL;
	options.progress_data = b;
	return options;
}

static void change_add(kith_index *index, const float *x, struct beside *b)
{
	kith_add_options options = telling(b);
	OK(kith_index_add(index, 100, x, NULL, &options));
}

static void change_reorder(kith_index *index, const float *x, struct beside *b)
{
	kith_add_options options = telling(b);
	(void)x;
	OK(kith_index_reorder(index, &options));
	if (b && !b->asked) /* flat ones and the like have nothing to do */
		b->asked = -1;
}

static int keep_third(void *data, int64_t id)
{
	(void)data;
	return id % 3 > 0;
}

static void change_remove(kith_index *index, const float *x, struct beside *b)
{
	kith_filter *filter;
	int64_t removed;
	(void)x;
	OK(kith_filter_callback(&filter, b ? from_filter : keep_third, b));
	OK(kith_index_remove(index, filter, &removed));
	kith_filter_free(filter);
}

static void change_train(kith_index *index, const float *x, struct beside *b)
{
	kith_add_options options = telling(b);
	kith_filter *all;
	int64_t removed;
	OK(kith_filter_range(&all, 0, INT64_MAX));
	OK(kith_index_remove(index, all, &removed));
	OK(kith_index_train(index, N, x, &options));
	if (b && !b->asked) /* where there is nothing to learn */
		b->asked = -1;
	kith_filter_free(all);
}

static void (*const reads[])(struct beside *b) = {
    read_search, read_range, read_write, read_tune, read_save, read_export};
static void (*const changes[])(kith_index *index, const float *x, struct beside *b) = {
    change_add, change_reorder, change_remove, change_train};
enum { READS = sizeof reads / sizeof *reads, CHANGES = sizeof changes / sizeof *changes };

/* ---- the tests ---- */

/* With vectors removed, so that graphs keep maps. */
static kith_index *build(const char *spec, const float *x)
{
	kith_index *index;
	kith_filter *gone;
	int64_t removed;
	OK(kith_index_new(&index, DIM, KITH_L2, spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	OK(kith_filter_range(&gone, 0, GONE));
	OK(kith_index_remove(index, gone, &removed));
	OK(kith_index_tag_set(index, "kind", "old"));
	kith_filter_free(gone);
	return index;
}

static char *bytes_of(const kith_index *index, size_t *size)
{
	OK(kith_index_to_bytes(index, NULL, 0, size));
	char *bytes = make((int64_t)*size, 1);
	OK(kith_index_to_bytes(index, bytes, *size, size));
	return bytes;
}

static void check_equal(const kith_index *a, const kith_index *b)
{
	size_t na, nb;
	char *x = bytes_of(a, &na), *y = bytes_of(b, &nb);
	REQUIRE(na == nb && memcmp(x, y, na) == 0);
	free(x);
	free(y);
}

static void beside_all(const char *spec, int flags)
{
	float *x = make_gauss(5, N, DIM);
	char folder[SCRATCH_FOLDER], file[SCRATCH_PATH], other[SCRATCH_PATH];
	kith_index *built = build(spec, x);
	struct scene scene = {.like = built, .x = x, .file = file, .other = other};
	scratch_make(folder);
	scratch_path(file, folder, "index");
	scratch_path(other, folder, "other");
	OK(kith_index_save(built, file));
	OK(kith_filter_range(&scene.few, N - 10, N));
	for (int i = 0; i < READS; i++) {
		struct beside b = {.scene = &scene};
		OK(kith_index_open(&scene.index, file, flags));
		reads[i](&b);
		REQUIRE(b.asked);
		check_equal(scene.index, built);
		kith_index_free(scene.index);
	}
	for (int i = 0; i < CHANGES; i++) {
		struct beside b = {.scene = &scene, .changing = true};
		kith_index *alone;
		OK(kith_index_clone(&alone, built));
		OK(kith_index_open(&scene.index, file, flags));
		changes[i](scene.index, x, &b);
		REQUIRE(b.asked);
		changes[i](alone, x, NULL);
		check_equal(scene.index, alone);
		kith_index_free(scene.index);
		kith_index_free(alone);
	}
	kith_filter_free(scene.few);
	kith_index_free(built);
	scratch_remove(folder);
	free(x);
}

START_TEST(unmapped)
{
	beside_all(specs[_i], KITH_UPDATE);
}
END_TEST

START_TEST(mapped)
{
	beside_all(specs[_i], KITH_MMAP | KITH_UPDATE);
}
END_TEST

/* ---- other objects ---- */

struct quantizer {
	kith_pq *pq;
	const float *x;
	int asked;
};

static void call_quantizer(struct quantizer *q)
{
	uint8_t codes[4];
	float table[4 * 16], out, x[DIM];
	FAILS(kith_pq_encode(q->pq, 1, q->x, codes, 1), KITH_BUSY, "pq");
	FAILS(kith_pq_decode(q->pq, 1, codes, x), KITH_BUSY, "pq");
	FAILS(kith_pq_tables(q->pq, KITH_L2, 1, q->x, table), KITH_BUSY, "pq");
	FAILS(kith_pq_distances(q->pq, table, 1, codes, &out), KITH_BUSY, "pq");
	FAILS(kith_pq_symmetric(q->pq, 1, codes, codes, &out), KITH_BUSY, "pq");
	FAILS(kith_pq_train(q->pq, N, q->x, NULL), KITH_BUSY, "pq");
	FAILS(kith_pq_set_centroids(q->pq, q->x), KITH_BUSY, "pq");
	REQUIRE(kith_pq_dim(q->pq) == DIM && kith_pq_m(q->pq) == 4 && kith_pq_nbits(q->pq) == 4);
	REQUIRE(kith_pq_code_size(q->pq) == 2);
}

static int from_quantizer(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	(void)done;
	(void)total;
	struct quantizer *q = data;
	q->asked++;
	call_quantizer(q);
	return 0;
}

START_TEST(quantizers)
{
	struct quantizer q = {.x = make_gauss(6, N, DIM)};
	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	uint8_t codes[2];
	options.progress = from_quantizer;
	options.progress_data = &q;
	OK(kith_pq_new(&q.pq, DIM, 4, 4));
	OK(kith_pq_train(q.pq, N, q.x, &options));
	REQUIRE(q.asked);
	OK(kith_pq_encode(q.pq, 1, q.x, codes, 1));
	kith_pq_free(q.pq);
	free((float *)q.x);
}
END_TEST

static int from_feeding(void *data, const char *stage, int64_t done, int64_t total)
{
	float x[DIM] = {0}, dist[K];
	int64_t ids[K];
	kith_knn_stream *stream = *(kith_knn_stream **)data;
	(void)stage;
	(void)done;
	(void)total;
	FAILS(kith_knn_stream_get(stream, dist, ids), KITH_BUSY, "stream");
	FAILS(kith_knn_stream_feed(stream, 1, x, 0), KITH_BUSY, "stream");
	return 0;
}

START_TEST(streams)
{
	float *x = make_gauss(6, N, DIM), dist[K];
	int64_t ids[K];
	kith_knn_stream *stream;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.progress = from_feeding;
	options.progress_data = &stream;
	OK(kith_knn_stream_new(&stream, DIM, KITH_L2, KITH_F32, 1, x, K, &options));
	OK(kith_knn_stream_feed(stream, N, x, 0));
	OK(kith_knn_stream_get(stream, dist, ids));
	REQUIRE(ids[0] == 0);
	kith_knn_stream_free(stream);
	free(x);
}
END_TEST

/* Of an index that may not be changed that is told for good, even while it is being read. */
static int change_it(void *data, int64_t id)
{
	(void)id;
	FAILS(kith_index_tag_set(data, "a", "b"), KITH_INVALID, "READONLY");
	return 1;
}

START_TEST(readonly)
{
	float *x = make_gauss(6, N, DIM), dist[K];
	int64_t ids[K];
	size_t size;
	kith_index *index, *again, *around, *both[2];
	kith_search_options options = KITH_SEARCH_OPTIONS;
	index = make_index(DIM, KITH_L2, "Flat", 100, x);
	char *bytes = bytes_of(index, &size);
	OK(kith_index_from_bytes(&again, bytes, size, KITH_READONLY));
	OK(kith_filter_callback((kith_filter **)&options.filter, change_it, again));
	OK(kith_index_search(again, 1, x, K, dist, ids, &options));
	OK(kith_index_clone(&both[0], again));
	OK(kith_index_tag_set(both[0], "a", "b"));
	kith_index_free(both[0]);

	/* Nor can what is around it. */
	both[0] = again;
	both[1] = again;
	FAILS(kith_index_wrap_shards(&around, 2, both), KITH_INVALID, "one index");
	FAILS(kith_index_wrap_shards(&both[1], 2, both), KITH_INVALID, "out");
	OK(kith_index_wrap_shards(&around, 1, both));
	FAILS(kith_index_reserve(around, 10), KITH_INVALID, "READONLY");
	kith_filter_free((kith_filter *)options.filter);
	kith_index_free(around);
	kith_index_free(index);
	free(bytes);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guards");
	TCase *tcase = tcase_create("guards");
	tcase_set_timeout(tcase, 100);
	tcase_add_loop_test(tcase, unmapped, 0, SPECS);
	tcase_add_loop_test(tcase, mapped, 0, SPECS);
	tcase_add_test(tcase, quantizers);
	tcase_add_test(tcase, streams);
	tcase_add_test(tcase, readonly);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
