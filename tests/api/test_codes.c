/* Codes on their own: what an index keeps of a vector is what the calls make of it. */
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 16, N = 2500 };

static float *x;

static void begin(void)
{
	x = make_gauss(5, N, DIM);
}

static void end(void)
{
	free(x);
}

static kith_index *filled(const char *spec, kith_metric metric)
{
	kith_index *index;
	OK(kith_index_new(&index, DIM, metric, spec));
	if (!kith_index_trained(index))
		OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	return index;
}

/* Vectors that come back from their codes are those that the index gives. */
static void check_spec(const char *spec, size_t size)
{
	kith_index *index = filled(spec, KITH_L2);
	float *kept = malloc(sizeof *kept * N * DIM), *back = malloc(sizeof *back * N * DIM);
	uint8_t *codes = malloc(N * size + 1);
	int64_t ids[N];
	for (int64_t i = 0; i < N; i++)
		ids[i] = i;
	ck_assert_msg(
	    kith_index_code_size(index) == size, "%s: %zu bytes", spec, kith_index_code_size(index));
	/* Codes may begin anywhere. */
	OK(kith_index_encode(index, N, x, codes + 1));
	OK(kith_index_decode(index, N, codes + 1, back));
	OK(kith_index_get(index, N, ids, kept));
	ck_assert_msg(memcmp(kept, back, sizeof *kept * N * DIM) == 0, "%s", spec);
	OK(kith_index_encode(index, 0, NULL, NULL));
	OK(kith_index_decode(index, 0, NULL, NULL));
	free(kept);
	free(back);
	free(codes);
	kith_index_free(index);
}

START_TEST(stored_vectors)
{
	static const struct {
		const char *spec;
		size_t size;
	} cases[] = {{"Flat", 4 * DIM}, {"SQ8", DIM}, {"SQ6", DIM * 6 / 8}, {"SQ4", DIM / 2},
	    {"SQfp16", 2 * DIM}, {"SQbf16", 2 * DIM}, {"PQ4", 4}, {"PQ8x4", 4}, {"PQ4x6", 3},
	    {"IVF4,Flat", 4 * DIM}, {"HNSW8", 4 * DIM}, {"HNSW8,SQ8", DIM}, {"HNSW8,PQ4", 4}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check_spec(cases[i].spec, cases[i].size);
}
END_TEST

/* Of an inverted file over residuals: with what is added back, as near as the codec is. */
START_TEST(residuals)
{
	kith_index *index = filled("IVF4,SQ8", KITH_L2);
	float *back = malloc(sizeof *back * N * DIM);
	uint8_t *codes = malloc(N * DIM);
	OK(kith_index_encode(index, N, x, codes));
	OK(kith_index_decode(index, N, codes, back));
	int64_t near = 0;
	for (int64_t i = 0; i < N * DIM; i++)
		near += fabsf(x[i] - back[i]) < 0.05f;
	/* Beyond the range of residuals values are cut off. */
	ck_assert_int_gt(near, N * DIM * 9 / 10);
	free(back);
	free(codes);
	kith_index_free(index);
}
END_TEST

START_TEST(bytes_and_cosine)
{
	kith_index *index;
	float small[DIM], back[DIM];
	uint8_t codes[4 * DIM];
	for (int i = 0; i < DIM; i++)
		small[i] = (float)(i * 3);
	OK(kith_index_new(&index, DIM, KITH_L2, "SQ8_direct"));
	ck_assert_uint_eq(kith_index_code_size(index), DIM);
	OK(kith_index_encode(index, 1, small, codes));
	ck_assert(codes[5] == 15);
	OK(kith_index_decode(index, 1, codes, back));
	ck_assert(memcmp(back, small, sizeof back) == 0);
	small[3] = 0.5f;
	FAILS(kith_index_encode(index, 1, small, codes), KITH_INVALID, "component 3");
	kith_index_free(index);
	OK(kith_index_new(&index, DIM, KITH_COSINE, "Flat"));
	OK(kith_index_encode(index, 1, small, codes));
	OK(kith_index_decode(index, 1, codes, back));
	double nsq = 0;
	for (int i = 0; i < DIM; i++)
		nsq += (double)back[i] * (double)back[i];
	ck_assert(fabs(nsq - 1) < 1e-6);
	kith_index_free(index);
}
END_TEST

START_TEST(refusals)
{
	kith_index *index;
	float one[DIM] = {0};
	uint8_t codes[4 * DIM];
	OK(kith_index_new(&index, DIM, KITH_L2, "PQ4"));
	ck_assert_uint_eq(kith_index_code_size(index), 4);
	FAILS(kith_index_encode(index, 1, one, codes), KITH_UNTRAINED, "PQ4");
	FAILS(kith_index_decode(index, 1, codes, one), KITH_UNTRAINED, "PQ4");
	kith_index_free(index);
	index = filled("PCA8,SQ8", KITH_L2);
	ck_assert_uint_eq(kith_index_code_size(index), 0);
	FAILS(kith_index_encode(index, 1, one, codes), KITH_UNSUPPORTED, "kith_index_part");
	ck_assert_uint_eq(kith_index_code_size(kith_index_part(index, 1)), 8);
	OK(kith_index_encode(kith_index_part(index, 1), 1, one, codes));
	kith_index_free(index);
	index = filled("SQ8", KITH_L2);
	one[2] = NAN;
	FAILS(kith_index_encode(index, 1, one, codes), KITH_INVALID, "component 2");
	FAILS(kith_index_encode(index, -1, x, codes), KITH_INVALID, "x");
	FAILS(kith_index_encode(index, 1, NULL, codes), KITH_INVALID, "x is NULL");
	FAILS(kith_index_encode(index, 1, x, NULL), KITH_INVALID, "codes is NULL");
	FAILS(kith_index_decode(index, 1, NULL, one), KITH_INVALID, "codes is NULL");
	FAILS(kith_index_decode(index, 1, codes, NULL), KITH_INVALID, "x is NULL");
	FAILS(kith_index_encode(NULL, 1, x, codes), KITH_INVALID, "index is NULL");
	FAILS(kith_index_decode(NULL, 1, codes, one), KITH_INVALID, "index is NULL");
	ck_assert_uint_eq(kith_index_code_size(NULL), 0);
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("codes");
	TCase *tcase = tcase_create("codes");
	tcase_add_unchecked_fixture(tcase, begin, end);
	tcase_add_test(tcase, stored_vectors);
	tcase_add_test(tcase, residuals);
	tcase_add_test(tcase, bytes_and_cosine);
	tcase_add_test(tcase, refusals);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
