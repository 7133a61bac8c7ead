/* kith gen: make synthetic base and query vectors, and find their exact neighbours.
 *
 * The vectors are made and written in pieces, so that memory does not grow with their number. The true
 * neighbours are found in the files just written, by the same code as that of `kith knn`.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bar.h"
#include "cli.h"
#include "files.h"
#include "report.h"
#include "search.h"
#include "stream.h"
#include "synth.h"

enum { PIECE_BYTES = 32 << 20, MAX_PATH = 4096 };

enum {
	OPT_N,
	OPT_DIM,
	OPT_QUERIES,
	OPT_SEED,
	OPT_OUT,
	OPT_CLUSTERS,
	OPT_TYPE,
	OPT_FORMAT,
	OPT_TRUTH,
	OPT_METRIC,
	OPT_THREADS
};

static const struct cli_option options[] = {
    [OPT_N] = {"n", 'n', "N", "base vectors (default 10000)"},
    [OPT_DIM] = {"dim", 0, "DIM", "dimension (default 128)", .old_letter = "d"},
    [OPT_QUERIES] = {"queries", 0, "NQ", "query vectors (default 100)", .old_letter = "q"},
    [OPT_SEED] = {"seed", 0, "SEED", "the same seed gives the same bytes (default 1)", .old_letter = "s"},
    [OPT_OUT] = {"out", 'o', "DIR", "folder for the files, made if missing (required)"},
    [OPT_CLUSTERS] = {"clusters", 'c', "C", "clusters (default: square root of N, at most 1000)"},
    [OPT_TYPE] = {"type", 0, "TYPE", "elements: f32 or u8 (default f32)", "f32|u8"},
    [OPT_FORMAT] = {"format", 'f', "FORMAT",
        "fvecs, fbin or npy (default fvecs); fvecs and fbin with\n"
        "--type u8 make bvecs and u8bin",
        "fvecs|fbin|npy"},
    [OPT_TRUTH] = {"truth", 0, "K", "also write the K nearest of each query (default: do not)",
        .old_letter = "k"},
    [OPT_METRIC] = {"metric", 'm', "METRIC", "of the ground truth: l2, ip, cosine, l1, … (default l2)",
        CLI_METRICS},
    [OPT_THREADS] = {"threads", 't', "N", CLI_HELP_THREADS},
    {0},
};

enum file { BASE, QUERY, TRUTH, TRUTH_DIST, FILES };

struct gen {
	int64_t n, dim, queries, seed, clusters, truth;
	const char *out;
	int type, format, threads; /* type: 0 f32, 1 u8 */
	kith_metric metric;
	bool metric_given;
	char paths[FILES][MAX_PATH];
	kith_vecs_writer *writers[FILES];
	struct bar bar;
};

static int parse(struct gen *g, struct cli *cli)
{
	bool ok = true;
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		if (option == OPT_N)
			ok = cli_number(cli, option, 1, INT64_C(1) << 40, &g->n);
		else if (option == OPT_DIM)
			ok = cli_number(cli, option, 1, KITH_MAX_DIM, &g->dim);
		else if (option == OPT_QUERIES)
			ok = cli_number(cli, option, 1, INT64_C(1) << 40, &g->queries);
		else if (option == OPT_SEED)
			ok = cli_number(cli, option, 0, INT64_MAX, &g->seed);
		else if (option == OPT_OUT)
			g->out = cli->value;
		else if (option == OPT_CLUSTERS)
			ok = cli_number(cli, option, 1, INT64_C(1) << 40, &g->clusters);
		else if (option == OPT_TYPE)
			ok = cli_choice(cli, option, &g->type);
		else if (option == OPT_FORMAT)
			ok = cli_choice(cli, option, &g->format);
		else if (option == OPT_TRUTH)
			ok = cli_number(cli, option, 1, KITH_MAX_DIM, &g->truth);
		else if (option == OPT_METRIC)
			ok = g->metric_given = cli_metric(cli, option, &g->metric);
		else if (option == OPT_THREADS)
			ok = cli_threads(cli, option, &g->threads);
		else
			return cli->exit_code;
		if (!ok)
			return EXIT_USAGE;
	}
	int64_t max = synth_max_clusters(g->dim);
	if (!*g->out)
		return cli_error(EXIT_USAGE, "--out DIR is needed; see 'kith gen --help'");
	if (is_stream(g->out))
		return cli_error(EXIT_USAGE,
		    "--out %s: base and queries are several files, for which a folder is needed; "
		    "a folder of that name is ./%s",
		    g->out, g->out);
	if (g->clusters > max)
		return cli_error(EXIT_USAGE,
		    "--clusters may be at most %" PRId64 " with --dim %" PRId64 ", not %" PRId64, max, g->dim,
		    g->clusters);
	if (g->metric_given && !g->truth)
		return cli_error(EXIT_USAGE,
		    "--metric is of the ground truth: give --truth K, too, or leave it out; "
		    "the vectors are the same for all");
	if (g->truth && g->n > INT32_MAX)
		return cli_error(
		    EXIT_USAGE, "--truth numbers rows with 32 bits: --n may be at most 2147483647");
	return EXIT_OK;
}

static int open_outputs(struct gen *g)
{
	static const char *const names[FILES] = {"base", "query", "groundtruth", "groundtruth_dist"};
	static const char *const vectors[2][3] = {{"fvecs", "fbin", "npy"}, {"bvecs", "u8bin", "npy"}};
	static const char *const ids[3] = {"ivecs", "ibin", "npy"};
	struct stat st;
	if (mkdir(g->out, 0777) != 0 && errno != EEXIST)
		return cli_error(EXIT_FAILED, "cannot make the folder '%s': %s", g->out, strerror(errno));
	if (stat(g->out, &st) != 0 || !S_ISDIR(st.st_mode))
		return cli_error(EXIT_FAILED, "'%s' is not a folder; give --out another name", g->out);
	for (int f = 0; f < (g->truth ? FILES : TRUTH); f++) {
		const char *extension =
		    f == TRUTH ? ids[g->format] : vectors[f != TRUTH_DIST && g->type][g->format];
		kith_type type = f == TRUTH ? KITH_I32 : f != TRUTH_DIST && g->type ? KITH_U8 : KITH_F32;
		int length = snprintf(g->paths[f], MAX_PATH, "%s/%s.%s", g->out, names[f], extension);
		if (length >= MAX_PATH)
			return cli_error(EXIT_FAILED, "--out is too long a name; use a shorter one");
		int code =
		    output_open(&g->writers[f], "--out", g->paths[f], type, f < TRUTH ? g->dim : g->truth);
		if (code != EXIT_OK)
			return code;
	}
	return EXIT_OK;
}

/* Make all rows of a stream and append them to its file. */
static int write_rows(struct gen *g, const struct synth *synth, enum synth_stream stream)
{
	int64_t n = stream == SYNTH_BASE ? g->n : g->queries, before = stream == SYNTH_BASE ? 0 : g->n;
	kith_type type = g->type ? KITH_U8 : KITH_F32;
	int64_t row_bytes = g->dim * (int64_t)kith_type_size(type),
	        rows = batch_rows(n, row_bytes, PIECE_BYTES);
	void *x = malloc((size_t)(rows * row_bytes));
	if (!x)
		return fail_memory(rows * row_bytes, "vectors");
	int code = EXIT_OK;
	for (int64_t i = 0; i < n && code == EXIT_OK; i += rows) {
		int64_t now = rows < n - i ? rows : n - i;
		synth_rows(synth, stream, i, now, type, x, g->threads);
		enum file file = stream == SYNTH_BASE ? BASE : QUERY;
		kith_status status = kith_vecs_append(g->writers[file], now, x);
		if (status != KITH_OK)
			code = fail_status(status, g->paths[file], NOTHING_WRITTEN);
		else if (bar_at(&g->bar, (double)(before + i + now)))
			code = fail_stopped(NOTHING_WRITTEN);
	}
	free(x);
	return code;
}

static int write_vectors(struct gen *g)
{
	struct synth *synth = synth_new((uint64_t)g->seed, g->dim, g->clusters);
	if (!synth)
		return cli_error(EXIT_FAILED,
		    "not enough memory for %" PRId64 " %s; give fewer with --clusters",
		    CLI_COUNT(g->clusters, "cluster"));
	bar_begin(&g->bar, "generating", "vectors", (double)g->n + (double)g->queries);
	int code = write_rows(g, synth, SYNTH_BASE);
	if (code == EXIT_OK)
		code = write_rows(g, synth, SYNTH_QUERY);
	bar_wipe();
	synth_free(synth);
	if (code == EXIT_OK)
		code = output_finish(&g->writers[BASE], g->paths[BASE]);
	if (code == EXIT_OK)
		code = output_finish(&g->writers[QUERY], g->paths[QUERY]);
	return code;
}

static int write_truth(struct gen *g)
{
	struct input base = {0}, query = {0};
	int code = input_open(&base, g->paths[BASE]);
	if (code == EXIT_OK)
		code = input_open(&query, g->paths[QUERY]);
	struct search search = {.base = &base,
	    .query = &query,
	    .metric = g->metric,
	    .k = g->truth,
	    .threads = g->threads,
	    .ids_out = g->writers[TRUTH],
	    .dist_out = g->writers[TRUTH_DIST],
	    .after = "base and queries are written, the ground truth is not"};
	if (code == EXIT_OK)
		code = search_run(&search);
	if (code == EXIT_OK)
		code = output_finish(&g->writers[TRUTH], g->paths[TRUTH]);
	if (code == EXIT_OK)
		code = output_finish(&g->writers[TRUTH_DIST], g->paths[TRUTH_DIST]);
	input_close(&base);
	input_close(&query);
	return code;
}

static void print_report(const struct gen *g)
{
	const char *type = g->type ? "u8" : "f32";
	printf("%s: %" PRId64 " x %" PRId64 " %s, %" PRId64 " %s, seed %" PRId64 "\n", g->paths[BASE], g->n,
	    g->dim, type, CLI_COUNT(g->clusters, "cluster"), g->seed);
	printf("%s: %" PRId64 " x %" PRId64 " %s\n", g->paths[QUERY], g->queries, g->dim, type);
	if (!g->truth)
		return;
	printf("%s: the %" PRId64 " nearest of each query by %s\n", g->paths[TRUTH], g->truth,
	    kith_metric_name(g->metric));
	printf("%s: their distances\n", g->paths[TRUTH_DIST]);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct gen *g = calloc(1, sizeof *g);
	if (!g)
		return fail_memory((int64_t)sizeof *g, "options");
	*g = (struct gen){.out = "", .n = 10000, .dim = 128, .queries = 100, .seed = 1, .metric = KITH_L2};
	int code = parse(g, &cli);
	if (code != EXIT_OK || !cli.operands)
		goto done;
	if (!g->clusters)
		g->clusters = synth_default_clusters(g->n, g->dim);
	code = open_outputs(g);
	if (code == EXIT_OK)
		code = write_vectors(g);
	if (code == EXIT_OK && g->truth)
		code = write_truth(g);
	if (code == EXIT_OK)
		print_report(g);
	for (int f = 0; f < FILES; f++)
		kith_vecs_abandon(g->writers[f]);
done:
	free(g);
	return code;
}

const struct command command_gen = {
    .name = "gen",
    .operands = "--out DIR",
    .summary = "Make synthetic vectors that behave like real ones",
    .notes = "Vectors lie in clusters of different size, density and intrinsic dimension, with\n"
             "some noise and outliers. The same options give the same bytes on every machine\n"
             "and for any number of threads. Writes base, query and with --truth groundtruth\n"
             "and groundtruth_dist into DIR, replacing files of those names.\n",
    .example = "  kith gen --n 1000000 --dim 96 --queries 1000 --truth 100 --out data\n",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
