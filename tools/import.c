/* kith import: its options. The work is done in db_import.c. */
#include "cli.h"
#include "db.h"

enum {
	OPT_METADATA,
	OPT_COLUMN,
	OPT_TYPE,
	OPT_METRIC,
	OPT_INDEX,
	OPT_PARTITION,
	OPT_INDEXED,
	OPT_AUXILIARY,
	OPT_APPEND,
	OPT_RESUME,
	OPT_JSON
};

static const struct cli_option options[] = {
    [OPT_METADATA] = {"metadata", 0, "FILE",
        "CSV, a record for each vector; its first line names the\n"
        "columns (default: none)"},
    [OPT_COLUMN] = {"column", 0, "NAME", "column of the vectors (default embedding)"},
    [OPT_TYPE] = {"type", 0, "TYPE", "what vectors are stored as (default: as in VECTORS)",
        "float|float16|int8|uint8"},
    [OPT_METRIC] = {"metric", 'm', "METRIC", "l2, ip, cosine, l1 or linf (default l2)", CLI_TABLE_METRICS},
    [OPT_INDEX] = {"index", 'i', "SPEC", "index of the vectors, made at the end (default: none)"},
    [OPT_PARTITION] = {"partition", 0, "COLUMN",
        "column of the metadata whose values part the table; may be\n"
        "given several times (default: none)"},
    [OPT_INDEXED] = {"indexed", 0, "COLUMN",
        "column of the metadata to have an index; may be given\n"
        "several times (default: none)"},
    [OPT_AUXILIARY] = {"auxiliary", 0, "COLUMN",
        "column of the metadata to be stored apart, such as long\n"
        "texts; may be given several times (default: none)"},
    [OPT_APPEND] = {"append", 0, NULL, "add to a table that exists"},
    [OPT_RESUME] = {"resume", 0, NULL, "go on with an import that was cut off"},
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

static bool add_name(const struct cli *cli, const char **list, const char *option)
{
	int n = 0;
	while (list[n])
		n++;
	if (n == DB_NAMES - 1) {
		cli_error(EXIT_USAGE, "--%s takes at most %d columns", option, DB_NAMES - 1);
		return false;
	}
	list[n] = cli->value;
	return true;
}

static bool parse_option(struct import *import, const struct cli *cli, int option)
{
	static const char *const types[] = {"FLOAT", "FLOAT16", "INT8", "UINT8"};
	int choice;
	switch (option) {
	case OPT_METADATA:
		import->metadata = cli->value;
		return true;
	case OPT_COLUMN:
		import->column = cli->value;
		return true;
	case OPT_TYPE:
		if (!cli_choice(cli, option, &choice))
			return false;
		import->type = types[choice];
		return true;
	case OPT_METRIC:
		return cli_metric(cli, option, &import->metric);
	case OPT_INDEX:
		import->index = cli->value;
		return true;
	case OPT_PARTITION:
		return add_name(cli, import->partition, "partition");
	case OPT_INDEXED:
		return add_name(cli, import->indexed, "indexed");
	case OPT_AUXILIARY:
		return add_name(cli, import->auxiliary, "auxiliary");
	case OPT_APPEND:
		return import->append = true;
	case OPT_RESUME:
		return import->resume = true;
	default:
		return import->json = true;
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct import import = {.column = "embedding", .metric = KITH_L2};
	for (int option; (option = cli_next(&cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli.exit_code;
		if (!parse_option(&import, &cli, option))
			return EXIT_USAGE;
	}
	if (import.append && import.resume)
		return cli_error(EXIT_USAGE,
		    "--append and --resume exclude each other: one adds a file, the other goes on with one");
	if (!import.metadata && (*import.partition || *import.indexed || *import.auxiliary))
		return cli_error(EXIT_USAGE,
		    "--partition, --indexed and --auxiliary name columns of the metadata; give --metadata");
	import.vectors = cli.operands[0];
	import.db = cli.operands[1];
	import.table = cli.operands[2];
	return db_import(&import);
}

const struct command command_import = {
    .name = "import",
    .operands = "VECTORS DB TABLE",
    .summary = "Put vectors and their metadata into a table of an SQLite database",
    .notes = "The table is made, with a column of vectors and those of the metadata, which get the\n"
             "types INTEGER, REAL or TEXT that their first 1000 values allow; a field with nothing\n"
             "in it is NULL, and \"\" an empty text. Row i of the file gets rowid i. What was\n"
             "imported before an interrupt stays, and --resume goes on with it. Any SQLite reads\n"
             "the table with kith's extension.\n",
    .example = "  kith import base.fvecs photos.db photos --metadata photos.csv --metric cosine\n"
               "  kith import base.fvecs photos.db photos --metadata photos.csv --partition owner \\\n"
               "    --index HNSW32,SQ8,RFlat --resume\n",
    .options = options,
    .min_operands = 3,
    .max_operands = 3,
    .run = run,
};
