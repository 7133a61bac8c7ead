/* INSERT INTO docs(docs) VALUES('command'). */
#ifndef KITH_SQLITE_COMMAND_H
#define KITH_SQLITE_COMMAND_H

#include "table.h"

/* Carry out a command; `argument` is what was given for rank. */
int command_run(struct table *t, sqlite3_value *command, sqlite3_value *argument);

#endif
