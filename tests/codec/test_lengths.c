/* Lengths of codes under cosine: what is kept is what decoding says, zero vectors are known, distances are
 * cosines, and a file without lengths gives the same answers. */
#include "lib/codec/codec.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 700, NQ = 12, DIM = 24, K = 40, EVERY = 50 };

/* Gaussian, every fiftieth vector zero. */
static float *make_vectors(uint64_t seed, int64_t n, bool zeros)
{
	struct rng rng = {seed};
	float *x = make(n * DIM, sizeof *x);
	for (int64_t i = 0; i < n * DIM; i++)
		x[i] = zeros && i / DIM % EVERY == 0 ? 0 : rng_gauss(&rng);
	return x;
}

static double cosine(const float *a, const float *b)
{
	double ab = 0, aa = 0, bb = 0;
	for (int j = 0; j < DIM; j++) {
		ab += (double)a[j] * (double)b[j];
		aa += (double)a[j] * (double)a[j];
		bb += (double)b[j] * (double)b[j];
	}
	return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static const char *const specs[] = {"SQ4", "SQ8", "SQ6_uniform", "SQfp16", "SQbf16", "PQ6", "PQ4x4", "PQ3x6",
    "IVF6,SQ4", "IVF6,SQ8", "IVF6_whole,SQ4", "IVF6,SQfp16", "IVF6,PQ6", "IVF6,PQ4x4", "IVF6_whole,PQ6"};
enum { SPECS = sizeof specs / sizeof *specs };

static kith_index *make_filled(const char *spec, const float *x)
{
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_COSINE, spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N / 2, x, NULL, NULL));
	OK(kith_index_add(index, N - N / 2, x + N / 2 * DIM, NULL, NULL));
	return index;
}

static bool is_zero(int64_t id)
{
	return id % EVERY == 0;
}

/* Distances are the cosines of what codes stand for, and no better one was left out. */
static void check_answers(const kith_index *index, int64_t nq, const float *q)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	float *dist = make(nq * K, sizeof *dist), *x = make(N * DIM, sizeof *x);
	int64_t *ids = make(nq * K, sizeof *ids), all[N];
	options.nprobe = 6;
	for (int64_t i = 0; i < N; i++)
		all[i] = i;
	OK(kith_index_get(index, N, all, x));
	OK(kith_index_search(index, nq, q, K, dist, ids, &options));
	for (int64_t i = 0; i < nq; i++) {
		int64_t better = 0;
		double worst = (double)dist[i * K + K - 1];
		for (int64_t j = i * K; j < (i + 1) * K; j++) {
			double want = is_zero(ids[j]) ? 0 : cosine(q + i * DIM, x + ids[j] * DIM);
			REQUIRE(fabs((double)dist[j] - want) < 1e-6);
		}
		for (int64_t id = 0; id < N; id++)
			better += (is_zero(id) ? 0 : cosine(q + i * DIM, x + id * DIM)) > worst + 1e-6;
		if (better >= K)
			ck_abort_msg(
			    "query %d of %d: %d are better than %.9g", (int)i, (int)nq, (int)better, worst);
	}
	free(dist);
	free(ids);
	free(x);
}

START_TEST(distances_are_cosines)
{
	float *x = make_vectors(1, N, true), *q = make_vectors(2, NQ, false);
	kith_index *index = make_filled(specs[_i], x), *back;
	/* Queries to which all but the zero vectors are opposite: these come first. */
	for (int64_t j = 0; j < NQ * DIM; j++)
		q[j] = j / DIM % 2 ? -fabsf(q[j]) : q[j];
	check_answers(index, NQ, q);
	for (int64_t i = 0; i < NQ; i++)
		check_answers(index, 1, q + i * DIM);
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];
	scratch_make(folder);
	scratch_path(path, folder, "x.kith");
	OK(kith_index_save(index, path));
	for (int flags = 0; flags <= KITH_MMAP; flags += KITH_MMAP) {
		OK(kith_index_open(&back, path, flags));
		check_answers(back, NQ, q);
		check_answers(back, 1, q);
		kith_index_free(back);
	}
	scratch_remove(folder);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* ---- codes alone ---- */

static struct codec *trained(const char *word, const float *x)
{
	struct codec *codec;
	if (strcmp(word, "SQ4") == 0)
		OK(codec_new_sq(&codec, DIM, true, 4, SQ_MINMAX, false));
	else if (strcmp(word, "PQ6") == 0)
		OK(codec_new_pq(&codec, DIM, true, 6, 8));
	else
		OK(codec_new_fp16(&codec, DIM, true));
	if (!codec->trained)
		OK(codec->ops->train(codec, N, x, NULL));
	return codec;
}

/* What is found by decoding all codes is what was noted when they were written. */
START_TEST(found_again)
{
	static const char *const words[] = {"SQ4", "PQ6", "SQfp16"};
	float *x = make_vectors(1, N, true), *scratch = make((int64_t)CODES_SCRATCH(DIM), sizeof *scratch);
	float *center = make_vectors(3, 1, false), *unit = make_vectors(1, N, true), noted[N];
	for (int64_t i = 0; i < N; i++)
		vector_normalize(unit + i * DIM, DIM);
	struct codec *codec = trained(words[_i / 2], unit);
	struct codes codes;
	codes_init(&codes, codec);
	for (int j = 0; j < DIM; j++)
		center[j] *= 0.02F;
	codes.center = _i % 2 ? center : NULL;
	OK(codes_reserve(&codes, N, 0));
	codes_append(&codes, KITH_F32, N, x, scratch);
	memcpy(noted, codes_inverse(&codes), sizeof noted);
	OK(codes_find_lengths(&codes, codes_rows(&codes)));
	for (int64_t i = 0; i < N; i++) {
		float y[DIM];
		double sq = 0;
		codes_read(&codes, i, y);
		for (int j = 0; j < DIM; j++)
			sq += (double)y[j] * (double)y[j];
		REQUIRE(signbit(noted[i]) || !is_zero(i));
		REQUIRE(sq == 0 || fabs(fabs((double)noted[i]) * sqrt(sq) - 1) < 1e-6);
		REQUIRE(fabsf(codes_inverse(&codes)[i]) == fabsf(noted[i]));
		/* The code of a zero vector may be any other's, too, but not that of a long one. */
		if (is_zero(i) && sq < 0.25)
			REQUIRE(!(codes_inverse(&codes)[i] > 0));
		if (sq > 0.25)
			REQUIRE(codes_inverse(&codes)[i] > 0);
	}
	codes_free(&codes);
	codec_free(codec);
	free(x);
	free(unit);
	free(center);
	free(scratch);
}
END_TEST

/* Other metrics keep none. */
START_TEST(only_under_cosine)
{
	float *x = make_vectors(1, N, true);
	for (int metric = KITH_L2; metric <= KITH_COSINE; metric++) {
		kith_index *index;
		OK(kith_index_new(&index, DIM, (kith_metric)metric, "SQ8"));
		OK(kith_index_train(index, N, x, NULL));
		OK(kith_index_reserve(index, N));
		size_t empty = kith_index_memory(index);
		OK(kith_index_reserve(index, 3 * N));
		size_t more = kith_index_memory(index) - empty;
		size_t each = (size_t)DIM + sizeof(int64_t) + (metric == KITH_COSINE ? sizeof(float) : 0);
		REQUIRE(more <= 2 * N * each + 4096);
		REQUIRE(metric != KITH_COSINE || more >= 2 * N * (DIM + sizeof(float)));
		kith_index_free(index);
	}
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lengths");
	TCase *t = tcase_create("lengths");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, distances_are_cosines, 0, SPECS);
	tcase_add_loop_test(t, found_again, 0, 6);
	tcase_add_test(t, only_under_cosine);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
