/* SQLite's interface for extensions: calls go through the table of functions that the host passes. If
 * compiled with SQLITE_CORE, the same calls go to the SQLite that the program is linked with. */
#ifndef KITH_SQLITE_SQLITE_H
#define KITH_SQLITE_SQLITE_H

#include <stddef.h>

#include <sqlite3ext.h>

#ifndef KITH_SQLITE_MODULE
SQLITE_EXTENSION_INIT3
#endif

/* Allocate zeroed memory by SQLite's allocator (table.c); NULL: out of memory. Freed with sqlite3_free. */
void *zeroed(size_t bytes);

#endif
