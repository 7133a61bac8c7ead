/* What `kith import` and `kith export` do in a build without SQLite: they say so. */
#include "cli.h"
#include "db.h"

static int fail_none(void)
{
	return cli_error(EXIT_FAILED, "this kith was built without SQLite (Debian, Ubuntu: apt-get install "
	                              "libsqlite3-dev, then build it anew)");
}

int db_import(const struct import *import)
{
	(void)import;
	return fail_none();
}

int db_export(const struct export *export)
{
	(void)export;
	return fail_none();
}
