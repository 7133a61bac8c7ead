/* kith export: its options. The work is done in db_export.c. */
#include "cli.h"
#include "db.h"
#include "files.h"

enum { OPT_METADATA, OPT_IDS, OPT_COLUMN, OPT_WHERE, OPT_JSON };

static const struct cli_option options[] = {
    [OPT_METADATA] = {"metadata", 0, "FILE", "write the other columns, too, as CSV (default: do not)"},
    [OPT_IDS] = {"ids", 0, "FILE",
        "write the rowids, too: ivecs, ibin, or npy, which can hold\n"
        "64 bits (default: do not)"},
    [OPT_COLUMN] = {"column", 0, "NAME", "column of the vectors (default: the first)"},
    [OPT_WHERE] = {"where", 0, "CONDITION", "only rows that meet it, in SQL (default: all)"},
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct export export = {0};
	for (int option; (option = cli_next(&cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli.exit_code;
		const char **text = option == OPT_METADATA ? &export.metadata
		                    : option == OPT_IDS    ? &export.ids
		                    : option == OPT_COLUMN ? &export.column
		                    : option == OPT_WHERE  ? &export.where
		                                           : NULL;
		if (text)
			*text = cli.value;
		else
			export.json = true;
	}
	export.db = cli.operands[0];
	export.table = cli.operands[1];
	export.vectors = cli.operands[2];
	const char *names[] = {export.db, export.vectors, export.metadata, export.ids};
	for (int i = 0; i < 4; i++)
		for (int j = i + 1; j < 4; j++)
			if (names[i] && names[j] && same_file(names[i], names[j]))
				return cli_error(EXIT_USAGE,
				    "'%s' is named twice; give each file a name of its own", names[j]);
	return db_export(&export);
}

const struct command command_export = {
    .name = "export",
    .operands = "DB TABLE VECTORS",
    .summary = "Write the vectors of a table of an SQLite database to a file",
    .notes = "Rows come in the order of their rowids. The format of VECTORS follows from its name;\n"
             "floats, halves (as floats) and bytes are written as the table holds them.\n",
    .example = "  kith export photos.db photos base.fvecs --metadata photos.csv --ids rowids.npy\n"
               "  kith export photos.db photos cheap.fvecs --where 'price < 10'\n",
    .options = options,
    .min_operands = 3,
    .max_operands = 3,
    .run = run,
};
