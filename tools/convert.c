/* kith convert: from one vector format to another, in pieces; index files see convert_index.c.
 *
 * The element type of the output is the input's where the output's format can hold it, and otherwise the
 * one type that it holds. A value that does not fit exactly is an error, never rounded.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "cli.h"
#include "convert_index.h"
#include "files.h"
#include "info_index.h"
#include "report.h"

enum { PIECE_BYTES = 32 << 20 };

enum { OPT_FIRST, OPT_COUNT, OPT_TYPE };

static const struct cli_option options[] = {
    [OPT_FIRST] = {"first", 0, "N", "begin with this row, counted from 0 (default 0)"},
    [OPT_COUNT] = {"count", 'n', "M", "number of rows (default: all that follow)"},
    [OPT_TYPE] = {"type", 0, "TYPE",
        "elements of OUT: f32, u8, i8 or i32 (default: as IN where\n"
        "OUT's format holds that, else what it holds)"},
    {0},
};

struct convert {
	struct input in;
	const char *out_path;
	kith_vecs_writer *out;
	int64_t first, count; /* count −1: the rest */
	int type;             /* −1: choose */
};

static int parse(struct convert *c, struct cli *cli)
{
	bool ok = true;
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		if (option == OPT_FIRST)
			ok = cli_number(cli, option, 0, INT64_MAX, &c->first);
		else if (option == OPT_COUNT)
			ok = cli_number(cli, option, 1, INT64_MAX, &c->count);
		else if (option == OPT_TYPE)
			ok = cli_choice(cli, option, "f32|u8|i8|i32", &c->type);
		else
			return cli->exit_code;
		if (!ok)
			return EXIT_USAGE;
	}
	return EXIT_OK;
}

static int check_rows(struct convert *c)
{
	int64_t n = c->in.info.n;
	if (c->first >= n)
		return cli_error(EXIT_FAILED,
		    "--first %" PRId64 " is outside of '%s', which has rows 0 to %" PRId64, c->first,
		    c->in.path, n - 1);
	if (c->count < 0)
		c->count = n - c->first;
	if (c->count > n - c->first)
		return cli_error(EXIT_FAILED,
		    "--count %" PRId64 " is more than the %" PRId64 " rows of '%s' from row %" PRId64 " on",
		    c->count, n - c->first, c->in.path, c->first);
	return EXIT_OK;
}

/* Create the output with the first type that its format can hold; *type gets that. */
static int open_output(struct convert *c, kith_type *type)
{
	static const kith_type types[] = {KITH_F32, KITH_U8, KITH_I8, KITH_I32};
	*type = c->type >= 0 ? types[c->type] : c->in.info.type;
	if (c->type >= 0)
		return output_open(&c->out, "OUT", c->out_path, *type, c->in.info.dim);
	kith_status status = kith_vecs_create(&c->out, c->out_path, *type, c->in.info.dim);
	for (int i = 0; status == KITH_UNSUPPORTED && i < 4; i++) {
		*type = types[i];
		status = kith_vecs_create(&c->out, c->out_path, *type, c->in.info.dim);
	}
	return status == KITH_OK ? EXIT_OK : fail_status(status, c->out_path, NULL);
}

static int copy_rows(struct convert *c, kith_type type)
{
	int64_t row_bytes = c->in.info.dim * (int64_t)kith_type_size(type);
	int64_t rows = batch_rows(c->count, row_bytes, PIECE_BYTES);
	void *x = malloc((size_t)(rows * row_bytes));
	if (!x)
		return fail_memory(rows * row_bytes, "vectors");
	struct bar bar;
	bar_begin(&bar, "converting", "vectors", (double)c->count);
	int code = EXIT_OK;
	for (int64_t i = 0; i < c->count && code == EXIT_OK; i += rows) {
		int64_t now = rows < c->count - i ? rows : c->count - i;
		const char *path = c->in.path;
		kith_status status = kith_vecs_read(c->in.vecs, c->first + i, now, type, x);
		if (status == KITH_OK) {
			path = c->out_path;
			status = kith_vecs_append(c->out, now, x);
		}
		kith_vecs_drop(c->in.vecs);
		if (status != KITH_OK)
			code = fail_status(status, path, NOTHING_WRITTEN);
		else if (bar_at(&bar, (double)(i + now)))
			code = fail_stopped(NOTHING_WRITTEN);
	}
	bar_wipe();
	free(x);
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct convert c = {.count = -1, .type = -1};
	kith_type type = KITH_F32;
	int code = parse(&c, &cli);
	if (code != EXIT_OK || !cli.operands)
		return code;
	c.out_path = cli.operands[1];
	if (is_index_file(cli.operands[0])) {
		if (c.first || c.count >= 0 || c.type >= 0)
			return cli_error(EXIT_USAGE,
			    "--first, --count and --type are for vectors; '%s' is an index", cli.operands[0]);
		return convert_index(cli.operands[0], c.out_path);
	}
	code = input_open(&c.in, cli.operands[0]);
	if (code == EXIT_OK)
		code = check_rows(&c);
	if (code == EXIT_OK)
		code = output_check(c.out_path, &c.in, 1);
	if (code == EXIT_OK)
		code = open_output(&c, &type);
	if (code == EXIT_OK)
		code = copy_rows(&c, type);
	if (code == EXIT_OK) {
		kith_status status = kith_vecs_finish(c.out);
		c.out = NULL;
		if (status != KITH_OK)
			code = fail_status(status, c.out_path, NOTHING_WRITTEN);
		else
			printf("%s: %" PRId64 " x %" PRId64 " %s\n", c.out_path, c.count, c.in.info.dim,
			    kith_type_name(type));
	}
	kith_vecs_abandon(c.out);
	input_close(&c.in);
	return code;
}

const struct command command_convert = {
    .name = "convert",
    .operands = "IN OUT",
    .summary = "Convert vectors or an index from one file format to another",
    .notes = "The formats follow from the names. Values are kept exactly: where one does not\n"
             "fit the new type (1.5 or 256 into bytes) the conversion fails, and no OUT is left.\n"
             "An index file, of kith or of FAISS, becomes one of FAISS's where OUT ends in .faiss,\n"
             "else one of kith's.\n",
    .example = "  kith convert glove.hdf5:train base.fvecs\n"
               "  kith convert base.fvecs part.npy --first 1000 --count 500\n"
               "  kith convert theirs.faiss mine.kith\n",
    .options = options,
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
