/* Chunks are blobs of fixed-width items. They are changed in place by SQLite's incremental blob I/O, so
 * that only the pages with changed items are written. The first chunk of a part grows by doubling, so that
 * small parts stay small; all others are created in full size. */
#include "chunks.h"

#include <string.h>

int64_t chunk_width(const struct table *t, int column)
{
	return column == CHUNK_IDS ? (int64_t)sizeof(int64_t)
	                           : column_width(schema_column(&t->schema, COLUMN_VECTOR, column));
}

void chunk_close(struct chunk_blob *b)
{
	if (b->blob != NULL) {
		sqlite3_blob_close(b->blob);
		b->blob = NULL;
	}
}

/* The suffix of the shadow table of a column's chunks. */
static const char *suffix_of(int column, char buffer[16])
{
	if (column == CHUNK_IDS) {
		return "chunks";
	}
	sqlite3_snprintf(16, buffer, "v%d", column);
	return buffer;
}

static int open_blob(struct table *t, struct chunk_blob *b, int column, int64_t chunk, int writing)
{
	char buffer[16];
	int rc = SQLITE_OK;
	if (b->blob != NULL && b->chunk == chunk) {
		return SQLITE_OK;
	}
	if (b->blob != NULL) {
		rc = sqlite3_blob_reopen(b->blob, chunk);
	} else {
		char *name = sqlite3_mprintf("%s_%s", t->name, suffix_of(column, buffer));
		if (name == NULL) {
			return SQLITE_NOMEM;
		}
		rc = sqlite3_blob_open(
		    t->db, t->db_name, name, column == CHUNK_IDS ? "ids" : "data", chunk, writing, &b->blob);
		sqlite3_free(name);
	}
	b->chunk = chunk;
	if (rc == SQLITE_ERROR) { /* there is no such row, or its value is not a blob */
		chunk_close(b);
		return table_corrupt(t, "chunk %lld is missing", (long long)chunk);
	}
	if (rc != SQLITE_OK) {
		chunk_close(b);
		return table_forward(t, rc);
	}
	return SQLITE_OK;
}

int chunk_read(struct table *t, struct chunk_blob *b, int column, int64_t position, int count, void *out)
{
	int64_t chunk = position_chunk(position);
	int64_t width = chunk_width(t, column);
	int64_t offset = position_slot(position) * width;
	int rc = open_blob(t, b, column, chunk, 0);
	if (rc != SQLITE_OK) {
		return rc;
	}
	if (offset + count * width > sqlite3_blob_bytes(b->blob)) {
		chunk_close(b);
		return table_corrupt(t, "chunk %lld is too short", (long long)chunk);
	}
	rc = sqlite3_blob_read(b->blob, out, (int)(count * width), (int)offset);
	if (rc != SQLITE_OK) {
		chunk_close(b);
		return table_forward(t, rc);
	}
	return SQLITE_OK;
}

int chunk_write(struct table *t, int column, int64_t position, const void *item)
{
	struct chunk_blob b = {0};
	int64_t width = chunk_width(t, column);
	int64_t offset = position_slot(position) * width;
	int rc = open_blob(t, &b, column, position_chunk(position), 1);
	if (rc != SQLITE_OK) {
		return rc;
	}
	if (offset + width > sqlite3_blob_bytes(b.blob)) {
		rc = table_corrupt(t, "chunk %lld is too short", (long long)position_chunk(position));
	} else {
		rc = sqlite3_blob_write(b.blob, item, (int)width, (int)offset);
		rc = rc == SQLITE_OK ? rc : table_forward(t, rc);
	}
	int close = sqlite3_blob_close(b.blob);
	return rc != SQLITE_OK || close == SQLITE_OK ? rc : table_forward(t, close);
}

/* INSERT, UPDATE or DELETE a chunk, as the first letter of `how` says. An INSERT without bytes writes
 * zeros. */
static int change_chunk(
    struct table *t, int column, int64_t chunk, const char *how, void *bytes, int64_t size)
{
	sqlite3_stmt *s;
	char buffer[16];
	const char *name = column == CHUNK_IDS ? "ids" : "data";
	const char *suffix = suffix_of(column, buffer);
	char *sql = how[0] == 'I' ? sqlite3_mprintf("INSERT INTO \"%w\".\"%w_%s\"(chunk, %s) VALUES(?1, ?2)",
	                                t->db_name, t->name, suffix, name)
	            : how[0] == 'U' ? sqlite3_mprintf("UPDATE \"%w\".\"%w_%s\" SET %s = ?2 WHERE chunk = ?1",
	                                  t->db_name, t->name, suffix, name)
	                            : sqlite3_mprintf("DELETE FROM \"%w\".\"%w_%s\" WHERE chunk = ?1",
	                                  t->db_name, t->name, suffix);
	int rc = table_prepare(t, sql, &s);
	sqlite3_free(sql);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, chunk);
	if (bytes != NULL) {
		rc = sqlite3_bind_blob64(s, 2, bytes, (sqlite3_uint64)size, SQLITE_STATIC);
	} else if (how[0] != 'D') {
		rc = sqlite3_bind_zeroblob64(s, 2, (sqlite3_uint64)size);
	}
	if (rc == SQLITE_OK) {
		rc = statement_run(t, s);
	}
	sqlite3_finalize(s);
	return rc;
}

static int each_column(
    struct table *t, int64_t chunk, int (*change)(struct table *, int, int64_t, int64_t), int64_t rows)
{
	int rc = SQLITE_OK;
	for (int c = CHUNK_IDS; c < t->schema.count[COLUMN_VECTOR] && rc == SQLITE_OK; c++) {
		rc = change(t, c, chunk, rows);
	}
	return rc;
}

static int make_chunk(struct table *t, int column, int64_t chunk, int64_t rows)
{
	return change_chunk(t, column, chunk, "INSERT", NULL, rows * chunk_width(t, column));
}

static int drop_chunk(struct table *t, int column, int64_t chunk, int64_t rows)
{
	(void)rows;
	return change_chunk(t, column, chunk, "DELETE", NULL, 0);
}

/* Change the number of rows that a chunk has room for. */
static int resize_chunk(struct table *t, int column, int64_t chunk, int64_t rows)
{
	struct chunk_blob b = {0};
	int64_t size = rows * chunk_width(t, column);
	int rc = open_blob(t, &b, column, chunk, 0);
	if (rc != SQLITE_OK) {
		return rc;
	}
	int old = sqlite3_blob_bytes(b.blob);
	unsigned char *bytes = zeroed((size_t)size);
	if (bytes == NULL) {
		chunk_close(&b);
		return SQLITE_NOMEM;
	}
	rc = sqlite3_blob_read(b.blob, bytes, old < size ? old : (int)size, 0);
	chunk_close(&b);
	rc = rc == SQLITE_OK ? change_chunk(t, column, chunk, "UPDATE", bytes, size) : table_forward(t, rc);
	sqlite3_free(bytes);
	return rc;
}

/* The number of rows that a chunk has room for. */
static int room_of(struct table *t, int64_t chunk, int64_t *rows)
{
	struct chunk_blob b = {0};
	int rc = open_blob(t, &b, CHUNK_IDS, chunk, 0);
	if (rc == SQLITE_OK) {
		*rows = sqlite3_blob_bytes(b.blob) / (int)sizeof(int64_t);
		chunk_close(&b);
	}
	return rc;
}

int chunk_append(struct table *t, int64_t part, int64_t n, int64_t rowid)
{
	int64_t position = position_at(t, part, n);
	int64_t chunk = position_chunk(position);
	int slot = position_slot(position);
	int rc = SQLITE_OK;
	if (n / t->chunk_rows >= (int64_t)1 << SEQ_BITS) {
		return table_error(
		    t, SQLITE_FULL, "a partition cannot hold more than %lld rows", (long long)n);
	}
	if (slot == 0) {
		rc = each_column(t, chunk, make_chunk, n == 0 ? 1 : t->chunk_rows);
	} else if (n < t->chunk_rows &&
	           (slot & (slot - 1)) == 0) { /* the first chunk is full only at powers of two */
		int64_t room;
		rc = room_of(t, chunk, &room);
		if (rc == SQLITE_OK && room <= slot) {
			rc = each_column(t, chunk, resize_chunk, 2 * (int64_t)slot);
		}
	}
	if (rc == SQLITE_OK) {
		rc = chunk_write(t, CHUNK_IDS, position, &rowid);
	}
	for (int v = 0; v < t->schema.count[COLUMN_VECTOR] && rc == SQLITE_OK; v++) {
		rc = chunk_write(t, v, position, t->bytes[v]);
	}
	return rc;
}

/* Move the rowid and vectors at position `from` to position `to`, and update the row's entry in T_rows. */
static int move_items(struct table *t, int64_t from, int64_t to)
{
	int rc = SQLITE_OK;
	for (int c = CHUNK_IDS; c < t->schema.count[COLUMN_VECTOR] && rc == SQLITE_OK; c++) {
		struct chunk_blob b = {0};
		void *item = sqlite3_malloc64((sqlite3_uint64)chunk_width(t, c));
		if (item == NULL) {
			return SQLITE_NOMEM;
		}
		rc = chunk_read(t, &b, c, from, 1, item);
		chunk_close(&b);
		if (rc == SQLITE_OK) {
			rc = chunk_write(t, c, to, item);
		}
		if (rc == SQLITE_OK && c == CHUNK_IDS) {
			sqlite3_stmt *s;
			int64_t rowid;
			memcpy(&rowid, item, sizeof rowid);
			rc = statement_borrow(t, ROW_MOVE, &s);
			if (rc == SQLITE_OK) {
				sqlite3_bind_int64(s, 1, rowid);
				sqlite3_bind_int64(s, 2, to);
				rc = statement_run(t, s);
			}
			if (rc == SQLITE_OK && sqlite3_changes(t->db) != 1) {
				rc = table_corrupt(t, "row %lld is missing", (long long)rowid);
			}
		}
		sqlite3_free(item);
	}
	return rc;
}

int chunk_remove(struct table *t, int64_t position, int64_t n)
{
	int64_t last = position_at(t, position_part(position), n - 1);
	if (n < 1 || position > last) {
		return table_corrupt(t, "a row's position %lld is beyond its part's %lld rows",
		    (long long)position, (long long)n);
	}
	int rc = position == last ? SQLITE_OK : move_items(t, last, position);
	if (rc != SQLITE_OK) {
		return rc;
	}
	int slot = position_slot(last);
	if (slot == 0) {
		return each_column(t, position_chunk(last), drop_chunk, 0);
	}
	if (n <= t->chunk_rows &&
	    (slot & (slot - 1)) == 0) { /* shrink the first chunk to a half when it is a quarter full */
		int64_t room;
		rc = room_of(t, position_chunk(last), &room);
		if (rc == SQLITE_OK && room >= 4 * (int64_t)slot) {
			rc = each_column(t, position_chunk(last), resize_chunk, 2 * (int64_t)slot);
		}
	}
	return rc;
}
