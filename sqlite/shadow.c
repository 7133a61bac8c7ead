/* Creates, drops and renames shadow tables. Their indexes come from UNIQUE constraints, because SQLite
 * names and renames these itself. */
#include "table.h"

#include <string.h>

static const char *const shadow_tables[] = {"config", "rows", "aux", "parts", "chunks", "idx", "changes"};

enum { SHADOW_TABLES = sizeof shadow_tables / sizeof *shadow_tables };

/* xShadowName. The shadow tables of vector columns are "v0", "v1", … */
int shadow_is_name(const char *suffix)
{
	for (int i = 0; i < SHADOW_TABLES; i++) {
		if (sqlite3_stricmp(suffix, shadow_tables[i]) == 0) {
			return 1;
		}
	}
	size_t digits = strspn(suffix + (suffix[0] != '\0'), "0123456789");
	return (suffix[0] == 'v' || suffix[0] == 'V') && digits > 0 && digits < 4 &&
	       suffix[1 + digits] == '\0';
}

static int run(struct table *t, char *sql)
{
	if (sql == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = sqlite3_exec(t->db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return rc == SQLITE_OK ? rc : table_forward(t, rc);
}

static int aux_wanted(const struct table *t)
{
	return t->schema.count[COLUMN_AUXILIARY] > 0;
}

/* The number of rows of a chunk: a power of two, because a first chunk grows by doubling. */
static int chunk_rows_for(const struct schema *s)
{
	int64_t width = 1;
	for (int i = 0; i < s->n; i++) {
		if (s->columns[i].kind == COLUMN_VECTOR && column_width(&s->columns[i]) > width) {
			width = column_width(&s->columns[i]);
		}
	}
	int rows = MIN_CHUNK_ROWS;
	while (rows < MAX_CHUNK_ROWS && 2 * rows * width <= CHUNK_BYTES) {
		rows *= 2;
	}
	return rows;
}

static char *create_rows(const struct table *t)
{
	sqlite3_str *out = sqlite3_str_new(NULL);
	sqlite3_str_appendf(out,
	    "CREATE TABLE \"%w\".\"%w_rows\"(kith_rowid INTEGER PRIMARY KEY, kith_pos INTEGER NOT NULL",
	    t->db_name, t->name);
	const struct schema *s = &t->schema;
	for (int i = 0; i < s->n; i++) {
		const struct column *c = &s->columns[i];
		if (column_in_rows(c)) {
			sqlite3_str_appendf(out, ", \"%w\"%s%s", c->name, c->declared,
			    c->kind == COLUMN_KEY ? " NOT NULL UNIQUE" : "");
		}
	}
	for (int i = 0; i < s->n; i++) {
		if (s->columns[i].kind == COLUMN_PARTITION || s->columns[i].indexed) {
			sqlite3_str_appendf(out, ", UNIQUE(\"%w\", kith_pos)", s->columns[i].name);
		}
	}
	sqlite3_str_appendall(out, ")");
	return sqlite3_str_finish(out);
}

static char *create_aux(const struct table *t)
{
	sqlite3_str *out = sqlite3_str_new(NULL);
	sqlite3_str_appendf(
	    out, "CREATE TABLE \"%w\".\"%w_aux\"(kith_rowid INTEGER PRIMARY KEY", t->db_name, t->name);
	for (int i = 0; i < t->schema.n; i++) {
		if (t->schema.columns[i].kind == COLUMN_AUXILIARY) {
			sqlite3_str_appendf(
			    out, ", \"%w\"%s", t->schema.columns[i].name, t->schema.columns[i].declared);
		}
	}
	sqlite3_str_appendall(out, ")");
	return sqlite3_str_finish(out);
}

static char *create_parts(const struct table *t)
{
	sqlite3_str *out = sqlite3_str_new(NULL);
	sqlite3_str_appendf(out,
	    "CREATE TABLE \"%w\".\"%w_parts\"(kith_part INTEGER PRIMARY KEY, kith_n INTEGER NOT NULL, "
	    "kith_seq INTEGER NOT NULL DEFAULT 0, kith_mark INTEGER NOT NULL DEFAULT 0, kith_base INTEGER, "
	    "kith_base_mark INTEGER",
	    t->db_name, t->name);
	const struct schema *s = &t->schema;
	for (int i = 0; i < s->n; i++) {
		if (s->columns[i].kind == COLUMN_PARTITION) {
			sqlite3_str_appendf(out, ", \"%w\"%s", s->columns[i].name, s->columns[i].declared);
		}
	}
	for (int i = 0, first = 1; i < s->n; i++) {
		if (s->columns[i].kind == COLUMN_PARTITION) {
			sqlite3_str_appendf(
			    out, "%s\"%w\" COLLATE BINARY", first ? ", UNIQUE(" : ", ", s->columns[i].name);
			first = 0;
		}
	}
	sqlite3_str_appendall(out, s->count[COLUMN_PARTITION] > 0 ? "))" : ")");
	return sqlite3_str_finish(out);
}

/* Create T_config, which also holds the factory strings of the declaration, so that commands can change
 * them. */
static int create_config(struct table *t)
{
	int rc = run(
	    t, sqlite3_mprintf("CREATE TABLE \"%w\".\"%w_config\"(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	                       "INSERT INTO \"%w\".\"%w_config\" VALUES('version', %d), ('chunk_rows', %d)",
	           t->db_name, t->name, t->db_name, t->name, FORMAT_VERSION, t->chunk_rows));
	for (int i = 0; i < t->schema.n && rc == SQLITE_OK; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind == COLUMN_VECTOR && c->index != NULL) {
			rc = run(t, sqlite3_mprintf("INSERT INTO \"%w\".\"%w_config\" VALUES('index%d', %Q)",
			                t->db_name, t->name, c->number, c->index));
		}
	}
	return rc;
}

int shadow_create(struct table *t)
{
	t->chunk_rows = chunk_rows_for(&t->schema);
	int rc = create_config(t);
	if (rc == SQLITE_OK) {
		rc = run(t, create_rows(t));
	}
	if (rc == SQLITE_OK && aux_wanted(t)) {
		rc = run(t, create_aux(t));
	}
	if (rc == SQLITE_OK) {
		rc = run(t, create_parts(t));
	}
	if (rc == SQLITE_OK) {
		rc = run(
		    t, sqlite3_mprintf(
		           "CREATE TABLE \"%w\".\"%w_chunks\"(chunk INTEGER PRIMARY KEY, ids BLOB NOT NULL)",
		           t->db_name, t->name));
	}
	if (rc == SQLITE_OK) {
		rc = run(
		    t, sqlite3_mprintf(
		           "CREATE TABLE \"%w\".\"%w_idx\"(piece INTEGER PRIMARY KEY, data BLOB NOT NULL);"
		           "CREATE TABLE \"%w\".\"%w_changes\"(part INTEGER, seq INTEGER, id INTEGER, mark "
		           "INTEGER, vector INTEGER, "
		           "PRIMARY KEY(part, seq)) WITHOUT ROWID",
		           t->db_name, t->name, t->db_name, t->name));
	}
	for (int v = 0; v < t->schema.count[COLUMN_VECTOR] && rc == SQLITE_OK; v++) {
		rc = run(
		    t, sqlite3_mprintf(
		           "CREATE TABLE \"%w\".\"%w_v%d\"(chunk INTEGER PRIMARY KEY, data BLOB NOT NULL)",
		           t->db_name, t->name, v));
	}
	return rc;
}

/* Call `each` with the suffix of every shadow table that the table has. */
static int for_each(
    struct table *t, int (*each)(struct table *, const char *, const char *), const char *name)
{
	int rc = SQLITE_OK;
	for (int i = 0; i < SHADOW_TABLES && rc == SQLITE_OK; i++) {
		if (strcmp(shadow_tables[i], "aux") != 0 || aux_wanted(t)) {
			rc = each(t, shadow_tables[i], name);
		}
	}
	for (int v = 0; v < t->schema.count[COLUMN_VECTOR] && rc == SQLITE_OK; v++) {
		char suffix[16];
		sqlite3_snprintf((int)sizeof suffix, suffix, "v%d", v);
		rc = each(t, suffix, name);
	}
	return rc;
}

static int drop(struct table *t, const char *suffix, const char *name)
{
	(void)name;
	return run(t, sqlite3_mprintf("DROP TABLE IF EXISTS \"%w\".\"%w_%s\"", t->db_name, t->name, suffix));
}

static int rename_one(struct table *t, const char *suffix, const char *name)
{
	return run(t, sqlite3_mprintf("ALTER TABLE \"%w\".\"%w_%s\" RENAME TO \"%w_%s\"", t->db_name, t->name,
	                  suffix, name, suffix));
}

int shadow_drop(struct table *t)
{
	statements_free(t);
	return for_each(t, drop, NULL);
}

int shadow_rename(struct table *t, const char *name)
{
	statements_free(t);
	char *copy = sqlite3_mprintf("%s", name);
	if (copy == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = for_each(t, rename_one, name);
	if (rc == SQLITE_OK) {
		sqlite3_free(t->name);
		t->name = copy;
	} else {
		sqlite3_free(copy);
	}
	return rc;
}

static int load_number(struct table *t, const char *key, int64_t min, int64_t max, int64_t *out)
{
	char *sql = sqlite3_mprintf(
	    "SELECT value FROM \"%w\".\"%w_config\" WHERE key = %Q", t->db_name, t->name, key);
	sqlite3_stmt *s;
	int rc = table_prepare(t, sql, &s);
	sqlite3_free(sql);
	if (rc != SQLITE_OK) {
		return rc;
	}
	int found = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 0) == SQLITE_INTEGER;
	*out = sqlite3_column_int64(s, 0);
	rc = sqlite3_finalize(s);
	if (rc != SQLITE_OK) {
		return table_forward(t, rc);
	}
	return found && *out >= min && *out <= max ? SQLITE_OK
	                                           : table_corrupt(t, "%s is missing or out of range", key);
}

static int load_encoding(struct table *t)
{
	sqlite3_stmt *s;
	int rc = table_prepare(t, "PRAGMA encoding", &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	const char *name = sqlite3_step(s) == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
	t->utf8 = name != NULL && strcmp(name, "UTF-8") == 0;
	rc = sqlite3_finalize(s);
	return rc == SQLITE_OK ? rc : table_forward(t, rc);
}

int shadow_load(struct table *t)
{
	if (t->chunk_rows > 0) {
		return SQLITE_OK;
	}
	int64_t version;
	int64_t rows;
	int rc = load_number(t, "version", 1, INT32_MAX, &version);
	if (rc == SQLITE_OK && version != FORMAT_VERSION) {
		return table_error(t, SQLITE_ERROR, "%s was made by %s version of kith (format %lld, not %d)",
		    t->name, version > FORMAT_VERSION ? "a newer" : "an older", (long long)version,
		    FORMAT_VERSION);
	}
	if (rc == SQLITE_OK) {
		rc = load_number(t, "chunk_rows", MIN_CHUNK_ROWS, MAX_CHUNK_ROWS, &rows);
	}
	if (rc == SQLITE_OK) {
		rc = load_encoding(t);
	}
	if (rc == SQLITE_OK) {
		t->chunk_rows = (int)rows;
	}
	return rc;
}
