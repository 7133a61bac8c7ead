/* fp16 and bf16: what of a vector stays. (What every codec does is in test_all.c.) */
#include "lib/codec/codec.h"
#include "tests/support/bytes.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FP16, BF16 };

static struct codec *new_codec(int kind, int64_t dim, bool cosine)
{
	struct codec *codec;
	OK((kind == FP16 ? codec_new_fp16 : codec_new_bf16)(&codec, dim, cosine));
	REQUIRE(codec->trained && !codec->ops->train);
	REQUIRE(codec->row_bytes == (size_t)dim * 2);
	return codec;
}

static float round_trip(int kind, float x)
{
	uint8_t code[2];
	float back;
	struct codec *codec = new_codec(kind, 1, false);
	codec->ops->encode(codec, 1, &x, code);
	codec->ops->decode(codec, code, &back);
	codec_free(codec);
	return back;
}

START_TEST(known_values)
{
	static const struct {
		float x, fp16, bf16;
	} known[] = {
	    {0, 0, 0},
	    {1, 1, 1},
	    {-2.5f, -2.5f, -2.5f},
	    {1 + 0x1p-11f, 1, 1},                    /* tie: to even */
	    {1 + 0x3p-11f, 1 + 0x2p-10f, 1},         /* tie: to even, upwards */
	    {1 + 0x1p-8f, 1 + 0x1p-8f, 1},           /* tie of bf16 */
	    {1 + 0x3p-8f, 1 + 0x3p-8f, 1 + 0x1p-6f}, /* likewise, upwards */
	    {65504, 65504, 65536},                   /* the largest fp16 */
	    {65519, 65504, 65536},
	    {65520, 65504, 65536}, /* what would be infinite */
	    {-1e30f, -65504, -0x1.94p99f},
	    {0x1p-24f, 0x1p-24f, 0x1p-24f}, /* the least fp16 */
	    {0x1p-25f, 0, 0x1p-25f},        /* tie: to zero */
	    {0x1.8p-25f, 0x1p-24f, 0x1.8p-25f},
	    {FLT_MAX, 65504, 0x1.fep127f}, /* would be infinite in bf16 */
	    {-FLT_MAX, -65504, -0x1.fep127f},
	    {0x1p-149f, 0, 0},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		float fp16 = round_trip(FP16, known[i].x), bf16 = round_trip(BF16, known[i].x);
		if (fp16 != known[i].fp16 || bf16 != known[i].bf16)
			ck_abort_msg("%a becomes %a and %a, not %a and %a", (double)known[i].x, (double)fp16,
			    (double)bf16, (double)known[i].fp16, (double)known[i].bf16);
	}
}
END_TEST

/* Relative error of at most 2^-12 (2^-9) where halves are normal. */
START_TEST(relative_error)
{
	enum { N = 200, DIM = 37 };
	float *x = make_gauss(1, N, DIM), back[DIM];
	uint8_t *codes = make(N, DIM * 2);
	struct codec *codec = new_codec(_i, DIM, false);
	codec->ops->encode(codec, N, x, codes);
	double max = _i == FP16 ? 0x1p-11 : 0x1p-8;
	for (int64_t i = 0; i < N; i++) {
		codec->ops->decode(codec, codes + i * DIM * 2, back);
		for (int64_t j = 0; j < DIM; j++) {
			double v = (double)x[i * DIM + j];
			if (fabs(v) > 0x1p-14)
				REQUIRE(fabs((double)back[j] - v) <= max * fabs(v));
		}
	}
	codec_free(codec);
	free(codes);
	free(x);
}
END_TEST

/* Bytes are small integers, which halves keep exactly (bf16 up to 256). */
START_TEST(bytes_are_exact)
{
	enum { N = 16, DIM = 16 };
	uint8_t u8[N * DIM];
	float back[DIM], *scratch = make((int64_t)CODES_SCRATCH(DIM), sizeof *scratch);
	for (int i = 0; i < N * DIM; i++)
		u8[i] = (uint8_t)i;
	struct codec *codec = new_codec(_i, DIM, false);
	struct codes codes;
	codes_init(&codes, codec);
	OK(codec_check(codec, KITH_U8, N, u8));
	OK(codes_reserve(&codes, N, 0));
	codes_append(&codes, KITH_U8, N, u8, scratch);
	for (int i = 0; i < N; i++) {
		codes_read(&codes, i, back);
		for (int j = 0; j < DIM; j++)
			REQUIRE(back[j] == (float)(i * DIM + j));
	}
	codes_free(&codes);
	codec_free(codec);
	free(scratch);
}
END_TEST

START_TEST(only_finite)
{
	float x[6] = {1, 2, 3, 4, NAN, 6};
	struct codec *codec = new_codec(_i, 3, false);
	FAILS(codec_check(codec, KITH_F32, 2, x), KITH_INVALID, "vector 1, component 1");
	OK(codec_check(codec, KITH_F32, 1, x));
	codec_free(codec);
}
END_TEST

/* ---- what fp16 cannot hold ---- */

enum { N = 400, DIM = 6 };

/* The index refuses vector 1 of x by name, whole, and takes what bf16 takes. */
static void check_refusal(
    const char *spec, kith_metric metric, const float *train, const float *x, const char *word)
{
	int64_t ids[2] = {3, 4};
	kith_index *index;
	OK(kith_index_new(&index, DIM, metric, spec));
	OK(kith_index_train(index, N, train, NULL));
	OK(kith_index_add(index, N, train, NULL, NULL));
	struct bytes before = saved_bytes(index);
	FAILS(kith_index_add(index, 2, x, NULL, NULL), KITH_INVALID, word);
	REQUIRE(strstr(kith_last_error(), "vector 1, component ") && strstr(kith_last_error(), "SQbf16"));
	FAILS(kith_index_update(index, 2, x, ids), KITH_INVALID, word);
	struct bytes after = saved_bytes(index);
	REQUIRE(before.n == after.n && memcmp(before.data, after.data, after.n) == 0);
	OK(kith_index_add(index, 1, x, NULL, NULL));
	kith_index_free(index);
	free(before.data);
	free(after.data);
}

START_TEST(beyond_the_range)
{
	float *train = make_gauss(5, N, DIM), x[2 * DIM] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 65505, 11, 12};
	check_refusal("SQfp16", KITH_L2, train, x, "vector 1, component 3 is 65505");
	check_refusal("HNSW8,SQfp16", KITH_IP, train, x, "vector 1, component 3 is 65505");
	check_refusal("Flat,Refine(SQfp16)", KITH_L2, train, x, "vector 1, component 3 is 65505");
	check_refusal("IVF4,SQfp16", KITH_L2, train, x, "less its centroid");
	check_refusal("IVF4,SQfp16", KITH_IP, train, x, "less its centroid");
	for (int64_t j = DIM; j < 2 * DIM; j++)
		x[j] = j % 2 ? -60000 : 60000; /* fits, but not turned */
	check_refusal("RR6,SQfp16", KITH_L2, train, x, "after 'RR6'");
	check_refusal("RR6,HNSW8,SQfp16", KITH_L2, train, x, "after 'RR6'");
	x[DIM] = -1e30f;
	check_refusal("PCA4,SQfp16", KITH_L2, train, x, "after 'PCA4'");
	free(train);
}
END_TEST

/* A vector that fits is refused where what is kept of it does not. */
START_TEST(residuals_beyond_the_range)
{
	float *train = make_gauss(6, N, DIM);
	for (int64_t i = 0; i < N; i++)
		train[i * DIM] = (i % 2 ? 60000.0F : 59990.0F) + train[i * DIM];
	float x[2 * DIM] = {60000, 0, 0, 0, 0, 0, -60000, 0, 0, 0, 0, 0};
	check_refusal(
	    "IVF2,SQfp16", KITH_L2, train, x, "component 0 is -60000 and, less its centroid, is -1");
	free(train);
}
END_TEST

/* At the ends, and where the values that are kept are others: unit length under cosine, a near centroid. */
START_TEST(within_the_range)
{
	float x[2 * DIM] = {65504, -65504, 0, 1, 2, 3, 1, 2, 3, 4, 5, 6}, back[DIM];
	int64_t first = 0;
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, "SQfp16"));
	OK(kith_index_add(index, 2, x, NULL, NULL));
	OK(kith_index_get(index, 1, &first, back));
	REQUIRE(memcmp(back, x, sizeof back) == 0);
	kith_index_free(index);
	x[0] = 1e20f;
	OK(kith_index_new(&index, DIM, KITH_COSINE, "SQfp16"));
	OK(kith_index_add(index, 2, x, NULL, NULL));
	kith_index_free(index);
	float far[4 * DIM] = {1e6f, 0, 0, 0, 0, 0, 1e6f, 0, 0, 0, 0, 1, 0, 1e6f, 0, 0, 0, 0, 1, 1e6f};
	OK(kith_index_new(&index, DIM, KITH_L2, "IVF2,SQfp16"));
	OK(kith_index_train(index, 4, far, NULL));
	OK(kith_index_add(index, 4, far, NULL, NULL));
	kith_index_free(index);
}
END_TEST

/* FAISS rounds what is beyond the range to infinity. */
START_TEST(infinities_of_faiss)
{
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];
	float x[DIM] = {60000, 60000, 60000, 60000, 60000, 60000};
	const uint16_t half = 0x7b53, infinity = 0x7c00; /* 60000 */
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, "SQfp16"));
	OK(kith_index_add(index, 1, x, NULL, NULL));
	scratch_make(folder);
	scratch_path(path, folder, "x.faiss");
	OK(kith_index_export_faiss(index, path));
	kith_index_free(index);
	FILE *file = fopen(path, "r+b");
	REQUIRE(file);
	long at = 0;
	uint16_t found;
	do {
		REQUIRE(fseek(file, at, SEEK_SET) == 0 && fread(&found, sizeof found, 1, file) == 1);
	} while (found != half && ++at);
	REQUIRE(fseek(file, at, SEEK_SET) == 0 && fwrite(&infinity, sizeof infinity, 1, file) == 1);
	fclose(file);
	FAILS(kith_index_import_faiss(&index, path, NULL), KITH_FORMAT, "infinity; use SQbf16");
	scratch_remove(folder);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("half");
	TCase *t = tcase_create("half");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, known_values);
	tcase_add_loop_test(t, relative_error, 0, 2);
	tcase_add_loop_test(t, bytes_are_exact, 0, 2);
	tcase_add_loop_test(t, only_finite, 0, 2);
	tcase_add_test(t, beyond_the_range);
	tcase_add_test(t, residuals_beyond_the_range);
	tcase_add_test(t, within_the_range);
	tcase_add_test(t, infinities_of_faiss);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
