/* kith verify: is an index file whole? Every checksum, everything a search relies on, every append. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "files.h"
#include "report.h"

enum { OPT_JSON };

static const struct cli_option options[] = {
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

static int print_object(const char *path, const kith_index *index, const char *problem)
{
	json_t *report = json_pack("{s:o, s:b}", "file", json_text(path), "good", problem == NULL);
	if (problem)
		json_object_set_new(report, "problem", json_text(problem));
	if (index)
		json_object_set_new(report, "n", json_integer((json_int_t)kith_index_size(index)));
	return print_json(report);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	bool json = false;
	for (int option; (option = cli_next(&cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli.exit_code;
		json |= option == OPT_JSON;
	}
	const char *path = cli.operands[0], *problem = NULL;
	kith_index *index = NULL;
	kith_status status = kith_index_open(&index, path, KITH_VERIFY | KITH_READONLY);
	int code = EXIT_OK;
	if (status != KITH_OK)
		problem = kith_last_error();
	else if (*kith_index_note(index))
		problem = kith_index_note(index);
	if (status != KITH_OK && status != KITH_FORMAT && status != KITH_UNSUPPORTED) {
		code = fail_status(status, path, NULL);
	} else {
		if (json)
			code = print_object(path, index, problem);
		else if (!problem)
			printf("%s: good, %lld vectors\n", path, (long long)kith_index_size(index));
		if (problem)
			code = json     ? EXIT_FAILED
			       : status ? fail_status(status, path, NULL)
			                : cli_error(EXIT_FAILED, "'%s': %s", path, problem);
	}
	kith_index_free(index);
	return code;
}

const struct command command_verify = {
    .name = "verify",
    .operands = "FILE",
    .summary = "Check an index file: checksums and structure",
    .notes = "Reads all of an index file and everything that was appended to it. Exit status 0:\n"
             "every checksum fits, and so does everything that a search relies on. 1: something\n"
             "does not, and the message names the section; or an append was not completed, so\n"
             "that opening leaves it out.\n",
    .example = "  kith verify photos.kith\n",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
