/* kith version: print the version, as `kith --version` does. */
#include <stdio.h>

#include "cli.h"
#include "report.h"

enum { OPT_JSON };

static const struct cli_option options[] = {
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	bool json = false;
	for (int option; (option = cli_next(&cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli.exit_code;
		json = true;
	}
	if (json)
		return print_json(json_pack("{s:s}", "version", kith_version()));
	printf("kith %s\n", kith_version());
	return EXIT_OK;
}

const struct command command_version = {
    .name = "version",
    .operands = "",
    .summary = "Print the version",
    .notes = "The same as 'kith --version'. 'kith info' says what this build and this machine offer.\n",
    .example = "  kith version\n",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
