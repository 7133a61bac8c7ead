/* Conditions become SQL over T_rows. Its columns have the declared types and collations, so SQLite
 * compares as it would in an ordinary table, with the column's affinity, the collation of the query, and
 * its rules for NULL. */
#include "conditions.h"

#include <string.h>

#include "filter.h"

static const char *operator_text(int op)
{
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
		return "=";
	case SQLITE_INDEX_CONSTRAINT_GT:
		return ">";
	case SQLITE_INDEX_CONSTRAINT_LE:
		return "<=";
	case SQLITE_INDEX_CONSTRAINT_LT:
		return "<";
	case SQLITE_INDEX_CONSTRAINT_GE:
		return ">=";
	case SQLITE_INDEX_CONSTRAINT_NE:
		return "<>";
	case SQLITE_INDEX_CONSTRAINT_LIKE:
		return "LIKE";
	case SQLITE_INDEX_CONSTRAINT_GLOB:
		return "GLOB";
	case SQLITE_INDEX_CONSTRAINT_ISNOT:
	case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
		return "IS NOT";
	default:
		return "IS";
	}
}

static int is_condition(const struct term *term)
{
	return term->kind == TERM_WHERE || term->kind == TERM_IN;
}

static int on_parts(const struct table *t, const struct term *term)
{
	return term->column >= 0 && t->schema.columns[term->column].kind == COLUMN_PARTITION;
}

int conditions_on_parts(const struct table *t, const struct plan *p, const struct query *q)
{
	for (int i = 0; i < p->n; i++) {
		const struct term *term = &p->terms[i];
		if (is_condition(term) && !on_parts(t, term)) {
			return 0;
		}
	}
	return q->filter == NULL;
}

int conditions_name_rows(const struct table *t, const struct plan *p)
{
	for (int i = 0; i < p->n; i++) {
		const struct term *term = &p->terms[i];
		int equal = term->op == SQLITE_INDEX_CONSTRAINT_EQ || term->op == SQLITE_INDEX_CONSTRAINT_IS;
		if (is_condition(term) && equal &&
		    (term->column < 0 || t->schema.columns[term->column].kind == COLUMN_KEY)) {
			return 1;
		}
	}
	return 0;
}

static int needs_aux(const struct table *t, const struct plan *p, const struct filter *f)
{
	for (int i = 0; i < p->n; i++) {
		const struct term *term = &p->terms[i];
		if (is_condition(term) && term->column >= 0 &&
		    t->schema.columns[term->column].kind == COLUMN_AUXILIARY) {
			return 1;
		}
	}
	return f->reads_aux;
}

static void append_source(sqlite3_str *out, const struct table *t, int aux)
{
	const struct column *id = schema_column(&t->schema, COLUMN_ROWID, 0);
	sqlite3_str_appendf(out, " FROM (SELECT r.kith_rowid AS rowid, r.*");
	if (id != NULL) {
		sqlite3_str_appendf(out, ", r.kith_rowid AS \"%w\"", id->name);
	}
	for (int i = 0; aux && i < t->schema.n; i++) {
		if (t->schema.columns[i].kind == COLUMN_AUXILIARY) {
			sqlite3_str_appendf(out, ", a.\"%w\"", t->schema.columns[i].name);
		}
	}
	sqlite3_str_appendf(out, " FROM \"%w\".\"%w_rows\" AS r", t->db_name, t->name);
	if (aux) {
		sqlite3_str_appendf(
		    out, " JOIN \"%w\".\"%w_aux\" AS a ON a.kith_rowid = r.kith_rowid", t->db_name, t->name);
	}
	sqlite3_str_appendf(out, ") AS \"%w\"", t->name);
}

/* Append one condition. The parameters of conditions have the numbers after those of the filter. */
static void append_condition(sqlite3_str *out, const struct table *t, const struct term *term, int parameter)
{
	const char *name = term->column >= 0 ? t->schema.columns[term->column].name : "rowid";
	if (term->op == SQLITE_INDEX_CONSTRAINT_FUNCTION) {
		sqlite3_str_appendf(out, " AND kith_contains(\"%w\", ?%d)", name, parameter);
		return;
	}
	if (term->column < 0) {
		sqlite3_str_appendall(out, " AND rowid");
	} else {
		sqlite3_str_appendf(out, " AND \"%w\"", name);
	}
	if (term->collation[0] != '\0' && term->op != SQLITE_INDEX_CONSTRAINT_LIKE &&
	    term->op != SQLITE_INDEX_CONSTRAINT_GLOB) {
		sqlite3_str_appendf(out, " COLLATE \"%w\"", term->collation);
	}
	if (term->kind == TERM_IN) {
		sqlite3_str_appendf(out, " IN (SELECT +value FROM kith_values(?%d))", parameter);
	} else if (term->op == SQLITE_INDEX_CONSTRAINT_ISNULL ||
	           term->op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL) {
		sqlite3_str_appendf(out, " %s NULL", operator_text(term->op));
	} else {
		sqlite3_str_appendf(out, " %s ?%d", operator_text(term->op), parameter);
	}
}

static void append_source_and_filter(sqlite3_str *out, const struct table *t, const struct plan *p,
    const struct filter *f, enum selection what)
{
	if (what == SELECT_PARTS) {
		sqlite3_str_appendf(out,
		    "SELECT kith_part, kith_n, kith_base IS NOT NULL FROM \"%w\".\"%w_parts\" WHERE true",
		    t->db_name, t->name);
		return;
	}
	sqlite3_str_appendall(out, "SELECT rowid, kith_pos");
	for (int i = 0; what == SELECT_ROWS && i < t->schema.n; i++) {
		if (column_in_rows(&t->schema.columns[i])) {
			sqlite3_str_appendf(out, ", \"%w\"", t->schema.columns[i].name);
		}
	}
	append_source(out, t, needs_aux(t, p, f));
	/* filter.c has made sure that this is a single expression. The line break ends a comment in it. */
	sqlite3_str_appendf(out, " WHERE (%s\n)", f->expression != NULL ? f->expression : "true");
}

static char *conditions_text(const struct table *t, const struct plan *p, const struct filter *f,
    enum selection what, int64_t part, int order)
{
	sqlite3_str *out = sqlite3_str_new(NULL);
	append_source_and_filter(out, t, p, f, what);
	for (int i = 0; i < p->n; i++) {
		const struct term *term = &p->terms[i];
		if (is_condition(term) && (what != SELECT_PARTS || on_parts(t, term))) {
			append_condition(out, t, term, f->parameters + i + 1);
		}
	}
	if (part >= 0) {
		sqlite3_str_appendf(out, " AND kith_pos >= %lld AND kith_pos < %lld", position_of(part, 0, 0),
		    position_of(part + 1, 0, 0));
	}
	if (what == SELECT_TEST) {
		sqlite3_str_appendf(out, " AND rowid = ?%d", f->parameters + p->n + 1);
	}
	if (order & ORDER_ROWID) {
		sqlite3_str_appendf(out, " ORDER BY rowid%s", order & ORDER_DESCENDING ? " DESC" : "");
	}
	return sqlite3_str_finish(out);
}

static int bind_conditions(const struct plan *p, struct query *q, int first, sqlite3_stmt *s)
{
	int list = 0;
	int rc = SQLITE_OK;
	int count = sqlite3_bind_parameter_count(s);
	for (int i = 0; i < p->n && rc == SQLITE_OK; i++) {
		struct values *in = p->terms[i].kind == TERM_IN ? &q->in[list++] : NULL;
		if (first + i + 1 > count) {
			continue;
		}
		if (in != NULL) {
			rc = sqlite3_bind_pointer(s, first + i + 1, in, VALUES_POINTER, NULL);
		} else if (p->terms[i].kind == TERM_WHERE) {
			rc = sqlite3_bind_value(s, first + i + 1, q->values[i]);
		}
	}
	return rc;
}

/* Take the cached statement of this kind if it has the same text, as the next query often does, or prepare
 * a new one. */
static int prepare_or_take(struct table *t, enum selection what, const char *sql, sqlite3_stmt **out)
{
	sqlite3_stmt *last = t->conditions[what];
	if (sql != NULL && last != NULL && strcmp(sqlite3_sql(last), sql) == 0) {
		t->conditions[what] = NULL;
		*out = last;
		return SQLITE_OK;
	}
	return table_prepare(t, sql, out);
}

int conditions_finish(struct table *t, enum selection what, sqlite3_stmt *s)
{
	if (s == NULL) {
		return SQLITE_OK;
	}
	int rc = sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	if (rc != SQLITE_OK) {
		sqlite3_finalize(s);
		return rc;
	}
	sqlite3_finalize(t->conditions[what]);
	t->conditions[what] = s;
	return rc;
}

int conditions_prepare(struct table *t, const struct plan *p, struct query *q, enum selection what,
    int64_t part, int order, sqlite3_stmt **out)
{
	struct filter f = {0};
	*out = NULL;
	int rc = what == SELECT_PARTS ? SQLITE_OK : filter_check(t, q, &f);
	if (rc != SQLITE_OK) {
		return rc;
	}
	char *sql = conditions_text(t, p, &f, what, part, order);
	rc = prepare_or_take(t, what, sql, out);
	sqlite3_free(sql);
	if (rc == SQLITE_OK && what != SELECT_PARTS) {
		rc = filter_bind(t, q, &f, *out);
	}
	if (rc == SQLITE_OK) {
		rc = bind_conditions(p, q, f.parameters, *out);
	}
	if (rc != SQLITE_OK) {
		sqlite3_finalize(*out);
		*out = NULL;
	}
	return rc;
}
