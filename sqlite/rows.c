/* Finds, changes and removes single rows and parts. */
#include "rows.h"

#include "chunks.h"
#include "snapshot.h"

/* Step a statement that returns at most one row. *found: whether it returned one. */
static int step_one(struct table *t, sqlite3_stmt *s, int *found)
{
	int rc = sqlite3_step(s);
	*found = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
		return SQLITE_OK;
	}
	rc = sqlite3_reset(s);
	return rc == SQLITE_ERROR ? table_corrupt(t, "%s", sqlite3_errmsg(t->db)) : table_forward(t, rc);
}

int row_position(struct table *t, int64_t rowid, int64_t *position)
{
	sqlite3_stmt *s;
	int found = 0;
	*position = -1;
	int rc = statement_borrow(t, ROW_GET, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, rowid);
	rc = step_one(t, s, &found);
	if (rc == SQLITE_OK && found) {
		*position = sqlite3_column_int64(s, 0);
		if (*position < 0) {
			rc = table_corrupt(t, "row %lld has no position", (long long)rowid);
		}
	}
	sqlite3_reset(s);
	return rc;
}

int row_by_key(struct table *t, sqlite3_value *key, int *found, int64_t *rowid)
{
	sqlite3_stmt *s;
	int rc = statement_borrow(t, ROW_BY_KEY, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	rc = sqlite3_bind_value(s, 1, key);
	if (rc == SQLITE_OK) {
		rc = step_one(t, s, found);
	}
	if (rc == SQLITE_OK && *found) {
		*rowid = sqlite3_column_int64(s, 0);
	}
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc;
}

static int delete_from(struct table *t, enum statement which, int64_t key, int must_be_there)
{
	sqlite3_stmt *s;
	int rc = statement_borrow(t, which, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, key);
	rc = statement_run(t, s);
	if (rc == SQLITE_OK && must_be_there && sqlite3_changes(t->db) != 1) {
		rc = table_corrupt(t, "an entry for %lld is missing", (long long)key);
	}
	return rc;
}

int row_remove(struct table *t, int64_t rowid)
{
	int64_t position;
	int64_t n;
	int rc = row_position(t, rowid, &position);
	if (rc != SQLITE_OK || position < 0) {
		return rc;
	}
	int64_t part = position_part(position);
	if ((rc = part_size(t, part, &n)) != SQLITE_OK) {
		return rc;
	}
	rc = delete_from(t, ROW_DELETE, rowid, 1);
	if (rc == SQLITE_OK && t->schema.count[COLUMN_AUXILIARY] > 0) {
		rc = delete_from(t, AUX_DELETE, rowid, 1);
	}
	if (rc == SQLITE_OK) {
		rc = chunk_remove(t, position, n);
	}
	return rc == SQLITE_OK ? part_changed(t, part, n - 1, rowid, 1) : rc;
}

int part_find(struct table *t, sqlite3_value **values, int64_t *part, int64_t *n, int *exists)
{
	sqlite3_stmt *s;
	int rc = statement_borrow(t, PART_FIND, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	for (int i = 0; i < t->schema.count[COLUMN_PARTITION] && rc == SQLITE_OK; i++) {
		rc = sqlite3_bind_value(s, i + 2, values[i]);
	}
	if (rc == SQLITE_OK) {
		rc = step_one(t, s, exists);
	}
	if (rc == SQLITE_OK) {
		*part = *exists ? sqlite3_column_int64(s, 0) : 0;
		*n = *exists ? sqlite3_column_int64(s, 1) : 0;
	}
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	if (rc == SQLITE_OK && !*exists && t->schema.count[COLUMN_PARTITION] > 0) {
		int found;
		rc = statement_borrow(t, PART_NEXT, &s);
		if (rc == SQLITE_OK) {
			rc = step_one(t, s, &found);
			*part = rc == SQLITE_OK ? sqlite3_column_int64(s, 0) : 0;
			sqlite3_reset(s);
		}
	}
	if (rc == SQLITE_OK && (*n < 0 || *part < 0)) {
		rc = table_corrupt(t, "part %lld has %lld rows", (long long)*part, (long long)*n);
	}
	if (rc == SQLITE_OK && *part >= (int64_t)1 << PART_BITS) {
		rc = table_error(t, SQLITE_FULL, "there are too many partitions");
	}
	return rc;
}

int part_insert(struct table *t, int64_t part, sqlite3_value **values)
{
	sqlite3_stmt *s;
	int rc = statement_borrow(t, PART_INSERT, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, part);
	for (int i = 0; i < t->schema.count[COLUMN_PARTITION] && rc == SQLITE_OK; i++) {
		rc = sqlite3_bind_value(s, i + 2, values[i]);
	}
	if (rc == SQLITE_OK) {
		rc = statement_run(t, s);
	}
	sqlite3_clear_bindings(s);
	return rc;
}

int part_changed(struct table *t, int64_t part, int64_t n, int64_t rowid, int vector)
{
	sqlite3_stmt *s;
	t->changed_part = !t->changed || t->changed_part == part ? part : -1;
	t->changed = 1;
	if (n == 0) {
		int rc = snapshot_drop(t, part);
		return rc == SQLITE_OK ? delete_from(t, PART_DELETE, part, 1) : rc;
	}
	int rc = statement_borrow(t, PART_CHANGE, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, part);
	if (n > 0) {
		sqlite3_bind_int64(s, 2, n);
	} else {
		sqlite3_bind_null(s, 2);
	}
	rc = statement_run(t, s);
	if (rc != SQLITE_OK || !t->indexed) {
		return rc;
	}
	if ((rc = statement_borrow(t, CHANGE_NOTE, &s)) == SQLITE_OK) {
		sqlite3_bind_int64(s, 1, part);
		sqlite3_bind_int64(s, 2, rowid);
		sqlite3_bind_int(s, 3, vector);
		rc = statement_run(t, s);
	}
	return rc;
}

int part_size(struct table *t, int64_t part, int64_t *n)
{
	sqlite3_stmt *s;
	int found = 0;
	int rc = statement_borrow(t, PART_SIZE, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, part);
	rc = step_one(t, s, &found);
	*n = rc == SQLITE_OK && found ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	if (rc == SQLITE_OK && (!found || *n < 1)) {
		rc = table_corrupt(t, "part %lld is missing or empty", (long long)part);
	}
	return rc;
}
