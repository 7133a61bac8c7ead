/* kith knn: find the exact nearest neighbours of every query, from file to file.
 *
 * What can fail is checked before the search: both inputs, the numbers, both outputs, which are opened at
 * once as temporary files. The outputs get their names when all results are in them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "files.h"
#include "report.h"
#include "search.h"
#include "stream.h"

enum { SHOWN_QUERIES = 5, SHOWN_NEIGHBOURS = 10 };

enum { OPT_K, OPT_METRIC, OPT_FILTER, OPT_THREADS, OPT_IDS, OPT_DISTANCES, OPT_JSON };

static const struct cli_option options[] = {
    [OPT_K] = {"k", 'k', "K", "neighbours of each query (default 100)"},
    [OPT_METRIC] = {"metric", 'm', "METRIC", CLI_HELP_METRIC, CLI_METRICS},
    [OPT_FILTER] = {"filter", 0, "MIN:MAX",
        "search only base rows MIN <= row < MAX (default: all);\n"
        "either may be left out"},
    [OPT_THREADS] = {"threads", 't', "N", CLI_HELP_THREADS},
    [OPT_IDS] = {"ids", 0, "FILE",
        "write the row numbers found: ivecs, ibin, npy\n"
        "(default: do not)",
        .old_letter = "i"},
    [OPT_DISTANCES] = {"distances", 'd', "FILE", "write their distances: fvecs, fbin, npy (default: do not)"},
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

struct knn {
	struct input inputs[2]; /* base, query */
	struct search search;
	kith_filter *filter;
	const char *ids_path, *dist_path;
	int64_t filter_min, filter_max;
	bool filtered, json;
};

static int parse(struct knn *knn, struct cli *cli)
{
	bool ok = true;
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		switch (option) {
		case OPT_K:
			ok = cli_number(cli, option, 1, KITH_MAX_K, &knn->search.k);
			break;
		case OPT_METRIC:
			ok = cli_metric(cli, option, &knn->search.metric);
			break;
		case OPT_FILTER:
			ok = cli_range(cli, option, &knn->filter_min, &knn->filter_max);
			knn->filtered = true;
			break;
		case OPT_THREADS:
			ok = cli_threads(cli, option, &knn->search.threads);
			break;
		case OPT_IDS:
			knn->ids_path = cli->value;
			break;
		case OPT_DISTANCES:
			knn->dist_path = cli->value;
			break;
		case OPT_JSON:
			knn->json = true;
			ok = stream_claim("--json") == EXIT_OK;
			break;
		default:
			return cli->exit_code;
		}
		if (!ok)
			return EXIT_USAGE;
	}
	return results_check(knn->ids_path, knn->dist_path, knn->search.k);
}

static int open_files(struct knn *knn, struct cli *cli)
{
	struct search *s = &knn->search;
	struct input *base = &knn->inputs[0], *query = &knn->inputs[1];
	int code = input_open(base, cli->operands[0]);
	if (code == EXIT_OK)
		code = input_open(query, cli->operands[1]);
	if (code == EXIT_OK)
		code = input_same_dim(base, query);
	if (code != EXIT_OK)
		return code;
	if (knn->ids_path && base->info.n > INT32_MAX)
		return cli_error(EXIT_FAILED,
		    "'%s' has %" PRId64 " rows, more than the 2147483647 that 32-bit ids "
		    "can number; split it",
		    base->path, base->info.n);
	s->base = base;
	s->query = query;
	code = output_check(knn->ids_path, knn->inputs, 2);
	if (code == EXIT_OK)
		code = output_check(knn->dist_path, knn->inputs, 2);
	if (code == EXIT_OK && knn->ids_path)
		code = output_open(&s->ids_out, "--ids", knn->ids_path, KITH_I32, s->k);
	if (code == EXIT_OK && knn->dist_path)
		code = output_open(&s->dist_out, "--distances", knn->dist_path, KITH_F32, s->k);
	return code;
}

static int print_report_json(const struct knn *knn)
{
	const struct search *s = &knn->search;
	json_t *outputs = json_object(), *filter = json_null();
	if (knn->ids_path)
		json_object_set_new(outputs, "ids", json_text(knn->ids_path));
	if (knn->dist_path)
		json_object_set_new(outputs, "distances", json_text(knn->dist_path));
	if (knn->filtered)
		filter = json_pack("[I, I]", (json_int_t)knn->filter_min, (json_int_t)knn->filter_max);
	return print_json(
	    json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:s, s:s, s:o, s:f, s:o, s:i, s:s, s:I, s:o}", "base",
	        input_json(s->base), "query", input_json(s->query), "n", (json_int_t)s->base->info.n, "dim",
	        (json_int_t)s->base->info.dim, "nq", (json_int_t)s->query->info.n, "k", (json_int_t)s->k,
	        "metric", kith_metric_name(s->metric), "type", kith_type_name(s->type), "filter", filter,
	        "seconds", s->seconds, "qps", json_finite((double)s->query->info.n / s->seconds), "threads",
	        threads_used(s->threads), "isa", kith_isa(), "peak_rss_bytes", (json_int_t)peak_memory(),
	        "outputs", outputs));
}

static void print_neighbours(const struct search *s)
{
	int64_t shown = s->k < SHOWN_NEIGHBOURS ? s->k : SHOWN_NEIGHBOURS;
	printf("\nNeighbours (row:%s), nearest first%s\n", cli_score(s->metric),
	    shown < s->k ? "; --ids writes all" : "");
	for (int64_t i = 0; i < s->keep; i++) {
		printf("query %" PRId64 " ", i);
		for (int64_t j = 0; j < shown && s->ids[i * s->k + j] >= 0; j++)
			printf(" %" PRId64 ":%.6g", s->ids[i * s->k + j], (double)s->dist[i * s->k + j]);
		printf("%s\n", s->ids[i * s->k] < 0 ? " none" : "");
	}
}

static void print_report(const struct knn *knn)
{
	const struct search *s = &knn->search;
	char rate[40], memory[40];
	format_si((double)s->query->info.n / s->seconds, rate, sizeof rate);
	format_si((double)peak_memory(), memory, sizeof memory);
	printf("base     %s: %" PRId64 " x %" PRId64 " %s\n", s->base->path, s->base->info.n,
	    s->base->info.dim, kith_type_name(s->base->info.type));
	printf("queries  %s: %" PRId64 " x %" PRId64 " %s\n", s->query->path, s->query->info.n,
	    s->query->info.dim, kith_type_name(s->query->info.type));
	printf("search   k = %" PRId64 ", metric %s, as %s, %d %s, %s\n", s->k, kith_metric_name(s->metric),
	    kith_type_name(s->type), CLI_COUNT(threads_used(s->threads), "thread"), kith_isa());
	printf("result   %.3f s, %squeries/s, peak memory %sB\n", s->seconds, rate, memory);
	if (knn->ids_path)
		printf("wrote    %s (ids)\n", knn->ids_path);
	if (knn->dist_path)
		printf("wrote    %s (distances)\n", knn->dist_path);
	if (s->keep > 0)
		print_neighbours(s);
}

static int run_search(struct knn *knn)
{
	struct search *s = &knn->search;
	bool writes = knn->ids_path || knn->dist_path;
	s->after = writes ? NOTHING_WRITTEN : NULL;
	if (!writes && !knn->json) {
		s->keep = s->query->info.n < SHOWN_QUERIES ? s->query->info.n : SHOWN_QUERIES;
		s->ids = calloc((size_t)(s->keep * s->k), sizeof *s->ids);
		s->dist = calloc((size_t)(s->keep * s->k), sizeof *s->dist);
		if (!s->ids || !s->dist)
			return fail_memory(s->keep * s->k * 12, "results");
	}
	if (knn->filtered) {
		kith_status status = kith_filter_range(&knn->filter, knn->filter_min, knn->filter_max);
		if (status != KITH_OK)
			return fail_status(status, "--filter", NULL);
		s->filter = knn->filter;
	}
	int code = search_run(s);
	if (code == EXIT_OK)
		code = results_finish(&s->ids_out, knn->ids_path, &s->dist_out, knn->dist_path);
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct knn knn = {.search = {.k = 100, .metric = KITH_L2}};
	int code = parse(&knn, &cli);
	/* Help was shown: there is nothing to do. */
	if (code != EXIT_OK || !cli.operands)
		return code;
	code = open_files(&knn, &cli);
	if (code == EXIT_OK)
		code = run_search(&knn);
	if (code == EXIT_OK && knn.json)
		code = print_report_json(&knn);
	else if (code == EXIT_OK)
		print_report(&knn);
	kith_vecs_abandon(knn.search.ids_out);
	kith_vecs_abandon(knn.search.dist_out);
	kith_filter_free(knn.filter);
	free(knn.search.ids);
	free(knn.search.dist);
	input_close(&knn.inputs[0]);
	input_close(&knn.inputs[1]);
	return code;
}

const struct command command_knn = {
    .name = "knn",
    .operands = "BASE QUERY",
    .summary = "Find the exact k nearest neighbours of every query vector",
    .notes = "BASE may be larger than memory: it is read in pieces. Byte files (bvecs, u8bin,\n"
             "i8bin, npy) are searched as bytes where both have the same type. Distances are\n"
             "squared for l2. Where fewer than K are found, ids are -1. The output files\n"
             "appear, complete, at the end; without any the first neighbours are shown.\n"
             "BASE or QUERY can be -, standard input: fvecs or npy; bvecs:- and the like name\n"
             "another format. One of the output files can be -, standard output.\n",
    .example = "  kith knn base.fvecs query.fvecs -k 100 --ids truth.ivecs --distances truth.fvecs\n",
    .options = options,
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
