/* The choice of the comparison for a query and rows, and the comparisons that are not of one codec: of arrays
 * of floats and of bytes, and by decoding, for codecs that cannot score gathered rows and for queries that a
 * codec cannot bring into its own form.
 *
 * Wide keys. The square of a float fits a float only between 1e-22 and 1e19; outside of that, squared
 * distances are all infinite or all 0 and cannot be ordered. They are then computed in double, which holds
 * the square of any float, and the fourth root is kept as a float: it is monotone and never infinite, and its
 * 24 bits resolve a squared distance to 2^-22 of itself. This is about three times slower than keys in
 * float. */
#include "lib/codec/codec.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- queries in floats ---- */

size_t float_query_bytes(const struct rows *rows)
{
	return sizeof(struct float_query) + (size_t)rows->dim * sizeof(float);
}

void float_query_bind(const struct rows *rows, const float *q, const struct metric *metric, void *state)
{
	struct float_query *query = state;
	query->metric = metric;
	query->score = metric_kernels(metric);
	if (q != query->q)
		memcpy(query->q, q, (size_t)rows->dim * sizeof *q);
}

void float_query_bind_scan(const struct rows *rows, const float *q, const struct metric *metric, void *state)
{
	struct float_query *query = state;
	float_query_bind(rows, q, metric, state);
	query->norm = sqrt(kernels()->ip_exact(q, q, rows->dim)) * (1 + 1e-12);
}

void float_query_bind_row(const struct rows *rows, int64_t row, const struct metric *metric, void *state)
{
	struct float_query *query = state;
	float_query_bind(rows, rows_load(rows, row, query->q), metric, state);
}

/* Each square may lose up to 2^-149 by underflow, which the added term covers. */
double largest_norm(const float *normsq, int64_t n, int64_t dim)
{
	float max = 0;
	for (int64_t i = 0; i < n; i++)
		max = normsq[i] > max ? normsq[i] : max;
	return sqrt((double)max + (double)dim * 0x1p-126) * (1 + 1e-2);
}

/* ---- arrays of floats ---- */

static void float_keys(const struct rows *rows, const void *state, int64_t first, int64_t n, float *key)
{
	const struct float_query *query = state;
	query->score.f32(query->q, rows_at(rows, first), rows->stride, n, rows->dim, key);
	metric_keys(&query->score, key, n);
}

static void float_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	const struct float_query *query = state;
	query->score.f32_gather(query->q, rows->a, rows->stride, pos, n, rows->dim, key);
	metric_keys(&query->score, key, n);
}

static struct error_bound float_bound(const struct rows *rows, const void *state, int64_t first, int64_t n)
{
	const struct float_query *query = state;
	float normsq[ROWS_BLOCK];
	double norm = 0;
	if (query->metric->similarity) {
		kernels()->normsq_f32(rows_at(rows, first), rows->stride, n, rows->dim, normsq);
		norm = largest_norm(normsq, n, rows->dim);
	}
	return query->metric->error_bound(rows->dim, query->norm, 0, norm);
}

static const struct comparison compare_floats = {.bytes = float_query_bytes,
    .bind = float_query_bind_scan,
    .gather = float_gather,
    .keys = float_keys,
    .bound = float_bound};

/* ---- bytes, with queries that are bytes of the same type ---- */

struct byte_query {
	struct metric_kernels score;
	_Alignas(64) uint8_t q[];
};

static size_t byte_query_bytes(const struct rows *rows)
{
	return sizeof(struct byte_query) + (size_t)rows->dim;
}

static void byte_bind(const struct rows *rows, const float *q, const struct metric *metric, void *state)
{
	struct byte_query *query = state;
	query->score = metric_kernels(metric);
	for (int64_t i = 0; i < rows->dim; i++)
		query->q[i] = (uint8_t)(int)q[i];
}

static void make_keys(const struct byte_query *query, const int32_t *score, int64_t n, float *key)
{
	for (int64_t i = 0; i < n; i++)
		key[i] = (float)(query->score.negate ? -score[i] : score[i]);
}

static void byte_keys(const struct rows *rows, const void *state, int64_t first, int64_t n, float *key)
{
	const struct byte_query *query = state;
	int32_t score[ROWS_BLOCK];
	(rows->form->type == KITH_U8 ? query->score.u8 : query->score.i8)(
	    query->q, rows_at(rows, first), rows->stride, n, rows->dim, score);
	make_keys(query, score, n, key);
}

static void byte_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	const struct byte_query *query = state;
	int32_t score[ROWS_BLOCK];
	(rows->form->type == KITH_U8 ? query->score.u8_gather : query->score.i8_gather)(
	    query->q, rows->a, rows->stride, pos, n, rows->dim, score);
	make_keys(query, score, n, key);
}

static struct error_bound byte_bound(const struct rows *rows, const void *state, int64_t first, int64_t n)
{
	(void)rows, (void)state, (void)first, (void)n;
	return (struct error_bound){.rel = 0x1p-23}; /* an integer becomes a float */
}

const struct comparison compare_bytes = {.bytes = byte_query_bytes,
    .bind = byte_bind,
    .gather = byte_gather,
    .keys = byte_keys,
    .bound = byte_bound};

/* ---- decoding ---- */

/* The state is a query, and memory for a row behind it. */
static size_t decoding_bytes(const struct rows *rows)
{
	return float_query_bytes(rows) + ((size_t)rows->dim + 16) * sizeof(float);
}

static float *decoding_room(const struct rows *rows, struct float_query *query)
{
	return query->q + (rows->dim + 15) / 16 * 16;
}

static void decoding_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	struct float_query *query = state;
	float *room = decoding_room(rows, query);
	for (int64_t i = 0; i < n; i++)
		metric_f32(&query->score, query->q, rows_load(rows, pos[i], room), 0, 1, rows->dim, &key[i]);
	metric_keys(&query->score, key, n);
}

const struct comparison compare_decoding = {.bytes = decoding_bytes,
    .bind = float_query_bind,
    .bind_row = float_query_bind_row,
    .gather = decoding_gather};

/* Metrics that are compared in whole floats only. Keys that have overflowed are infinite. */
static void whole_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	decoding_gather(rows, state, pos, n, key);
	for (int64_t i = 0; i < n; i++)
		key[i] = key[i] <= FLT_MAX ? key[i] : INFINITY;
}

static const struct comparison compare_whole = {.bytes = decoding_bytes,
    .bind = float_query_bind,
    .bind_row = float_query_bind_row,
    .gather = whole_gather};

static void wide_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	struct float_query *query = state;
	float *room = decoding_room(rows, query);
	for (int64_t i = 0; i < n; i++)
		key[i] =
		    wide_key(metric_exact(&query->score, query->q, rows_load(rows, pos[i], room), rows->dim));
}

static const struct comparison compare_wide = {.bytes = decoding_bytes,
    .bind = float_query_bind,
    .bind_row = float_query_bind_row,
    .gather = wide_gather};

/* ---- the choice ---- */

bool compare_as_bytes(const struct rows *rows, const struct rows *query, const struct metric *metric)
{
	return rows->form->type != KITH_F32 && query->form->type == rows->form->type && !rows->normalize &&
	       !query->normalize && metric->product != PRODUCT_NONE;
}

const struct comparison *compare_in_scan(
    const struct rows *rows, const struct rows *query, const struct metric *metric)
{
	if (compare_as_bytes(rows, query, metric))
		return &compare_bytes;
	if (metric->whole || (rows->normalize && !rows_are_codes(rows)) || rows->form->type != KITH_F32)
		return NULL;
	if (!rows->codec)
		return &compare_floats;
	const struct comparison *own = rows->codec->ops->in_scan;
	/* Rows of a graph are not in blocks, which a scan of a blocked codec needs. */
	return own && rows->form->blocked == rows->codec->ops->blocked ? own : NULL;
}

const struct comparison *compare_in_graph(
    const struct rows *rows, const struct metric *metric, enum key_precision precision)
{
	const struct codec_ops *ops = rows->codec->ops;
	if (precision == KEYS_WIDE)
		return &compare_wide;
	if (metric->whole)
		return &compare_whole;
	if (precision == KEYS_FLOAT && ops->in_graph_float)
		return ops->in_graph_float;
	return ops->in_graph ? ops->in_graph : &compare_decoding;
}
