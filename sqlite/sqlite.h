/* SQLite's interface as an extension sees it: through the table of functions that the host passes in. Built
 * with SQLITE_CORE, the same calls go to the SQLite that the program is linked with. */
#ifndef KITH_SQLITE_SQLITE_H
#define KITH_SQLITE_SQLITE_H

#include <stddef.h>

#include <sqlite3ext.h>

#ifndef KITH_SQLITE_MODULE
SQLITE_EXTENSION_INIT3
#endif

/* table.c: memory of SQLite's, all zero; NULL: there is none. Freed with sqlite3_free. */
void *zeroed(size_t bytes);

#endif
