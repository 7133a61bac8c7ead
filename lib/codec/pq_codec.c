/* The codec of product quantizers. Codes lie in blocks of 64 vectors, which pq_scan.c wants; 4-bit codes are
 * the same whether or not a factory string says "fs", for they are always scanned fast. */
#include "lib/codec/pq.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"

#include <stdio.h>
#include <string.h>

struct codec_pq {
	struct codec codec;
	struct pq pq;
};

static const struct codec_ops pq_ops;

static struct pq *pq_of(struct codec *codec)
{
	return &((struct codec_pq *)(void *)codec)->pq;
}

static const struct pq *pq_of_const(const struct codec *codec)
{
	return &((const struct codec_pq *)(const void *)codec)->pq;
}

static void write_word(int64_t m, int bits, char *word, size_t size)
{
	int length = snprintf(word, size, "PQ%lld", (long long)m);
	if (bits != 8)
		snprintf(word + length, size - (size_t)length, "x%d", bits);
}

static void codec_word(const struct codec *codec, char *word)
{
	write_word(pq_of_const(codec)->m, pq_of_const(codec)->bits, word, 32);
}

static size_t codec_row_bytes(const struct codec *codec)
{
	return pq_of_const(codec)->code_size;
}

static void codec_pq_free(struct codec *codec)
{
	pq_free(pq_of(codec));
	mem_free(codec);
}

static size_t codec_memory(const struct codec *codec)
{
	return sizeof(struct codec_pq) + pq_memory(pq_of_const(codec));
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
	made->codec = (struct codec){.ops = &pq_ops, .dim = dim, .cosine = cosine};
	made->pq = pq;
	*out = &made->codec;
	return KITH_OK;
}

const struct pq *codec_pq(const struct codec *codec)
{
	return codec->ops == &pq_ops ? pq_of_const(codec) : NULL;
}

kith_status codec_pq_set(struct codec *codec, const float *centroids)
{
	kith_status status = pq_set(pq_of(codec), centroids);
	codec->trained = codec->trained || status == KITH_OK;
	return status;
}

static kith_status codec_clone_pq(struct codec **out, const struct codec *codec)
{
	const struct pq *from = pq_of_const(codec);
	kith_status status = codec_new_pq(out, codec->dim, codec->cosine, from->m, from->bits);
	if (status == KITH_OK && from->centroids)
		status = codec_pq_set(*out, from->centroids);
	if (status && *out) {
		codec_pq_free(*out);
		*out = NULL;
	}
	return status;
}

static bool codec_pq_same(const struct codec *a, const struct codec *b)
{
	const struct pq *x = pq_of_const(a), *y = pq_of_const(b);
	return memcmp(x->centroids, y->centroids, pq_cells(x) * sizeof(float)) == 0;
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
	kith_status status = pq_train(pq_of(codec), n, x, &each);
	codec->trained = codec->trained || status == KITH_OK;
	return status;
}

static size_t codebook_bytes(const struct pq *pq)
{
	return pq_cells(pq) * sizeof(float);
}

static void codec_save_pq(const struct codec *codec, struct blob_writer *w)
{
	const struct pq *pq = pq_of_const(codec);
	blob_write(w, "PQCB", pq->centroids, codebook_bytes(pq));
}

static kith_status codec_load_pq(struct codec *codec, struct blob_reader *r)
{
	size_t bytes = codebook_bytes(pq_of(codec));
	kith_status status = blob_expect(r, "PQCB", bytes);
	if (status)
		return status;
	float *centroids = mem_alloc(bytes, 1);
	if (!centroids)
		return fail_nomem("codebooks", bytes);
	status = blob_read(r, "PQCB", centroids, bytes);
	if (status == KITH_OK && kernels()->find_nonfinite(centroids, (int64_t)(bytes / sizeof(float))) >= 0)
		status = blob_fail(r, "PQCB", "holds a centroid that is not finite");
	if (status == KITH_OK)
		status = codec_pq_set(codec, centroids);
	mem_free(centroids);
	return status;
}

static void codec_encode(const struct codec *codec, int64_t n, const float *x, uint8_t *code)
{
	pq_encode(pq_of_const(codec), n, x, code);
}

static void codec_decode(const struct codec *codec, const uint8_t *code, float *x)
{
	pq_decode(pq_of_const(codec), code, x);
}

static size_t codec_query_bytes(const struct codec *codec)
{
	return pq_query_bytes(pq_of_const(codec));
}

static size_t codec_kept_bytes(const struct codec *codec)
{
	return pq_kept_bytes(pq_of_const(codec));
}

static void codec_query_begin(
    const struct codec *codec, const float *q, const struct metric *metric, void *state)
{
	pq_query_begin(pq_of_const(codec), q, metric, state);
}

static struct error_bound codec_find_error_bound(const struct codec *codec, const void *state)
{
	(void)codec;
	return pq_find_error_bound(state);
}

static float codec_find_bound(
    const struct codec *codec, const void *state, const struct code_part *part, int64_t k)
{
	return pq_find_bound(pq_of_const(codec), state, part, k);
}

static int64_t codec_find(
    const struct codec *codec, const void *state, const struct code_part *part, uint32_t *hit, float *key)
{
	return pq_find(pq_of_const(codec), state, part, hit, key);
}

/* ---- walks: by look-up tables in float ---- */

struct pq_origin {
	bool negate;
	_Alignas(64) float table[]; /* [m × k], then a vector */
};

static size_t pq_origin_bytes(const struct codec *codec)
{
	const struct pq *pq = pq_of_const(codec);
	return sizeof(struct pq_origin) + ((size_t)(pq->m * pq->k) + (size_t)pq->dim) * sizeof(float);
}

static void pq_begin(const struct codec *codec, const float *q, const struct metric *metric, void *state)
{
	struct pq_origin *origin = state;
	origin->negate = metric->similarity;
	pq_table(pq_of_const(codec), q, metric, origin->table);
}

static void pq_begin_row(
    const struct codec *codec, const struct rows *rows, int64_t row, const struct metric *metric, void *state)
{
	const struct pq *pq = pq_of_const(codec);
	struct pq_origin *origin = state;
	float *x = origin->table + pq->m * pq->k;
	pq_decode(pq, (const uint8_t *)rows_at(rows, row), x);
	pq_begin(codec, x, metric, state);
}

/* Sums of four codes of 8 bits at a time, which hides the latency of adding. */
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

static void pq_keys(const struct codec *codec, void *state, const struct rows *rows, const uint32_t *pos,
    int64_t n, float *key)
{
	const struct pq *pq = pq_of_const(codec);
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

static const struct codec_walk pq_walk = {pq_origin_bytes, pq_begin, pq_begin_row, pq_keys};

static const struct codec_ops pq_ops = {
    .type = KITH_F32,
    .kind = ROWS_CODE,
    .normalizes = true,
    .blocked = true,
    .planes = 1,
    .word = codec_word,
    .row_bytes = codec_row_bytes,
    .train = codec_train,
    .save = codec_save_pq,
    .load = codec_load_pq,
    .same = codec_pq_same,
    .clone = codec_clone_pq,
    .free = codec_pq_free,
    .memory = codec_memory,
    .check = coded_check,
    .write = coded_write,
    .encode = codec_encode,
    .decode = codec_decode,
    .query_bytes = codec_query_bytes,
    .kept_bytes = codec_kept_bytes,
    .query_begin = codec_query_begin,
    .find_error_bound = codec_find_error_bound,
    .find_bound = codec_find_bound,
    .find = codec_find,
    .walk = &pq_walk,
};
