/* Rows are gathered into blocks of some hundred vectors. kith_knn ranks a block by distances that are
 * rounded to floats. The distances of rows that may be among the k nearest are computed again in double
 * precision, and these decide. kith_knn computes in double precision and rounds once, so a float that
 * exceeds the bound by more than its rounding error proves that the distance exceeds the bound. */
#include "scan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <kith/kith.h>

#include "chunks.h"
#include "conditions.h"
#include "distance.h"

enum { BLOCK_BYTES = 1 << 20, MAX_BLOCK = 4096, FEW = 16 };

struct scan {
	struct table *table;
	struct query *query;
	struct hits *hits;
	struct chunk_blob blob;
	sqlite3_stmt *chunks;
	int64_t room, n;      /* vectors of the block */
	float *x;             /* [room × dim] */
	unsigned char *bytes; /* [MAX_CHUNK_ROWS × width], for elements that are not floats */
	struct hit *rows;     /* [room] */
	float *scores;        /* [room] */
	int64_t *ranks;       /* [room] */
};

static void scan_end(struct scan *s)
{
	chunk_close(&s->blob);
	sqlite3_finalize(s->chunks);
	sqlite3_free(s->x);
	sqlite3_free(s->bytes);
	sqlite3_free(s->rows);
	sqlite3_free(s->scores);
	sqlite3_free(s->ranks);
}

static int scan_begin(struct scan *s, struct table *t, struct query *q, struct hits *h)
{
	int64_t dim = q->column->dim;
	*s = (struct scan){.table = t, .query = q, .hits = h};
	s->room = BLOCK_BYTES / (dim * (int64_t)sizeof(float));
	s->room = s->room < MAX_CHUNK_ROWS ? MAX_CHUNK_ROWS : s->room > MAX_BLOCK ? MAX_BLOCK : s->room;
	s->x = sqlite3_malloc64((sqlite3_uint64)(s->room * dim) * sizeof *s->x);
	s->bytes = sqlite3_malloc64((sqlite3_uint64)(MAX_CHUNK_ROWS * column_width(q->column)));
	s->rows = sqlite3_malloc64((sqlite3_uint64)s->room * sizeof *s->rows);
	s->scores = sqlite3_malloc64((sqlite3_uint64)s->room * sizeof *s->scores);
	s->ranks = sqlite3_malloc64((sqlite3_uint64)s->room * sizeof *s->ranks);
	if (s->x == NULL || s->bytes == NULL || s->rows == NULL || s->scores == NULL || s->ranks == NULL) {
		scan_end(s);
		return SQLITE_NOMEM;
	}
	return SQLITE_OK;
}

/* Offer the rows with ranks first … end − 1 of the block, until the next one is too far. *all: whether all
 * were offered. */
static int offer_ranked(struct scan *s, int64_t first, int64_t end, int *all)
{
	const struct column *c = s->query->column;
	*all = 0;
	for (int64_t i = first; i < end; i++) {
		double bound = fmin(hits_bound(s->hits), s->query->bounds.max);
		double error = 4 * FLT_EPSILON * (fabs(bound) + (c->metric == KITH_COSINE));
		/* A sum that is too large for a float proves nothing. */
		if (bound < INFINITY && isfinite(s->scores[i]) &&
		    distance_from_score(c->metric, s->scores[i]) > bound + error) {
			return SQLITE_OK;
		}
		const struct hit *row = &s->rows[s->ranks[i]];
		double distance =
		    distance_between(c->metric, c->dim, s->query->vector.x, s->x + s->ranks[i] * c->dim);
		if (bounds_allow(&s->query->bounds, c->metric, distance) &&
		    !hits_offer(s->hits, distance, row->rowid, row->position)) {
			return SQLITE_NOMEM;
		}
	}
	*all = 1;
	return SQLITE_OK;
}

/* Compare the block with the query. Usually few of its rows are among the k nearest, so only few are
 * ranked at first. */
static int flush(struct scan *s)
{
	const struct column *c = s->query->column;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = 1;
	int64_t n = s->n;
	int64_t first = s->hits->k < n / 4 ? s->hits->k + FEW : n;
	int64_t ranked = 0;
	int rc = SQLITE_OK;
	s->n = 0;
	for (int64_t k = first < n ? first : n; rc == SQLITE_OK && ranked < n; k = n) {
		int all;
		kith_status status = kith_knn(c->dim, c->metric, KITH_F32, n, s->x, 1, s->query->vector.x, k,
		    s->scores, s->ranks, &options);
		if (status != KITH_OK) {
			return status == KITH_NOMEM ? SQLITE_NOMEM
			                            : table_corrupt(s->table, "%s", kith_last_error());
		}
		rc = offer_ranked(s, ranked, k, &all);
		ranked = all ? k : n;
	}
	return rc;
}

/* Add `count` consecutive vectors of one chunk, with the rowids ids. */
static int add_run(struct scan *s, int64_t position, int count, const int64_t *ids)
{
	const struct column *c = s->query->column;
	int rc = s->n + count > s->room ? flush(s) : SQLITE_OK;
	float *x = s->x + s->n * c->dim;
	void *bytes = c->element == ELEMENT_F32 ? (void *)x : s->bytes;
	if (rc == SQLITE_OK) {
		rc = chunk_read(s->table, &s->blob, c->number, position, count, bytes);
	}
	if (rc != SQLITE_OK) {
		return rc;
	}
	if (c->element != ELEMENT_F32) {
		vector_decode(c, count, bytes, x);
	}
	for (int i = 0; i < count; i++) {
		s->rows[s->n + i] = (struct hit){0, ids[i], position + i};
	}
	s->n += count;
	return SQLITE_OK;
}

/* Prepare the statement that reads the rowids of chunks. Stepping it also makes sqlite3_interrupt work. */
static int prepare_chunks(struct scan *s)
{
	struct table *t = s->table;
	if (s->chunks != NULL) {
		return SQLITE_OK;
	}
	char *sql = sqlite3_mprintf(
	    "SELECT chunk, ids FROM \"%w\".\"%w_chunks\" WHERE chunk BETWEEN ?1 AND ?2 ORDER BY chunk",
	    t->db_name, t->name);
	int rc = table_prepare(t, sql, &s->chunks);
	sqlite3_free(sql);
	return rc;
}

/* Add all vectors of a part. */
static int scan_part(struct scan *s, int64_t part, int64_t n)
{
	struct table *t = s->table;
	int rc = prepare_chunks(s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_stmt *chunks = s->chunks;
	t->stats.rows += n;
	sqlite3_bind_int64(chunks, 1, position_chunk(position_at(t, part, 0)));
	sqlite3_bind_int64(chunks, 2, position_chunk(position_at(t, part, n > 0 ? n - 1 : 0)));
	for (int64_t i = 0; i < n && rc == SQLITE_OK; i += t->chunk_rows) {
		int count = n - i < t->chunk_rows ? (int)(n - i) : t->chunk_rows;
		int64_t position = position_at(t, part, i);
		int step = sqlite3_step(chunks);
		if (step != SQLITE_ROW && step != SQLITE_DONE) {
			break;
		}
		if (step == SQLITE_DONE || sqlite3_column_int64(chunks, 0) != position_chunk(position) ||
		    sqlite3_column_bytes(chunks, 1) < count * (int)sizeof(int64_t)) {
			rc = table_corrupt(
			    t, "chunk %lld is missing or too short", (long long)position_chunk(position));
		} else {
			int64_t ids[MAX_CHUNK_ROWS];
			memcpy(ids, sqlite3_column_blob(chunks, 1), (size_t)count * sizeof *ids);
			rc = add_run(s, position, count, ids);
		}
	}
	int end = sqlite3_reset(chunks);
	return rc != SQLITE_OK || end == SQLITE_OK ? rc : table_forward(t, end);
}

/* Add all vectors of the parts that a statement lists. */
static int scan_parts(struct scan *s, sqlite3_stmt *parts)
{
	int rc = SQLITE_OK;
	while (rc == SQLITE_OK && sqlite3_step(parts) == SQLITE_ROW) {
		int64_t part = sqlite3_column_int64(parts, 0);
		int64_t n = sqlite3_column_int64(parts, 1);
		rc = part_check(s->table, part, n);
		if (rc == SQLITE_OK) {
			rc = scan_part(s, part, n);
		}
	}
	return rc;
}

static int by_position(const void *a, const void *b)
{
	const struct hit *x = a;
	const struct hit *y = b;
	return (x->position > y->position) - (x->position < y->position);
}

/* Add rows in the order of their positions. Consecutive ones are read together. */
static int scan_rows(struct scan *s, struct hits *rows)
{
	int64_t ids[MAX_CHUNK_ROWS];
	int rc = SQLITE_OK;
	if (rows->n > 1) {
		qsort(rows->items, (size_t)rows->n, sizeof *rows->items, by_position);
	}
	for (int64_t i = 0; i < rows->n && rc == SQLITE_OK;) {
		int64_t position = rows->items[i].position;
		int count = 0;
		do {
			ids[count++] = rows->items[i++].rowid;
		} while (i < rows->n && rows->items[i].position == position + count &&
		         position_slot(position + count) != 0);
		rc = add_run(s, position, count, ids);
	}
	return rc;
}

/* Collect the rows that a statement lists. */
static int collect(struct table *t, sqlite3_stmt *rows, struct hits *out)
{
	while (sqlite3_step(rows) == SQLITE_ROW) {
		int64_t position = sqlite3_column_int64(rows, 1);
		if (position < 0 || position_slot(position) >= t->chunk_rows) {
			return table_corrupt(t, "a row has the position %lld", (long long)position);
		}
		if (!hits_offer(out, 0, sqlite3_column_int64(rows, 0), position)) {
			return SQLITE_NOMEM;
		}
	}
	return SQLITE_OK;
}

int scan_compare(struct table *t, struct query *q, struct hits *rows, struct hits *h)
{
	struct scan s;
	int rc = scan_begin(&s, t, q, h);
	if (rc != SQLITE_OK) {
		return rc;
	}
	t->stats.rows += rows->n;
	rc = scan_rows(&s, rows);
	if (rc == SQLITE_OK) {
		rc = flush(&s);
	}
	scan_end(&s);
	return rc;
}

/* Compare the query with all rows of one part, or of the parts that a statement lists. */
static int scan_whole(
    struct table *t, struct query *q, sqlite3_stmt *parts, int64_t part, int64_t n, struct hits *h)
{
	struct scan s;
	int rc = scan_begin(&s, t, q, h);
	if (rc != SQLITE_OK) {
		return rc;
	}
	rc = parts != NULL ? scan_parts(&s, parts) : scan_part(&s, part, n);
	if (rc == SQLITE_OK) {
		rc = flush(&s);
	}
	scan_end(&s);
	return rc;
}

int scan_search(
    struct table *t, const struct plan *p, struct query *q, int64_t part, int64_t n, struct hits *h)
{
	struct hits rows = {.k = INT64_MAX};
	sqlite3_stmt *s;
	int whole = conditions_on_parts(t, p, q);
	if (whole && part >= 0) {
		return scan_whole(t, q, NULL, part, n, h);
	}
	int rc = conditions_prepare(t, p, q, whole ? SELECT_PARTS : SELECT_POSITIONS, part, 0, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	rc = whole ? scan_whole(t, q, s, -1, -1, h) : collect(t, s, &rows);
	int end = conditions_finish(t, whole ? SELECT_PARTS : SELECT_POSITIONS, s);
	if (rc == SQLITE_OK && end != SQLITE_OK) {
		rc = table_forward(t, end);
	}
	if (rc == SQLITE_OK && !whole) {
		rc = scan_compare(t, q, &rows, h);
	}
	hits_free(&rows);
	return rc;
}
