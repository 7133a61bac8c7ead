/* Real data, where it is at hand: SIFT descriptors and their published neighbours.
 *
 * The folder is $KITH_DATA, or shared/data beside the source tree; without it the suite is skipped. The
 * ground truth names some order among equal distances, so where ids differ the distances must be equal. The
 * vectors are bytes: every distance is an exact integer.
 */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIM = 128, TRUTH = 100, SKIPPED = 77 };

static const char *data_path(const char *name)
{
	static char paths[4][1024];
	static int next;
	char *path = paths[next++ % 4];
	const char *folder = getenv("KITH_DATA"), *root = getenv("KITH_SOURCE_ROOT");
	if (folder && *folder)
		snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	else
		snprintf(path, sizeof paths[0], "%s/../shared/data/%s", root ? root : ".", name);
	return path;
}

static void *read_all(const char *name, kith_type type, int64_t *n, int64_t max)
{
	kith_vecs *vecs;
	kith_vecs_info info = {.size = sizeof info};
	OK(kith_vecs_open(&vecs, data_path(name)));
	OK(kith_vecs_info_get(vecs, &info));
	*n = info.n < max ? info.n : max;
	void *x = make(*n * info.dim, kith_type_size(type));
	OK(kith_vecs_read(vecs, 0, *n, type, x));
	kith_vecs_close(vecs);
	return x;
}

/* Neighbour `rank` of the truth is row `row`, at distance dist. */
static void check_neighbour(
    const char *name, int64_t query, int64_t rank, int64_t got, float dist, int64_t want, float want_dist)
{
	if (dist != want_dist)
		ck_abort_msg("%s: query %lld, rank %lld: id %lld at %g, not id %lld at %g", name,
		    (long long)query, (long long)rank, (long long)got, (double)dist, (long long)want,
		    (double)want_dist);
}

static float l2sq(const float *a, const float *b)
{
	float sum = 0; /* below 2^24: exact */
	for (int j = 0; j < DIM; j++)
		sum += (a[j] - b[j]) * (a[j] - b[j]);
	return sum;
}

START_TEST(siftsmall)
{
	int64_t n, nq, nt;
	float *x = read_all("siftsmall/base.fvecs", KITH_F32, &n, INT64_MAX);
	float *q = read_all("siftsmall/query.fvecs", KITH_F32, &nq, INT64_MAX);
	int32_t *truth = read_all("siftsmall/groundtruth.ivecs", KITH_I32, &nt, INT64_MAX);
	float *dist = make(nq * TRUTH, sizeof *dist);
	int64_t *ids = make(nq * TRUTH, sizeof *ids);
	REQUIRE(n == 10000 && nq == 100 && nt == 100);
	kith_index *index = make_index(DIM, KITH_L2, _i ? "SQ8_direct" : "Flat", n, x);
	OK(kith_index_search(index, nq, q, TRUTH, dist, ids, NULL));
	for (int64_t i = 0; i < nq * TRUTH; i++) {
		int64_t query = i / TRUTH, want = truth[i];
		check_neighbour("siftsmall", query, i % TRUTH, ids[i], dist[i], want,
		    l2sq(q + query * DIM, x + want * DIM));
		REQUIRE(dist[i] == l2sq(q + query * DIM, x + ids[i] * DIM));
		REQUIRE(i % TRUTH == 0 || dist[i - 1] < dist[i] || ids[i - 1] < ids[i]);
	}
	kith_index_free(index);
	free(ids);
	free(dist);
	free(truth);
	free(q);
	free(x);
}
END_TEST

/* A million bytes vectors, from the map, as a stream. */
START_TEST(sift1m)
{
	enum { NQ = 200 };
	int64_t nq = sanitized ? 20 : NQ, nt;
	uint8_t *q = read_all("sift1m/query.bvecs", KITH_U8, &nq, nq);
	int32_t *truth = read_all("sift1m/groundtruth.ivecs", KITH_I32, &nt, nq);
	float *truth_dist = read_all("sift1m/groundtruth_dist.fvecs", KITH_F32, &nt, nq);
	float *dist = make(nq * TRUTH, sizeof *dist);
	int64_t *ids = make(nq * TRUTH, sizeof *ids);
	kith_vecs *vecs;
	kith_vecs_info info = {.size = sizeof info};
	OK(kith_vecs_open(&vecs, data_path("sift1m/base.bvecs")));
	OK(kith_vecs_info_get(vecs, &info));
	kith_knn_stream *stream;
	OK(kith_knn_stream_new(&stream, DIM, KITH_L2, KITH_U8, nq, q, TRUTH, NULL));
	for (int64_t at = 0, n; at < info.n; at += n) {
		const void *rows;
		size_t stride;
		n = info.n - at < 300001 ? info.n - at : 300001;
		OK(kith_vecs_map(vecs, at, n, &rows, &stride));
		OK(kith_knn_stream_feed(stream, n, rows, stride));
		kith_vecs_drop(vecs);
	}
	OK(kith_knn_stream_get(stream, dist, ids));
	for (int64_t i = 0; i < nq * TRUTH; i++) {
		check_neighbour("sift1m", i / TRUTH, i % TRUTH, ids[i], dist[i], truth[i], truth_dist[i]);
		/* This truth is ordered by (distance, id); only its last places may go either way. */
		REQUIRE(ids[i] == truth[i] || dist[i] == truth_dist[i / TRUTH * TRUTH + TRUTH - 1]);
	}
	kith_knn_stream_free(stream);
	kith_vecs_close(vecs);
	free(ids);
	free(dist);
	free(truth_dist);
	free(truth);
	free(q);
}
END_TEST

int main(void)
{
	bool small = access(data_path("siftsmall/base.fvecs"), R_OK) == 0;
	bool big = access(data_path("sift1m/base.bvecs"), R_OK) == 0;
	if (!small && !big)
		return SKIPPED;
	Suite *suite = suite_create("real");
	TCase *t = tcase_create("real");
	tcase_set_timeout(t, 600);
	if (small)
		tcase_add_loop_test(t, siftsmall, 0, 2);
	if (big)
		tcase_add_test(t, sift1m);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
