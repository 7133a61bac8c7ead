/* Values of --set: "nprobe=16,max_codes=20000". */
#ifndef KITH_TOOLS_SETTINGS_H
#define KITH_TOOLS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "cli.h"

/* One name that can be set. A table of settings ends with an empty one. */
struct setting {
	const char *name;
	double min, max;
	bool whole;
	bool given; /* out */
	double value;
};

/* Read the value of the option just returned. False: an error was printed, end with EXIT_USAGE. */
bool settings_read(const struct cli *cli, int option, struct setting *table);

/* What was given, as a JSON object. */
json_t *settings_json(const struct setting *table);

#endif
