/* What `kith import` and `kith export` do with tables of kith's SQLite extension. The extension is part of
 * the program; a program that was built without SQLite says so (db_none.c). */
#ifndef KITH_TOOLS_DB_H
#define KITH_TOOLS_DB_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/kith.h>

enum { DB_NAMES = 64 }; /* the most columns that an option may name, and 1 */

/* kith import. */
struct import {
	const char *vectors, *db, *table;
	const char *metadata; /* CSV; NULL: none */
	const char *column;   /* that gets the vectors */
	const char *type;     /* of its elements; NULL: that of the file */
	kith_metric metric;
	const char *index; /* factory string; NULL: none */
	const char *partition[DB_NAMES], *indexed[DB_NAMES], *auxiliary[DB_NAMES]; /* ended by NULL */
	bool resume, append, json;
};

/* kith export. */
struct export
{
	const char *db, *table, *vectors;
	const char *metadata, *ids, *column, *where; /* NULL: none; the first vector column; all rows */
	bool json;
};

/* Return an exit code; an error is printed. */
int db_import(const struct import *import);
int db_export(const struct export *export);

#endif
