/* Writes rows. All reasons to refuse a statement (an invalid vector, an existing key) are checked before
 * anything is changed, as SQLite requires of a table that resolves conflicts itself
 * (SQLITE_VTAB_CONSTRAINT_SUPPORT). A later failure is one of the database, after which SQLite rolls the
 * statement back. */
#include "write.h"

#include "chunks.h"
#include "refresh.h"
#include "rows.h"

/* The arguments of one xUpdate; values[i] is the new value of column i. */
struct change {
	sqlite3_value **values;
	int64_t rowid; /* the new rowid */
	int has_rowid;
	int update; /* 1: an UPDATE, 0: an INSERT */
};

static int unchanged(const struct change *w, int column)
{
	return w->update && sqlite3_value_nochange(w->values[column]);
}

/* ---- checks before anything is changed ---- */

/* Read the vectors, and encode them to t->bytes. */
static int read_vectors(struct table *t, const struct change *w)
{
	for (int i = 0; i < t->schema.n; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind != COLUMN_VECTOR || unchanged(w, i)) {
			continue;
		}
		char *why = NULL;
		int rc = vector_read_for(&t->given[c->number], c, w->values[i], &why);
		if (rc == SQLITE_OK) {
			rc = vector_encode(c, t->given[c->number].x, t->bytes[c->number], &why);
		}
		if (rc != SQLITE_OK) {
			if (rc != SQLITE_NOMEM) {
				table_error(t, rc, "%s", why);
			}
			sqlite3_free(why);
			return rc;
		}
	}
	return SQLITE_OK;
}

/* Another row has the same rowid or key: remove it under REPLACE. Otherwise fail; SQLite itself handles
 * IGNORE, FAIL and the other policies. */
static int resolve_conflict(struct table *t, int64_t other, const char *column)
{
	if (sqlite3_vtab_on_conflict(t->db) == SQLITE_REPLACE) {
		return row_remove(t, other);
	}
	return table_error(t, SQLITE_CONSTRAINT, "UNIQUE constraint failed: %s.%s", t->name, column);
}

/* Check a row, whose rowid was `old` before an UPDATE, for conflicts with other rows, and resolve them. */
static int check_conflicts(struct table *t, const struct change *w, int64_t old)
{
	int64_t other;
	int rc = SQLITE_OK;
	int64_t clash[2];
	const char *names[2];
	int clashes = 0;
	if (w->has_rowid && (!w->update || w->rowid != old)) {
		rc = row_position(t, w->rowid, &other);
		if (rc == SQLITE_OK && other >= 0) {
			clash[clashes] = w->rowid;
			const struct column *id = schema_column(&t->schema, COLUMN_ROWID, 0);
			names[clashes++] = id != NULL ? id->name : "rowid";
		}
	}
	for (int i = 0; i < t->schema.n && rc == SQLITE_OK; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind != COLUMN_KEY || unchanged(w, i)) {
			continue;
		}
		int found = 0;
		if (sqlite3_value_type(w->values[i]) == SQLITE_NULL) {
			return table_error(
			    t, SQLITE_CONSTRAINT, "NOT NULL constraint failed: %s.%s", t->name, c->name);
		}
		rc = row_by_key(t, w->values[i], &found, &other);
		if (rc == SQLITE_OK && found && !(w->update && other == old) &&
		    !(clashes > 0 && other == clash[0])) {
			clash[clashes] = other;
			names[clashes++] = c->name;
		}
	}
	for (int i = 0; i < clashes && rc == SQLITE_OK; i++) {
		rc = resolve_conflict(t, clash[i], names[i]);
	}
	return rc;
}

/* ---- writing to the shadow tables ---- */

/* Bind the columns of T_rows (aux 0) or T_aux (aux 1) from parameter `at` on. For an UPDATE, each column
 * is preceded by whether it changes. */
static int bind_columns(struct table *t, const struct change *w, sqlite3_stmt *s, int at, int aux)
{
	int rc = SQLITE_OK;
	for (int i = 0; i < t->schema.n && rc == SQLITE_OK; i++) {
		const struct column *c = &t->schema.columns[i];
		if (aux ? c->kind != COLUMN_AUXILIARY : !column_in_rows(c)) {
			continue;
		}
		if (w->update) {
			sqlite3_bind_int(s, at++, !unchanged(w, i));
		}
		rc = sqlite3_bind_value(s, at++, w->values[i]);
	}
	return rc;
}

static void partition_values(const struct table *t, const struct change *w, sqlite3_value **values)
{
	for (int i = 0; i < t->schema.n; i++) {
		if (t->schema.columns[i].kind == COLUMN_PARTITION) {
			values[t->schema.columns[i].number] = w->values[i];
		}
	}
}

static int insert_into(struct table *t, struct change *w, enum statement which, int64_t position)
{
	sqlite3_stmt *s;
	int rc = statement_borrow(t, which, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	int at = 1;
	if (w->has_rowid) {
		sqlite3_bind_int64(s, at, w->rowid);
	} else {
		sqlite3_bind_null(s, at);
	}
	at++;
	if (which == ROW_INSERT) {
		sqlite3_bind_int64(s, at++, position);
	}
	rc = bind_columns(t, w, s, at, which == AUX_INSERT);
	if (rc == SQLITE_OK) {
		rc = statement_run(t, s);
	}
	sqlite3_clear_bindings(s);
	return rc;
}

static int insert_row(struct table *t, struct change *w, sqlite3_value **parts)
{
	int64_t part;
	int64_t n;
	int exists;
	partition_values(t, w, parts);
	int rc = part_find(t, parts, &part, &n, &exists);
	if (rc == SQLITE_OK) {
		rc = insert_into(t, w, ROW_INSERT, position_at(t, part, n));
	}
	if (rc == SQLITE_OK && !w->has_rowid) {
		w->rowid = sqlite3_last_insert_rowid(t->db);
		w->has_rowid = 1;
	}
	if (rc == SQLITE_OK && t->schema.count[COLUMN_AUXILIARY] > 0) {
		rc = insert_into(t, w, AUX_INSERT, 0);
	}
	if (rc == SQLITE_OK && !exists) {
		rc = part_insert(t, part, parts);
	}
	if (rc == SQLITE_OK) {
		rc = chunk_append(t, part, n, w->rowid);
	}
	return rc == SQLITE_OK ? part_changed(t, part, n + 1, w->rowid, 1) : rc;
}

static int update_in(
    struct table *t, const struct change *w, enum statement which, int64_t old, int64_t position)
{
	sqlite3_stmt *s;
	int rc = statement_borrow(t, which, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, old);
	sqlite3_bind_int64(s, 2, w->rowid);
	if (which == ROW_UPDATE) {
		sqlite3_bind_int64(s, 3, position);
	}
	rc = bind_columns(t, w, s, 4, which == AUX_UPDATE);
	if (rc == SQLITE_OK) {
		rc = statement_run(t, s);
	}
	if (rc == SQLITE_OK && sqlite3_changes(t->db) != 1) {
		rc = table_corrupt(t, "an entry for row %lld is missing", (long long)old);
	}
	sqlite3_clear_bindings(s);
	return rc;
}

/* Whether any column of a kind changes. */
static int changes_kind(const struct table *t, const struct change *w, enum column_kind kind)
{
	for (int i = 0; i < t->schema.n; i++) {
		if (t->schema.columns[i].kind == kind && !unchanged(w, i)) {
			return 1;
		}
	}
	return 0;
}

/* Write the changes of a row that stays at its position. */
static int write_in_place(struct table *t, const struct change *w, int64_t position, int64_t old)
{
	int64_t part = position_part(position);
	int vectors = 0;
	int rc = SQLITE_OK;
	if (w->rowid != old) {
		rc = chunk_write(t, CHUNK_IDS, position, &w->rowid);
	}
	for (int i = 0; i < t->schema.n && rc == SQLITE_OK; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind == COLUMN_VECTOR && !unchanged(w, i)) {
			rc = chunk_write(t, c->number, position, t->bytes[c->number]);
			vectors = 1;
		}
	}
	if (rc == SQLITE_OK && w->rowid != old) {
		rc = part_changed(t, part, -1, old, 1);
	}
	if (rc != SQLITE_OK) {
		return rc;
	}
	if (vectors || w->rowid != old) {
		return part_changed(t, part, -1, w->rowid, 1);
	}
	/* Indexes may also hold metadata and keys in memory (cells.h). */
	return t->indexed && (changes_kind(t, w, COLUMN_METADATA) || changes_kind(t, w, COLUMN_KEY))
	           ? part_changed(t, part, -1, w->rowid, 0)
	           : SQLITE_OK;
}

/* Read the vectors that do not change to t->bytes, for a row that moves to another part. */
static int fetch_vectors(struct table *t, const struct change *w, int64_t position)
{
	int rc = SQLITE_OK;
	for (int i = 0; i < t->schema.n && rc == SQLITE_OK; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind == COLUMN_VECTOR && unchanged(w, i)) {
			struct chunk_blob b = {0};
			rc = chunk_read(t, &b, c->number, position, 1, t->bytes[c->number]);
			chunk_close(&b);
		}
	}
	return rc;
}

/* Copy the new values of the partition columns to parts; the caller frees them. */
static int new_partition(struct table *t, const struct change *w, int64_t old, sqlite3_value **parts)
{
	sqlite3_stmt *s;
	int rc = statement_borrow(t, ROW_GET, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, old);
	if (sqlite3_step(s) != SQLITE_ROW) {
		rc = sqlite3_reset(s);
		return rc != SQLITE_OK ? table_forward(t, rc)
		                       : table_corrupt(t, "row %lld is missing", (long long)old);
	}
	for (int i = 0, at = 1; i < t->schema.n && rc == SQLITE_OK; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind == COLUMN_PARTITION) {
			parts[c->number] =
			    sqlite3_value_dup(unchanged(w, i) ? sqlite3_column_value(s, at) : w->values[i]);
			rc = parts[c->number] != NULL ? SQLITE_OK : SQLITE_NOMEM;
		}
		at += column_in_rows(c);
	}
	sqlite3_reset(s);
	return rc;
}

/* The new place of a row. */
struct place {
	int64_t part, n; /* the part, and its number of rows before */
	int exists;      /* whether the part exists already */
	int64_t position;
};

/* Find the new place of a row at position `from` whose partition columns may change. The caller frees
 * parts. */
static int find_place(struct table *t, const struct change *w, int64_t old, int64_t from,
    sqlite3_value **parts, struct place *to)
{
	int rc = new_partition(t, w, old, parts);
	if (rc == SQLITE_OK) {
		rc = part_find(t, parts, &to->part, &to->n, &to->exists);
	}
	to->position = to->exists && to->part == position_part(from) ? from : position_at(t, to->part, to->n);
	return rc;
}

/* Move the vectors of a row to another part, after its entry in T_rows has been changed. */
static int move_row(struct table *t, const struct change *w, int64_t from, int64_t old, sqlite3_value **parts,
    const struct place *to)
{
	int64_t n;
	int rc = fetch_vectors(t, w, from);
	if (rc == SQLITE_OK && !to->exists) {
		rc = part_insert(t, to->part, parts);
	}
	if (rc == SQLITE_OK) {
		rc = chunk_append(t, to->part, to->n, w->rowid);
	}
	if (rc == SQLITE_OK) {
		rc = part_changed(t, to->part, to->n + 1, w->rowid, 1);
	}
	if (rc == SQLITE_OK) {
		rc = part_size(t, position_part(from), &n);
	}
	if (rc == SQLITE_OK) {
		rc = chunk_remove(t, from, n);
	}
	return rc == SQLITE_OK ? part_changed(t, position_part(from), n - 1, old, 1) : rc;
}

static int update_row(struct table *t, const struct change *w, int64_t old, sqlite3_value **parts)
{
	int64_t from;
	int rc = row_position(t, old, &from);
	if (rc != SQLITE_OK || from < 0) {
		return rc;
	}
	struct place to = {.position = from};
	if (changes_kind(t, w, COLUMN_PARTITION)) {
		rc = find_place(t, w, old, from, parts, &to);
	}
	if (rc == SQLITE_OK) { /* the first change, because a constraint of T_rows may refuse it */
		rc = update_in(t, w, ROW_UPDATE, old, to.position);
	}
	if (rc == SQLITE_OK && (w->rowid != old || changes_kind(t, w, COLUMN_AUXILIARY)) &&
	    t->schema.count[COLUMN_AUXILIARY] > 0) {
		rc = update_in(t, w, AUX_UPDATE, old, 0);
	}
	if (rc == SQLITE_OK) {
		rc = to.position == from ? write_in_place(t, w, from, old)
		                         : move_row(t, w, from, old, parts, &to);
	}
	if (changes_kind(t, w, COLUMN_PARTITION)) {
		for (int i = 0; i < t->schema.count[COLUMN_PARTITION]; i++) {
			sqlite3_value_free(parts[i]);
		}
	}
	return rc;
}

/* Read the new rowid, which is given as such or as the INTEGER PRIMARY KEY. */
static int read_rowid(struct table *t, struct change *w, sqlite3_value *given, int64_t old)
{
	const struct column *id = schema_column(&t->schema, COLUMN_ROWID, 0);
	sqlite3_value *named = id != NULL ? w->values[id - t->schema.columns] : NULL;
	const char *name = "a rowid";
	if (named != NULL && !unchanged(w, (int)(id - t->schema.columns)) &&
	    (w->update ? sqlite3_value_type(named) != SQLITE_INTEGER || sqlite3_value_int64(named) != old
	               : sqlite3_value_type(named) != SQLITE_NULL)) {
		given = named;
		name = id->name;
	}
	double real = sqlite3_value_double(given);
	int type = sqlite3_value_numeric_type(given);
	w->has_rowid = type != SQLITE_NULL;
	w->rowid = sqlite3_value_int64(given);
	int integer = type == SQLITE_INTEGER ||
	              (type == SQLITE_FLOAT && real == (double)w->rowid && real > -0x1p63 && real < 0x1p63);
	return integer || (!w->update && type == SQLITE_NULL)
	           ? SQLITE_OK
	           : table_error(t, SQLITE_MISMATCH, "%s must be an integer", name);
}

int write_row(struct table *t, int argc, sqlite3_value **argv, sqlite3_int64 *rowid)
{
	int rc = shadow_load(t);
	if (rc == SQLITE_OK && !t->configured) {
		rc = index_load_config(t);
		t->configured = rc == SQLITE_OK;
	}
	if (rc != SQLITE_OK) {
		return rc;
	}
	if (argc == 1) {
		return row_remove(t, sqlite3_value_int64(argv[0]));
	}
	struct change w = {.values = argv + 2, .update = sqlite3_value_type(argv[0]) != SQLITE_NULL};
	int64_t old = w.update ? sqlite3_value_int64(argv[0]) : 0;
	if ((rc = read_rowid(t, &w, argv[1], old)) != SQLITE_OK) {
		return rc;
	}
	int partitions = t->schema.count[COLUMN_PARTITION];
	sqlite3_value **parts = zeroed(sizeof(sqlite3_value *) * (size_t)(partitions + 1));
	if (parts == NULL) {
		return SQLITE_NOMEM;
	}
	rc = read_vectors(t, &w);
	if (rc == SQLITE_OK) {
		rc = check_conflicts(t, &w, old);
	}
	if (rc == SQLITE_OK) {
		rc = w.update ? update_row(t, &w, old, parts) : insert_row(t, &w, parts);
	}
	if (rc == SQLITE_OK && !w.update) {
		*rowid = w.rowid;
	}
	sqlite3_free(parts);
	return rc;
}
