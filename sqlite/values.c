/* kith_values(p): a table of the values of a struct values, which is bound as the pointer p. IN (SELECT
 * value FROM kith_values(?)) allows lists of any length, and preserves values of all types exactly.
 * Pointers cannot be created in SQL, so only the extension itself can use this table. */
#include "values.h"

struct cursor {
	sqlite3_vtab_cursor base;
	const struct values *values;
	int at;
};

int values_push(struct values *v, sqlite3_value *value)
{
	if (v->n == v->room) {
		int room = v->room < 8 ? 8 : 2 * v->room;
		sqlite3_value **items =
		    sqlite3_realloc64(v->items, sizeof(sqlite3_value *) * (sqlite3_uint64)room);
		if (items == NULL) {
			return SQLITE_NOMEM;
		}
		v->items = items;
		v->room = room;
	}
	if ((v->items[v->n] = sqlite3_value_dup(value)) == NULL) {
		return SQLITE_NOMEM;
	}
	v->n++;
	return SQLITE_OK;
}

void values_free(struct values *v)
{
	for (int i = 0; i < v->n; i++) {
		sqlite3_value_free(v->items[i]);
	}
	sqlite3_free(v->items);
	*v = (struct values){0};
}

static int values_connect(
    sqlite3 *db, void *data, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
	(void)data;
	(void)argc;
	(void)argv;
	(void)error;
	int rc = sqlite3_declare_vtab(db, "CREATE TABLE x(value, list HIDDEN)");
	if (rc != SQLITE_OK) {
		return rc;
	}
	*out = zeroed(sizeof **out);
	if (*out == NULL) {
		return SQLITE_NOMEM;
	}
	sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
	return SQLITE_OK;
}

static int values_disconnect(sqlite3_vtab *base)
{
	sqlite3_free(base);
	return SQLITE_OK;
}

static int values_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	(void)base;
	info->estimatedCost = 1e9;
	for (int i = 0; i < info->nConstraint; i++) {
		if (info->aConstraint[i].iColumn == 1 &&
		    info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ) {
			if (!info->aConstraint[i].usable) {
				return SQLITE_CONSTRAINT;
			}
			info->aConstraintUsage[i].argvIndex = 1;
			info->aConstraintUsage[i].omit = 1;
			info->estimatedCost = 10;
			info->estimatedRows = 10;
			break;
		}
	}
	return SQLITE_OK;
}

static int values_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
	(void)base;
	struct cursor *c = zeroed(sizeof *c);
	if (c == NULL) {
		return SQLITE_NOMEM;
	}
	*out = &c->base;
	return SQLITE_OK;
}

static int values_close(sqlite3_vtab_cursor *base)
{
	sqlite3_free(base);
	return SQLITE_OK;
}

static int values_filter(
    sqlite3_vtab_cursor *base, int number, const char *text, int argc, sqlite3_value **argv)
{
	(void)number;
	(void)text;
	struct cursor *c = (struct cursor *)base;
	c->values = argc > 0 ? sqlite3_value_pointer(argv[0], VALUES_POINTER) : NULL;
	c->at = 0;
	return SQLITE_OK;
}

static int values_next(sqlite3_vtab_cursor *base)
{
	((struct cursor *)base)->at++;
	return SQLITE_OK;
}

static int values_eof(sqlite3_vtab_cursor *base)
{
	struct cursor *c = (struct cursor *)base;
	return c->values == NULL || c->at >= c->values->n;
}

static int values_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	struct cursor *c = (struct cursor *)base;
	if (column == 0) {
		sqlite3_result_value(context, c->values->items[c->at]);
	}
	return SQLITE_OK;
}

static int values_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
	*rowid = ((struct cursor *)base)->at;
	return SQLITE_OK;
}

int values_register(sqlite3 *db)
{
	static const sqlite3_module module = {
	    .xConnect = values_connect,
	    .xBestIndex = values_best_index,
	    .xDisconnect = values_disconnect,
	    .xOpen = values_open,
	    .xClose = values_close,
	    .xFilter = values_filter,
	    .xNext = values_next,
	    .xEof = values_eof,
	    .xColumn = values_column,
	    .xRowid = values_rowid,
	};
	return sqlite3_create_module_v2(db, "kith_values", &module, NULL, NULL);
}
