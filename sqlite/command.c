/* Commands, given as FTS5's are: a value for the column that is named like the table. */
#include "command.h"

#include "check.h"

int command_run(struct table *t, sqlite3_value *command, sqlite3_value *argument)
{
	const char *name = (const char *)sqlite3_value_text(command);
	(void)argument;
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
	return table_error(t, SQLITE_ERROR, "unknown command '%s': integrity-check is known", name);
}
