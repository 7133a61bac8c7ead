/* A table-valued function. It runs two searches as SQL on the host's connection, FTS5 for the text and kith's
 * table for the vector, for `depth` rows each and with the same filter, and fuses their results (fusion.h).
 *
 * As it reads tables by their names, only top-level SQL of the application may call it, not a view or a
 * trigger in a database file (SQLITE_VTAB_DIRECTONLY). */
#include "hybrid.h"

#include <math.h>

#include "fusion.h"
#include "hybrid_options.h"

enum { COLUMN_SCORE, COLUMN_TEXT, COLUMN_VECTOR, FIRST_ARGUMENT };
enum {
	ARGUMENT_TABLE,
	ARGUMENT_FTS,
	ARGUMENT_TEXT,
	ARGUMENT_VECTOR,
	ARGUMENT_K,
	ARGUMENT_OPTIONS,
	ARGUMENTS
};
enum { DEFAULT_DEPTH = 100 };

struct hybrid {
	sqlite3_vtab base;
	sqlite3 *db;
};

struct cursor {
	sqlite3_vtab_cursor base;
	struct fused *rows;
	int64_t n, at;
};

static int hybrid_connect(
    sqlite3 *db, void *data, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
	(void)data;
	(void)argc;
	(void)argv;
	(void)error;
	int rc = sqlite3_declare_vtab(db,
	    "CREATE TABLE x(score REAL, text_score REAL, vector_score REAL, tbl HIDDEN, fts HIDDEN, "
	    "text HIDDEN, vector HIDDEN, k HIDDEN, options HIDDEN)");
	if (rc != SQLITE_OK) {
		return rc;
	}
	struct hybrid *h = zeroed(sizeof *h);
	if (h == NULL) {
		return SQLITE_NOMEM;
	}
	h->db = db;
	sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
	*out = &h->base;
	return SQLITE_OK;
}

static int hybrid_disconnect(sqlite3_vtab *base)
{
	sqlite3_free(base);
	return SQLITE_OK;
}

static int fail(struct hybrid *h, int rc, char *message)
{
	sqlite3_free(h->base.zErrMsg);
	h->base.zErrMsg = message;
	return rc;
}

/* xFilter gets the arguments in the order of their columns. idxNum has a bit for each argument that is
 * given. */
static int hybrid_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	int at[ARGUMENTS];
	int given = 0;
	int count = 0;
	for (int i = 0; i < ARGUMENTS; i++) {
		at[i] = -1;
	}
	for (int i = 0; i < info->nConstraint; i++) {
		int argument = info->aConstraint[i].iColumn - FIRST_ARGUMENT;
		if (argument < 0 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) {
			continue;
		}
		if (!info->aConstraint[i].usable) {
			return SQLITE_CONSTRAINT;
		}
		at[argument] = i;
	}
	for (int i = 0; i < ARGUMENTS; i++) {
		if (at[i] >= 0) {
			given |= 1 << i;
			info->aConstraintUsage[at[i]].argvIndex = ++count;
			info->aConstraintUsage[at[i]].omit = 1;
		} else if (i < ARGUMENT_K) {
			return fail((struct hybrid *)base, SQLITE_ERROR,
			    sqlite3_mprintf(
			        "kith_hybrid takes a table, an FTS5 table, a text, a vector, k and options"));
		}
	}
	info->idxNum = given;
	info->estimatedCost = 1e4;
	info->estimatedRows = 10;
	info->orderByConsumed =
	    info->nOrderBy == 1 && info->aOrderBy[0].iColumn == COLUMN_SCORE && info->aOrderBy[0].desc;
	return SQLITE_OK;
}

static int hybrid_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
	(void)base;
	struct cursor *c = zeroed(sizeof *c);
	if (c == NULL) {
		return SQLITE_NOMEM;
	}
	*out = &c->base;
	return SQLITE_OK;
}

static int hybrid_close(sqlite3_vtab_cursor *base)
{
	sqlite3_free(((struct cursor *)base)->rows);
	sqlite3_free(base);
	return SQLITE_OK;
}

/* Run a search whose rows are (rowid, score). Frees the statement's text. */
static int run_side(struct hybrid *h, char *sql, sqlite3_value *query, int64_t depth,
    const struct hybrid_options *o, struct side *out)
{
	sqlite3_stmt *s;
	if (sql == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = sqlite3_prepare_v2(h->db, sql, -1, &s, NULL);
	sqlite3_free(sql);
	if (rc == SQLITE_OK) {
		sqlite3_bind_value(s, 1, query);
		sqlite3_bind_int64(s, 2, depth);
		if (o->filter != NULL) {
			sqlite3_bind_text(s, 3, o->filter, -1, SQLITE_STATIC);
			sqlite3_bind_text(
			    s, 4, o->filter_args != NULL ? o->filter_args : "[]", -1, SQLITE_STATIC);
		}
	}
	while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		rc = side_push(out, sqlite3_column_int64(s, 0), sqlite3_column_double(s, 1)) ? SQLITE_OK
		                                                                             : SQLITE_NOMEM;
	}
	int end = sqlite3_finalize(s);
	rc = rc == SQLITE_OK ? end : rc;
	return rc == SQLITE_OK || rc == SQLITE_NOMEM
	           ? rc
	           : fail(h, rc, sqlite3_mprintf("kith_hybrid: %s", sqlite3_errmsg(h->db)));
}

static int search_text(struct hybrid *h, const char *table, const char *fts, sqlite3_value *text,
    int64_t depth, const struct hybrid_options *o, struct side *out)
{
	char *prefix = NULL;
	char *weights = NULL;
	char *error = NULL;
	if (sqlite3_value_type(text) == SQLITE_NULL || sqlite3_value_bytes(text) == 0) {
		return SQLITE_OK;
	}
	int rc = hybrid_fields(h->db, fts, o->fields, &prefix, &weights, &error);
	if (rc == SQLITE_ERROR) {
		fail(h, rc, error);
	}
	char *filter =
	    o->filter != NULL
	        ? sqlite3_mprintf(
	              " AND f.rowid IN (SELECT rowid FROM \"%w\" WHERE filter = ?3 AND filter_args = ?4)",
	              table)
	        : sqlite3_mprintf("");
	if (rc == SQLITE_OK && (prefix == NULL || filter == NULL)) {
		rc = SQLITE_NOMEM;
	}
	if (rc == SQLITE_OK && o->fields == NULL) {
		rc = run_side(h,
		    sqlite3_mprintf(
		        "SELECT f.rowid, -bm25(\"%w\") AS s FROM \"%w\" AS f WHERE \"%w\" MATCH ?1%s "
		        "ORDER BY s DESC, f.rowid LIMIT ?2",
		        fts, fts, fts, filter),
		    text, depth, o, out);
	} else if (rc == SQLITE_OK) {
		rc = run_side(h,
		    sqlite3_mprintf("SELECT f.rowid, -bm25(\"%w\"%s) AS s FROM \"%w\" AS f WHERE \"%w\" "
		                    "MATCH %Q || ?1 || ')'%s "
		                    "ORDER BY s DESC, f.rowid LIMIT ?2",
		        fts, weights, fts, fts, prefix, filter),
		    text, depth, o, out);
	}
	sqlite3_free(prefix);
	sqlite3_free(weights);
	sqlite3_free(filter);
	return rc;
}

static int search_vector(struct hybrid *h, const char *table, sqlite3_value *vector, int64_t depth,
    const struct hybrid_options *o, struct side *out)
{
	if (sqlite3_value_type(vector) == SQLITE_NULL) {
		return SQLITE_OK;
	}
	return run_side(h,
	    sqlite3_mprintf("SELECT rowid, -distance FROM \"%w\" WHERE \"%w\" MATCH ?1 AND k = ?2%s", table,
	        o->column != NULL ? o->column : table,
	        o->filter != NULL ? " AND filter = ?3 AND filter_args = ?4" : ""),
	    vector, depth, o, out);
}

static int read_k(struct hybrid *h, sqlite3_value *value, int64_t *k)
{
	*k = value != NULL ? sqlite3_value_int64(value) : 10;
	if (value != NULL && (sqlite3_value_type(value) != SQLITE_INTEGER || *k < 0)) {
		return fail(
		    h, SQLITE_ERROR, sqlite3_mprintf("kith_hybrid: k must be an integer, at least 0"));
	}
	return SQLITE_OK;
}

static int search(struct cursor *c, sqlite3_value **argument)
{
	struct hybrid *h = (struct hybrid *)c->base.pVtab;
	struct hybrid_options o = {0};
	struct side text = {0};
	struct side vector = {0};
	char *error = NULL;
	int64_t k;
	const char *table = (const char *)sqlite3_value_text(argument[ARGUMENT_TABLE]);
	const char *fts = (const char *)sqlite3_value_text(argument[ARGUMENT_FTS]);
	if (table == NULL || fts == NULL) {
		return fail(
		    h, SQLITE_ERROR, sqlite3_mprintf("kith_hybrid: the names of both tables are needed"));
	}
	int rc = read_k(h, argument[ARGUMENT_K], &k);
	if (rc == SQLITE_OK) {
		rc = hybrid_options_read(h->db, argument[ARGUMENT_OPTIONS], &o, &error);
		if (rc == SQLITE_ERROR) {
			fail(h, rc, error);
		}
	}
	int64_t depth = o.depth > 0 ? o.depth : k > DEFAULT_DEPTH ? k : DEFAULT_DEPTH;
	if (rc == SQLITE_OK) {
		rc = search_text(h, table, fts, argument[ARGUMENT_TEXT], depth, &o, &text);
	}
	if (rc == SQLITE_OK) {
		rc = search_vector(h, table, argument[ARGUMENT_VECTOR], depth, &o, &vector);
	}
	if (rc == SQLITE_OK) {
		double alpha = isnan(o.alpha) && o.fusion != FUSION_RRF ? 0.5 : o.alpha;
		rc = fusion_run(o.fusion, alpha, o.rrf_k, &text, &vector, &c->rows, &c->n) ? SQLITE_OK
		                                                                           : SQLITE_NOMEM;
		c->n = c->n < k ? c->n : k;
	}
	side_free(&text);
	side_free(&vector);
	hybrid_options_free(&o);
	return rc;
}

static int hybrid_filter(
    sqlite3_vtab_cursor *base, int given, const char *plan, int argc, sqlite3_value **argv)
{
	struct cursor *c = (struct cursor *)base;
	sqlite3_value *argument[ARGUMENTS] = {0};
	int at = 0;
	(void)plan;
	for (int i = 0; i < ARGUMENTS && at < argc; i++) {
		if (given & 1 << i) {
			argument[i] = argv[at++];
		}
	}
	sqlite3_free(c->rows);
	c->rows = NULL;
	c->n = 0;
	c->at = 0;
	return search(c, argument);
}

static int hybrid_next(sqlite3_vtab_cursor *base)
{
	((struct cursor *)base)->at++;
	return SQLITE_OK;
}

static int hybrid_eof(sqlite3_vtab_cursor *base)
{
	struct cursor *c = (struct cursor *)base;
	return c->at >= c->n;
}

static int hybrid_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	struct cursor *c = (struct cursor *)base;
	const struct fused *row = &c->rows[c->at];
	double value = column == COLUMN_SCORE ? row->score : column == COLUMN_TEXT ? row->text : row->vector;
	if (column < FIRST_ARGUMENT && !isnan(value)) {
		sqlite3_result_double(context, value);
	}
	return SQLITE_OK;
}

static int hybrid_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
	struct cursor *c = (struct cursor *)base;
	*rowid = c->rows[c->at].rowid;
	return SQLITE_OK;
}

int hybrid_register(sqlite3 *db)
{
	static const sqlite3_module module = {
	    .xConnect = hybrid_connect,
	    .xBestIndex = hybrid_best_index,
	    .xDisconnect = hybrid_disconnect,
	    .xOpen = hybrid_open,
	    .xClose = hybrid_close,
	    .xFilter = hybrid_filter,
	    .xNext = hybrid_next,
	    .xEof = hybrid_eof,
	    .xColumn = hybrid_column,
	    .xRowid = hybrid_rowid,
	};
	return sqlite3_create_module_v2(db, "kith_hybrid", &module, NULL, NULL);
}
