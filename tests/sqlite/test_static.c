/* The extension linked into a program: every connection has it, with nothing to load. */
#include "tests/support/support.h"

#include <sqlite3.h>

int sqlite3_kith_init(sqlite3 *db, char **error, const struct sqlite3_api_routines *api);

static const char setup[] = "CREATE VIRTUAL TABLE docs USING kith(e FLOAT[2]);"
                            "INSERT INTO docs(rowid, e) VALUES(3, '[1,2]'), (4, '[5,6]')";
static const char query[] = "SELECT rowid FROM docs WHERE e MATCH '[1,2]' AND k = 1 AND filter = 'rowid > 3'";

START_TEST(test_every_connection_has_it)
{
	ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))sqlite3_kith_init), SQLITE_OK);
	for (int i = 0; i < 3; i++) {
		sqlite3 *db;
		sqlite3_stmt *s;
		ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
		ck_assert_int_eq(sqlite3_exec(db, setup, NULL, NULL, NULL), SQLITE_OK);
		ck_assert_int_eq(sqlite3_prepare_v2(db, query, -1, &s, NULL), SQLITE_OK);
		ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
		ck_assert_int_eq(sqlite3_column_int(s, 0), 4);
		ck_assert_int_eq(sqlite3_finalize(s), SQLITE_OK);
		ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	}
	sqlite3_reset_auto_extension();
	ck_assert_int_eq(sqlite3_memory_used(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sqlite_static");
	TCase *tcase = tcase_create("static");
	tcase_add_test(tcase, test_every_connection_has_it);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
