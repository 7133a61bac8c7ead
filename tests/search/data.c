/* Data that tries to break the search: each kind attacks one of the engine's bounds or decisions. */
#include "tests/search/data.h"

#include <float.h>
#include <math.h>
#include <string.h>

const char *const data_names[] = {
    [GAUSSIAN] = "gaussian",
    [SIFT_LIKE] = "SIFT-like",
    [CLUSTERED] = "clustered",
    [NEAR_DUPLICATES] = "near-duplicates",
    [EQUAL] = "equal",
    [OUTLIER_1E20] = "outlier 1e20",
    [OUTLIER_3E38] = "outlier 3e38",
    [LIMITS] = "limits",
    [TINY] = "tiny",
    [DENORMAL] = "denormal",
    [TINY_ROWS] = "tiny rows",
    [DENORMAL_ROWS] = "denormal rows",
    [TINY_QUERIES] = "tiny queries",
    [ZEROS] = "zeros",
    [HETEROGENEOUS] = "heterogeneous",
    [HEAVY_TAILED] = "heavy-tailed",
    [INTEGERS] = "integers",
    [BIG_INTEGERS] = "big integers",
    [SIGNED_BYTES] = "signed bytes",
    [CONSTANT_DIMS] = "constant dimensions",
    [TIES] = "ties",
    [COPIES] = "copies",
    [FAR_QUERIES] = "far queries",
    [ALMOST_BYTES] = "almost bytes",
    [APPROACHING] = "approaching",
    [BYTES] = "bytes",
    [BYTES_EXTREME] = "extreme bytes",
    [BYTES_FEW] = "few bytes",
};
_Static_assert(sizeof data_names / sizeof *data_names == DATA_KINDS, "data_names");

bool data_integral(enum data_kind kind)
{
	switch (kind) {
	case SIFT_LIKE:
	case INTEGERS:
	case BIG_INTEGERS:
	case SIGNED_BYTES:
	case TIES:
	case BYTES:
	case BYTES_EXTREME:
	case BYTES_FEW:
		return true;
	default:
		return false;
	}
}

/* A generator of its own for everything that carries a number. */
static struct rng branch(uint64_t seed, int64_t number)
{
	struct rng rng = {seed ^ (uint64_t)(number + 1) * 0xd1342543de82ef95u};
	rng.state = rng_next(&rng);
	return rng;
}

static void fill_gauss(struct rng *rng, float scale, int64_t dim, float *x)
{
	for (int64_t j = 0; j < dim; j++)
		x[j] = scale * rng_gauss(rng);
}

static void fill_integers(struct rng *rng, int64_t min, int64_t max, int64_t dim, float *x)
{
	for (int64_t j = 0; j < dim; j++)
		x[j] = (float)(min + rng_below(rng, max - min + 1));
}

static void fill_sift(struct rng *rng, int64_t dim, float *x)
{
	for (int64_t j = 0; j < dim; j++) {
		float g = rng_gauss(rng);
		x[j] = floorf(fminf(g * g * 40, 218));
	}
}

/* A vector that all rows of the data share, moved a little by `noise`. */
static void fill_around(
    uint64_t seed, int64_t which, float scale, struct rng *rng, float noise, int64_t dim, float *x)
{
	struct rng shared = branch(seed, -2 - which);
	for (int64_t j = 0; j < dim; j++)
		x[j] = scale * rng_gauss(&shared) + (noise > 0 ? noise * rng_gauss(rng) : 0);
}

static void fill_near(uint64_t seed, struct rng *rng, int64_t dim, float *x)
{
	struct rng shared = branch(seed, -2);
	for (int64_t j = 0; j < dim; j++)
		x[j] = 1e4f + rng_gauss(&shared) + (float)rng_below(rng, 3) * 0x1p-10f;
}

static void fill_limits(struct rng *rng, int64_t dim, float *x)
{
	static const float values[] = {
	    0, -0.0f, 1, -1, FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN, 0x1p-149f, 1e18f, -1e19f, 3e-20f};
	int64_t extreme = rng_below(rng, 3);
	for (int64_t j = 0; j < dim; j++)
		x[j] = extreme ? rng_gauss(rng) : values[rng_below(rng, 12)];
	if (extreme == 2)
		x[rng_below(rng, dim)] = values[rng_below(rng, 12)];
}

static void fill_zeros(struct rng *rng, int64_t dim, float *x)
{
	int64_t style = rng_below(rng, 4);
	for (int64_t j = 0; j < dim; j++)
		x[j] = style == 0 ? 0.0f : style == 1 ? -0.0f : rng_gauss(rng);
}

static void fill_scales(uint64_t seed, struct rng *rng, int64_t dim, float *x)
{
	struct rng shared = branch(seed, -2);
	for (int64_t j = 0; j < dim; j++)
		x[j] = powf(10, (float)(rng_uniform(&shared) * 9 - 3)) * rng_gauss(rng);
}

static void fill_constant(uint64_t seed, struct rng *rng, int64_t dim, float *x)
{
	struct rng shared = branch(seed, -2);
	for (int64_t j = 0; j < dim; j++) {
		float constant = 100 * rng_gauss(&shared);
		x[j] = j % 2 ? rng_gauss(rng) : constant;
	}
}

/* A row of the kinds that one number scales, or that are integers; false: another kind. */
static bool fill_simple(enum data_kind kind, struct rng *rng, int64_t dim, float *x)
{
	switch (kind) {
	case GAUSSIAN:
	case COPIES:
		fill_gauss(rng, 1, dim, x);
		return true;
	case HEAVY_TAILED:
		fill_gauss(rng, expf(2.3f * rng_gauss(rng)), dim, x);
		return true;
	case SIFT_LIKE:
		fill_sift(rng, dim, x);
		return true;
	case INTEGERS:
		fill_integers(rng, -1000, 1000, dim, x);
		return true;
	case BIG_INTEGERS:
		fill_integers(rng, -(1 << 20), 1 << 20, dim, x);
		return true;
	case SIGNED_BYTES:
		fill_integers(rng, -128, 127, dim, x);
		return true;
	case TIES:
		fill_integers(rng, 0, 1, dim, x);
		return true;
	default:
		return false;
	}
}

static void fill_row(
    enum data_kind kind, uint64_t seed, bool query, int64_t i, int64_t n, int64_t dim, float *x)
{
	struct rng rng = branch(query && kind != COPIES ? ~seed : seed, i);
	if (fill_simple(kind, &rng, dim, x))
		return;
	/* Vectors of extreme size, in every other problem hard to tell apart. */
	float noise = seed % 2 ? 1 : 1e-7f;
	switch (kind) {
	case TINY:
		fill_around(seed, 0, 1e-30f, &rng, 1e-30f * noise, dim, x);
		break;
	case DENORMAL:
		fill_around(seed, 0, 1e-42f, &rng, 1e-42f, dim, x);
		break;
	case TINY_ROWS:
		fill_around(seed, 0, query ? 1e8f : 1e-25f, &rng, (query ? 1e8f : 1e-25f) * noise, dim, x);
		break;
	case DENORMAL_ROWS:
		fill_around(seed, 0, query ? 1e15f : 1e-41f, &rng, query ? 1e15f : 3e-45f, dim, x);
		break;
	case TINY_QUERIES:
		fill_around(seed, 0, query ? 1e-35f : 1e10f, &rng, query ? 1e-35f : 1e10f * noise, dim, x);
		break;
	case CLUSTERED:
		fill_around(seed, rng_below(&rng, 10), 10, &rng, 0.01f, dim, x);
		break;
	case NEAR_DUPLICATES:
		fill_near(seed, &rng, dim, x);
		break;
	case EQUAL:
		fill_around(seed, 0, 1, &rng, query && i % 3 ? 0.5f : 0, dim, x);
		break;
	case OUTLIER_1E20:
		fill_gauss(&rng, i == n / 2 ? 1e20f : 1, dim, x);
		break;
	case OUTLIER_3E38:
		fill_gauss(&rng, 1, dim, x);
		if (i == n / 3)
			x[rng_below(&rng, dim)] = query ? -3e38f : 3e38f;
		break;
	case LIMITS:
		fill_limits(&rng, dim, x);
		break;
	case ZEROS:
		fill_zeros(&rng, dim, x);
		break;
	case HETEROGENEOUS:
		fill_scales(seed, &rng, dim, x);
		break;
	case CONSTANT_DIMS:
		fill_constant(seed, &rng, dim, x);
		break;
	case FAR_QUERIES:
		fill_around(seed, query ? i % 2 : 2, query ? 1000 : 1, &rng, 0.01f, dim, x);
		break;
	case ALMOST_BYTES:
		/* The engine looks at rows i · n / 1024; with n <= 1024 that is all of them. */
		fill_integers(&rng, 0, 255, dim, x);
		if (!query && i % 97 == 3)
			x[rng_below(&rng, dim)] += i % 2 ? 0.25f : 1000;
		break;
	case APPROACHING:
		fill_around(seed, 0, query ? 1e-3f : (float)(n - i), &rng, 1e-3f, dim, x);
		break;
	default:
		ck_abort_msg("no such data");
	}
}

void data_floats(
    enum data_kind kind, uint64_t seed, bool query, int64_t base_n, int64_t n, int64_t dim, float *x)
{
	int64_t of = query ? n : base_n;
	for (int64_t i = 0; i < n; i++) {
		/* A copied query repeats some row of the base, or is new where there are none. */
		int64_t row = kind == COPIES && query && base_n ? (i * 7 + 3) % base_n : i;
		fill_row(kind, seed, query, row, of, dim, x + i * dim);
	}
}

void data_bytes(enum data_kind kind, uint64_t seed, kith_type type, int64_t n, int64_t dim, void *x)
{
	struct rng rng = {seed};
	for (int64_t i = 0; i < n * dim; i++) {
		int v = (int)rng_below(&rng, 256);
		if (kind == BYTES_EXTREME)
			v = v % 2 ? 255 : 0;
		else if (kind == BYTES_FEW)
			v = v % 3 + (type == KITH_I8 ? 127 : 0);
		if (type == KITH_U8)
			((uint8_t *)x)[i] = (uint8_t)v;
		else
			((int8_t *)x)[i] = (int8_t)(v - 128);
	}
}
