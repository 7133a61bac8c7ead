/* The codec of product quantizers. Codes are in blocks of 64 vectors, as pq_scan.c needs them. "fs" in a
 * factory string changes nothing, as codes of 4 bits are always scanned fast. */
#include "lib/codec/pq.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"

#include <stdio.h>
#include <string.h>

static const struct codec_ops pq_ops;

static struct pq *pq_of(struct codec *codec)
{
	return &((struct codec_pq *)(void *)codec)->pq;
}

static void write_word(int64_t m, int bits, char *word, size_t size)
{
	int length = snprintf(word, size, "PQ%lld", (long long)m);
	if (bits != 8)
		snprintf(word + length, size - (size_t)length, "x%d", bits);
}

static void codec_release(struct codec *codec)
{
	pq_free(pq_of(codec));
}

kith_status codec_new_pq(struct codec **out, int64_t dim, bool cosine, int64_t M, int nbits)
{
	struct pq pq;
	char what[96];
	write_word(M, nbits, what, 48);
	snprintf(what + strlen(what), 48, " on dimension %lld", (long long)dim);
	kith_status status = pq_init(&pq, what, dim, M, nbits);
	if (status)
		return status;
	struct codec_pq *made = mem_zalloc(1, sizeof *made);
	if (!made)
		return fail_nomem("a codec", sizeof *made);
	made->codec = (struct codec){
	    .ops = &pq_ops, .dim = dim, .cosine = cosine, .row_bytes = pq.code_size, .memory = sizeof *made};
	write_word(M, nbits, made->codec.word, sizeof made->codec.word);
	made->pq = pq;
	*out = &made->codec;
	return KITH_OK;
}

const struct pq *codec_pq(const struct codec *codec)
{
	return codec->ops == &pq_ops ? pq_of_const(codec) : NULL;
}

/* Update the codec after its quantizer was trained or set. */
static kith_status trained(struct codec *codec, kith_status status)
{
	codec->trained = codec->trained || status == KITH_OK;
	codec->memory = sizeof(struct codec_pq) + pq_memory(pq_of(codec));
	return status;
}

kith_status codec_pq_set(struct codec *codec, const float *centroids)
{
	int64_t bad = kernels()->find_nonfinite(centroids, (int64_t)pq_cells(pq_of(codec)));
	if (bad >= 0)
		return fail(KITH_INVALID, "product quantizer: component %lld of the centroids is %g",
		    (long long)bad, (double)centroids[bad]);
	return trained(codec, pq_set(pq_of(codec), centroids));
}

static kith_status codec_fresh(struct codec **out, const struct codec *codec)
{
	const struct pq *pq = pq_of_const(codec);
	return codec_new_pq(out, codec->dim, codec->cosine, pq->m, pq->bits);
}

static const float *codec_learnt(const struct codec *codec, size_t *bytes)
{
	*bytes = pq_cells(pq_of_const(codec)) * sizeof(float);
	return pq_of_const(codec)->centroids;
}

static kith_status codec_train(
    struct codec *codec, int64_t n, const float *x, const kith_add_options *options)
{
	kith_kmeans_options each = KITH_KMEANS_OPTIONS;
	if (options) {
		each.threads = options->threads;
		each.seed = options->seed;
		each.progress = options->progress;
		each.progress_data = options->progress_data;
	}
	return trained(codec, pq_train(pq_of(codec), n, x, &each));
}

static void codec_encode(const struct codec *codec, int64_t n, float *x, uint8_t *code)
{
	pq_encode(pq_of_const(codec), n, x, code);
}

static void codec_decode(const struct codec *codec, const uint8_t *code, float *x)
{
	pq_decode(pq_of_const(codec), code, x);
}

/* ---- graphs: by look-up tables in float ---- */

struct pq_origin {
	bool negate;
	_Alignas(64) float table[]; /* [m × k], and memory for a vector */
};

static size_t pq_origin_bytes(const struct rows *rows)
{
	const struct pq *pq = pq_of_const(rows->codec);
	return sizeof(struct pq_origin) + ((size_t)(pq->m * pq->k) + (size_t)pq->dim) * sizeof(float);
}

static void pq_bind(const struct rows *rows, const float *q, const struct metric *metric, void *state)
{
	struct pq_origin *origin = state;
	origin->negate = metric->similarity;
	pq_table(pq_of_const(rows->codec), q, metric, origin->table);
}

static void pq_bind_row(const struct rows *rows, int64_t row, const struct metric *metric, void *state)
{
	const struct pq *pq = pq_of_const(rows->codec);
	float *x = ((struct pq_origin *)state)->table + pq->m * pq->k;
	pq_bind(rows, rows_load(rows, row, x), metric, state);
}

/* Add the entries of four codes of 8-bit numbers at a time, which hides the latency of additions. */
static void sum_bytes(const struct pq *pq, const float *table, const struct rows *rows, const uint32_t *pos,
    int64_t n, float *sum)
{
	for (int64_t i = 0; i < n; i += 4) {
		const uint8_t *code[4];
		float s[4] = {0};
		for (int j = 0; j < 4; j++)
			code[j] = (const uint8_t *)rows_at(rows, pos[i + j < n ? i + j : n - 1]);
		for (int64_t m = 0; m < pq->m; m++)
			for (int j = 0; j < 4; j++)
				s[j] += table[m * 256 + code[j][m]];
		for (int j = 0; j < 4 && i + j < n; j++)
			sum[i + j] = s[j];
	}
}

static void pq_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	const struct pq *pq = pq_of_const(rows->codec);
	const struct pq_origin *origin = state;
	if (pq->bits == 8) {
		sum_bytes(pq, origin->table, rows, pos, n, key);
	} else {
		for (int64_t i = 0; i < n; i++) {
			const uint8_t *code = (const uint8_t *)rows_at(rows, pos[i]);
			key[i] = 0;
			for (int64_t m = 0; m < pq->m; m++)
				key[i] += origin->table[m * pq->k + pq_number(pq, code, m)];
		}
	}
	for (int64_t i = 0; origin->negate && i < n; i++)
		key[i] = -key[i];
}

static const struct comparison pq_in_graph = {
    .bytes = pq_origin_bytes, .bind = pq_bind, .bind_row = pq_bind_row, .gather = pq_gather};

static const struct codec_ops pq_ops = {
    .type = KITH_F32,
    .normalizes = true,
    .blocked = true,
    .planes = 1,
    .train = codec_train,
    .tag = "PQCB",
    .learnt = codec_learnt,
    .take = codec_pq_set,
    .fresh = codec_fresh,
    .release = codec_release,
    .encode = codec_encode,
    .decode = codec_decode,
    .in_scan = &pq_in_scan,
    .in_graph = &pq_in_graph,
};
