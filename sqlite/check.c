/* Every slot that a part counts must hold a rowid whose row refers back to this slot, and finite vectors.
 * The numbers of entries in all shadow tables must agree, so that there is nothing else. */
#include "check.h"

#include "chunks.h"
#include "rows.h"

int check_number(struct table *t, char *sql, int64_t wanted, const char *what)
{
	int64_t n;
	int rc = table_number(t, sql, &n);
	if (rc == SQLITE_OK && n != wanted) {
		rc = table_corrupt(
		    t, "there are %lld %s instead of %lld", (long long)n, what, (long long)wanted);
	}
	return rc;
}

static int check_vectors(struct table *t, struct chunk_blob *blobs, int64_t position, int rows)
{
	int rc = SQLITE_OK;
	for (int i = 0; i < t->schema.n && rc == SQLITE_OK; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind != COLUMN_VECTOR) {
			continue;
		}
		struct vector v = {0};
		unsigned char *bytes = sqlite3_malloc64((sqlite3_uint64)(rows * column_width(c)));
		if (bytes == NULL || !vector_resize(&v, rows * c->dim)) {
			rc = SQLITE_NOMEM;
		} else {
			rc = chunk_read(t, &blobs[c->number], c->number, position, rows, bytes);
			if (rc == SQLITE_OK && !vector_decode(c, rows, bytes, v.x)) {
				rc = table_corrupt(t, "%s: a vector is not finite", c->name);
			}
		}
		sqlite3_free(bytes);
		vector_free(&v);
	}
	return rc;
}

static int check_chunk(
    struct table *t, struct chunk_blob *ids_blob, struct chunk_blob *blobs, int64_t position, int rows)
{
	int64_t ids[MAX_CHUNK_ROWS];
	int64_t place;
	int rc = chunk_read(t, ids_blob, CHUNK_IDS, position, rows, ids);
	for (int i = 0; i < rows && rc == SQLITE_OK; i++) {
		rc = row_position(t, ids[i], &place);
		if (rc == SQLITE_OK && place != position + i) {
			rc = table_corrupt(
			    t, "row %lld does not refer to its vector's slot", (long long)ids[i]);
		}
	}
	return rc == SQLITE_OK ? check_vectors(t, blobs, position, rows) : rc;
}

static int check_part(struct table *t, struct chunk_blob *blobs, int64_t part, int64_t n)
{
	int rc = part_check(t, part, n);
	for (int64_t i = 0; i < n && rc == SQLITE_OK; i += t->chunk_rows) {
		int rows = n - i < t->chunk_rows ? (int)(n - i) : t->chunk_rows;
		rc = check_chunk(t, &blobs[0], blobs + 1, position_at(t, part, i), rows);
	}
	return rc;
}

static int check_parts(struct table *t, int64_t *rows, int64_t *chunks)
{
	sqlite3_stmt *parts;
	int vectors = t->schema.count[COLUMN_VECTOR];
	char *sql = sqlite3_mprintf("SELECT kith_part, kith_n FROM \"%w\".\"%w_parts\"", t->db_name, t->name);
	struct chunk_blob *blobs = zeroed(sizeof *blobs * (size_t)(vectors + 1));
	int rc = blobs != NULL ? table_prepare(t, sql, &parts) : SQLITE_NOMEM;
	sqlite3_free(sql);
	if (rc != SQLITE_OK) {
		sqlite3_free(blobs);
		return rc;
	}
	while (rc == SQLITE_OK && sqlite3_step(parts) == SQLITE_ROW) {
		int64_t n = sqlite3_column_int64(parts, 1);
		rc = check_part(t, blobs, sqlite3_column_int64(parts, 0), n);
		if (rc != SQLITE_OK) {
			break;
		}
		*rows += n;
		*chunks += (n + t->chunk_rows - 1) / t->chunk_rows;
	}
	for (int i = 0; i <= vectors; i++) {
		chunk_close(&blobs[i]);
	}
	sqlite3_free(blobs);
	int end = sqlite3_finalize(parts);
	return rc != SQLITE_OK || end == SQLITE_OK ? rc : table_forward(t, end);
}

/* Check that all rows are in the part of their partition keys. */
static int check_partition_keys(struct table *t)
{
	sqlite3_str *sql = sqlite3_str_new(NULL);
	sqlite3_str_appendf(sql,
	    "SELECT count(*) FROM \"%w\".\"%w_rows\" AS r JOIN \"%w\".\"%w_parts\" AS p ON p.kith_part = "
	    "r.kith_pos >> %d WHERE false",
	    t->db_name, t->name, t->db_name, t->name, SEQ_BITS + SLOT_BITS);
	for (int i = 0; i < t->schema.n; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind == COLUMN_PARTITION) {
			sqlite3_str_appendf(
			    sql, " OR r.\"%w\" COLLATE BINARY IS NOT p.\"%w\"", c->name, c->name);
		}
	}
	return check_number(t, sqlite3_str_finish(sql), 0, "rows in a wrong partition");
}

int check_table(struct table *t)
{
	int64_t rows = 0;
	int64_t chunks = 0;
	t->chunk_rows = 0;
	int rc = shadow_load(t);
	if (rc == SQLITE_OK) {
		rc = check_parts(t, &rows, &chunks);
	}
	if (rc == SQLITE_OK) {
		rc = check_number(t,
		    sqlite3_mprintf("SELECT count(*) FROM \"%w\".\"%w_rows\"", t->db_name, t->name), rows,
		    "rows");
	}
	if (rc == SQLITE_OK && t->schema.count[COLUMN_AUXILIARY] > 0) {
		rc = check_number(t,
		    sqlite3_mprintf("SELECT count(*) FROM \"%w\".\"%w_aux\"", t->db_name, t->name), rows,
		    "rows of auxiliary columns");
		if (rc == SQLITE_OK) {
			rc = check_number(t,
			    sqlite3_mprintf("SELECT count(*) FROM \"%w\".\"%w_aux\" JOIN \"%w\".\"%w_rows\" "
			                    "USING(kith_rowid)",
			        t->db_name, t->name, t->db_name, t->name),
			    rows, "rows with auxiliary columns");
		}
	}
	if (rc == SQLITE_OK) {
		rc = check_number(t,
		    sqlite3_mprintf("SELECT count(*) FROM \"%w\".\"%w_chunks\"", t->db_name, t->name), chunks,
		    "chunks of rowids");
	}
	for (int v = 0; v < t->schema.count[COLUMN_VECTOR] && rc == SQLITE_OK; v++) {
		rc = check_number(t,
		    sqlite3_mprintf("SELECT count(*) FROM \"%w\".\"%w_v%d\"", t->db_name, t->name, v), chunks,
		    "chunks of vectors");
	}
	if (rc == SQLITE_OK) {
		rc = check_partition_keys(t);
	}
	return rc == SQLITE_OK ? check_indexes(t) : rc;
}
