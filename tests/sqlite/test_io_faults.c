/* Every write, sync and truncation that a statement makes fails once, and all that follow, through a VFS
 * that passes the rest on. The statement fails; whoever opens the file then finds what was there before, or
 * all that was to be done, and integrity-check finds nothing. */
#include "tests/sqlite/sql.h"
#include "tests/support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a VFS whose writes fail ---- */

static sqlite3_vfs *below;
static long countdown = -1; /* writes until they fail; −1: they do not */
static int failed;

struct file {
	sqlite3_file base;
	sqlite3_file *real; /* behind it */
};

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
	return 1;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct file *)f)->real;
}

static int file_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	return fails() ? SQLITE_IOERR_WRITE : real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	return fails() ? SQLITE_IOERR_TRUNCATE : real_of(f)->pMethods->xTruncate(real_of(f), n);
}

static int file_sync(sqlite3_file *f, int flags)
{
	return fails() ? SQLITE_IOERR_FSYNC : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), n);
}

static int file_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int file_reserved(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_characteristics(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static const sqlite3_io_methods methods = {1, file_close, file_read, file_write, file_truncate, file_sync,
    file_size, file_lock, file_unlock, file_reserved, file_control, file_sector, file_characteristics, NULL,
    NULL, NULL, NULL, NULL, NULL};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct file *file = (struct file *)f;
	(void)vfs;
	file->real = (sqlite3_file *)(file + 1);
	int rc = below->xOpen(below, name, file->real, flags, out);
	file->base.pMethods = file->real->pMethods != NULL ? &methods : NULL;
	return rc;
}

static void install(void)
{
	static sqlite3_vfs vfs;
	below = sqlite3_vfs_find(NULL);
	vfs = *below;
	vfs.zName = "failing";
	vfs.szOsFile = (int)sizeof(struct file) + below->szOsFile;
	vfs.xOpen = vfs_open;
	ck_assert_int_eq(sqlite3_vfs_register(&vfs, 0), SQLITE_OK);
}

/* ---- statements ---- */

static const char setup[] =
    "PRAGMA cache_size = 20;"
    "CREATE VIRTUAL TABLE docs USING kith(e FLOAT[64], t TEXT PARTITION KEY, n INTEGER, +body TEXT);"
    "INSERT INTO docs(docs, rank) VALUES('index-from', 40);"
    "INSERT INTO docs(docs, rank) VALUES('index', 'HNSW4');"
    "WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 80) INSERT INTO docs(rowid, e, "
    "t, n, body) "
    "SELECT x, CAST(zeroblob(252) || 'ab' || char(48 + x % 10) || 'A' AS BLOB), iif(x % 3, 'a', 'b'), x, "
    "hex(zeroblob(x)) FROM i";

static const char *const statements[] = {
    "INSERT INTO docs(e, t, n, body) VALUES(zeroblob(256), 'c', 1, 'x')",
    "UPDATE docs SET e = zeroblob(256), n = 7 WHERE n % 2",
    "UPDATE docs SET t = 'c' WHERE n < 30",
    "DELETE FROM docs WHERE n % 3 = 1",
    "INSERT INTO docs(docs) VALUES('rebuild')",
    "DROP TABLE docs",
};

static sqlite3 *open_file(const char *path, const char *vfs)
{
	sqlite3 *db;
	ck_assert_int_eq(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK);
	load_extension(db);
	return db;
}

/* A digest of all rows; 0: there is no table. */
static long long digest(const char *path)
{
	sqlite3_stmt *s;
	long long sum = 0;
	sqlite3 *db = open_file(path, NULL);
	if (sqlite3_prepare_v2(db, "SELECT rowid, hex(e), t, n, body FROM docs", -1, &s, NULL) == SQLITE_OK) {
		must(db, "INSERT INTO docs(docs) VALUES('integrity-check')");
		sum = 1;
		while (sqlite3_step(s) == SQLITE_ROW) {
			unsigned long long row = 14695981039346656037U;
			for (int i = 0; i < 5; i++) {
				for (const unsigned char *p = sqlite3_column_text(s, i);
				     p != NULL && *p != '\0'; p++) {
					row = (row ^ *p) * 1099511628211U;
				}
			}
			sum += (long long)(row >> 8);
		}
		ck_assert_int_eq(sqlite3_finalize(s), SQLITE_OK);
	}
	must(db, "PRAGMA integrity_check");
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	return sum;
}

static void copy(const char *from, const char *to)
{
	char journal[SCRATCH_PATH + 16];
	char bytes[4096];
	size_t n;
	snprintf(journal, sizeof journal, "%s-journal", to);
	unlink(journal);
	FILE *in = fopen(from, "rb");
	FILE *out = fopen(to, "wb");
	ck_assert(in != NULL && out != NULL);
	while ((n = fread(bytes, 1, sizeof bytes, in)) > 0) {
		ck_assert(fwrite(bytes, 1, n, out) == n);
	}
	fclose(in);
	ck_assert_int_eq(fclose(out), 0);
}

START_TEST(test_every_write)
{
	char folder[SCRATCH_FOLDER];
	char first[SCRATCH_PATH];
	char path[SCRATCH_PATH];
	scratch_make(folder);
	scratch_path(first, folder, "first.db");
	scratch_path(path, folder, "t.db");
	sqlite3 *db = open_file(first, NULL);
	must(db, setup);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	long long before = digest(first);
	install();
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
		copy(first, path);
		db = open_file(path, NULL);
		must(db, statements[i]);
		sqlite3_close(db);
		long long after = digest(path);
		failed = 1;
		for (long at = 0; failed; at += test_long() ? 1 : 13) {
			copy(first, path);
			db = open_file(path, "failing");
			must(db, "PRAGMA cache_size = 5; SELECT count(*) FROM docs");
			failed = 0;
			countdown = at;
			int rc = sqlite3_exec(db, statements[i], NULL, NULL, NULL);
			sqlite3_close(db); /* which cannot undo anything either */
			countdown = -1;
			long long now = digest(path);
			ck_assert_msg(now == (rc == SQLITE_OK ? after : before) || now == after,
			    "%s: write %ld gave %d", statements[i], at, rc);
		}
	}
	scratch_remove(folder);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sqlite_io_faults");
	TCase *tcase = tcase_create("faults");
	tcase_set_timeout(tcase, 600);
	tcase_add_test(tcase, test_every_write);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
