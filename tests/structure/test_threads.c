/* The same seed gives the same index whatever the threads: the bytes that are saved, of every structure with
 * every codec under every wrapper. */
#include "tests/structure/common.h"
#include "tests/support/bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1300, DIM = 16 };

static const char *const codecs[] = {"Flat", "SQ8_direct", "SQ8_direct_signed", "SQfp16", "SQbf16", "SQ8",
    "SQ6", "SQ4", "SQ8_uniform", "SQ6_quantile", "SQ4_uniform_quantile", "PQ4", "PQ8x4", "PQ2x9", "RaBitQ",
    "RaBitQ5"};
enum { CODECS = sizeof codecs / sizeof *codecs };

/* %s: a codec. */
static const char *const structures[] = {"%s", "IVF9,%s", "IVF9_HNSW2,%s", "HNSW4,%s"};
enum { STRUCTURES = sizeof structures / sizeof *structures };

/* %s: a structure with a codec. A transform gives floats, so byte vectors have only the first two; graphs
 * take their time and have one. */
static const char *const wrappers[] = {"%s", "Shards2(%s)", "%s,RFlat", "%s,Refine(SQ8)", "PCAR8,%s",
    "PCAW8,%s", "OPQ4,%s", "RR16,%s", "L2norm,%s", "Pad24,%s", "PCA8,(%s,RFlat)"};
enum { WRAPPERS = sizeof wrappers / sizeof *wrappers };

/* A part of the vectors at a time: what is added later meets blocks that are half full. */
static struct bytes build(const char *spec, int threads, const float *x)
{
	kith_index *index;
	kith_add_options options = KITH_ADD_OPTIONS;
	options.threads = threads;
	options.seed = 5;
	OK(kith_index_new(&index, DIM, KITH_L2, spec));
	OK(kith_index_train(index, N, x, &options));
	OK(kith_index_add(index, N / 3, x, NULL, &options));
	OK(kith_index_add(index, N - N / 3, x + N / 3 * DIM, NULL, &options));
	struct bytes b = saved_bytes(index);
	kith_index_free(index);
	return b;
}

START_TEST(same_bytes)
{
	static const int threads[] = {2, 8};
	bool bytes = strncmp(codecs[_i], "SQ8_direct", 10) == 0;
	float *x = make_cloud(3, N, DIM, 9);
	for (int64_t i = 0; i < N * DIM; i++)
		x[i] = fminf(127, fmaxf(0, roundf(60 + 12 * x[i])));
	for (int s = 0; s < STRUCTURES; s++)
		for (int w = 0; w < (s >= 2 ? 1 : bytes ? 2 : WRAPPERS); w++) {
			char inner[64], spec[96];
			snprintf(inner, sizeof inner, structures[s], codecs[_i]);
			snprintf(spec, sizeof spec, wrappers[w], inner);
			struct bytes want = build(spec, 1, x);
			for (size_t t = sanitized; t < sizeof threads / sizeof *threads; t++) {
				struct bytes got = build(spec, threads[t], x);
				if (got.n != want.n || memcmp(got.data, want.data, got.n) != 0)
					ck_abort_msg("%s: other bytes with %d threads", spec, threads[t]);
				free(got.data);
			}
			free(want.data);
		}
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("threads");
	TCase *t = tcase_create("threads");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, same_bytes, 0, CODECS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
