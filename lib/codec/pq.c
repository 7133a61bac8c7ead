/* pq: a vector as the numbers of the nearest centroids of its parts (Jégou, Douze & Schmid, PAMI 2011).
 *
 * Encoding. The nearest centroid has the smallest ½‖c‖² − ⟨x,c⟩, which takes one multiply-add for each
 * component of each centroid. A kernel computes this in floats for 16 centroids at a time. Because of
 * rounding, it could choose a centroid that is slightly farther than the nearest, and another one on other
 * CPUs. So the nearest centroid is defined by squared distances in double precision, with components in
 * ascending order, and the lower number if two are equal. The kernel's result is used only if it must be the
 * same:
 *
 *   Let u = 2^-24, e = (sub + 8) u. The error of the kernel's sum is at most e (½‖c‖² + ‖x‖‖c‖), which is at
 *   most e (‖c‖² + ½‖x‖²). The kernel gets half = (½ − e) ‖c‖² instead of ½‖c‖², so that each of its keys
 *   minus ½e‖x‖² is a lower bound of the exact one; an upper bound is the key + 2e‖c‖² + ½e‖x‖². The centroid
 *   c with the smallest key is certainly the nearest if the second smallest key is greater by more than
 *   2e‖c‖² + e‖x‖².
 *
 * To this the error is added that the kernel makes in the last bits of its keys, at most k · 2^-25 of each.
 *
 * So a centroid with a great norm, and therefore a great rounding error, does not matter for vectors far from
 * it. A first test uses a difference that is enough for every centroid, with ‖x‖ of the whole vector. It
 * takes hardly any time and leaves one sub-vector in a hundred; about one in ten thousand must be decided in
 * double precision.
 */
#include "lib/codec/pq.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"

#include <math.h>
#include <string.h>

/* The number of vectors that are encoded together. */
enum { BATCH = 64 };

/* With squared norms of this size or more, the kernel's sums could overflow. */
static const double HUGE_NORM = 1e36;

/* Covers what products lose by underflow. */
static const double TINY = 1e-30;

/* The relative error of the kernel's keys, with a margin for that of the norms. */
static double key_error(const struct pq *pq)
{
	return 1.05 * (double)(pq->sub + 8) * 0x1p-24;
}

/* The relative error that the kernel makes in the last bits of a key. */
static double last_bits(const struct pq *pq)
{
	return 1.01 * (double)pq->k * 0x1p-25;
}

kith_status pq_init(struct pq *pq, const char *what, int64_t dim, int64_t m, int bits)
{
	if (m < 1 || m > dim || dim % m)
		return fail(KITH_INVALID, "%s: M is %lld; it must divide the dimension %lld", what,
		    (long long)m, (long long)dim);
	if (bits < 4 || bits > 12)
		return fail(KITH_INVALID, "%s: %d bits a number; it must be 4 … 12", what, bits);
	*pq = (struct pq){.dim = dim, .m = m, .sub = dim / m, .bits = bits, .k = INT64_C(1) << bits};
	pq->code_size = ((size_t)m * (size_t)bits + 7) / 8;
	return KITH_OK;
}

void pq_free(struct pq *pq)
{
	mem_free(pq->centroids);
	mem_free(pq->panels);
	mem_free(pq->half);
	pq->centroids = pq->panels = pq->half = NULL;
}

size_t pq_memory(const struct pq *pq)
{
	return pq->centroids ? (2 * pq_cells(pq) + (size_t)(pq->m * pq->k)) * sizeof(float) : 0;
}

/* Fill in panels, half, max_half and norm_sq. */
static void derive(struct pq *pq)
{
	double e = key_error(pq), sum = 0;
	pq->max_half = 0;
	for (int64_t i = 0; i < pq->m; i++) {
		double max = 0;
		for (int64_t c = 0; c < pq->k; c++) {
			const float *centroid = pq->centroids + (i * pq->k + c) * pq->sub;
			float *panel = pq->panels + (i * pq->k + c / PQ_LANES * PQ_LANES) * pq->sub;
			double norm_sq = 0;
			for (int64_t j = 0; j < pq->sub; j++) {
				panel[j * PQ_LANES + c % PQ_LANES] = centroid[j];
				norm_sq += (double)centroid[j] * (double)centroid[j];
			}
			float half = (float)((0.5 - e) * fmin(norm_sq, HUGE_NORM));
			pq->half[i * pq->k + c] = half;
			pq->max_half = fmaxf(pq->max_half, half);
			max = fmax(max, norm_sq);
		}
		sum += max;
	}
	pq->norm_sq = sum * (1 + 1e-9);
}

kith_status pq_set(struct pq *pq, const float *centroids)
{
	struct pq made = *pq;
	size_t bytes = pq_cells(pq) * sizeof(float);
	made.centroids = mem_alloc(bytes, 1);
	made.panels = mem_alloc(bytes, 1);
	made.half = mem_alloc((size_t)pq->m * (size_t)pq->k, sizeof *made.half);
	if (!made.centroids || !made.panels || !made.half) {
		pq_free(&made);
		return fail_nomem("codebooks", 2 * bytes);
	}
	memcpy(made.centroids, centroids, bytes);
	derive(&made);
	pq_free(pq);
	*pq = made;
	return KITH_OK;
}

/* The nearest centroid, by its definition. */
static int64_t nearest_exact(const struct pq *pq, int64_t i, const float *x)
{
	int64_t nearest = 0;
	double min = INFINITY;
	for (int64_t c = 0; c < pq->k; c += PQ_LANES) {
		const float *panel = pq->panels + (i * pq->k + c) * pq->sub;
		double sum[PQ_LANES] = {0};
		for (int64_t j = 0; j < pq->sub; j++)
			for (int64_t l = 0; l < PQ_LANES; l++) {
				double t = (double)x[j] - (double)panel[j * PQ_LANES + l];
				sum[l] += t * t;
			}
		for (int64_t l = 0; l < PQ_LANES; l++)
			if (sum[l] < min) {
				min = sum[l];
				nearest = c + l;
			}
	}
	return nearest;
}

/* Put number i of n vectors into their codes, in which these bits are still 0. */
static void put_numbers(const struct pq *pq, int64_t i, int64_t n, const uint16_t *number, uint8_t *codes)
{
	size_t bit = (size_t)i * (size_t)pq->bits;
	codes += bit / 8;
	for (int64_t v = 0; v < n; v++, codes += pq->code_size) {
		uint8_t *byte = codes;
		for (uint32_t rest = (uint32_t)number[v] << (bit % 8); rest; rest >>= 8)
			*byte++ |= (uint8_t)rest;
	}
}

/* The kernel's two smallest keys of some vectors, and how much they must differ. */
struct keys {
	float min[BATCH], second[BATCH];
	float apart[BATCH]; /* a difference that is enough for every centroid; ∞: none is */
};

static void begin_keys(const struct pq *pq, int64_t n, const float *x, struct keys *keys)
{
	double error = key_error(pq) + last_bits(pq), half = (double)pq->max_half;
	float sq[BATCH];
	kernels()->normsq_f32(x, (size_t)pq->dim * sizeof *x, n, pq->dim, sq);
	for (int64_t v = 0; v < n; v++) {
		/* The absolute value of a key is at most ½‖c‖² + ‖x‖‖c‖ <= ‖c‖² + ½‖x‖². */
		double norm_sq = (double)sq[v];
		double apart = error * (4.2 * half + norm_sq) + TINY;
		bool huge = !(norm_sq < HUGE_NORM) || !(pq->norm_sq < HUGE_NORM);
		keys->apart[v] = huge ? INFINITY : (float)(1.001 * apart);
	}
}

/* Whether the kernel's smallest key, of a centroid with this `half`, must be that of the centroid nearest to
 * sub-vector x, as derived above. ‖c‖² <= 2.1 half. */
static bool is_certain(const struct pq *pq, const float *x, float half, double min, double second)
{
	double norm_sq = 0;
	for (int64_t j = 0; j < pq->sub; j++)
		norm_sq += (double)x[j] * (double)x[j];
	return second - min > key_error(pq) * (4.2 * (double)half + norm_sq) +
	                          last_bits(pq) * (fabs(min) + fabs(second)) + TINY;
}

static void encode_batch(const struct pq *pq, int64_t n, const float *x, uint8_t *codes)
{
	uint16_t number[BATCH];
	struct keys keys;
	begin_keys(pq, n, x, &keys);
	memset(codes, 0, (size_t)n * pq->code_size);
	for (int64_t i = 0; i < pq->m; i++) {
		const float *sub = x + i * pq->sub, *half = pq->half + i * pq->k;
		kernels()->pq_nearest(sub, (size_t)pq->dim, n, pq->sub, pq->panels + i * pq->k * pq->sub,
		    half, pq->k, number, keys.min, keys.second);
		for (int64_t v = 0; v < n; v++) {
			float min = keys.min[v], second = keys.second[v];
			if (second - min > keys.apart[v])
				continue;
			/* If keys overflowed, numbers are undefined. */
			if (isinf(keys.apart[v]) ||
			    !is_certain(pq, sub + v * pq->dim, half[number[v]], (double)min, (double)second))
				number[v] = (uint16_t)nearest_exact(pq, i, sub + v * pq->dim);
		}
		put_numbers(pq, i, n, number, codes);
	}
}

void pq_encode(const struct pq *pq, int64_t n, const float *x, uint8_t *codes)
{
	for (int64_t from = 0; from < n; from += BATCH) {
		int64_t count = n - from < BATCH ? n - from : BATCH;
		encode_batch(pq, count, x + from * pq->dim, codes + (size_t)from * pq->code_size);
	}
}

void pq_decode(const struct pq *pq, const uint8_t *code, float *x)
{
	for (int64_t i = 0; i < pq->m; i++) {
		const float *centroid = pq->centroids + (i * pq->k + pq_number(pq, code, i)) * pq->sub;
		memcpy(x + i * pq->sub, centroid, (size_t)pq->sub * sizeof *x);
	}
}

void pq_table(const struct pq *pq, const float *q, const struct metric *metric, float *table)
{
	const struct kernels *kern = kernels();
	for (int64_t i = 0; i < pq->m; i++)
		(metric->similarity ? kern->pq_ip : kern->pq_l2sq)(
		    q + i * pq->sub, pq->sub, pq->panels + i * pq->k * pq->sub, pq->k, table + i * pq->k);
}
