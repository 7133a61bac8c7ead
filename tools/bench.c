/* kith bench: measure recall against speed.
 *
 * Every index is built or loaded once, and measured at every combination of the swept settings that it uses.
 * What can fail is checked before the long work begins: factory strings, files, the plotting program. The
 * report is saved after every point, so that an interruption costs one point and at most one build.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "hint.h"
#include "plot.h"
#include "report.h"
#include "stream.h"

enum {
	OPT_BASE,
	OPT_QUERY,
	OPT_TRUTH,
	OPT_INDEX,
	OPT_LOAD,
	OPT_METRIC,
	OPT_SET,
	OPT_SWEEP,
	OPT_K,
	OPT_THREADS,
	OPT_BATCH,
	OPT_RUNS,
	OPT_LATENCY,
	OPT_JSON,
	OPT_PLOT,
	OPT_HTML,
	OPT_NAME,
	OPT_SKIP
};

static const struct cli_option options[] = {
    [OPT_BASE] = {"base", 'b', "FILE", "the vectors to search (required)"},
    [OPT_QUERY] = {"query", 'q', "FILE", "the queries (required)"},
    [OPT_TRUTH] = {"truth", 0, "FILE",
        "true neighbours; written if it is not there (default:\n"
        "kept in the user's cache)"},
    [OPT_INDEX] = {"index", 'i', "SPEC",
        "an index to build; may be given several times (required:\n"
        "this or the next)"},
    [OPT_LOAD] = {"load", 'l', "FILE",
        "an index file to measure; may be given several times\n"
        "(required: this or the one before)"},
    [OPT_METRIC] = {"metric", 'm', "METRIC", CLI_HELP_METRIC, CLI_METRICS},
    [OPT_SET] = {"set", 's', "NAME=N,…",
        "what is the same for all: any setting of 'kith build'\n"
        "and 'kith search' (default: their defaults)"},
    [OPT_SWEEP] = {"sweep", 'w', "NAME=V,…",
        "run through values: numbers, or FROM:TO by doubling;\n"
        "an index that does not use NAME ignores it (default:\n"
        "nothing is swept)"},
    [OPT_K] = {"k", 'k', "K", "neighbours of each query (default 10)"},
    [OPT_THREADS] = {"threads", 't', "N", "number of threads (default 1)"},
    [OPT_BATCH] = {"batch", 0, "N", CLI_HELP_BATCH},
    [OPT_RUNS] = {"runs", 'r', "N", "timed runs of each point; their median counts (default 5)"},
    [OPT_LATENCY] = {"latency", 0, "N", "queries timed one by one (default 1000; 0: none)"},
    [OPT_JSON] = {"json", 0, "[=FILE]",
        "keep the report in FILE, where an unfinished one is\n"
        "finished; without FILE: print it instead of text\n"
        "(default: neither)",
        .old_letter = "o"},
    [OPT_PLOT] = {"plot", 'p', "FILE",
        "draw recall against speed: .svg, .png, .pdf or .eps, needs\n"
        "gnuplot (default: do not)"},
    [OPT_HTML] = {"html", 0, "FILE",
        "write a page for a browser: curves, a slider for the\n"
        "recall, tables (default: do not)"},
    [OPT_NAME] = {"name", 0, "TEXT",
        "what the report is called, also in pictures (default: the\n"
        "library)"},
    [OPT_SKIP] = {"skip-unknown", 0, NULL, "leave out each SPEC that this kith cannot build"},
    {0},
};

struct request {
	struct bench bench;
	const char *base_path, *query_path, *truth_path, *plot_path, *html_path;
	bool json;                            /* print the report instead of a table */
	struct setting all[2 * SETTINGS_MAX]; /* of building and searching, for --set */
};

/* --set takes the settings of building and of searching: they are read into one table, and copied back into
 * the two tables once all options are read. */
static void join_settings(struct request *r)
{
	struct setting *at = r->all;
	build_settings(r->bench.build);
	search_settings(r->bench.search);
	for (const struct setting *s = r->bench.build; s->name; s++)
		*at++ = *s;
	for (const struct setting *s = r->bench.search; s->name; s++)
		*at++ = *s;
}

static void split_settings(struct request *r)
{
	const struct setting *at = r->all;
	for (struct setting *s = r->bench.build; s->name; s++)
		*s = *at++;
	for (struct setting *s = r->bench.search; s->name; s++)
		*s = *at++;
}

static bool add_index(struct bench *b, const char *spec, const char *file)
{
	if (b->index_count == BENCH_INDEXES) {
		cli_error(EXIT_USAGE, "at most %d indexes can be measured in one run", BENCH_INDEXES);
		return false;
	}
	b->indexes[b->index_count++] = (struct bench_index){.spec = spec, .file = file};
	return true;
}

static bool parse_option(struct request *r, struct cli *cli, int option)
{
	struct bench *b = &r->bench;
	switch (option) {
	case OPT_BASE:
		r->base_path = cli->value;
		return true;
	case OPT_QUERY:
		r->query_path = cli->value;
		return true;
	case OPT_TRUTH:
		r->truth_path = cli->value;
		return true;
	case OPT_INDEX:
		return hint_spec("--index", cli->value, true) == EXIT_OK && add_index(b, cli->value, NULL);
	case OPT_LOAD:
		return add_index(b, NULL, cli->value);
	case OPT_METRIC:
		return cli_metric(cli, option, &b->metric);
	case OPT_SET:
		return settings_read(cli, r->all);
	case OPT_SWEEP:
		return sweep_read(cli, b->search, b->sweeps, &b->sweep_count);
	case OPT_K:
		return cli_number(cli, option, 1, KITH_MAX_DIM, &b->k);
	case OPT_THREADS:
		return cli_threads(cli, option, &b->threads);
	case OPT_BATCH:
		return cli_batch(cli, option, &b->batch);
	case OPT_RUNS:
		return cli_number(cli, option, 1, 1000, &b->runs);
	case OPT_LATENCY:
		return cli_number(cli, option, 0, INT64_MAX, &b->latency_queries);
	case OPT_JSON:
		b->report_path = cli->value && strcmp(cli->value, "-") != 0 ? cli->value : NULL;
		r->json = !b->report_path;
		return true;
	case OPT_PLOT:
		r->plot_path = cli->value;
		return true;
	case OPT_HTML:
		r->html_path = cli->value;
		return true;
	case OPT_NAME:
		b->name = cli->value;
		return true;
	default:
		b->skip_unknown = true;
		return true;
	}
}

static int parse(struct request *r, struct cli *cli)
{
	join_settings(r);
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli->exit_code;
		if (!parse_option(r, cli, option))
			return EXIT_USAGE;
	}
	split_settings(r);
	if (!r->base_path || !r->query_path)
		return cli_error(EXIT_USAGE, "--base and --query are needed: files of vectors");
	if (r->bench.index_count == 0)
		return cli_error(
		    EXIT_USAGE, "--index or --load is needed: what to measure, e.g. --index IVF1024,Flat");
	int code = stream_refuse("--base", r->base_path);
	if (code == EXIT_OK)
		code = stream_refuse("--query", r->query_path);
	if (code == EXIT_OK)
		code = stream_refuse("--truth", r->truth_path);
	if (code == EXIT_OK && r->plot_path && is_stream(r->plot_path))
		code = cli_error(EXIT_USAGE,
		    "--plot %s: the results go to standard output; give a file, or draw the report that "
		    "--json=FILE keeps with 'kith plot FILE --out -'",
		    r->plot_path);
	if (code == EXIT_OK && r->plot_path)
		code = plot_check(r->plot_path);
	size_t n = r->html_path ? strlen(r->html_path) : 0;
	if (code == EXIT_OK && r->html_path && (n < 6 || strcmp(r->html_path + n - 5, ".html") != 0))
		code = cli_error(EXIT_USAGE, "--html must be named .html, not '%s'", r->html_path);
	return code;
}

/* ---- which points there are ---- */

/* The settings of combination number i: the fixed ones, and one value of each sweep that the index uses.
 * False: there are not so many combinations. */
static bool combination(const struct bench *b, const kith_index *index, int64_t i, struct setting *settings)
{
	memcpy(settings, b->search, sizeof b->search);
	for (struct setting *s = settings; s->name; s++)
		s->given = s->given && setting_used(s, index);
	for (int w = 0; w < b->sweep_count; w++) {
		const struct sweep *sweep = &b->sweeps[w];
		struct setting *s = &settings[sweep->setting];
		if (!setting_used(s, index))
			continue;
		s->given = true;
		s->value = sweep->value[i % sweep->n];
		i /= sweep->n;
	}
	settings_complete(settings, index, 0);
	return i == 0;
}

/* The number of points of an index that are not measured yet. */
static int64_t missing_points(const struct bench *b, const kith_index *index, const json_t *entry)
{
	struct setting settings[SETTINGS_MAX];
	int64_t missing = 0;
	for (int64_t i = 0; combination(b, index, i, settings); i++) {
		json_t *wanted = settings_json(settings);
		missing += !bench_has_point(entry, wanted);
		json_decref(wanted);
	}
	return missing;
}

static int fail_index(const struct bench_index *index, kith_status status)
{
	kith_index *made;
	if (!index->file || access(index->file, F_OK) == 0)
		return fail_status(status, index->file ? index->file : "--index", NULL);
	if (kith_index_new(&made, 64, KITH_L2, index->file) != KITH_OK)
		return cli_error(EXIT_FAILED, "--load '%s': there is no such file", index->file);
	kith_index_free(made);
	return cli_error(EXIT_USAGE, "--load '%s' is no file but a factory string: --index %s builds it",
	    index->file, index->file);
}

/* Record which settings of --set and --sweep an index uses. */
static void note_use(struct bench *b, const kith_index *index, const char *file)
{
	for (int i = 0; b->search[i].name; i++)
		b->search_used[i] |= setting_used(&b->search[i], index);
	for (int i = 0; !file && b->build[i].name; i++)
		b->build_used[i] |= setting_used(&b->build[i], index);
}

static void note_unused(const char *option, const struct setting *s)
{
	cli_warn("%s %s has no effect: none of the indexes uses it, only %s do", option, s->name, s->whose);
}

/* Warn of each setting that no index uses. One that only some use is right. */
static void check_use(const struct bench *b)
{
	for (int i = 0; b->search[i].name; i++)
		if (b->search[i].given && !b->search_used[i])
			note_unused("--set", &b->search[i]);
	for (int i = 0; b->build[i].name; i++)
		if (b->build[i].given && !b->build_used[i])
			note_unused("--set", &b->build[i]);
	for (int w = 0; w < b->sweep_count; w++)
		if (!b->search_used[b->sweeps[w].setting])
			note_unused("--sweep", &b->search[b->sweeps[w].setting]);
}

/* Make every index once, empty, so that a mistake in the last one is found before the first is built. Counts
 * the points to measure. */
static int plan(struct bench *b, int64_t *points)
{
	for (int i = 0; i < b->index_count; i++) {
		struct bench_index *index = &b->indexes[i];
		kith_index *made;
		kith_status status = index->file
		                         ? index_read(&made, index->file, 0)
		                         : kith_index_new(&made, b->base.info.dim, b->metric, index->spec);
		if (status != KITH_OK && !index->file && b->skip_unknown) {
			fprintf(stderr, "kith bench: left out: %s\n", kith_last_error());
			memmove(index, index + 1, (size_t)(--b->index_count - i) * sizeof *index);
			i--;
			continue;
		}
		if (status != KITH_OK)
			return fail_index(index, status);
		if (kith_index_labels(made, NULL)) {
			kith_index_free(made);
			return cli_error(EXIT_FAILED,
			    "--load '%s' has labels of FAISS's IndexIDMap, which are no row numbers of "
			    "--base; measure it with 'kith search --truth', against a truth of its labels",
			    index->file);
		}
		note_use(b, made, index->file);
		index->entry = bench_entry(b, made, index->file);
		if (!index->entry) {
			kith_index_free(made);
			return cli_error(EXIT_FAILED, "out of memory");
		}
		index->missing = missing_points(b, made, index->entry);
		*points += index->missing;
		kith_index_free(made);
	}
	return EXIT_OK;
}

/* ---- measuring ---- */

static int measure_missing(struct bench *b, const struct bench_index *index, const kith_index *made)
{
	struct setting settings[SETTINGS_MAX];
	int code = EXIT_OK;
	for (int64_t i = 0; code == EXIT_OK && combination(b, made, i, settings); i++) {
		json_t *wanted = settings_json(settings), *point = NULL;
		bool measured = bench_has_point(index->entry, wanted);
		json_decref(wanted);
		if (measured)
			continue;
		code = bench_point(b, made, settings, &point);
		if (code != EXIT_OK)
			break;
		json_array_append_new(json_object_get(index->entry, "points"), point);
		b->points_done++;
		code = bench_save(b);
	}
	return code;
}

static int measure_all(struct bench *b)
{
	int64_t points = 0;
	int code = plan(b, &points);
	if (code == EXIT_OK && b->index_count)
		check_use(b);
	bar_begin(&b->bar, "measuring", "points", (double)points);
	for (int i = 0; code == EXIT_OK && i < b->index_count; i++) {
		struct bench_index *index = &b->indexes[i];
		kith_index *made = NULL;
		if (!index->missing)
			continue;
		code = bench_build(b, index, &made);
		if (code == EXIT_OK)
			code = measure_missing(b, index, made);
		kith_index_free(made);
	}
	bar_wipe();
	return code;
}

static int open_files(struct request *r)
{
	struct bench *b = &r->bench;
	int code = input_open(&b->base, r->base_path);
	if (code == EXIT_OK)
		code = input_open(&b->query, r->query_path);
	if (code != EXIT_OK)
		return code;
	code = input_same_dim(&b->base, &b->query);
	struct input read[] = {b->base, b->query, {.path = r->truth_path}};
	const char *outputs[] = {b->report_path, r->plot_path, r->html_path};
	static const char *const options_of[] = {"--json", "--plot", "--html"};
	for (int i = 0; code == EXIT_OK && i < 3; i++)
		if (outputs[i])
			code = output_check(outputs[i], read, r->truth_path ? 3 : 2);
	for (int i = 0; code == EXIT_OK && i < 3; i++)
		if (outputs[i])
			code = output_check_folder(options_of[i], outputs[i]);
	if (code == EXIT_OK && r->truth_path && access(r->truth_path, F_OK) != 0)
		code = output_check_folder("--truth", r->truth_path);
	bool bytes = b->query.info.type == KITH_U8 || b->query.info.type == KITH_I8;
	b->type = bytes ? b->query.info.type : KITH_F32;
	return code;
}

static int read_queries(struct bench *b)
{
	int64_t bytes = b->query.info.n * b->query.info.dim * (int64_t)kith_type_size(b->type);
	b->q = malloc((size_t)bytes);
	if (!b->q)
		return fail_memory(bytes, "the queries");
	kith_status status = kith_vecs_read(b->query.vecs, 0, b->query.info.n, b->type, b->q);
	kith_vecs_drop(b->query.vecs);
	return status == KITH_OK ? EXIT_OK : fail_status(status, b->query.path, NULL);
}

static int draw(struct request *r)
{
	struct bench *b = &r->bench;
	const char *file = b->report_path ? b->report_path : "";
	int code = EXIT_OK;
	if (r->plot_path)
		code = plot_reports(&b->report, &file, 1, r->plot_path, NULL);
	if (code == EXIT_OK && r->html_path)
		code = plot_reports(&b->report, &file, 1, r->html_path, NULL);
	return code;
}

static void print_written(const struct request *r)
{
	const char *paths[] = {r->bench.report_path, r->plot_path, r->html_path};
	bool first = true;
	for (int i = 0; i < 3; i++) {
		if (!paths[i])
			continue;
		printf("%swrote    %s\n", first ? "\n" : "", paths[i]);
		first = false;
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct request *r = calloc(1, sizeof *r);
	if (!r)
		return cli_error(EXIT_FAILED, "out of memory");
	struct bench *b = &r->bench;
	b->metric = KITH_L2;
	b->k = 10;
	b->runs = 5;
	b->threads = 1;
	b->latency_queries = 1000;
	int code = parse(r, &cli);
	/* Help was shown: there is nothing to do. */
	bool work = code == EXIT_OK && cli.operands;
	if (work)
		code = open_files(r);
	if (work && code == EXIT_OK)
		code = bench_begin_report(b);
	if (work && code == EXIT_OK)
		code = read_queries(b);
	if (work && code == EXIT_OK)
		code = truth_get(&b->truth, r->truth_path, &b->base, &b->query, b->metric, b->k, 0);
	if (work && code == EXIT_OK)
		code = measure_all(b);
	if (work && code == EXIT_OK && r->json)
		code = print_json(json_incref(b->report));
	else if (work && code == EXIT_OK)
		bench_print(b);
	if (work && code == EXIT_OK)
		code = draw(r);
	if (work && code == EXIT_OK && !r->json)
		print_written(r);
	json_decref(b->report);
	truth_free(&b->truth);
	input_close(&b->base);
	input_close(&b->query);
	free(b->q);
	free(r);
	return code;
}

const struct command command_bench = {
    .name = "bench",
    .operands = "",
    .summary = "Measure recall, speed and memory of indexes",
    .notes = "Each index is measured at every combination of the swept settings that it uses:\n"
             "recall of the K nearest, queries per second (the median of the runs, and half their\n"
             "spread in percent), latency of single queries, vectors looked at per query. Times\n"
             "are good for comparison within one run on an idle machine.\n"
             "With --json=FILE an interrupted run keeps what it measured, and goes on when it is\n"
             "started again; docs/bench-json.md says what is in the file.\n",
    .example = "  kith bench --base base.fvecs --query query.fvecs --index IVF1024,Flat \\\n"
               "    --index IVF1024,PQ32,RFlat --sweep nprobe=1:256 --json=out.json --html out.html\n",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
