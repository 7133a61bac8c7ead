/* The module kith: CREATE VIRTUAL TABLE … USING kith(…), and the extension's entry points. */
#define KITH_SQLITE_MODULE
#include "sqlite.h"
SQLITE_EXTENSION_INIT1

#include <string.h>

#include "check.h"
#include "command.h"
#include "cursor.h"
#include "filter.h"
#include "functions.h"
#include "hybrid.h"
#include "plan.h"
#include "refresh.h"
#include "stats.h"
#include "table.h"
#include "values.h"
#include "write.h"

enum { NAMES = 3 }; /* module, database and table come before the arguments */

void connection_release(void *connection)
{
	struct connection *c = connection;
	if (--c->references == 0) {
		sqlite3_free(c);
	}
}

static void leave_connection(struct table *t)
{
	if (t->connection == NULL) {
		return;
	}
	struct table **at = &t->connection->tables;
	while (*at != t) {
		at = &(*at)->next;
	}
	*at = t->next;
	connection_release(t->connection);
}

static void table_free(struct table *t)
{
	if (t == NULL) {
		return;
	}
	leave_connection(t);
	index_rollback(t);
	registry_release(t);
	statements_free(t);
	validator_free(t->validator);
	for (int v = 0; v < t->schema.count[COLUMN_VECTOR]; v++) {
		if (t->given != NULL) {
			vector_free(&t->given[v]);
		}
		if (t->bytes != NULL) {
			sqlite3_free(t->bytes[v]);
		}
	}
	sqlite3_free(t->given);
	sqlite3_free(t->bytes);
	schema_free(&t->schema);
	sqlite3_free(t->db_name);
	sqlite3_free(t->name);
	sqlite3_free(t->base.zErrMsg);
	sqlite3_free(t);
}

/* Allocate t->given and t->bytes, for one vector of each column. */
static int make_room(struct table *t)
{
	size_t vectors = (size_t)t->schema.count[COLUMN_VECTOR];
	t->given = zeroed(vectors * sizeof *t->given);
	t->bytes = zeroed(vectors * sizeof *t->bytes);
	if (t->given == NULL || t->bytes == NULL) {
		return SQLITE_NOMEM;
	}
	for (int i = 0; i < t->schema.n; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind == COLUMN_VECTOR &&
		    (t->bytes[c->number] = sqlite3_malloc64((sqlite3_uint64)column_width(c))) == NULL) {
			return SQLITE_NOMEM;
		}
	}
	return SQLITE_OK;
}

static int declare(struct table *t)
{
	char *sql = schema_declaration(&t->schema, t->name);
	if (sql == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = sqlite3_declare_vtab(t->db, sql);
	sqlite3_free(sql);
	if (rc != SQLITE_OK) {
		return table_forward(t, rc);
	}
	sqlite3_vtab_config(t->db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
	sqlite3_vtab_config(t->db, SQLITE_VTAB_INNOCUOUS);
	return SQLITE_OK;
}

static int connect(sqlite3 *db, struct connection *connection, int create, int argc, const char *const *argv,
    sqlite3_vtab **out, char **error)
{
	struct table *t = zeroed(sizeof *t);
	if (t == NULL) {
		return SQLITE_NOMEM;
	}
	t->db = db;
	t->db_name = sqlite3_mprintf("%s", argv[1]);
	t->name = sqlite3_mprintf("%s", argv[2]);
	int rc = t->db_name != NULL && t->name != NULL ? SQLITE_OK : SQLITE_NOMEM;
	if (rc == SQLITE_OK) {
		rc = schema_parse(&t->schema, t->name, argc - NAMES, argv + NAMES, error);
	}
	if (rc == SQLITE_OK) {
		rc = make_room(t);
	}
	if (rc == SQLITE_OK) {
		rc = declare(t);
	}
	if (rc == SQLITE_OK && create) {
		rc = shadow_create(t);
	}
	if (rc != SQLITE_OK) {
		if (*error == NULL) {
			*error = t->base.zErrMsg;
			t->base.zErrMsg = NULL;
		}
		table_free(t);
		return rc;
	}
	t->connection = connection;
	connection->references++;
	t->next = connection->tables;
	connection->tables = t;
	*out = &t->base;
	return SQLITE_OK;
}

static int module_create(
    sqlite3 *db, void *data, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
	return connect(db, data, 1, argc, argv, out, error);
}

static int module_connect(
    sqlite3 *db, void *data, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
	return connect(db, data, 0, argc, argv, out, error);
}

static int module_disconnect(sqlite3_vtab *base)
{
	table_free((struct table *)base);
	return SQLITE_OK;
}

static int module_destroy(sqlite3_vtab *base)
{
	struct table *t = (struct table *)base;
	registry_release(t);
	int rc = shadow_drop(t);
	if (rc == SQLITE_OK) {
		table_free(t);
	}
	return rc;
}

static int module_update(sqlite3_vtab *base, int argc, sqlite3_value **argv, sqlite3_int64 *rowid)
{
	struct table *t = (struct table *)base;
	int hidden = 2 + t->schema.n;
	if (argc > 1 && sqlite3_value_type(argv[0]) == SQLITE_NULL &&
	    sqlite3_value_type(argv[hidden + HIDDEN_TABLE]) != SQLITE_NULL) {
		return command_run(t, argv[hidden + HIDDEN_TABLE], argv[hidden + HIDDEN_RANK]);
	}
	for (int h = 1; argc > 1 && sqlite3_value_type(argv[0]) == SQLITE_NULL && h < HIDDEN_COUNT; h++) {
		if (sqlite3_value_type(argv[hidden + h]) != SQLITE_NULL) {
			return table_error(t, SQLITE_ERROR, "%s cannot be written", hidden_names[h]);
		}
	}
	return write_row(t, argc, argv, rowid);
}

static int module_rename(sqlite3_vtab *base, const char *name)
{
	struct table *t = (struct table *)base;
	validator_free(t->validator);
	t->validator = NULL;
	registry_release(t);
	return shadow_rename(t, name);
}

static int module_find(sqlite3_vtab *base, int argc, const char *name,
    void (**function)(sqlite3_context *, int, sqlite3_value **), void **data)
{
	return functions_find(base, argc, name, function, data);
}

/* Begin a transaction. Its configuration is read when the first row is written. */
static int module_begin(sqlite3_vtab *base)
{
	((struct table *)base)->configured = 0;
	return SQLITE_OK;
}

static int module_sync(sqlite3_vtab *base)
{
	return index_sync((struct table *)base);
}

static int module_commit(sqlite3_vtab *base)
{
	struct table *t = (struct table *)base;
	index_commit(t);
	t->configured = 0;
	return SQLITE_OK;
}

static int module_rollback(sqlite3_vtab *base)
{
	struct table *t = (struct table *)base;
	index_rollback(t);
	t->configured = 0;
	return SQLITE_OK;
}

/* PRAGMA integrity_check and quick_check, from SQLite 3.44 on. Damage is reported by a message, not by an
 * error code. */
static int module_integrity(sqlite3_vtab *base, const char *db, const char *name, int quick, char **message)
{
	struct table *t = (struct table *)base;
	(void)db;
	int rc = quick ? shadow_load(t) : check_table(t);
	if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_ERROR) {
		*message = sqlite3_mprintf("kith table %s: %s", name,
		    t->base.zErrMsg != NULL ? t->base.zErrMsg : sqlite3_errstr(rc));
		rc = *message != NULL ? SQLITE_OK : SQLITE_NOMEM;
	}
	return rc;
}

/* Headers before SQLite 3.44 lack the last member of sqlite3_module, xIntegrity. A newer SQLite that loads
 * the extension still reads it, because iVersion is 4, so it is put right after the struct. */
static const struct {
	sqlite3_module module;
#if SQLITE_VERSION_NUMBER < 3044000
	int (*xIntegrity)(sqlite3_vtab *, const char *, const char *, int, char **);
#endif
} kith = {
    .module =
        {
            .iVersion = 4,
            .xCreate = module_create,
            .xConnect = module_connect,
            .xBestIndex = plan_best_index,
            .xDisconnect = module_disconnect,
            .xDestroy = module_destroy,
            .xOpen = cursor_open,
            .xClose = cursor_close,
            .xFilter = cursor_filter,
            .xNext = cursor_next,
            .xEof = cursor_eof,
            .xColumn = cursor_column,
            .xRowid = cursor_rowid,
            .xUpdate = module_update,
            .xBegin = module_begin,
            .xSync = module_sync,
            .xCommit = module_commit,
            .xRollback = module_rollback,
            .xFindFunction = module_find,
            .xRename = module_rename,
            .xShadowName = shadow_is_name,
#if SQLITE_VERSION_NUMBER >= 3044000
            .xIntegrity = module_integrity,
        },
#else
        },
    .xIntegrity = module_integrity,
#endif
};

__attribute__((visibility("default"))) int sqlite3_kith_init(
    sqlite3 *db, char **error, const sqlite3_api_routines *api);

/* The entry point whose name SQLite derives from the file's name, kith_sqlite.so. */
__attribute__((visibility("default"))) int sqlite3_kithsqlite_init(
    sqlite3 *db, char **error, const sqlite3_api_routines *api);

int sqlite3_kith_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
	SQLITE_EXTENSION_INIT2(api);
	(void)api;
	if (sqlite3_libversion_number() < 3038000) {
		*error = sqlite3_mprintf("kith needs SQLite 3.38 or newer, this is %s", sqlite3_libversion());
		return SQLITE_ERROR;
	}
	int rc = functions_register(db);
	if (rc == SQLITE_OK) {
		rc = values_register(db);
	}
	if (rc == SQLITE_OK) {
		rc = hybrid_register(db);
	}
	struct connection *connection = rc == SQLITE_OK ? zeroed(sizeof *connection) : NULL;
	if (connection == NULL) {
		return rc != SQLITE_OK ? rc : SQLITE_NOMEM;
	}
	connection->references = 1;
	rc = stats_register(db, connection);
	/* SQLite calls connection_release also if this fails. */
	int module_rc = sqlite3_create_module_v2(db, "kith", &kith.module, connection, connection_release);
	return rc != SQLITE_OK ? rc : module_rc;
}

int sqlite3_kithsqlite_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
	return sqlite3_kith_init(db, error, api);
}
