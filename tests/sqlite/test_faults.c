/* Every allocation of a statement fails once: alone, and with all that follow. The statement says NOMEM or
 * does all that it should; then the table is what it was or what it should be, and integrity-check finds
 * nothing. */
#include "tests/sqlite/sql.h"

#include <stdlib.h>
#include <string.h>

/* ---- allocations that fail ---- */

static sqlite3_mem_methods plain;
static long countdown = -1; /* allocations until one fails; −1: none does */
static int all_that_follow, failed;

static int fails(void)
{
	if (countdown < 0) {
		return 0;
	}
	if (countdown > 0) {
		countdown--;
		return 0;
	}
	failed = 1;
	if (!all_that_follow) {
		countdown = -1;
	}
	return 1;
}

static void *failing_malloc(int n)
{
	return fails() ? NULL : plain.xMalloc(n);
}

static void *failing_realloc(void *p, int n)
{
	return fails() ? NULL : plain.xRealloc(p, n);
}

static void install(void)
{
	sqlite3_mem_methods failing;
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain), SQLITE_OK);
	failing = plain;
	failing.xMalloc = failing_malloc;
	failing.xRealloc = failing_realloc;
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing), SQLITE_OK);
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
}

/* ---- databases ---- */

static sqlite3 *open_empty(void)
{
	sqlite3 *db;
	ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	load_extension(db);
	return db;
}

static const char setup[] =
    "CREATE VIRTUAL TABLE docs USING kith(id TEXT PRIMARY KEY, e FLOAT[4], t TEXT "
    "PARTITION KEY, n INTEGER INDEXED, f INT8[2], +body TEXT);"
    "WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 90) "
    "INSERT INTO docs(rowid, id, e, t, n, f, body) "
    "SELECT x, 'k' || x, '[' || x || ',' || (x % 7) || ',' || (x % 5) || ',1]', iif(x % "
    "3, 'a', 'b'), x % 10, '[1,' || x || ']', 'body ' || x FROM i;"
    "CREATE VIRTUAL TABLE fts USING fts5(body);"
    "INSERT INTO fts(rowid, body) SELECT rowid, body FROM docs";
static const char setup_index[] = "INSERT INTO docs(docs, rank) VALUES('index-from', 20);"
                                  "INSERT INTO docs(docs, rank) VALUES('index', 'e=HNSW4');"
                                  "UPDATE docs SET e = '[9,9,9,' || rowid || ']' WHERE rowid % 9 = 0";

static sqlite3 *open_image(const unsigned char *image, sqlite3_int64 size)
{
	sqlite3 *db = open_empty();
	unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)size);
	memcpy(copy, image, (size_t)size);
	ck_assert_int_eq(sqlite3_deserialize(db, "main", copy, size, size,
	                     SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE),
	    SQLITE_OK);
	return db;
}

/* All rows of the table as one text; "" where there is no table any more. */
static char *contents(sqlite3 *db)
{
	sqlite3_stmt *s;
	char *out = NULL;
	int rc = sqlite3_prepare_v2(db,
	    "SELECT group_concat(rowid || id || hex(e) || t || n || hex(f) || body) FROM "
	    "(SELECT * , rowid FROM docs ORDER BY rowid)",
	    -1, &s, NULL);
	if (rc == SQLITE_OK) {
		ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
		const char *text = (const char *)sqlite3_column_text(s, 0);
		out = strdup(text != NULL ? text : "none");
		ck_assert_int_eq(sqlite3_finalize(s), SQLITE_OK);
		must(db, "INSERT INTO docs(docs) VALUES('integrity-check')");
	}
	return out != NULL ? out : strdup("");
}

/* ---- statements ---- */

static const char conditions[] =
    "SELECT rowid, n, body FROM docs WHERE e MATCH '[1,2,3,4]' AND k = 5 AND n IN (1, 2, 3) AND t = 'a' AND "
    "id <> 'k1' AND body LIKE 'b%'";
static const char filter[] =
    "SELECT rowid FROM docs WHERE e MATCH '[1,2,3,4]' AND k = 5 AND filter = 'n < ?1 OR body = ?2' AND "
    "filter_args = '[5, \"x\"]'";
static const char hybrid[] =
    "SELECT rowid, score FROM kith_hybrid('docs', 'fts', 'body OR 5', '[1,2,3,4]', 5, "
    "'{\"fields\":[\"body^2\"],\"filter\":\"n < 8\"}')";
static const char functions[] =
    "SELECT kith_to_json(kith_normalize('[3,4]')), kith_distance('[1]', '[2]'), kith_contains('ab', 'b'), "
    "kith_version()";
static const char *const statements[] = {
    "INSERT INTO docs(id, e, t, n, f, body) VALUES('new', '[1,2,3,4]', 'c', 1, '[1,2]', 'x')",
    "INSERT INTO docs(rowid, id, e, t, n, f, body) VALUES(500, 'new', zeroblob(16), 'a', 1, '[1,2]', 'x')",
    "REPLACE INTO docs(rowid, id, e, t, n, f, body) VALUES(5, 'k7', '[1,2,3,4]', 'a', 1, '[1,2]', 'x')",
    "UPDATE docs SET e = '[4,3,2,1]', n = 77 WHERE rowid = 8",
    "UPDATE docs SET t = 'c', body = 'moved' WHERE n = 4",
    "UPDATE docs SET rowid = rowid + 1000 WHERE n = 3",
    "DELETE FROM docs WHERE rowid IN (1, 2, 44) OR n = 9",
    "DELETE FROM docs",
    "SELECT rowid, e, body, distance FROM docs WHERE e MATCH '[1,2,3,4]' AND k = 5",
    conditions,
    filter,
    "SELECT rowid, f FROM docs WHERE e MATCH '[1,2,3,4]' LIMIT 30",
    "SELECT * FROM docs WHERE n > 3 AND rowid < 80 ORDER BY rowid",
    hybrid,
    functions,
    "INSERT INTO docs(docs) VALUES('integrity-check')",
    "INSERT INTO docs(docs) VALUES('rebuild')",
    "INSERT INTO docs(docs, rank) VALUES('index', 'e=IVF4,Flat')",
    "ALTER TABLE docs RENAME TO other",
    "DROP TABLE docs",
    "CREATE VIRTUAL TABLE more USING kith(a FLOAT[3] COSINE INDEX 'HNSW8', +b TEXT)",
};

static int run(sqlite3 *db, const char *sql)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	return rc & 0xff;
}

/* One attempt; 0: nothing failed any more. */
static int attempt(const unsigned char *image, sqlite3_int64 size, const char *sql, long at,
    const char *before, const char *after)
{
	sqlite3 *db = open_image(image, size);
	must(db, "SELECT count(*) FROM docs"); /* the schema has been read */
	failed = 0;
	countdown = at;
	int rc = run(db, sql);
	countdown = -1;
	ck_assert_msg(rc == SQLITE_OK || rc == SQLITE_NOMEM || (failed && rc == SQLITE_ERROR),
	    "%s, allocation %ld: %d: %s", sql, at, rc, sqlite3_errmsg(db));
	char *now = contents(db);
	ck_assert_msg(strcmp(now, rc == SQLITE_OK ? after : before) == 0 || strcmp(now, after) == 0,
	    "%s, allocation %ld gave %d", sql, at, rc);
	free(now);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	return failed;
}

static void each_allocation(const char *more, long stride)
{
	sqlite3_int64 size;
	sqlite3 *db = open_empty();
	must(db, setup);
	if (more != NULL) {
		must(db, more);
	}
	unsigned char *image = sqlite3_serialize(db, "main", &size, 0);
	char *before = contents(db);
	sqlite3_close(db);
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
		db = open_image(image, size);
		must(db, statements[i]);
		char *after = contents(db);
		sqlite3_close(db);
		for (all_that_follow = 0; all_that_follow < 2; all_that_follow++) {
			for (long at = 0; attempt(image, size, statements[i], at, before, after);
			     at += stride) {
			}
		}
		free(after);
	}
	free(before);
	sqlite3_free(image);
}

/* Leaks are counted by SQLite itself. */
static void run_all(const char *more)
{
	long stride = getenv("KITH_TEST_LONG") != NULL ? 1 : 61;
	install();
	each_allocation(more, stride);
	ck_assert_int_eq(sqlite3_memory_used(), 0);
}

START_TEST(test_without_index)
{
	run_all(NULL);
}
END_TEST

START_TEST(test_with_index)
{
	run_all(setup_index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sqlite_faults");
	TCase *tcase = tcase_create("faults");
	tcase_set_timeout(tcase, 3600);
	tcase_add_test(tcase, test_without_index);
	tcase_add_test(tcase, test_with_index);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
