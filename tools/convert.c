/* kith convert: write vectors in another format, in pieces. Index files are converted in convert_index.c.
 *
 * The element type of the output is that of the input if the output's format can hold it, and otherwise the
 * first that it can hold. A value that does not fit exactly is an error, and never rounded.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bar.h"
#include "cli.h"
#include "convert.h"
#include "hint.h"
#include "info_index.h"
#include "stream.h"

enum { PIECE_BYTES = 32 << 20 };

enum {
	OPT_FIRST,
	OPT_COUNT,
	OPT_TYPE,
	OPT_IDS,
	OPT_TRAIN,
	OPT_TEST,
	OPT_NEIGHBORS,
	OPT_DISTANCES,
	OPT_METRIC,
	OPT_K
};

static const struct cli_option options[] = {
    [OPT_FIRST] = {"first", 0, "N", "begin with this row, counted from 0 (default 0)"},
    [OPT_COUNT] = {"count", 0, "M", "number of rows (default: all that follow)", .old_letter = "n"},
    [OPT_TYPE] = {"type", 0, "TYPE",
        "elements of OUT: f32, u8, i8, i32 or i64 (default: as IN\n"
        "where OUT's format holds that, else what it holds)",
        "f32|u8|i8|i32|i64"},
    [OPT_IDS] = {"ids", 0, "FILE",
        "of an index: write the ids of the rows, too: ivecs,\n"
        "ibin, or npy, which can hold ids of 64 bits (default: do\n"
        "not)"},
    [OPT_TRAIN] = {"train", 0, "FILE",
        "put OUT.hdf5 together for ann-benchmarks, without IN: the\n"
        "vectors (default: convert IN)"},
    [OPT_TEST] = {"test", 0, "FILE", "the queries (required with --train)"},
    [OPT_NEIGHBORS] = {"neighbors", 0, "FILE", "their true neighbours (default: computed)"},
    [OPT_DISTANCES] = {"distances", 'd', "FILE", "of those, as 'kith knn' writes them (default: computed)"},
    [OPT_METRIC] = {"metric", 'm', "METRIC",
        "of the distances: l2, ip, cosine, l1, linf, lp3, … (default l2)", CLI_METRICS},
    [OPT_K] = {"k", 'k', "K", "neighbours of each query to compute (default 100)"},
    {0},
};

static bool parse_option(struct convert *c, const struct cli *cli, int option)
{
	switch (option) {
	case OPT_FIRST:
		return cli_number(cli, option, 0, INT64_MAX, &c->first);
	case OPT_COUNT:
		return cli_number(cli, option, 1, INT64_MAX, &c->count);
	case OPT_TYPE:
		return cli_choice(cli, option, &c->type);
	case OPT_IDS:
		c->ids_path = cli->value;
		return true;
	case OPT_TRAIN:
		c->train = cli->value;
		return true;
	case OPT_TEST:
		c->test = cli->value;
		return true;
	case OPT_NEIGHBORS:
		c->neighbors = cli->value;
		return true;
	case OPT_DISTANCES:
		c->distances = cli->value;
		return true;
	case OPT_METRIC:
		c->metric_given = true;
		return cli_metric(cli, option, &c->metric);
	default:
		return cli_number(cli, option, 1, KITH_MAX_DIM, &c->k);
	}
}

static int parse(struct convert *c, struct cli *cli)
{
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli->exit_code;
		if (!parse_option(c, cli, option))
			return EXIT_USAGE;
	}
	bool assembles = c->train || c->test || c->neighbors || c->distances;
	if (assembles && cli->operand_count > 1)
		return cli_error(
		    EXIT_USAGE, "with --train there is no IN: kith convert --train FILE --test FILE OUT");
	if (assembles && (c->first || c->count >= 0 || c->type >= 0 || c->ids_path))
		return cli_error(EXIT_USAGE, "--first, --count, --type and --ids do not go with --train");
	if (!assembles && cli->operand_count < 2)
		return cli_error(EXIT_USAGE, "files are needed%s; usage: kith convert [OPTION]... %s",
		    cli->operand_count ? ", and one is given" : "", cli->command->operands);
	if (!assembles && (c->k || c->metric_given))
		return cli_error(EXIT_USAGE, "-k and --metric go with --train");
	return EXIT_OK;
}

int convert_check_rows(struct convert *c, int64_t n)
{
	if (c->first >= n)
		return cli_error(EXIT_FAILED,
		    "--first %" PRId64 " is outside of '%s', which has rows 0 to %" PRId64, c->first,
		    c->in_path, n - 1);
	if (c->count < 0)
		c->count = n - c->first;
	if (c->count > n - c->first)
		return cli_error(EXIT_FAILED,
		    "--count %" PRId64 " is more than the %" PRId64 " %s of '%s' from row %" PRId64 " on",
		    c->count, CLI_COUNT(n - c->first, "row"), c->in_path, c->first);
	return EXIT_OK;
}

int convert_open_output(struct convert *c, kith_type wanted, int64_t dim, kith_type *type)
{
	static const kith_type types[] = {KITH_F32, KITH_U8, KITH_I8, KITH_I32, KITH_I64};
	enum { TYPES = sizeof types / sizeof *types };
	*type = c->type >= 0 ? types[c->type] : wanted;
	if (c->type >= 0 || strcmp(c->out_path, "-") == 0)
		return output_open(&c->out, "OUT", c->out_path, *type, dim);
	const char *path = c->out_path;
	int code = is_stream(path) ? stream_output("OUT", path, "", &path) : stream_check_output("OUT", path);
	if (code != EXIT_OK)
		return code;
	kith_status status = kith_vecs_create(&c->out, path, *type, dim);
	for (int i = 0; status == KITH_UNSUPPORTED && i < TYPES; i++) {
		*type = types[i];
		status = kith_vecs_create(&c->out, path, *type, dim);
	}
	return status == KITH_OK ? EXIT_OK : fail_status(status, c->out_path, NULL);
}

static int copy_rows(struct convert *c, struct input *in, kith_type type)
{
	int64_t row_bytes = in->info.dim * (int64_t)kith_type_size(type);
	int64_t rows = batch_rows(c->count, row_bytes, PIECE_BYTES);
	void *x = malloc((size_t)(rows * row_bytes));
	if (!x)
		return fail_memory(rows * row_bytes, "vectors");
	struct bar bar;
	bar_begin(&bar, "converting", "vectors", (double)c->count);
	int code = EXIT_OK;
	for (int64_t i = 0; i < c->count && code == EXIT_OK; i += rows) {
		int64_t now = rows < c->count - i ? rows : c->count - i;
		const char *path = c->in_path;
		kith_status status = kith_vecs_read(in->vecs, c->first + i, now, type, x);
		if (status == KITH_OK) {
			path = c->out_path;
			status = kith_vecs_append(c->out, now, x);
		}
		kith_vecs_drop(in->vecs);
		if (status == KITH_FORMAT && in->info.type == KITH_I64)
			code = cli_error(
			    EXIT_FAILED, "%s; npy and hdf5 hold integers of 64 bits", kith_last_error());
		else if (status != KITH_OK)
			code = fail_status(status, path, NOTHING_WRITTEN);
		else if (bar_at(&bar, (double)(i + now)))
			code = fail_stopped(NOTHING_WRITTEN);
	}
	bar_wipe();
	free(x);
	return code;
}

/* Convert vectors to vectors; file: what is read, which is a temporary file if in_path is a stream. */
static int convert_vectors(struct convert *c, const char *file)
{
	struct input in;
	kith_type type = KITH_F32;
	int code = input_open(&in, file);
	in.path = c->in_path;
	if (code == EXIT_OK)
		code = convert_check_rows(c, in.info.n);
	if (code == EXIT_OK)
		code = output_check(c->out_path, &in, 1);
	if (code == EXIT_OK)
		code = convert_open_output(c, in.info.type, in.info.dim, &type);
	if (code == EXIT_OK)
		code = copy_rows(c, &in, type);
	if (code == EXIT_OK)
		code = output_finish(&c->out, c->out_path);
	if (code == EXIT_OK)
		printf("%s: %" PRId64 " x %" PRId64 " %s\n", c->out_path, c->count, in.info.dim,
		    kith_type_name(type));
	input_close(&in);
	return code;
}

/* Refuse files in the wrong order, and options that are for another kind of file. */
static int check_kinds(const struct convert *c, const char *file)
{
	bool index = is_index_file(file), to_vectors = names_vectors(c->out_path);
	if (access(file, F_OK) != 0 && access(c->out_path, F_OK) == 0 && !strchr(file, ':'))
		return cli_error(EXIT_USAGE, "'%s' does not exist, but '%s' does: IN comes first, then OUT",
		    file, c->out_path);
	int code = file_check(file);
	if (code != EXIT_OK)
		return code;
	if (!index && names_index(c->out_path))
		return cli_error(EXIT_USAGE,
		    "'%s' holds vectors; 'kith build %s --index SPEC -o %s' makes an index of them",
		    c->in_path, c->in_path, c->out_path);
	if (index && !to_vectors && (c->first || c->count >= 0 || c->type >= 0 || c->ids_path))
		return cli_error(EXIT_USAGE,
		    "--first, --count, --type and --ids are for vectors, and '%s' becomes another index; "
		    "name OUT as a file of vectors, e.g. out.fvecs",
		    c->in_path);
	if (!index && c->ids_path)
		return cli_error(
		    EXIT_USAGE, "--ids: '%s' holds vectors without ids; only an index has them", c->in_path);
	return EXIT_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct convert c = {.count = -1, .type = -1, .metric = KITH_L2};
	int code = parse(&c, &cli);
	if (code != EXIT_OK || !cli.operands)
		return code;
	if (c.train || c.test || c.neighbors || c.distances) {
		c.out_path = cli.operands[0];
		code = convert_assemble(&c);
		kith_vecs_abandon(c.out);
		return code;
	}
	const char *file = c.in_path = cli.operands[0];
	c.out_path = cli.operands[1];
	if (is_incoming(file))
		code = stream_input(file, "fvecs", &file);
	if (code == EXIT_OK)
		code = check_kinds(&c, file);
	if (code != EXIT_OK)
		return code;
	if (!is_index_file(file))
		code = convert_vectors(&c, file);
	else if (names_vectors(c.out_path))
		code = convert_stored(&c, file);
	else
		code = convert_index(&c, file);
	kith_vecs_abandon(c.out);
	return code;
}

const struct command command_convert = {
    .name = "convert",
    .operands = "[IN] OUT",
    .summary = "Convert vectors or an index from one file format to another",
    .notes = "The formats follow from the names. Values are kept exactly: where one does not\n"
             "fit the new type (1.5 or 256 into bytes) the conversion fails, and no OUT is left.\n"
             "An index file, of kith or of FAISS, becomes vectors where OUT has the name of a\n"
             "vector file: those that it holds, in the order of their ids, as its codes keep\n"
             "them. It becomes one of FAISS's where OUT ends in .faiss, else one of kith's. FAISS\n"
             "is told the nprobe, efSearch, k_factor and efConstruction that the index carries,\n"
             "else 8, 64, 4 and, when it adds to a graph, its own 40 (kith's is 200). Labels of\n"
             "FAISS's IndexIDMap stay, and --ids writes them.\n"
             "With --train and --test they become one HDF5 file as ann-benchmarks has it: sets\n"
             "train, test, neighbors and distances (roots for l2, 1 - cosine for cosine).\n"
             "IN and OUT can be -, standard input and output: fvecs or npy; npy:- and the like name\n"
             "the format.\n",
    .example = "  kith convert glove.hdf5:train base.fvecs\n"
               "  kith convert base.fvecs part.npy --first 1000 --count 500\n"
               "  kith convert theirs.faiss mine.kith\n"
               "  kith convert mine.kith vectors.npy --ids ids.npy\n"
               "  kith convert --train base.fvecs --test query.fvecs mine.hdf5\n",
    .options = options,
    .min_operands = 1,
    .max_operands = 2,
    .run = run,
};
