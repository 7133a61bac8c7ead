/* With MATCH, xFilter finds all hits at once, and a hit's row is read when a column of it is requested.
 * Without MATCH, rows come one by one from a statement about T_rows. Auxiliary columns and vectors are
 * read only when they are requested. */
#include "cursor.h"

#include "chunks.h"
#include "conditions.h"
#include "distance.h"
#include "rows.h"
#include "refresh.h"
#include "search.h"

enum { FIRST_BATCH = 100, NEXT_BATCH = 8 };

struct cursor {
	sqlite3_vtab_cursor base;
	struct plan plan;
	struct query query;
	struct hits hits;
	int64_t at;
	int complete;         /* there are no further hits after these */
	struct delta emitted; /* rows of earlier batches of hits */
	sqlite3_stmt *scan;   /* the statement without MATCH; NULL: the cursor is on hits */
	int scanning;         /* the scan is at a row */
	sqlite3_stmt *row, *aux;
	int has_row,
	    has_aux; /* 1: the statement is at the cursor's row, −1: there is no such row, 0: not looked up */
	struct chunk_blob blob;
	int blob_column;
};

static struct table *table_of(const struct cursor *c)
{
	return (struct table *)c->base.pVtab;
}

int cursor_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
	(void)base;
	struct cursor *c = zeroed(sizeof *c);
	if (c == NULL) {
		return SQLITE_NOMEM;
	}
	*out = &c->base;
	return SQLITE_OK;
}

static void leave_row(struct cursor *c)
{
	sqlite3_reset(c->row);
	sqlite3_reset(c->aux);
	c->has_row = 0;
	c->has_aux = 0;
}

static void clear(struct cursor *c)
{
	leave_row(c);
	chunk_close(&c->blob);
	sqlite3_finalize(c->scan);
	c->scan = NULL;
	c->scanning = 0;
	hits_free(&c->hits);
	c->at = 0;
	c->complete = 1;
	delta_free(&c->emitted);
	query_end(&c->query);
}

int cursor_close(sqlite3_vtab_cursor *base)
{
	struct cursor *c = (struct cursor *)base;
	struct table *t = table_of(c);
	clear(c);
	statement_give(t, ROW_GET, c->row);
	statement_give(t, AUX_GET, c->aux);
	sqlite3_free(c);
	return SQLITE_OK;
}

static int step_scan(struct cursor *c)
{
	int rc = sqlite3_step(c->scan);
	c->scanning = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
		return SQLITE_OK;
	}
	rc = sqlite3_reset(c->scan);
	return table_forward(table_of(c), rc);
}

/* Find the k nearest rows. */
static int search(struct cursor *c, int64_t k)
{
	c->hits.k = k;
	int rc = search_run(table_of(c), &c->plan, &c->query, &c->hits, &c->complete);
	if (rc == SQLITE_OK) {
		hits_sort(&c->hits);
	} else {
		hits_free(&c->hits);
		c->complete = 1;
	}
	return rc;
}

/* Without k, rows come in batches, each larger than the previous one. A row that an index missed in one
 * batch comes in a later one. */
static int search_on(struct cursor *c)
{
	int rc = SQLITE_OK;
	while (rc == SQLITE_OK && c->at == c->hits.n && !c->complete) {
		int64_t k = c->hits.k;
		for (int64_t i = 0; i < c->hits.n && rc == SQLITE_OK; i++) {
			rc = delta_push(&c->emitted, c->hits.items[i].rowid);
		}
		delta_sort(&c->emitted);
		hits_free(&c->hits);
		c->at = 0;
		if (rc == SQLITE_OK) {
			rc = search(c, k * NEXT_BATCH);
		}
		int64_t n = 0;
		for (int64_t i = 0; i < c->hits.n; i++) {
			if (!delta_has(&c->emitted, c->hits.items[i].rowid)) {
				c->hits.items[n++] = c->hits.items[i];
			}
		}
		c->hits.n = n;
	}
	return rc;
}

int cursor_filter(sqlite3_vtab_cursor *base, int order, const char *text, int argc, sqlite3_value **argv)
{
	struct cursor *c = (struct cursor *)base;
	struct table *t = table_of(c);
	(void)argc;
	clear(c);
	int rc = shadow_load(t);
	if (rc == SQLITE_OK) {
		rc = plan_parse(&c->plan, text);
	}
	if (rc == SQLITE_OK) {
		rc = query_begin(&c->query, t, &c->plan, argv);
	}
	if (rc != SQLITE_OK || c->query.no_rows) {
		return rc;
	}
	if (c->query.column == NULL) {
		rc = conditions_prepare(t, &c->plan, &c->query, SELECT_ROWS, -1, order, &c->scan);
		return rc == SQLITE_OK ? step_scan(c) : rc;
	}
	return search(c, c->query.k < INT64_MAX ? c->query.k : FIRST_BATCH);
}

int cursor_next(sqlite3_vtab_cursor *base)
{
	struct cursor *c = (struct cursor *)base;
	leave_row(c);
	if (c->scan != NULL) {
		return step_scan(c);
	}
	c->at++;
	return c->at == c->hits.n && !c->complete ? search_on(c) : SQLITE_OK;
}

int cursor_eof(sqlite3_vtab_cursor *base)
{
	struct cursor *c = (struct cursor *)base;
	return c->scan != NULL ? !c->scanning : c->at >= c->hits.n;
}

int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
	struct cursor *c = (struct cursor *)base;
	*rowid = c->scan != NULL ? sqlite3_column_int64(c->scan, 0) : c->hits.items[c->at].rowid;
	return SQLITE_OK;
}

/* Step a statement to the cursor's row. *has becomes 1, or −1 if the row no longer exists. */
static int look_up(struct cursor *c, enum statement which, sqlite3_stmt **s, int *has)
{
	sqlite3_int64 rowid;
	int rc = *s == NULL ? statement_take(table_of(c), which, s) : SQLITE_OK;
	if (rc != SQLITE_OK || *has != 0) {
		return rc;
	}
	cursor_rowid(&c->base, &rowid);
	sqlite3_bind_int64(*s, 1, rowid);
	rc = sqlite3_step(*s);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
		*has = rc == SQLITE_ROW ? 1 : -1;
		return SQLITE_OK;
	}
	rc = sqlite3_reset(*s);
	return table_forward(table_of(c), rc);
}

static int read_vector(struct cursor *c, const struct column *column, unsigned char *bytes, int *gone)
{
	struct table *t = table_of(c);
	sqlite3_int64 rowid;
	int64_t position;
	cursor_rowid(&c->base, &rowid);
	int rc = row_position(t, rowid, &position);
	*gone = position < 0;
	if (rc != SQLITE_OK || *gone) {
		return rc;
	}
	if (c->blob_column != column->number) {
		chunk_close(&c->blob);
		c->blob_column = column->number;
	}
	int open = c->blob.blob != NULL;
	rc = chunk_read(t, &c->blob, column->number, position, 1, bytes);
	if (rc == SQLITE_ABORT &&
	    open) { /* the blob was changed after it was opened: chunk_read opens it again */
		rc = chunk_read(t, &c->blob, column->number, position, 1, bytes);
	}
	if (rc == SQLITE_OK) {
		sqlite3_free(t->base.zErrMsg);
		t->base.zErrMsg = NULL;
	}
	return rc;
}

static int return_vector(struct cursor *c, sqlite3_context *context, const struct column *column)
{
	int gone;
	int64_t width = column_width(column);
	unsigned char *bytes = sqlite3_malloc64((sqlite3_uint64)width);
	if (bytes == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = read_vector(c, column, bytes, &gone);
	if (rc != SQLITE_OK || gone) {
		sqlite3_free(bytes);
		return rc;
	}
	sqlite3_result_blob64(context, bytes, (sqlite3_uint64)width, sqlite3_free);
	return SQLITE_OK;
}

static void return_hidden(const struct cursor *c, sqlite3_context *context, int hidden)
{
	const struct query *q = &c->query;
	if (q->column == NULL) {
		return;
	}
	double distance = c->hits.items[c->at].distance;
	switch (hidden) {
	case HIDDEN_DISTANCE:
	case HIDDEN_RANK:
		sqlite3_result_double(context, distance);
		break;
	case HIDDEN_SIMILARITY:
		sqlite3_result_double(context, distance_similarity(q->column->metric, distance));
		break;
	case HIDDEN_K:
		if (q->k < INT64_MAX) {
			sqlite3_result_int64(context, q->k);
		}
		break;
	default:
		break;
	}
}

int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number)
{
	struct cursor *c = (struct cursor *)base;
	struct table *t = table_of(c);
	int rc;
	if (number >= t->schema.n) {
		return_hidden(c, context, number - t->schema.n);
		return SQLITE_OK;
	}
	if (sqlite3_vtab_nochange(context)) {
		return SQLITE_OK; /* an UPDATE does not change this column */
	}
	const struct column *column = &t->schema.columns[number];
	switch (column->kind) {
	case COLUMN_ROWID: {
		sqlite3_int64 rowid;
		cursor_rowid(base, &rowid);
		sqlite3_result_int64(context, rowid);
		return SQLITE_OK;
	}
	case COLUMN_VECTOR:
		return return_vector(c, context, column);
	case COLUMN_AUXILIARY:
		rc = look_up(c, AUX_GET, &c->aux, &c->has_aux);
		if (rc == SQLITE_OK && c->has_aux > 0) {
			sqlite3_result_value(context, sqlite3_column_value(c->aux, 1 + column->place));
		}
		return rc;
	default:
		if (c->scan != NULL) {
			sqlite3_result_value(context, sqlite3_column_value(c->scan, 2 + column->place));
			return SQLITE_OK;
		}
		rc = look_up(c, ROW_GET, &c->row, &c->has_row);
		if (rc == SQLITE_OK && c->has_row > 0) {
			sqlite3_result_value(context, sqlite3_column_value(c->row, 1 + column->place));
		}
		return rc;
	}
}
