/* A model of real feature vectors that gives the same bits everywhere.
 *
 *   row = centre of a cluster + Σ_j z_j · direction_j + noise
 *
 * Clusters vary in size (Zipf: weight 1 / (c + 3)), in density (scale 0.3 … 1.2) and in intrinsic dimension
 * (6 … 20 random directions of decreasing strength, different ones in each cluster). So the distances within
 * a cluster depend on few dimensions, as those of descriptors and embeddings do. Two rows in a hundred belong
 * to no cluster. Queries are further rows of the same model.
 *
 * The random numbers of a row depend only on seed, stream and row, so that rows can be made in any order and
 * on any thread. splitmix64 (Steele, Lea, Flood 2014) makes 64 bits; a nearly normal number is the sum of
 * their four 16-bit parts (Irwin-Hall, exact in integers). No function of libm is called, and the build
 * forbids fused multiply-add, so that IEEE arithmetic gives the same bits everywhere.
 */
#include "synth.h"

#include <stdbool.h>
#include <stdlib.h>

#include "report.h"

enum { MIN_RANK = 6, MAX_RANK = 20, TABLE_BYTES = 256 << 20, DEFAULT_CLUSTERS = 1000 };

struct cluster {
	double weights; /* the sum of the weights of this cluster and those before it */
	int64_t rank;
	float strength[MAX_RANK];
};

struct synth {
	uint64_t seed;
	int64_t dim, clusters;
	struct cluster *cluster; /* [clusters] */
	float *vectors;          /* [clusters × (1 + MAX_RANK) × dim]: centre, directions */
};

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t next(uint64_t *state)
{
	return mix(*state += 0x9e3779b97f4a7c15u);
}

/* The random state of row `row` of stream `stream`. */
static uint64_t rng(uint64_t seed, uint64_t stream, uint64_t row)
{
	return mix(mix(mix(seed + 0x9e3779b97f4a7c15u) ^ (stream + 1)) ^ (row + 0x632be59bd9b4e019u));
}

/* A random number from [0, 1). */
static double uniform(uint64_t *state)
{
	return (double)(next(state) >> 11) * 0x1p-53;
}

/* A random number of mean 0 and variance 1, within ±3.47. */
static float normal(uint64_t *state)
{
	uint64_t bits = next(state);
	uint64_t sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
	/* The sum of four uniform numbers from 0 … 65535 has mean 131070 and variance (2^32 − 1) / 3. */
	return (float)((double)((int64_t)sum - 131070) * 2.6428998e-5);
}

static int64_t table_bytes(int64_t dim)
{
	return (1 + MAX_RANK) * dim * (int64_t)sizeof(float) + (int64_t)sizeof(struct cluster);
}

int64_t synth_max_clusters(int64_t dim)
{
	return TABLE_BYTES / table_bytes(dim);
}

int64_t synth_default_clusters(int64_t n, int64_t dim)
{
	int64_t clusters = 1, max = synth_max_clusters(dim);
	while (clusters < DEFAULT_CLUSTERS && (clusters + 1) * (clusters + 1) <= n)
		clusters++;
	return clusters < max ? clusters : max;
}

static void make_cluster(struct synth *s, int64_t c)
{
	enum { MODEL_STREAM = 1000 };
	struct cluster *cluster = &s->cluster[c];
	float *v = s->vectors + c * (1 + MAX_RANK) * s->dim;
	uint64_t state = rng(s->seed, MODEL_STREAM, (uint64_t)c);
	int64_t rank = MIN_RANK + (int64_t)(next(&state) % (MAX_RANK - MIN_RANK + 1));
	double scale = 0.3 + 0.9 * uniform(&state);
	cluster->weights = (c ? s->cluster[c - 1].weights : 0) + 1.0 / (double)(c + 3);
	cluster->rank = rank < s->dim ? rank : s->dim;
	for (int64_t j = 0; j < MAX_RANK; j++)
		cluster->strength[j] = (float)(scale / (1.0 + 0.25 * (double)j));
	for (int64_t i = 0; i < (1 + cluster->rank) * s->dim; i++)
		v[i] = normal(&state);
}

struct synth *synth_new(uint64_t seed, int64_t dim, int64_t clusters)
{
	struct synth *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	*s = (struct synth){.seed = seed, .dim = dim, .clusters = clusters};
	s->cluster = calloc((size_t)clusters, sizeof *s->cluster);
	s->vectors = calloc((size_t)(clusters * (1 + MAX_RANK)), (size_t)dim * sizeof *s->vectors);
	if (!s->cluster || !s->vectors) {
		synth_free(s);
		return NULL;
	}
	for (int64_t c = 0; c < clusters; c++)
		make_cluster(s, c);
	return s;
}

void synth_free(struct synth *s)
{
	if (!s)
		return;
	free(s->cluster);
	free(s->vectors);
	free(s);
}

/* The cluster for a random number u from [0, 1), with a probability in proportion to its weight. */
static int64_t choose_cluster(const struct synth *s, double u)
{
	int64_t low = 0, high = s->clusters - 1;
	double at = u * s->cluster[high].weights;
	while (low < high) {
		int64_t middle = (low + high) / 2;
		if (s->cluster[middle].weights > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void make_row(const struct synth *s, enum synth_stream stream, int64_t row, float *x)
{
	uint64_t state = rng(s->seed, stream, (uint64_t)row);
	bool outlier = uniform(&state) < 0.02;
	int64_t c = choose_cluster(s, uniform(&state)), dim = s->dim;
	const struct cluster *cluster = &s->cluster[c];
	const float *v = s->vectors + c * (1 + MAX_RANK) * dim;
	float noise = outlier ? 1.3f : 0.2f;
	for (int64_t i = 0; i < dim; i++)
		x[i] = noise * normal(&state);
	if (outlier)
		return;
	for (int64_t i = 0; i < dim; i++)
		x[i] += v[i];
	for (int64_t j = 0; j < cluster->rank; j++) {
		const float z = cluster->strength[j] * normal(&state);
		const float *direction = v + (1 + j) * dim;
		for (int64_t i = 0; i < dim; i++)
			x[i] += z * direction[i];
	}
}

/* Round a row to bytes around 128; values that do not fit become 0 or 255. */
static void round_row(const float *x, int64_t dim, uint8_t *out)
{
	for (int64_t i = 0; i < dim; i++) {
		int value = (int)(x[i] * 28.0f + 128.5f);
		out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
	}
}

void synth_rows(const struct synth *s, enum synth_stream stream, int64_t first, int64_t n, kith_type type,
    void *out, int threads)
{
	(void)threads;
#pragma omp parallel for num_threads(threads_used(threads)) schedule(static)
	for (int64_t i = 0; i < n; i++) {
		if (type == KITH_F32) {
			make_row(s, stream, first + i, (float *)out + i * s->dim);
		} else {
			float x[KITH_MAX_DIM];
			make_row(s, stream, first + i, x);
			round_row(x, s->dim, (uint8_t *)out + i * s->dim);
		}
	}
}
