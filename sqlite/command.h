/* Commands: INSERT INTO docs(docs, rank) VALUES('command', argument). */
#ifndef KITH_SQLITE_COMMAND_H
#define KITH_SQLITE_COMMAND_H

#include "table.h"

/* Run a command. `argument` is the value given for rank. */
int command_run(struct table *t, sqlite3_value *command, sqlite3_value *argument);

#endif
