/* The module kith: CREATE VIRTUAL TABLE … USING kith(…), and the extension's entry points. */
#define KITH_SQLITE_MODULE
#include "sqlite.h"
SQLITE_EXTENSION_INIT1

#include <string.h>

#include "command.h"
#include "cursor.h"
#include "filter.h"
#include "functions.h"
#include "plan.h"
#include "table.h"
#include "values.h"
#include "write.h"

enum { NAMES = 3 }; /* module, database and table come before the arguments */

static void table_free(struct table *t)
{
	if (t == NULL) {
		return;
	}
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

static void *zeroed(size_t bytes)
{
	void *out = sqlite3_malloc64(bytes);
	if (out != NULL) {
		memset(out, 0, bytes);
	}
	return out;
}

/* Room for one vector of each column. */
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

static int connect(
    sqlite3 *db, int create, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
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
	*out = &t->base;
	return SQLITE_OK;
}

static int module_create(
    sqlite3 *db, void *data, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
	(void)data;
	return connect(db, 1, argc, argv, out, error);
}

static int module_connect(
    sqlite3 *db, void *data, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
	(void)data;
	return connect(db, 0, argc, argv, out, error);
}

static int module_disconnect(sqlite3_vtab *base)
{
	table_free((struct table *)base);
	return SQLITE_OK;
}

static int module_destroy(sqlite3_vtab *base)
{
	struct table *t = (struct table *)base;
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
	return write_row(t, argc, argv, rowid);
}

static int module_rename(sqlite3_vtab *base, const char *name)
{
	struct table *t = (struct table *)base;
	validator_free(t->validator);
	t->validator = NULL;
	return shadow_rename(t, name);
}

static int module_find(sqlite3_vtab *base, int argc, const char *name,
    void (**function)(sqlite3_context *, int, sqlite3_value **), void **data)
{
	return functions_find(base, argc, name, function, data);
}

/* Without it SQLite does not take the table to be one that takes part in transactions. */
static int module_begin(sqlite3_vtab *base)
{
	(void)base;
	return SQLITE_OK;
}

static const sqlite3_module module = {
    .iVersion = 3,
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
    .xFindFunction = module_find,
    .xRename = module_rename,
    .xShadowName = shadow_is_name,
};

__attribute__((visibility("default"))) int sqlite3_kith_init(
    sqlite3 *db, char **error, const sqlite3_api_routines *api);

/* The name that SQLite derives from the file's. */
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
	return rc == SQLITE_OK ? sqlite3_create_module_v2(db, "kith", &module, NULL, NULL) : rc;
}

int sqlite3_kithsqlite_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
	return sqlite3_kith_init(db, error, api);
}
