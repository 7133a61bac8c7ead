/* Error messages and prepared statements of a table. The text of a statement depends on the declared
 * columns, so it is composed when the statement is first prepared. */
#include "table.h"

#include <stdarg.h>
#include <string.h>

static void set_message(struct table *t, char *message)
{
	sqlite3_free(t->base.zErrMsg);
	t->base.zErrMsg = message;
}

int table_error(struct table *t, int code, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	set_message(t, sqlite3_vmprintf(format, list));
	va_end(list);
	return code;
}

int table_corrupt(struct table *t, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	char *why = sqlite3_vmprintf(format, list);
	va_end(list);
	set_message(t, sqlite3_mprintf("%s: the table is damaged: %s", t->name, why != NULL ? why : ""));
	sqlite3_free(why);
	return SQLITE_CORRUPT_VTAB;
}

int table_forward(struct table *t, int code)
{
	if (code == SQLITE_NOMEM) {
		return code;
	}
	return table_error(t, code, "%s", sqlite3_errmsg(t->db));
}

int part_check(struct table *t, int64_t part, int64_t n)
{
	return part >= 0 && part < (int64_t)1 << PART_BITS && n >= 1 &&
	               n / t->chunk_rows < (int64_t)1 << SEQ_BITS
	           ? SQLITE_OK
	           : table_corrupt(t, "part %lld has %lld rows", (long long)part, (long long)n);
}

int column_in_rows(const struct column *c)
{
	return c->kind != COLUMN_VECTOR && c->kind != COLUMN_AUXILIARY && c->kind != COLUMN_ROWID;
}

/* ---- texts of statements ---- */

static int wanted(const struct column *c, int aux)
{
	return aux ? c->kind == COLUMN_AUXILIARY : column_in_rows(c);
}

static void append_columns(sqlite3_str *out, const struct schema *s, int aux)
{
	for (int i = 0; i < s->n; i++) {
		if (wanted(&s->columns[i], aux)) {
			sqlite3_str_appendf(out, ", \"%w\"", s->columns[i].name);
		}
	}
}

static void append_insert(
    sqlite3_str *out, const struct table *t, const char *shadow, const char *first, int aux)
{
	sqlite3_str_appendf(out, "INSERT INTO \"%w\".\"%w_%s\"(%s", t->db_name, t->name, shadow, first);
	append_columns(out, &t->schema, aux);
	sqlite3_str_appendall(out, aux ? ") VALUES(?" : ") VALUES(?, ?");
	for (int i = 0; i < t->schema.n; i++) {
		if (wanted(&t->schema.columns[i], aux)) {
			sqlite3_str_appendall(out, ", ?");
		}
	}
	sqlite3_str_appendall(out, ")");
}

/* Each column has two parameters: whether it changes, and its new value. */
static void append_update(
    sqlite3_str *out, const struct table *t, const char *shadow, const char *first, int aux)
{
	sqlite3_str_appendf(
	    out, "UPDATE \"%w\".\"%w_%s\" SET rowid = ?2%s", t->db_name, t->name, shadow, first);
	int parameter = 4;
	for (int i = 0; i < t->schema.n; i++) {
		if (wanted(&t->schema.columns[i], aux)) {
			const char *name = t->schema.columns[i].name;
			sqlite3_str_appendf(
			    out, ", \"%w\" = iif(?%d, ?%d, \"%w\")", name, parameter, parameter + 1, name);
			parameter += 2;
		}
	}
	sqlite3_str_appendall(out, " WHERE rowid = ?1");
}

static void append_get(
    sqlite3_str *out, const struct table *t, const char *shadow, const char *first, int aux)
{
	sqlite3_str_appendf(out, "SELECT %s", first);
	append_columns(out, &t->schema, aux);
	sqlite3_str_appendf(out, " FROM \"%w\".\"%w_%s\" WHERE rowid = ?1", t->db_name, t->name, shadow);
}

static void append_part(sqlite3_str *out, const struct table *t, int insert)
{
	const struct schema *s = &t->schema;
	sqlite3_str_appendf(out,
	    insert ? "INSERT INTO \"%w\".\"%w_parts\"(kith_part, kith_n"
	           : "SELECT kith_part, kith_n FROM \"%w\".\"%w_parts\"",
	    t->db_name, t->name);
	for (int i = 0; insert && i < s->n; i++) {
		if (s->columns[i].kind == COLUMN_PARTITION) {
			sqlite3_str_appendf(out, ", \"%w\"", s->columns[i].name);
		}
	}
	sqlite3_str_appendall(out, insert ? ") VALUES(?1, 0" : " WHERE true");
	for (int i = 0; i < s->n; i++) {
		const struct column *c = &s->columns[i];
		if (c->kind == COLUMN_PARTITION && insert) {
			sqlite3_str_appendf(out, ", ?%d", c->number + 2);
		} else if (c->kind == COLUMN_PARTITION) {
			sqlite3_str_appendf(out, " AND \"%w\" IS ?%d COLLATE BINARY", c->name, c->number + 2);
		}
	}
	sqlite3_str_appendall(out, insert ? ")" : "");
}

static char *statement_text(const struct table *t, enum statement which)
{
	static const char *const simple[STATEMENTS] = {
	    [ROW_DELETE] = "DELETE FROM \"%w\".\"%w_rows\" WHERE rowid = ?1",
	    [ROW_MOVE] = "UPDATE \"%w\".\"%w_rows\" SET kith_pos = ?2 WHERE rowid = ?1",
	    [AUX_DELETE] = "DELETE FROM \"%w\".\"%w_aux\" WHERE rowid = ?1",
	    [PART_SIZE] = "SELECT kith_n FROM \"%w\".\"%w_parts\" WHERE kith_part = ?1",
	    [PART_NEXT] = "SELECT coalesce(max(kith_part), 0) + 1 FROM \"%w\".\"%w_parts\"",
	    [CHANGE_FIND] = "SELECT mark FROM \"%w\".\"%w_changes\" WHERE part = ?1 AND seq = ?2",
	    [CHANGE_LIST] = "SELECT id, vector FROM \"%w\".\"%w_changes\" WHERE part = ?1 AND seq > ?2",
	    [CONFIG_GET] = "SELECT value FROM \"%w\".\"%w_config\" WHERE key = ?1",
	    [PART_DELETE] = "DELETE FROM \"%w\".\"%w_parts\" WHERE kith_part = ?1",
	};
	if (simple[which] != NULL) {
		return sqlite3_mprintf(simple[which], t->db_name, t->name);
	}
	sqlite3_str *out = sqlite3_str_new(NULL);
	const struct column *key = schema_column(&t->schema, COLUMN_KEY, 0);
	switch (which) {
	case ROW_INSERT:
		append_insert(out, t, "rows", "rowid, kith_pos", 0);
		break;
	case ROW_GET:
		append_get(out, t, "rows", "kith_pos", 0);
		break;
	case ROW_UPDATE:
		append_update(out, t, "rows", ", kith_pos = ?3", 0);
		break;
	case ROW_BY_KEY:
		sqlite3_str_appendf(out, "SELECT rowid FROM \"%w\".\"%w_rows\" WHERE \"%w\" = ?1", t->db_name,
		    t->name, key != NULL ? key->name : "");
		break;
	case AUX_INSERT:
		append_insert(out, t, "aux", "rowid", 1);
		break;
	case AUX_GET:
		append_get(out, t, "aux", "1", 1);
		break;
	case AUX_UPDATE:
		append_update(out, t, "aux", "", 1);
		break;
	case PART_FIND:
		append_part(out, t, 0);
		break;
	case PART_INSERT:
		append_part(out, t, 1);
		break;
	case PART_CHANGE:
		sqlite3_str_appendf(out,
		    "UPDATE \"%w\".\"%w_parts\" SET kith_n = coalesce(?2, kith_n), kith_seq = kith_seq + 1, "
		    "kith_mark = random() WHERE kith_part = ?1",
		    t->db_name, t->name);
		break;
	case PART_STATE:
		sqlite3_str_appendf(out,
		    "SELECT kith_n, kith_seq, kith_mark, kith_base, kith_base_mark FROM \"%w\".\"%w_parts\" "
		    "WHERE kith_part = ?1",
		    t->db_name, t->name);
		break;
	case CHANGE_NOTE:
		sqlite3_str_appendf(out,
		    "INSERT INTO \"%w\".\"%w_changes\"(part, seq, id, mark, vector) SELECT kith_part, "
		    "kith_seq, ?2, kith_mark, ?3 "
		    "FROM \"%w\".\"%w_parts\" WHERE kith_part = ?1 AND kith_base IS NOT NULL",
		    t->db_name, t->name, t->db_name, t->name);
		break;
	default:
		break;
	}
	return sqlite3_str_finish(out);
}

void *zeroed(size_t bytes)
{
	void *out = sqlite3_malloc64(bytes);
	if (out != NULL) {
		memset(out, 0, bytes);
	}
	return out;
}

/* ---- statements ---- */

int table_prepare(struct table *t, const char *sql, sqlite3_stmt **out)
{
	*out = NULL;
	if (sql == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = sqlite3_prepare_v3(t->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	/* The statement does not fit the shadow tables, so they are not as they were created. */
	return rc == SQLITE_OK      ? rc
	       : rc == SQLITE_ERROR ? table_corrupt(t, "%s", sqlite3_errmsg(t->db))
	                            : table_forward(t, rc);
}

int statement_take(struct table *t, enum statement which, sqlite3_stmt **out)
{
	*out = t->statements[which];
	t->statements[which] = NULL;
	if (*out != NULL) {
		return SQLITE_OK;
	}
	char *sql = statement_text(t, which);
	int rc = table_prepare(t, sql, out);
	sqlite3_free(sql);
	return rc;
}

void statement_give(struct table *t, enum statement which, sqlite3_stmt *s)
{
	if (s == NULL) {
		return;
	}
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	if (t->statements[which] == NULL) {
		t->statements[which] = s;
	} else {
		sqlite3_finalize(s);
	}
}

int statement_borrow(struct table *t, enum statement which, sqlite3_stmt **out)
{
	int rc = statement_take(t, which, out);
	if (rc == SQLITE_OK) {
		t->statements[which] = *out;
	}
	return rc;
}

int statement_run(struct table *t, sqlite3_stmt *s)
{
	sqlite3_step(s);
	int rc = sqlite3_reset(s);
	if (rc == SQLITE_ERROR) { /* the shadow table is not as it was created */
		return table_corrupt(t, "%s", sqlite3_errmsg(t->db));
	}
	return rc == SQLITE_OK ? rc : table_forward(t, rc);
}

int table_run(struct table *t, char *take_sql)
{
	sqlite3_stmt *s;
	int rc = table_prepare(t, take_sql, &s);
	sqlite3_free(take_sql);
	if (rc == SQLITE_OK) {
		rc = statement_run(t, s);
		sqlite3_finalize(s);
	}
	return rc;
}

int table_number(struct table *t, char *take_sql, int64_t *out)
{
	sqlite3_stmt *s;
	int rc = table_prepare(t, take_sql, &s);
	sqlite3_free(take_sql);
	if (rc != SQLITE_OK) {
		return rc;
	}
	*out = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
	rc = sqlite3_finalize(s);
	return rc == SQLITE_OK ? rc : table_forward(t, rc);
}

void statements_free(struct table *t)
{
	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(t->statements[i]);
		t->statements[i] = NULL;
	}
	for (int i = 0; i < SELECTIONS; i++) {
		sqlite3_finalize(t->conditions[i]);
		t->conditions[i] = NULL;
	}
}
