/* libFuzzer target: the SQLite extension over damaged shadow tables, and texts from outside: filters and
 * their arguments, vectors, commands, factory strings, options of hybrid searches.
 *
 * The input is a list of actions on a small database that has an index; behind them comes every kind of
 * statement. All may fail; none may crash, read beyond its memory, or give more rows than were asked for.
 *
 *     0 table column row kind n bytes   a value of a shadow table
 *     1 table row offset n bytes        bytes of a blob
 *     2 table row                       a row less
 *     3 which n bytes                   a text
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

int sqlite3_kith_init(sqlite3 *db, char **error, const struct sqlite3_api_routines *api);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { K = 5, MAX_STEPS = 2000000, TABLES = 8 };

static const char *const tables[TABLES] = {
    "config", "rows", "aux", "parts", "chunks", "idx", "changes", "v0"};

static const char setup[] =
    "CREATE VIRTUAL TABLE docs USING kith(e FLOAT[4] INDEX 'HNSW4,SQ8', p TEXT PARTITION KEY, n INTEGER, "
    "s TEXT INDEXED, x, id TEXT PRIMARY KEY, +body TEXT);"
    "INSERT INTO docs(docs, rank) VALUES('index-from', 10);"
    "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 59) INSERT INTO docs(rowid, e, "
    "p, "
    "n, s, x, id, body) SELECT i, json_array(i % 7, i % 5, i % 3, i / 20), iif(i % 3, 'a', 'b'), i, 's' || i "
    "% 4, "
    "iif(i % 2, i, 'x'), 'k' || i, 'body' FROM c;"
    "UPDATE docs SET e = '[1,2,3,4]' WHERE rowid < 3; UPDATE docs SET n = 7 WHERE rowid = 30;";

static const char *const statements[] = {
    "SELECT rowid, distance, body FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5",
    "SELECT rowid, s FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5 AND n < 40",
    "SELECT rowid, s FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5 AND n < 40",
    "SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5 AND p = 'a' AND s IN ('s1', 's2') AND x = 4",
    "SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5 AND s LIKE 's%' AND filter = 'n % 2 = 0'",
    "SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1]' AND distance < 3 LIMIT 5",
    "SELECT e, id FROM docs WHERE n > 3 LIMIT 5",
    "SELECT kith_stats('docs'), kith_tune('docs'), kith_explain('docs')",
    "UPDATE docs SET n = n + 1, e = '[2,2,2,2]' WHERE rowid = 5",
    "UPDATE docs SET p = 'c' WHERE rowid < 9",
    "INSERT INTO docs(e, id) VALUES('[0,0,0,1]', 'new')",
    "DELETE FROM docs WHERE rowid IN (3, 17, 59)",
    "SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5",
    "INSERT INTO docs(docs) VALUES('integrity-check')",
    "INSERT INTO docs(docs) VALUES('merge')",
    "INSERT INTO docs(docs) VALUES('rebuild')",
    "SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5 AND n < 40",
    "ALTER TABLE docs RENAME TO others",
    "DROP TABLE others",
};

/* ?1 is the text. */
static const char *const texts[] = {
    "SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5 AND filter = ?1",
    "SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5 AND filter = 'n < ?1' AND filter_args = ?1",
    "SELECT rowid FROM docs WHERE e MATCH ?1 AND k = 5",
    "SELECT rowid FROM docs WHERE e MATCH CAST(?1 AS BLOB) AND k = 5",
    "INSERT INTO docs(e, id, s) VALUES(?1, ?1, ?1)",
    "SELECT kith_distance(?1, '[1,2]'), kith_from_json(?1), kith_to_json(?1)",
    "SELECT kith_from_npy(CAST(?1 AS BLOB))",
    "INSERT INTO docs(docs, rank) VALUES('index', ?1)",
    "INSERT INTO docs(docs, rank) VALUES(?1, ?1)",
    "SELECT * FROM kith_hybrid('docs', 'words', 'a', '[1,1,1,1]', 5, ?1)",
    "SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5 AND s GLOB ?1 AND s < ?1 AND n <> ?1",
    "SELECT rowid FROM docs WHERE e MATCH '[1,1,1,1]' AND k = 5 AND kith_contains(s, ?1) AND x IS NOT ?1",
};

enum { STATEMENTS = sizeof statements / sizeof *statements, TEXTS = sizeof texts / sizeof *texts };

struct input {
	const uint8_t *at, *end;
};

static unsigned byte_of(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static const uint8_t *bytes_of(struct input *in, unsigned *n)
{
	*n = byte_of(in);
	const uint8_t *at = in->at;
	if (*n > (size_t)(in->end - at))
		*n = (unsigned)(in->end - at);
	in->at += *n;
	return at;
}

static int stop(void *data)
{
	int *left = data;
	return --*left < 0;
}

/* Run a statement to its end; a query for K rows gives no more. */
static void run(sqlite3 *db, const char *sql, const void *text, int n)
{
	sqlite3_stmt *s;
	int rows = 0;
	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		return;
	if (text != NULL)
		sqlite3_bind_text(s, 1, text, n, SQLITE_TRANSIENT);
	while (sqlite3_step(s) == SQLITE_ROW)
		if (++rows > K)
			abort();
	sqlite3_finalize(s);
}

/* A statement about the row-th row of a shadow table. */
static void damage(sqlite3 *db, const char *format, const char *table, const char *column, unsigned row,
    unsigned kind, const uint8_t *bytes, unsigned n)
{
	sqlite3_stmt *s;
	char *sql = sqlite3_mprintf(format, table, column, table, row);
	int64_t number = 0;
	memcpy(&number, bytes, n < sizeof number ? n : sizeof number);
	if (sql != NULL && sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK) {
		if (kind % 4 == 0)
			sqlite3_bind_int64(s, 1, number);
		else if (kind % 4 == 1)
			sqlite3_bind_text(s, 1, (const char *)bytes, (int)n, SQLITE_TRANSIENT);
		else if (kind % 4 == 2)
			sqlite3_bind_blob(s, 1, bytes, (int)n, SQLITE_TRANSIENT);
		sqlite3_step(s);
		sqlite3_finalize(s);
	}
	sqlite3_free(sql);
}

static void change_value(sqlite3 *db, struct input *in)
{
	const char *table = tables[byte_of(in) % TABLES];
	unsigned column = byte_of(in), row = byte_of(in), kind = byte_of(in), n;
	const uint8_t *bytes = bytes_of(in, &n);
	char *sql =
	    sqlite3_mprintf("SELECT name FROM pragma_table_info('docs_%s') ORDER BY cid LIMIT 1 OFFSET %u",
	        table, column % 8);
	sqlite3_stmt *s;
	if (sql != NULL && sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK) {
		if (sqlite3_step(s) == SQLITE_ROW)
			damage(db,
			    strcmp(table, "config") != 0 && strcmp(table, "changes") != 0
			        ? "UPDATE docs_%s SET \"%w\" = ?1 WHERE rowid = (SELECT rowid FROM docs_%s "
			          "LIMIT 1 OFFSET %u)"
			        : "UPDATE docs_%s SET \"%w\" = ?1 -- %s %u",
			    table, (const char *)sqlite3_column_text(s, 0), row, kind, bytes, n);
		sqlite3_finalize(s);
	}
	sqlite3_free(sql);
}

static void change_bytes(sqlite3 *db, struct input *in)
{
	static const char *const blobs[] = {"chunks", "idx", "v0"};
	const char *table = blobs[byte_of(in) % 3];
	unsigned row = byte_of(in), offset = byte_of(in), n;
	offset = offset << 8 | byte_of(in);
	const uint8_t *bytes = bytes_of(in, &n);
	sqlite3_stmt *s;
	sqlite3_blob *blob;
	char *name = sqlite3_mprintf("docs_%s", table);
	char *sql = sqlite3_mprintf("SELECT rowid FROM docs_%s LIMIT 1 OFFSET %u", table, row);
	if (sql != NULL && name != NULL && sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK) {
		if (sqlite3_step(s) == SQLITE_ROW &&
		    sqlite3_blob_open(db, "main", name, strcmp(table, "chunks") == 0 ? "ids" : "data",
		        sqlite3_column_int64(s, 0), 1, &blob) == SQLITE_OK) {
			sqlite3_blob_write(blob, bytes, (int)n, (int)offset);
			sqlite3_blob_close(blob);
		}
		sqlite3_finalize(s);
	}
	sqlite3_free(sql);
	sqlite3_free(name);
}

static void delete_row(sqlite3 *db, struct input *in)
{
	const char *table = tables[byte_of(in) % TABLES];
	char *sql =
	    sqlite3_mprintf("DELETE FROM docs_%s WHERE rowid = (SELECT rowid FROM docs_%s LIMIT 1 OFFSET %u)",
	        table, table, byte_of(in));
	if (sql != NULL)
		sqlite3_exec(db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
}

/* The bytes of the database that all inputs begin with. */
static unsigned char *base(sqlite3_int64 *size)
{
	static unsigned char *bytes;
	static sqlite3_int64 length;
	if (bytes == NULL) {
		sqlite3 *db;
		sqlite3_auto_extension((void (*)(void))sqlite3_kith_init);
		if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
		    sqlite3_exec(db, setup, NULL, NULL, NULL) != SQLITE_OK)
			abort();
		sqlite3_exec(db, "CREATE VIRTUAL TABLE words USING fts5(t); INSERT INTO words VALUES('a b')",
		    NULL, NULL, NULL);
		bytes = sqlite3_serialize(db, "main", &length, 0);
		sqlite3_close(db);
	}
	*size = length;
	return bytes;
}

static sqlite3 *open_copy(int *left)
{
	sqlite3_int64 size;
	const unsigned char *bytes = base(&size);
	unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)size);
	sqlite3 *db;
	if (copy == NULL || sqlite3_open(":memory:", &db) != SQLITE_OK)
		abort();
	memcpy(copy, bytes, (size_t)size);
	if (sqlite3_deserialize(db, "main", copy, size, size,
	        SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) != SQLITE_OK)
		abort();
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 24);
	sqlite3_progress_handler(db, 1, stop, left);
	return db;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	int left = MAX_STEPS;
	sqlite3 *db = open_copy(&left);
	if (size > 0 && data[0] & 1) /* the table has been used already */
		run(db, statements[0], NULL, 0);
	for (byte_of(&in); in.at < in.end;) {
		unsigned n, which = byte_of(&in) % 4;
		if (which == 0) {
			change_value(db, &in);
		} else if (which == 1) {
			change_bytes(db, &in);
		} else if (which == 2) {
			delete_row(db, &in);
		} else {
			const char *sql = texts[byte_of(&in) % TEXTS];
			const uint8_t *text = bytes_of(&in, &n);
			run(db, sql, text, (int)n);
		}
	}
	for (int i = 0; i < STATEMENTS; i++)
		run(db, statements[i], NULL, 0);
	if (sqlite3_close(db) != SQLITE_OK)
		abort();
	return 0;
}
