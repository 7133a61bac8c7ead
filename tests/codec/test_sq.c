/* Scalar quantisers: ranges, cells and clipping. (What every codec does is in test_all.c.) */
#include "lib/codec/sq.h"
#include "tests/support/support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int widths[] = {8, 6, 4};

static struct codec *new_codec(int64_t dim, int bits, enum sq_range range, bool uniform)
{
	struct codec *codec;
	OK(codec_new_sq(&codec, dim, false, bits, range, uniform));
	REQUIRE(codec->row_bytes == (size_t)(dim * bits + 7) / 8);
	return codec;
}

static struct sq_ranges ranges_of(const struct codec *codec)
{
	struct sq_ranges ranges;
	REQUIRE(codec_sq_ranges(codec, &ranges));
	return ranges;
}

/* x as it comes back; returns its code. */
static void round_trip(const struct codec *codec, float *x, uint8_t *code, float *back)
{
	codec->ops->encode(codec, 1, x, code);
	codec->ops->decode(codec, code, back);
}

static int code_at(const uint8_t *row, int64_t i, int bits)
{
	int code = 0;
	for (int b = 0; b < bits; b++)
		code |= (row[(i * bits + b) / 8] >> (i * bits + b) % 8 & 1) << b;
	return code;
}

/* The rule of FAISS: code = ⌊(x − vmin) / vdiff · top⌋, and back vmin + (code + 1/2) / top · vdiff; half a
 * step away at most inside the range, clipped outside. */
START_TEST(cells)
{
	static const int64_t dims[] = {1, 2, 3, 7, 8, 15, 16, 33, 100, 129};
	enum { N = 300 };
	int bits = widths[_i % 3], top = (1 << bits) - 1;
	for (int d = 0; d < 10; d++) {
		int64_t dim = dims[d];
		float *x = make_gauss((uint64_t)dim, 2 * N, dim), back[129];
		uint8_t code[129];
		struct codec *codec = new_codec(dim, bits, SQ_MINMAX, _i >= 3);
		OK(codec->ops->train(codec, N, x, NULL));
		struct sq_ranges r = ranges_of(codec);
		REQUIRE(r.bits == bits && r.uniform == (_i >= 3));
		for (int64_t i = 0; i < 2 * N * dim; i++) {
			int64_t j = i % dim;
			double low = (double)r.low[j], diff = (double)r.diff[j], step = diff / top,
			       v = (double)x[i];
			if (j == 0)
				round_trip(codec, x + i, code, back);
			int c = code_at(code, j, bits);
			double clipped = fmin(fmax(v, low), low + diff), rounding = 1e-6 * (fabs(low) + diff);
			REQUIRE(i >= N * dim || fabs(clipped - v) <= rounding);
			REQUIRE(fabs((double)back[j] - clipped) <= step / 2 + rounding);
			REQUIRE(fabs((double)back[j] - (low + (c + 0.5) / top * diff)) <= rounding);
			double t = (clipped - low) / diff * top;
			REQUIRE(c <= t + 1e-3 && c >= t - 1 - 1e-3);
		}
		codec_free(codec);
		free(x);
	}
}
END_TEST

START_TEST(minmax_is_least_and_greatest)
{
	enum { N = 100, DIM = 5 };
	float *x = make_gauss(3, N, DIM), min = x[0], max = x[0];
	struct codec *each = new_codec(DIM, 8, SQ_MINMAX, false), *all = new_codec(DIM, 8, SQ_MINMAX, true);
	OK(each->ops->train(each, N, x, NULL));
	OK(all->ops->train(all, N, x, NULL));
	for (int64_t j = 0; j < DIM; j++) {
		float low = x[j], high = x[j];
		for (int64_t i = 0; i < N; i++) {
			low = fminf(low, x[i * DIM + j]);
			high = fmaxf(high, x[i * DIM + j]);
		}
		REQUIRE(ranges_of(each).low[j] == low && ranges_of(each).diff[j] == high - low);
		min = fminf(min, low);
		max = fmaxf(max, high);
	}
	for (int64_t j = 0; j < DIM; j++)
		REQUIRE(ranges_of(all).low[j] == min && ranges_of(all).diff[j] == max - min);
	codec_free(each);
	codec_free(all);
	free(x);
}
END_TEST

/* Equal vectors come back exactly; so does what lies outside of the point. */
START_TEST(points)
{
	enum { DIM = 9 };
	float x[3 * DIM], far[DIM], back[DIM];
	uint8_t code[DIM];
	for (int i = 0; i < 3 * DIM; i++)
		x[i] = (float)(i % DIM) * 1.1f - 3;
	for (int64_t n = 1; n <= 3; n += 2)
		for (int w = 0; w < 3; w++) {
			struct codec *codec = new_codec(DIM, widths[w], (enum sq_range)(n / 2), false);
			OK(codec->ops->train(codec, n, x, NULL));
			round_trip(codec, x, code, back);
			REQUIRE(!memcmp(back, x, sizeof back));
			for (int j = 0; j < DIM; j++)
				far[j] = j % 2 ? 1e30f : -1e30f;
			round_trip(codec, far, code, back);
			REQUIRE(!memcmp(back, x, sizeof back));
			codec_free(codec);
		}
}
END_TEST

/* Outliers, one in a thousand, do not widen the cells of the others. */
START_TEST(quantiles_ignore_outliers)
{
	enum { N = 200000, DIM = 3 };
	bool uniform = _i;
	float *x = make_gauss(5, N, DIM);
	for (int64_t i = 0; i < N; i += 1000)
		for (int64_t j = 0; j < DIM; j++)
			x[i * DIM + j] = i % 2000 ? 1e6f : -1e6f;
	struct codec *codec = new_codec(DIM, 4, SQ_QUANTILE, uniform);
	OK(codec->ops->train(codec, N, x, NULL));
	struct sq_ranges r = ranges_of(codec);
	for (int64_t j = 0; j < DIM; j++) {
		REQUIRE(r.low[j] > -4 && r.low[j] < -2);
		REQUIRE(r.low[j] + r.diff[j] > 2 && r.low[j] + r.diff[j] < 4);
	}
	codec_free(codec);
	free(x);
}
END_TEST

/* More values than a quantile is taken of: a sample of the vectors. */
START_TEST(quantiles_of_many)
{
	enum { DIM = 2 };
	int64_t n = sanitized ? 100000 : 5000000;
	float *x = make(n * DIM, sizeof *x);
	for (int64_t i = 0; i < n * DIM; i++)
		x[i] = (float)(i * 7919 % 100003) / 100003;
	struct codec *codec = new_codec(DIM, 4, SQ_QUANTILE, _i);
	OK(codec->ops->train(codec, n, x, NULL));
	struct sq_ranges r = ranges_of(codec);
	for (int64_t j = 0; j < DIM; j++)
		REQUIRE(fabsf(r.low[j] - 1 / 256.0f) < 1e-3f && fabsf(r.diff[j] - 254 / 256.0f) < 2e-3f);
	codec_free(codec);
	free(x);
}
END_TEST

/* Ranges as wide as floats go: everything stays finite. */
START_TEST(extremes)
{
	static float x[] = {-FLT_MAX, 1e-45f, 3, FLT_MAX, FLT_MAX, -1e-45f, 3, FLT_MAX};
	float back[4];
	uint8_t code[4];
	for (int w = 0; w < 6; w++) {
		struct codec *codec = new_codec(4, widths[w % 3], SQ_MINMAX, w >= 3);
		OK(codec->ops->train(codec, 2, x, NULL));
		struct sq_ranges r = ranges_of(codec);
		for (int i = 0; i < 2; i++) {
			round_trip(codec, x + 4 * i, code, back);
			for (int j = 0; j < 4; j++)
				REQUIRE(isfinite(back[j]) && isfinite(r.low[j]) && isfinite(r.diff[j]));
		}
		codec_free(codec);
	}
}
END_TEST

START_TEST(given_ranges)
{
	float low[2] = {-1, 0}, diff[2] = {2, 255}, x[2] = {0.5f, 17.25f}, back[2];
	uint8_t code[2];
	struct codec *codec = new_codec(2, 8, SQ_MINMAX, false);
	OK(codec_sq_set_ranges(codec, low, diff));
	REQUIRE(codec->trained);
	round_trip(codec, x, code, back);
	REQUIRE(code[0] == 191 && code[1] == 17 && back[1] == 17.5f);
	static const float bad[][2] = {{NAN, 1}, {0, INFINITY}, {0, -1}, {3e38f, 1e38f}};
	for (int i = 0; i < 4; i++) {
		float bad_low[2] = {0, bad[i][0]}, bad_diff[2] = {1, bad[i][1]};
		FAILS(codec_sq_set_ranges(codec, bad_low, bad_diff), KITH_INVALID, "element 1");
		REQUIRE(ranges_of(codec).diff[1] == 255);
	}
	codec_free(codec);
}
END_TEST

START_TEST(refused)
{
	struct codec *codec;
	FAILS(codec_new_sq(&codec, 4, false, 5, SQ_MINMAX, false), KITH_INVALID, "5");
	codec = new_codec(4, 8, SQ_MINMAX, false);
	FAILS(codec->ops->train(codec, 0, NULL, NULL), KITH_INVALID, "n is 0");
	REQUIRE(!codec->trained);
	codec_free(codec);
	OK(codec_new_fp16(&codec, 4, false));
	REQUIRE(!codec_sq_ranges(codec, NULL));
	codec_free(codec);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sq");
	TCase *t = tcase_create("sq");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, cells, 0, 6);
	tcase_add_test(t, minmax_is_least_and_greatest);
	tcase_add_test(t, points);
	tcase_add_loop_test(t, quantiles_ignore_outliers, 0, 2);
	tcase_add_loop_test(t, quantiles_of_many, 0, 2);
	tcase_add_test(t, extremes);
	tcase_add_test(t, given_ranges);
	tcase_add_test(t, refused);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
