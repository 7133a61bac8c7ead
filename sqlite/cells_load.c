/* Reads columns from T_rows when a second search has conditions on them, and updates them together with
 * the index that they belong to. */
#include "cells_load.h"

#include "rows.h"

int cells_are_missing(const struct live *l, const int *columns, int n)
{
	for (int i = 0; i < n; i++) {
		const struct cells *c = cells_find(l->cells, columns[i]);
		if (c == NULL || (c->kind != CELLS_NONE && c->n != l->n)) {
			return 1;
		}
	}
	return 0;
}

/* Set the values of a statement's rows (rowid, value). Rows mostly come in the order of ids, so the next
 * id is tried before the hash table. */
static int read_values(struct live *l, struct cells *c, sqlite3_stmt *s)
{
	int64_t next = 0;
	int rc = SQLITE_OK;
	while (rc == SQLITE_OK && c->kind != CELLS_NONE && sqlite3_step(s) == SQLITE_ROW) {
		int64_t rowid = sqlite3_column_int64(s, 0);
		int follows = next < l->n && l->rowids[next] == rowid && !live_is_dead(l, next);
		int64_t id = follows ? next : live_find(l, rowid);
		if (id >= 0) {
			next = id + 1;
			rc = cells_set(c, id, sqlite3_column_value(s, 1)) ? SQLITE_OK : SQLITE_NOMEM;
		}
	}
	return rc;
}

/* Read a column for all rows of the part: in one pass if the table has only one part, otherwise row by
 * row. */
static int read_column(struct table *t, struct live *l, struct cells *c)
{
	sqlite3_stmt *s;
	int each = t->schema.count[COLUMN_PARTITION] > 0;
	char *sql = sqlite3_mprintf("SELECT kith_rowid, \"%w\" FROM \"%w\".\"%w_rows\"%s",
	    t->schema.columns[c->column].name, t->db_name, t->name, each ? " WHERE kith_rowid = ?1" : "");
	int rc = table_prepare(t, sql, &s);
	sqlite3_free(sql);
	for (int64_t id = 0; each && id < l->n && rc == SQLITE_OK; id++) {
		if (!live_is_dead(l, id)) {
			sqlite3_bind_int64(s, 1, l->rowids[id]);
			rc = read_values(l, c, s);
			int end = sqlite3_reset(s);
			rc = rc == SQLITE_OK && end != SQLITE_OK ? table_forward(t, end) : rc;
		}
	}
	if (rc == SQLITE_OK && !each) {
		rc = read_values(l, c, s);
	}
	int end = sqlite3_finalize(s);
	return rc != SQLITE_OK || end == SQLITE_OK ? rc : table_forward(t, end);
}

static int read_new(struct table *t, struct live *l, int column)
{
	struct cells *c = cells_new(column, &t->schema.columns[column]);
	if (c == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = read_column(t, l, c);
	if (rc == SQLITE_OK) {
		rc = cells_extend(c, l->n) ? SQLITE_OK : SQLITE_NOMEM;
	}
	if (rc != SQLITE_OK) {
		cells_free(c);
		return rc;
	}
	c->next = l->cells;
	l->cells = c;
	return SQLITE_OK;
}

int cells_load(struct table *t, struct live *l, const int *columns, int n)
{
	int rc = SQLITE_OK;
	for (int i = 0; i < n && rc == SQLITE_OK; i++) {
		if (cells_find(l->cells, columns[i]) == NULL) {
			rc = read_new(t, l, columns[i]);
		}
	}
	return rc;
}

int cells_update(struct table *t, struct live *l, int64_t rowid)
{
	sqlite3_stmt *s;
	int64_t id = live_find(l, rowid);
	if (l->cells == NULL || id < 0) {
		return SQLITE_OK;
	}
	int rc = statement_borrow(t, ROW_GET, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, rowid);
	int found = sqlite3_step(s) == SQLITE_ROW;
	for (struct cells *c = l->cells; c != NULL && found && rc == SQLITE_OK; c = c->next) {
		const struct column *column = &t->schema.columns[c->column];
		rc = cells_set(c, id, sqlite3_column_value(s, 1 + column->place)) ? SQLITE_OK : SQLITE_NOMEM;
	}
	int end = sqlite3_reset(s);
	return rc != SQLITE_OK || end == SQLITE_OK ? rc : table_forward(t, end);
}

int cells_extend_all(struct live *l)
{
	int rc = SQLITE_OK;
	for (struct cells *c = l->cells; c != NULL && rc == SQLITE_OK; c = c->next) {
		rc = cells_extend(c, l->n) ? SQLITE_OK : SQLITE_NOMEM;
	}
	return rc;
}
