/* NAME=NUMBER pairs. A name that is misspelt gets the nearest one suggested. */
#include "settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 16 };

static bool fail_name(const char *name, const struct setting *table)
{
	char list[200] = "";
	const char *names[MAX_NAMES];
	int n = 0;
	for (size_t used = 0; table[n].name && n < MAX_NAMES; n++) {
		names[n] = table[n].name;
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", n ? ", " : "", names[n]);
	}
	const char *nearest = cli_nearest(name, names, n);
	if (nearest)
		cli_error(EXIT_USAGE, "--set: unknown name '%s'; did you mean '%s'?", name, nearest);
	else
		cli_error(EXIT_USAGE, "--set: unknown name '%s'; it can be %s", name, list);
	return false;
}

/* One "name=number", which is taken apart. */
static bool read_pair(char *pair, struct setting *table)
{
	char *equals = strchr(pair, '='), *end;
	if (!equals) {
		cli_error(EXIT_USAGE, "--set must be NAME=NUMBER,…, not '%s'", pair);
		return false;
	}
	*equals = '\0';
	struct setting *s = table;
	while (s->name && strcmp(s->name, pair) != 0)
		s++;
	if (!s->name)
		return fail_name(pair, table);
	double value = strtod(equals + 1, &end);
	bool plain = strspn(equals + 1, "0123456789.eE+-") == strlen(equals + 1) && end != equals + 1;
	if (!plain || *end || !(value >= s->min && value <= s->max) || (s->whole && value != floor(value))) {
		cli_error(EXIT_USAGE, "--set %s must be a %snumber from %.16g to %.16g, not '%s'", s->name,
		    s->whole ? "whole " : "", s->min, s->max, equals + 1);
		return false;
	}
	s->given = true;
	s->value = value;
	return true;
}

bool settings_read(const struct cli *cli, int option, struct setting *table)
{
	(void)option;
	char *copy = strdup(cli->value), *rest = NULL;
	bool ok = copy != NULL;
	if (!ok)
		cli_error(EXIT_FAILED, "out of memory");
	for (char *pair = ok ? strtok_r(copy, ",", &rest) : NULL; ok && pair;
	     pair = strtok_r(NULL, ",", &rest))
		ok = read_pair(pair, table);
	free(copy);
	return ok;
}

json_t *settings_json(const struct setting *table)
{
	json_t *object = json_object();
	for (; table->name; table++)
		if (table->given)
			json_object_set_new(object, table->name,
			    table->whole ? json_integer((json_int_t)table->value) : json_real(table->value));
	return object;
}
