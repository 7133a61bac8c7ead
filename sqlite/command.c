/* Commands, which are written as those of FTS5: INSERT with a value for the column that has the table's
 * name. */
#include "command.h"

#include <string.h>

#include <kith/kith.h>

#include "check.h"
#include "refresh.h"

/* Parse "column=factory string", or a factory string alone if there is only one vector column. */
static int parse_index(struct table *t, const char *text, const struct column **c, const char **spec)
{
	const char *equals = strchr(text, '=');
	*c = schema_column(&t->schema, COLUMN_VECTOR, 0);
	*spec = text;
	if (equals == NULL && t->schema.count[COLUMN_VECTOR] == 1) {
		return SQLITE_OK;
	}
	for (int i = 0; equals != NULL && i < t->schema.n; i++) {
		const struct column *other = &t->schema.columns[i];
		size_t length = (size_t)(equals - text);
		if (other->kind == COLUMN_VECTOR && strlen(other->name) == length &&
		    sqlite3_strnicmp(other->name, text, (int)length) == 0) {
			*c = other;
			*spec = equals + 1;
			return SQLITE_OK;
		}
	}
	return table_error(
	    t, SQLITE_ERROR, "index: name a vector column, as in '%s=HNSW32', not '%s'", (*c)->name, text);
}

static int set_config(struct table *t, const char *key, const char *value)
{
	return table_run(t, sqlite3_mprintf("INSERT OR REPLACE INTO \"%w\".\"%w_config\" VALUES(%Q, %s)",
	                        t->db_name, t->name, key, value));
}

/* Set the number of rows from which a part gets an index. */
static int change_index_from(struct table *t, sqlite3_value *argument)
{
	char number[32];
	if (sqlite3_value_type(argument) != SQLITE_INTEGER || sqlite3_value_int64(argument) < 1) {
		return table_error(t, SQLITE_ERROR, "index-from: rank must be a number of rows, at least 1");
	}
	sqlite3_snprintf((int)sizeof number, number, "%lld", sqlite3_value_int64(argument));
	int rc = set_config(t, "index_from", number);
	t->configured = 0;
	return rc == SQLITE_OK ? index_rebuild(t) : rc;
}

/* Set how many bytes the table's indexes may take in a process; NULL: no limit. */
static int change_memory(struct table *t, sqlite3_value *argument)
{
	char number[32] = "NULL";
	int type = sqlite3_value_type(argument);
	if (type != SQLITE_NULL && (type != SQLITE_INTEGER || sqlite3_value_int64(argument) < 0)) {
		return table_error(
		    t, SQLITE_ERROR, "memory: rank must be a number of bytes, or NULL for no limit");
	}
	if (type == SQLITE_INTEGER) {
		sqlite3_snprintf((int)sizeof number, number, "%lld", sqlite3_value_int64(argument));
	}
	int rc = set_config(t, "memory", number);
	if (rc == SQLITE_OK && type == SQLITE_INTEGER) {
		registry_limit(t, NULL, sqlite3_value_int64(argument));
	}
	return rc;
}

static int change_index(struct table *t, sqlite3_value *argument)
{
	const struct column *c;
	const char *spec;
	const char *text = (const char *)sqlite3_value_text(argument);
	if (text == NULL) {
		return table_error(t, SQLITE_ERROR,
		    "index: rank must be a factory string, such as 'HNSW32', or 'Flat' for no index");
	}
	int rc = parse_index(t, text, &c, &spec);
	if (rc != SQLITE_OK) {
		return rc;
	}
	kith_index *index;
	if (kith_index_new(&index, c->dim, c->metric, spec) != KITH_OK) {
		return table_error(t, SQLITE_ERROR, "index: %s: %s", c->name, kith_last_error());
	}
	kith_index_free(index);
	char key[24];
	char *value = sqlite3_mprintf("%Q", spec);
	sqlite3_snprintf((int)sizeof key, key, "index%d", c->number);
	rc = value != NULL ? set_config(t, key, value) : SQLITE_NOMEM;
	sqlite3_free(value);
	t->configured = 0;
	return rc == SQLITE_OK ? index_rebuild(t) : rc;
}

int command_run(struct table *t, sqlite3_value *command, sqlite3_value *argument)
{
	const char *name = (const char *)sqlite3_value_text(command);
	if (name == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = shadow_load(t);
	if (rc != SQLITE_OK) {
		return rc;
	}
	if (sqlite3_stricmp(name, "integrity-check") == 0) {
		return check_table(t);
	}
	if (sqlite3_stricmp(name, "index") == 0) {
		return change_index(t, argument);
	}
	if (sqlite3_stricmp(name, "index-from") == 0) {
		return change_index_from(t, argument);
	}
	if (sqlite3_stricmp(name, "memory") == 0) {
		return change_memory(t, argument);
	}
	if (sqlite3_stricmp(name, "rebuild") == 0 || sqlite3_stricmp(name, "optimize") == 0) {
		return index_rebuild(t);
	}
	if (sqlite3_stricmp(name, "merge") == 0) {
		return index_merge(t);
	}
	return table_error(t, SQLITE_ERROR,
	    "unknown command '%s'; the commands are index, index-from, memory, rebuild, optimize, merge and "
	    "integrity-check",
	    name);
}
