/* RaBitQ: rotations are what they should be, codes as near to their vectors as so many bits allow,
 * estimates of inner products without bias, and neighbours are found. */
#include "tests/support/support.h"

#include "lib/codec/rabitq.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double dot(const float *x, const float *y, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)y[i];
	return sum;
}

/* Lengths and inner products stay, and the way back leads back. */
START_TEST(rotations)
{
	for (int64_t dim = 1; dim <= 400; dim += 1 + dim / 9) {
		struct hadamard map = {0};
		float *x = make_gauss((uint64_t)dim, 2, dim), *y = make(2 * dim, sizeof *y);
		REQUIRE(hadamard_init(&map, dim, 7));
		memcpy(y, x, (size_t)(2 * dim) * sizeof *y);
		hadamard_forward(&map, y);
		hadamard_forward(&map, y + dim);
		double size = dot(x, x, dim) + dot(x + dim, x + dim, dim);
		REQUIRE(fabs(dot(y, y, dim) - dot(x, x, dim)) < 1e-5 * size);
		REQUIRE(fabs(dot(y, y + dim, dim) - dot(x, x + dim, dim)) < 1e-5 * size);
		hadamard_inverse(&map, y);
		double off = 0;
		for (int64_t i = 0; i < dim; i++)
			off += pow((double)y[i] - (double)x[i], 2);
		REQUIRE(sqrt(off) <= 2 * hadamard_rounding(&map) * sqrt(dot(x, x, dim)));
		hadamard_free(&map);
		free(x);
		free(y);
	}
}
END_TEST

/* An axis becomes a vector whose components are all of about one size. */
START_TEST(axes)
{
	static const int64_t dims[] = {64, 100, 129, 192, 255, 384, 784};
	for (int d = 0; d < 7; d++)
		for (uint64_t seed = 0; seed < 20; seed++) {
			int64_t dim = dims[d];
			struct hadamard map = {0};
			float *x = make(dim, sizeof *x), max = 0, sum = 0;
			REQUIRE(hadamard_init(&map, dim, seed));
			x[(int64_t)seed * 7 % dim] = 1;
			hadamard_forward(&map, x);
			for (int64_t i = 0; i < dim; i++) {
				max = fmaxf(max, fabsf(x[i]));
				sum += fabsf(x[i]);
			}
			REQUIRE((double)max * sqrt((double)dim) < 6);
			if ((double)sum / sqrt((double)dim) <= 0.55) /* normal components: 0.8 */
				ck_abort_msg("%lld components, seed %llu: %.3f", (long long)dim,
				    (unsigned long long)seed, (double)sum / sqrt((double)dim));
			hadamard_free(&map);
			free(x);
		}
}
END_TEST

/* What a codec, trained with this seed, makes of x. */
static void round_trip(int64_t dim, int bits, bool unbiased, uint64_t seed, const float *x, float *back)
{
	struct codec *codec;
	kith_add_options options = KITH_ADD_OPTIONS;
	float *copy = make(dim, sizeof *copy), *both = make(2 * dim, sizeof *both);
	uint8_t *code;
	options.seed = seed;
	for (int64_t i = 0; i < dim; i++) { /* a mean of zero */
		copy[i] = both[i] = x[i];
		both[dim + i] = -x[i];
	}
	OK(codec_new_rabitq(&codec, dim, false, bits, unbiased));
	OK(codec->ops->train(codec, 2, both, &options));
	code = make((int64_t)codec->row_bytes, 1);
	codec->ops->encode(codec, 1, copy, code);
	codec->ops->decode(codec, code, back);
	codec_free(codec);
	free(code);
	free(copy);
	free(both);
}

/* The angle between a vector and its code, and which of the two lengths it has. */
START_TEST(angles)
{
	static const double floor[] = {0, 0.79, 0.935, 0.981, 0.9945, 0.9984, 0.99955, 0.99987, 0.99996};
	enum { DIM = 128, N = 60 };
	float *x = make_gauss(3, N, DIM), back[DIM];
	for (int bits = 1; bits <= 8; bits++)
		for (int unbiased = 0; unbiased < 2; unbiased++) {
			double sum = 0;
			for (int64_t i = 0; i < N; i++) {
				const float *v = x + i * DIM;
				round_trip(DIM, bits, unbiased, (uint64_t)i, v, back);
				double product = dot(v, back, DIM), own = dot(v, v, DIM);
				sum += product / sqrt(own * dot(back, back, DIM));
				double want = unbiased ? own : dot(back, back, DIM);
				REQUIRE(fabs(product - want) < 1e-5 * own);
			}
			if (getenv("KITH_SHOW"))
				printf("%d bits: cosine %.5f, floor %.5f\n", bits, sum / N, floor[bits]);
			REQUIRE(sum / N > floor[bits]);
		}
	free(x);
}
END_TEST

/* Over rotations, ⟨q, code⟩ is on average ⟨q, x⟩; with the other length it is not. */
START_TEST(without_bias)
{
	enum { DIM = 96, SEEDS = 600 };
	float *x = make_gauss(5, 2, DIM), *q = x + DIM, back[DIM];
	for (int i = 0; i < DIM; i++)
		q[i] += x[i];
	double want = dot(q, x, DIM);
	for (int unbiased = 0; unbiased < 2; unbiased++) {
		double sum = 0, squares = 0;
		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			round_trip(DIM, 1, unbiased, seed, x, back);
			double got = dot(q, back, DIM);
			sum += got;
			squares += got * got;
		}
		double mean = sum / SEEDS, deviation = sqrt((squares / SEEDS - mean * mean) / SEEDS);
		if (unbiased)
			REQUIRE(fabs(mean - want) < 5 * deviation);
		else
			REQUIRE(mean < 0.75 * want);
	}
	free(x);
}
END_TEST

/* ---- searching ---- */

enum { DIM = 80, N = 6000, NQ = 100, K = 10, CLUSTERS = 60 };

/* Clusters, away from the origin. */
static float *make_clusters(uint64_t seed, int64_t n)
{
	struct rng rng = {seed};
	float *center = make_gauss(1, CLUSTERS, DIM), *x = make(n * DIM, sizeof *x);
	for (int64_t i = 0; i < n; i++) {
		const float *c = center + rng_below(&rng, CLUSTERS) * DIM;
		for (int64_t j = 0; j < DIM; j++)
			x[i * DIM + j] = 2 + c[j] + 0.6f * rng_gauss(&rng);
	}
	free(center);
	return x;
}

static void find(const char *spec, kith_metric metric, const float *x, const float *q, int64_t *ids)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	float *dist = make(NQ * K, sizeof *dist);
	kith_index *index;
	options.nprobe = 16;
	OK(kith_index_new(&index, DIM, metric, spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	kith_index_free(index);
	free(dist);
}

static double recall(const int64_t *got, const int64_t *want)
{
	int found = 0;
	for (int q = 0; q < NQ; q++)
		for (int i = 0; i < K; i++)
			for (int j = 0; j < K; j++)
				found += got[q * K + i] == want[q * K + j];
	return (double)found / (NQ * K);
}

/* Floors are a few points below what was measured. */
START_TEST(neighbours)
{
	static const struct {
		const char *spec;
		double floor;
	} cases[] = {{"RaBitQ", .14}, {"RaBitQ2", .24}, {"RaBitQ4", .60}, {"RaBitQ8", .94},
	    {"IVF16,RaBitQ", .14}, {"IVF16,RaBitQ3", .45}, {"IVF16,RaBitQfs5_64", .76},
	    {"IVF16,RaBitQ7", .92}, {"IVF16,RaBitQ,RFlat", .54}, {"RaBitQ4,Refine(SQ8)", .92},
	    {"HNSW16,RaBitQ6", .92}};
	/* Under cosine these vectors are nearly parallel: what decides is small beside what is rounded. */
	static const double more[] = {.18, .26, .20, .03, .20, .28, .14, .03, .18, .02, .02};
	static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};
	float *x = make_clusters(11, N), *q = make_clusters(12, NQ);
	int64_t *got = make(NQ * K, sizeof *got), *want = make(NQ * K, sizeof *want);
	find("Flat", metrics[_i], x, q, want);
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		find(cases[c].spec, metrics[_i], x, q, got);
		double r = recall(got, want), floor = cases[c].floor;
		floor += metrics[_i] == KITH_COSINE ? 0 : more[c];
		if (getenv("KITH_SHOW"))
			printf("%-20s %-7s %.3f, floor %.2f\n", cases[c].spec, kith_metric_name(metrics[_i]),
			    r, floor);
		if (r < floor)
			ck_abort_msg("%s, %s: recall %.3f, floor %.2f", cases[c].spec,
			    kith_metric_name(metrics[_i]), r, floor);
	}
	free(x);
	free(q);
	free(got);
	free(want);
}
END_TEST

START_TEST(bad_input)
{
	kith_index *index;
	FAILS(kith_index_new(&index, 16, KITH_L2, "RaBitQ0"), KITH_INVALID, "bits");
	FAILS(kith_index_new(&index, 16, KITH_L2, "RaBitQ9"), KITH_INVALID, "bits");
	FAILS(kith_index_new(&index, 16, KITH_L2, "RaBitQ12"), KITH_UNSUPPORTED, "RaBitQ12");
	FAILS(kith_index_new(&index, 16, KITH_L2, "RaBitQfs_"), KITH_INVALID, "RaBitQfs_");
	FAILS(kith_index_new(&index, 16, KITH_L1, "RaBitQ4"), KITH_UNSUPPORTED, "l1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rabitq");
	TCase *t = tcase_create("rabitq");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, rotations);
	tcase_add_test(t, axes);
	tcase_add_test(t, angles);
	tcase_add_test(t, without_bias);
	tcase_add_loop_test(t, neighbours, 0, 3);
	tcase_add_test(t, bad_input);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
