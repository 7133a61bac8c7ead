/* kith verify: check every checksum of an index file, everything that a search relies on, and every
 * append. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "cli.h"
#include "files.h"
#include "hint.h"
#include "info_index.h"
#include "report.h"
#include "stream.h"

enum { OPT_JSON, OPT_GENERATION };

static const struct cli_option options[] = {
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    [OPT_GENERATION] = {"generation", 'g', "HEX",
        "everything that was in the file at this generation, which\n"
        "'kith info' shows, must still be in it (default: do not\n"
        "check)"},
    {0},
};

static int print_object(const char *path, const kith_index *index, const char *problem)
{
	char said[1000];
	json_t *report = json_pack("{s:o, s:b}", "file", json_text(path), "good", problem == NULL);
	snprintf(said, sizeof said, "%s", problem ? problem : "");
	stream_rename(said, sizeof said);
	if (problem)
		json_object_set_new(report, "problem", json_text(said));
	if (index)
		json_object_set_new(report, "n", json_integer((json_int_t)kith_index_size(index)));
	return print_json(report);
}

static bool parse_generation(const char *text, uint64_t *generation)
{
	char *end;
	if (strlen(text) != 16 || strspn(text, "0123456789abcdefABCDEF") != 16)
		return false;
	*generation = strtoull(text, &end, 16);
	return *generation != 0;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	bool json = false;
	uint64_t generation = 0;
	for (int option; (option = cli_next(&cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli.exit_code;
		json |= option == OPT_JSON;
		if (option == OPT_GENERATION && !parse_generation(cli.value, &generation))
			return cli_error(
			    EXIT_USAGE, "--generation: '%s' is not what 'kith info' tells", cli.value);
	}
	const char *path = cli.operands[0], *file = path, *problem = NULL;
	int code = is_incoming(path) ? stream_input(path, "kith", &file) : EXIT_OK;
	if (code == EXIT_OK)
		code = file_check(file);
	if (code == EXIT_OK && names_vectors(path) && !is_index_file(file))
		code = cli_error(EXIT_FAILED,
		    "'%s' holds vectors, and only index files can be verified; 'kith info' checks vectors",
		    path);
	if (code != EXIT_OK)
		return code;
	kith_index *index = NULL;
	kith_file_info state = {.size = sizeof state};
	stop_at_once(!stream_in_use());
	kith_status status = is_faiss_file(file) && !generation
	                         ? kith_index_import_faiss_labels(&index, file)
	                         : kith_index_open_at(&index, file, KITH_VERIFY | KITH_READONLY, generation);
	stop_at_once(false);
	if (status != KITH_OK)
		problem = kith_last_error();
	else if (kith_index_file(index, &state) == KITH_OK && state.dropped_bytes)
		problem = kith_index_note(index);
	if (status != KITH_OK && status != KITH_FORMAT && status != KITH_UNSUPPORTED &&
	    status != KITH_STALE) {
		code = fail_status(status, path, NULL);
	} else {
		if (json)
			code = print_object(path, index, problem);
		else if (!problem)
			printf("%s: good, %lld %s%s\n", path,
			    CLI_COUNT((long long)kith_index_size(index), "vector"),
			    state.worth_saving ? "; so much was appended that it should be saved anew" : "");
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
             "that opening leaves it out; or the file does not hold what it held at the given\n"
             "generation. That something is missing at the end of what was appended can be seen\n"
             "in no other way. FILE can be -, standard input.\n",
    .example = "  kith verify photos.kith\n"
               "  kith verify --generation 8d4f0a1c22b37e95 photos.kith\n",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
