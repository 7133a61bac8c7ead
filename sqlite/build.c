/* Builds the index of a part from its rows, brings it up to date, and tunes it. Vectors are read chunk by
 * chunk and added in one call, because a graph is built in bulk several times as fast as by single
 * insertions. */
#include "build.h"

#include <string.h>

#include "chunks.h"
#include "cells_load.h"
#include "rows.h"
#include "snapshot.h"

enum { TUNE_QUERIES = 64, TUNE_K = 10, APPLY_BLOCK = 1024, FEED_ROWS = 4096 };

/* Read vectors first … first + n − 1 of a part as floats, with their rowids. */
static int read_part(struct table *t, const struct column *c, int64_t part, int64_t first, int64_t n,
    float *x, int64_t *rowids)
{
	struct chunk_blob vectors = {0};
	struct chunk_blob ids = {0};
	unsigned char *bytes = sqlite3_malloc64((sqlite3_uint64)(t->chunk_rows * column_width(c)));
	int rc = bytes != NULL ? SQLITE_OK : SQLITE_NOMEM;
	for (int64_t i = 0; i < n && rc == SQLITE_OK;) {
		int64_t position = position_at(t, part, first + i);
		int64_t rest = t->chunk_rows - position_slot(position);
		int count = (int)(rest < n - i ? rest : n - i);
		rc = chunk_read(t, &ids, CHUNK_IDS, position, count, rowids + i);
		if (rc == SQLITE_OK) {
			rc = chunk_read(t, &vectors, c->number, position, count, bytes);
		}
		if (rc == SQLITE_OK && !vector_decode(c, count, bytes, x + i * c->dim)) {
			rc = table_corrupt(t, "%s: a vector is not finite", c->name);
		}
		i += count;
	}
	chunk_close(&vectors);
	chunk_close(&ids);
	sqlite3_free(bytes);
	return rc;
}

int build_index(
    struct table *t, const struct column *c, const char *spec, const struct part_state *s, struct live **out)
{
	float *x = sqlite3_malloc64((sqlite3_uint64)(s->n * c->dim) * sizeof *x);
	int64_t *rowids = sqlite3_malloc64((sqlite3_uint64)s->n * sizeof *rowids);
	struct live *l = NULL;
	int rc = x != NULL && rowids != NULL ? read_part(t, c, s->part, 0, s->n, x, rowids) : SQLITE_NOMEM;
	*out = NULL;
	if (rc == SQLITE_OK) {
		rc = table_status(t, live_new(&l, c->dim, c->metric, spec));
	}
	int too_few = 0;
	if (rc == SQLITE_OK && !kith_index_trained(l->index)) {
		kith_add_options options = KITH_ADD_OPTIONS;
		kith_status status = kith_index_train(l->index, s->n, x, &options);
		too_few = status == KITH_INVALID;
		rc = too_few ? SQLITE_OK : table_status(t, status);
	}
	if (rc == SQLITE_OK && !too_few) {
		rc = table_status(t, live_add(l, s->n, x, rowids, 0));
	}
	sqlite3_free(x);
	sqlite3_free(rowids);
	if (rc != SQLITE_OK || too_few) {
		live_free(l);
		return rc;
	}
	l->seq = s->seq;
	l->mark = s->mark;
	*out = l;
	return SQLITE_OK;
}

/* Read the vector of a row. *found: whether the row exists and belongs to the part. */
static int read_row(struct table *t, const struct column *c, struct chunk_blob *b, int64_t rowid,
    int64_t part, float *x, int *found)
{
	int64_t position;
	int rc = row_position(t, rowid, &position);
	*found = position >= 0 && position_part(position) == part;
	if (rc != SQLITE_OK || !*found) {
		return rc;
	}
	unsigned char *bytes = sqlite3_malloc64((sqlite3_uint64)column_width(c));
	if (bytes == NULL) {
		return SQLITE_NOMEM;
	}
	rc = chunk_read(t, b, c->number, position, 1, bytes);
	if (rc == SQLITE_OK && !vector_decode(c, 1, bytes, x)) {
		rc = table_corrupt(t, "%s: a vector is not finite", c->name);
	}
	sqlite3_free(bytes);
	return rc;
}

int build_apply(struct table *t, const struct column *c, struct live *l, int64_t part, const struct delta *d)
{
	struct chunk_blob b = {0};
	int64_t block = d->n < APPLY_BLOCK ? d->n : APPLY_BLOCK;
	float *x = sqlite3_malloc64((sqlite3_uint64)(block * c->dim + 1) * sizeof *x);
	int64_t *rowids = sqlite3_malloc64((sqlite3_uint64)(block + 1) * sizeof *rowids);
	int rc = x != NULL && rowids != NULL ? SQLITE_OK : SQLITE_NOMEM;
	int64_t n = 0;
	for (int64_t i = 0; i < d->n && rc == SQLITE_OK; i++) {
		int found;
		rc = read_row(t, c, &b, d->rowids[i], part, x + n * c->dim, &found);
		if (rc == SQLITE_OK && found) {
			rowids[n++] = d->rowids[i];
		} else if (rc == SQLITE_OK) {
			live_remove(l, d->rowids[i]);
		}
		if (rc == SQLITE_OK && n > 0 && (n == block || i + 1 == d->n)) {
			rc = table_status(t, live_add(l, n, x, rowids, 1));
			n = 0;
		}
	}
	chunk_close(&b);
	sqlite3_free(x);
	sqlite3_free(rowids);
	for (int64_t i = 0; i < d->n && rc == SQLITE_OK; i++) {
		rc = cells_update(t, l, d->rowids[i]);
	}
	return rc == SQLITE_OK ? cells_extend_all(l) : rc;
}

/* Make queries that resemble the data but are not part of it: four fifths of one vector plus a fifth of
 * another. */
static int make_queries(struct table *t, const struct column *c, const struct part_state *s, float *q)
{
	float *x = sqlite3_malloc64((sqlite3_uint64)c->dim * 2 * sizeof *x);
	int rc = x != NULL ? SQLITE_OK : SQLITE_NOMEM;
	for (int i = 0; i < TUNE_QUERIES && rc == SQLITE_OK; i++) {
		int64_t rowid;
		int64_t a = s->n * i / TUNE_QUERIES;
		int64_t b = (a + s->n / 3 + 7 * i) % s->n;
		rc = read_part(t, c, s->part, a, 1, x, &rowid);
		if (rc == SQLITE_OK) {
			rc = read_part(t, c, s->part, b, 1, x + c->dim, &rowid);
		}
		for (int64_t j = 0; j < c->dim && rc == SQLITE_OK; j++) {
			q[i * c->dim + j] = 0.8F * x[j] + 0.2F * x[c->dim + j];
		}
	}
	sqlite3_free(x);
	return rc;
}

/* Find the true neighbours of the queries in one pass over the rows, as ids of the index. */
static int find_truth(struct table *t, const struct column *c, const struct live *l,
    const struct part_state *s, const float *q, int64_t *truth)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_knn_stream *stream = NULL;
	float *x = sqlite3_malloc64((sqlite3_uint64)(FEED_ROWS * c->dim) * sizeof *x);
	int64_t *rowids = sqlite3_malloc64((sqlite3_uint64)s->n * sizeof *rowids);
	float *scores = sqlite3_malloc64(sizeof *scores * TUNE_QUERIES * TUNE_K);
	int rc = x != NULL && rowids != NULL && scores != NULL ? SQLITE_OK : SQLITE_NOMEM;
	if (rc == SQLITE_OK) {
		rc = table_status(t, kith_knn_stream_new(&stream, c->dim, c->metric, KITH_F32, TUNE_QUERIES,
		                         q, TUNE_K, &options));
	}
	for (int64_t i = 0; i < s->n && rc == SQLITE_OK; i += FEED_ROWS) {
		int64_t count = s->n - i < FEED_ROWS ? s->n - i : FEED_ROWS;
		rc = read_part(t, c, s->part, i, count, x, rowids + i);
		if (rc == SQLITE_OK) {
			rc = table_status(t, kith_knn_stream_feed(stream, count, x, 0));
		}
	}
	if (rc == SQLITE_OK) {
		rc = table_status(t, kith_knn_stream_get(stream, scores, truth));
	}
	for (int64_t i = 0; i < (int64_t)TUNE_QUERIES * TUNE_K && rc == SQLITE_OK; i++) {
		truth[i] = truth[i] >= 0 ? live_find(l, rowids[truth[i]]) : -1;
	}
	kith_knn_stream_free(stream);
	sqlite3_free(x);
	sqlite3_free(rowids);
	sqlite3_free(scores);
	return rc;
}

int build_tune(struct table *t, const struct column *c, struct live *l, const struct part_state *s)
{
	float *q = sqlite3_malloc64((sqlite3_uint64)(TUNE_QUERIES * c->dim) * sizeof *q);
	int64_t *truth = sqlite3_malloc64(sizeof *truth * TUNE_QUERIES * TUNE_K);
	int rc = q != NULL && truth != NULL ? make_queries(t, c, s, q) : SQLITE_NOMEM;
	if (rc == SQLITE_OK) {
		rc = find_truth(t, c, l, s, q, truth);
	}
	if (rc == SQLITE_OK) {
		rc = table_status(t, live_tune(l, TUNE_QUERIES, q, TUNE_K, truth));
	}
	sqlite3_free(q);
	sqlite3_free(truth);
	return rc;
}
