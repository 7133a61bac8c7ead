/* fp16 and bf16: what of a vector stays. (What every codec does is in test_all.c.) */
#include "lib/codec/codec.h"
#include "tests/support/support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FP16, BF16 };

static struct codec *new_codec(int kind, int64_t dim, bool cosine)
{
	struct codec *codec;
	OK((kind == FP16 ? codec_new_fp16 : codec_new_bf16)(&codec, dim, cosine));
	REQUIRE(codec->trained && !codec->ops->train);
	REQUIRE(codec->ops->row_bytes(codec) == (size_t)dim * 2);
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
	double most = _i == FP16 ? 0x1p-11 : 0x1p-8;
	for (int64_t i = 0; i < N; i++) {
		codec->ops->decode(codec, codes + i * DIM * 2, back);
		for (int64_t j = 0; j < DIM; j++) {
			double v = (double)x[i * DIM + j];
			if (fabs(v) > 0x1p-14)
				REQUIRE(fabs((double)back[j] - v) <= most * fabs(v));
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
	OK(codec->ops->check(DIM, KITH_U8, N, u8));
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
	FAILS(codec->ops->check(3, KITH_F32, 2, x), KITH_INVALID, "vector 1, component 1");
	OK(codec->ops->check(3, KITH_F32, 1, x));
	codec_free(codec);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("half");
	TCase *t = tcase_create("half");
	tcase_add_test(t, known_values);
	tcase_add_loop_test(t, relative_error, 0, 2);
	tcase_add_loop_test(t, bytes_are_exact, 0, 2);
	tcase_add_loop_test(t, only_finite, 0, 2);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
