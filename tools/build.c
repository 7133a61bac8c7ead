/* kith build: make an index file from a file of vectors.
 *
 * Vectors are read in pieces (fill.c), so that memory holds the index, one piece and, during training, the
 * sample. What can fail is checked before the long work begins: files, factory string, dimension, the folder
 * of the output. The output gets its name when it is complete.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "files.h"
#include "fill.h"
#include "hint.h"
#include "report.h"
#include "settings.h"
#include "stream.h"

enum {
	OPT_INDEX,
	OPT_METRIC,
	OPT_TRAIN,
	OPT_TRAIN_SIZE,
	OPT_SET,
	OPT_REORDER,
	OPT_THREADS,
	OPT_OUT,
	OPT_JSON
};

static const struct cli_option options[] = {
    [OPT_INDEX] = {"index", 'i', "SPEC",
        "what to build, e.g. Flat, SQ8, HNSW32, IVF1024,PQ16\n"
        "(required)"},
    [OPT_METRIC] = {"metric", 'm', "METRIC", CLI_HELP_METRIC, CLI_METRICS},
    [OPT_TRAIN] = {"train", 0, "FILE", "learn from these vectors (default: from BASE)"},
    [OPT_TRAIN_SIZE] = {"train-size", 0, "N",
        "learn from N of them, evenly spread (default: from\n"
        "all, or as many as 1 GB holds)"},
    [OPT_SET] = {"set", 's', "NAME=N,…",
        "seed: of what is random (default 1234); efConstruction:\n"
        "candidates for the edges of a graph (default 200)"},
    [OPT_REORDER] = {"reorder", 0, NULL, "put neighbours of a graph near each other in memory"},
    [OPT_THREADS] = {"threads", 't', "N", CLI_HELP_THREADS},
    [OPT_OUT] = {"out", 'o', "FILE", "the index file to write (required)"},
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

struct build {
	struct input inputs[2]; /* base, training */
	const char *spec, *train_path, *out_path;
	kith_metric metric;
	int64_t train_size; /* 0: not given */
	int threads;
	bool reorder, json;
	struct setting settings[SETTINGS_MAX];

	kith_index *index;
	struct fill fill;
	double reorder_seconds, save_seconds;
};

static int parse(struct build *b, struct cli *cli)
{
	bool ok = true;
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		switch (option) {
		case OPT_INDEX:
			b->spec = cli->value;
			break;
		case OPT_METRIC:
			ok = cli_metric(cli, option, &b->metric);
			break;
		case OPT_TRAIN:
			b->train_path = cli->value;
			break;
		case OPT_TRAIN_SIZE:
			ok = cli_number(cli, option, 1, INT64_MAX, &b->train_size);
			break;
		case OPT_SET:
			ok = settings_read(cli, b->settings);
			break;
		case OPT_REORDER:
			b->reorder = true;
			break;
		case OPT_THREADS:
			ok = cli_threads(cli, option, &b->threads);
			break;
		case OPT_OUT:
			b->out_path = cli->value;
			break;
		case OPT_JSON:
			b->json = true;
			if (stream_claim("--json") != EXIT_OK)
				return EXIT_USAGE;
			break;
		default:
			return cli->exit_code;
		}
		if (!ok)
			return EXIT_USAGE;
	}
	if (!b->spec)
		return cli_error(EXIT_USAGE, "--index is needed: what to build, e.g. --index IVF1024,Flat");
	if (!b->out_path)
		return cli_error(EXIT_USAGE, "--out is needed: the index file to write, e.g. -o base.kith");
	return hint_spec("--index", b->spec, false);
}

/* Warn of options that the index, which is still empty, does not use, and fill in the defaults of those that
 * it uses. */
static void check_use(struct build *b)
{
	const char *what = kith_index_describe(b->index);
	if (kith_index_trained(b->index) && (b->train_path || b->train_size))
		cli_warn("%s has no effect: %s learns nothing from vectors",
		    b->train_path ? "--train" : "--train-size", what);
	if (b->reorder && (!kith_index_uses(b->index, "efSearch") || kith_index_uses(b->index, "nprobe")))
		cli_warn("--reorder has no effect: %s has no graph of vectors", what);
	settings_warn(b->settings, b->index);
	settings_complete(b->settings, b->index, 0);
}

static int open_files(struct build *b, struct cli *cli)
{
	struct input *base = &b->inputs[0], *train = &b->inputs[1];
	int code = input_open(base, cli->operands[0]);
	if (code == EXIT_OK)
		code = b->train_path ? input_open(train, b->train_path) : input_open_again(train, base);
	if (code != EXIT_OK)
		return code;
	code = input_same_dim(base, train);
	if (code == EXIT_OK && b->train_size > train->info.n)
		return cli_error(EXIT_FAILED, "--train-size is %" PRId64 ", but '%s' has only %" PRId64 " %s",
		    b->train_size, train->path, CLI_COUNT(train->info.n, "vector"));
	if (code == EXIT_OK)
		code = output_check(b->out_path, b->inputs, 2);
	if (code == EXIT_OK)
		code = hint_vectors_named("--out", b->out_path);
	if (code == EXIT_OK && !is_stream(b->out_path))
		code = output_check_folder("--out", b->out_path);
	if (code != EXIT_OK)
		return code;
	kith_status status = kith_index_new(&b->index, base->info.dim, b->metric, b->spec);
	if (status != KITH_OK)
		return fail_status(status, "--index", NULL);
	check_use(b);
	return EXIT_OK;
}

static int fill(struct build *b)
{
	b->fill = (struct fill){.base = &b->inputs[0],
	    .train = &b->inputs[1],
	    .train_size = b->train_size,
	    .options = KITH_ADD_OPTIONS,
	    .after = NOTHING_WRITTEN};
	b->fill.options.threads = b->threads;
	settings_apply(b->settings, &b->fill.options);
	return fill_index(&b->fill, b->index);
}

static int reorder(struct build *b)
{
	struct bar bar;
	kith_add_options o = KITH_ADD_OPTIONS;
	o.progress = bar_progress;
	o.progress_data = &bar;
	double start = now_seconds();
	bar_begin(&bar, "reordering", "vectors", (double)kith_index_size(b->index));
	kith_status status = kith_index_reorder(b->index, &o);
	bar_wipe();
	b->reorder_seconds = now_seconds() - start;
	return status == KITH_OK ? EXIT_OK : fail_status(status, b->out_path, NOTHING_WRITTEN);
}

static int save(struct build *b)
{
	double start = now_seconds();
	int code = index_save(b->index, "--out", b->out_path);
	b->save_seconds = now_seconds() - start;
	return code;
}

static int64_t file_bytes(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : 0;
}

static int print_report_json(const struct build *b)
{
	int64_t n = kith_index_size(b->index), bytes = file_bytes(b->out_path);
	return print_json(json_pack(
	    "{s:o, s:s, s:s, s:I, s:I, s:s, s:o, s:I, s:f, s:f, s:f, s:f, s:I, s:f, s:o, s:I, s:i, s:s, s:I}",
	    "base", input_json(&b->inputs[0]), "index", kith_index_describe(b->index), "metric",
	    kith_metric_name(b->metric), "n", (json_int_t)n, "dim", (json_int_t)kith_index_dim(b->index),
	    "type", kith_type_name(kith_index_type(b->index)), "settings", settings_json(b->settings),
	    "train_vectors", (json_int_t)b->fill.sample, "train_seconds", b->fill.train_seconds,
	    "add_seconds", b->fill.add_seconds, "reorder_seconds", b->reorder_seconds, "save_seconds",
	    b->save_seconds, "bytes", (json_int_t)bytes, "bytes_per_vector",
	    n ? (double)bytes / (double)n : 0.0, "output", json_text(b->out_path), "memory_bytes",
	    (json_int_t)kith_index_memory(b->index), "threads", threads_used(b->threads), "isa", kith_isa(),
	    "peak_rss_bytes", (json_int_t)peak_memory()));
}

static void print_report(const struct build *b)
{
	const struct input *base = &b->inputs[0];
	int64_t n = kith_index_size(b->index), bytes = file_bytes(b->out_path);
	char rate[40], size[40], memory[40], peak[40];
	format_si((double)n / b->fill.add_seconds, rate, sizeof rate);
	format_si((double)bytes, size, sizeof size);
	format_si((double)kith_index_memory(b->index), memory, sizeof memory);
	format_si((double)peak_memory(), peak, sizeof peak);
	printf("base     %s: %" PRId64 " x %" PRId64 " %s\n", base->path, base->info.n, base->info.dim,
	    kith_type_name(base->info.type));
	printf("index    %s, metric %s, ", kith_index_describe(b->index), kith_metric_name(b->metric));
	settings_print(b->settings);
	printf("%d %s, %s\n", CLI_COUNT(threads_used(b->threads), "thread"), kith_isa());
	if (b->fill.sample)
		printf("train    %.3f s, from %" PRId64 " %s of %s\n", b->fill.train_seconds,
		    CLI_COUNT(b->fill.sample, "vector"), b->inputs[1].path);
	printf("add      %.3f s, %svectors/s\n", b->fill.add_seconds, rate);
	if (b->reorder)
		printf("reorder  %.3f s\n", b->reorder_seconds);
	printf("memory   %sB, peak %sB\n", memory, peak);
	printf("wrote    %s: %sB, %.1f bytes per vector\n", b->out_path, size, (double)bytes / (double)n);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct build b = {.metric = KITH_L2};
	build_settings(b.settings);
	int code = parse(&b, &cli);
	/* Help was shown: there is nothing to do. */
	if (code != EXIT_OK || !cli.operands)
		return code;
	code = open_files(&b, &cli);
	if (code == EXIT_OK)
		code = fill(&b);
	if (code == EXIT_OK && b.reorder)
		code = reorder(&b);
	if (code == EXIT_OK)
		code = save(&b);
	if (code == EXIT_OK && b.json)
		code = print_report_json(&b);
	else if (code == EXIT_OK)
		print_report(&b);
	kith_index_free(b.index);
	input_close(&b.inputs[0]);
	input_close(&b.inputs[1]);
	return code;
}

const struct command command_build = {
    .name = "build",
    .operands = "BASE",
    .summary = "Build an index of vectors and save it to a file",
    .notes = "SPEC is a FAISS factory string. BASE may be larger than memory as long as the index\n"
             "is not: it is read in pieces. Ids are row numbers. The same seed gives the same\n"
             "file, whatever the number of threads. The file appears, complete, at the end.\n"
             "BASE and --out can be -, standard input (fvecs, npy) and output.\n",
    .example = "  kith build base.fvecs --index IVF1024,Flat -o base.kith\n"
               "  kith search base.kith query.fvecs -k 10 --set nprobe=16\n",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
