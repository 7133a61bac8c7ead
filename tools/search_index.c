/* kith search: search an index file for the nearest neighbours of queries.
 *
 * Queries are read, searched and written in chunks, so that memory holds the index and one chunk. Only the
 * search calls are timed. With --batch N a call gets N queries, as in a service that answers them one by one
 * (N = 1) or in small groups.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "carried.h"
#include "cli.h"
#include "files.h"
#include "hint.h"
#include "recall.h"
#include "report.h"
#include "settings.h"
#include "stream.h"

enum { CHUNK_BYTES = 200 << 20, SHOWN_QUERIES = 5, SHOWN_NEIGHBOURS = 10, LEVELS = 3 };

enum { OPT_K, OPT_SET, OPT_THREADS, OPT_BATCH, OPT_TRUTH, OPT_IDS, OPT_DISTANCES, OPT_JSON };

static const struct cli_option options[] = {
    [OPT_K] = {"k", 'k', "K", "neighbours of each query (default 10)"},
    [OPT_SET] = {"set", 's', "NAME=N,…",
        "nprobe: lists to look at (default 8); max_codes: stop\n"
        "after so many vectors (default: never); k_factor:\n"
        "candidates per result when refining (default 4);\n"
        "efSearch: candidates of a search over a graph (default\n"
        "64)"},
    [OPT_THREADS] = {"threads", 't', "N", CLI_HELP_THREADS},
    [OPT_BATCH] = {"batch", 0, "N", CLI_HELP_BATCH, .old_letter = "b"},
    [OPT_TRUTH] = {"truth", 0, "FILE",
        "true neighbours, a row for each query: print recall\n"
        "(default: do not)"},
    [OPT_IDS] = {"ids", 0, "FILE",
        "write the ids found: ivecs, ibin, npy, of which the last\n"
        "can hold ids of 64 bits (default: do not)",
        .old_letter = "i"},
    [OPT_DISTANCES] = {"distances", 'd', "FILE", "write their distances: fvecs, fbin, npy (default: do not)"},
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

struct search_index {
	const char *index_path, *truth_path, *ids_path, *dist_path;
	struct input inputs[2]; /* queries, truth */
	kith_vecs_writer *ids_out, *dist_out;
	kith_index *index;
	struct labels labels;
	kith_type ids_type; /* of the ids in their file */
	int64_t k, batch;   /* batch 0: all */
	int threads;
	bool json;
	struct setting settings[SETTINGS_MAX], effective[SETTINGS_MAX]; /* those given, and those in use */
	/* One chunk of queries. */
	kith_type type;
	void *q;
	float *dist;
	int64_t *ids;
	int32_t *row;     /* [k] ids to be written */
	int64_t *truth;   /* one row */
	int64_t *scratch; /* for recall_row_wide */
	struct bar bar;
	/* What was measured. */
	int levels;
	int64_t level[LEVELS];
	double hits[LEVELS]; /* the sum over all queries of the recall at each level */
	double open_seconds, seconds;
	int64_t calls;
	kith_search_stats stats;
};

static int parse(struct search_index *s, struct cli *cli)
{
	bool ok = true;
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		switch (option) {
		case OPT_K:
			ok = cli_number(cli, option, 1, KITH_MAX_K, &s->k);
			break;
		case OPT_SET:
			ok = settings_read(cli, s->settings);
			break;
		case OPT_THREADS:
			ok = cli_threads(cli, option, &s->threads);
			break;
		case OPT_BATCH:
			ok = cli_batch(cli, option, &s->batch);
			break;
		case OPT_TRUTH:
			s->truth_path = cli->value;
			break;
		case OPT_IDS:
			s->ids_path = cli->value;
			break;
		case OPT_DISTANCES:
			s->dist_path = cli->value;
			break;
		case OPT_JSON:
			s->json = true;
			ok = stream_claim("--json") == EXIT_OK;
			break;
		default:
			return cli->exit_code;
		}
		if (!ok)
			return EXIT_USAGE;
	}
	return results_check(s->ids_path, s->dist_path, s->k);
}

/* Open the truth, and choose the levels of recall: 1, 10 and k, or as many as it has columns. */
static int open_truth(struct search_index *s)
{
	struct input *query = &s->inputs[0], *truth = &s->inputs[1];
	int code = input_open_ids(truth, s->truth_path);
	if (code != EXIT_OK)
		return code;
	if (truth->info.n != query->info.n)
		return cli_error(EXIT_FAILED,
		    "'%s' has %" PRId64 " %s, but '%s' has %" PRId64 " %s; give the truth of these queries",
		    truth->path, CLI_COUNT(truth->info.n, "row"), query->path,
		    CLI_COUNT_AS(query->info.n, "query", "queries"));
	if (truth->info.type != KITH_I32 && truth->info.type != KITH_I64)
		return cli_error(EXIT_FAILED, "'%s' holds %s, not ids; give integers: ivecs, ibin, npy",
		    truth->path, kith_type_name(truth->info.type));
	int64_t max = truth->info.dim < s->k ? truth->info.dim : s->k, wanted[LEVELS] = {1, 10, max};
	for (int i = 0; i < LEVELS; i++)
		if (wanted[i] <= max && (s->levels == 0 || wanted[i] > s->level[s->levels - 1]))
			s->level[s->levels++] = wanted[i];
	return EXIT_OK;
}

static int check_outputs(const struct search_index *s)
{
	struct input read[3] = {s->inputs[0], s->inputs[1], {.path = s->index_path}};
	int n = 3;
	if (!s->truth_path)
		read[1] = read[--n];
	int code = output_check(s->ids_path, read, n);
	return code == EXIT_OK ? output_check(s->dist_path, read, n) : code;
}

static int open_outputs(struct search_index *s)
{
	int code = EXIT_OK;
	if (s->ids_path)
		code = output_open(&s->ids_out, "--ids", s->ids_path, s->ids_type, s->k);
	if (code == EXIT_OK && s->dist_path)
		code = output_open(&s->dist_out, "--distances", s->dist_path, KITH_F32, s->k);
	return code;
}

/* Read the labels of the vectors, which are then printed and written as ids. An error if the truth or the
 * file of ids cannot hold them. */
static int open_labels(struct search_index *s)
{
	int code = labels_of(s->index, s->index_path, &s->labels);
	if (code == EXIT_OK && s->ids_path)
		code = labels_type(&s->labels, s->index_path, "--ids", s->ids_path, &s->ids_type);
	if (code == EXIT_OK && s->truth_path)
		code = labels_check_truth(&s->labels, s->index_path, &s->inputs[1]);
	return code;
}

static int open_files(struct search_index *s, struct cli *cli)
{
	struct input *query = &s->inputs[0];
	s->index_path = cli->operands[0];
	int code = hint_index_and_queries(s->index_path, cli->operands[1]);
	if (code == EXIT_OK)
		code = input_open(query, cli->operands[1]);
	if (code == EXIT_OK && s->truth_path)
		code = open_truth(s);
	if (code == EXIT_OK)
		code = check_outputs(s);
	if (code != EXIT_OK)
		return code;
	double start = now_seconds();
	code = index_open(&s->index, s->index_path, 0);
	s->open_seconds = now_seconds() - start;
	if (code != EXIT_OK)
		return code;
	if (stop_signal())
		return fail_stopped(NOTHING_WRITTEN);
	if (kith_index_dim(s->index) != query->info.dim)
		return cli_error(EXIT_FAILED,
		    "dimensions differ: '%s' has %" PRId64 ", '%s' has %" PRId64
		    "; give queries of the index's dimension",
		    s->index_path, kith_index_dim(s->index), query->path, query->info.dim);
	code = open_labels(s);
	if (code != EXIT_OK)
		return code;
	bool bytes = query->info.type == KITH_U8 || query->info.type == KITH_I8;
	s->type = bytes ? query->info.type : KITH_F32;
	settings_warn(s->settings, s->index);
	memcpy(s->effective, s->settings, sizeof s->effective);
	settings_complete(s->effective, s->index, s->k);
	/* Not before the index, during whose opening a signal ends the program at once. */
	return open_outputs(s);
}

/* ---- a chunk of queries ---- */

static int on_progress(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	(void)done;
	(void)total;
	struct search_index *s = data;
	return bar_at(&s->bar, s->bar.done);
}

static kith_search_options search_options(struct search_index *s)
{
	kith_search_options o = KITH_SEARCH_OPTIONS;
	o.threads = s->threads;
	o.progress = on_progress;
	o.progress_data = s;
	settings_apply(s->settings, &o);
	return o;
}

/* Search the n queries of the chunk; first: the number of the first one in the file. */
static int search_chunk(struct search_index *s, int64_t first, int64_t n)
{
	kith_search_options o = search_options(s);
	int64_t step = s->batch && s->batch < n ? s->batch : n;
	size_t row = (size_t)s->inputs[0].info.dim * kith_type_size(s->type);
	for (int64_t i = 0; i < n; i += step) {
		int64_t now = step < n - i ? step : n - i;
		kith_search_stats stats = {.size = sizeof stats};
		o.stats = &stats;
		double start = now_seconds();
		kith_status status = kith_index_search_as(s->index, s->type, now,
		    (const char *)s->q + (size_t)i * row, s->k, s->dist + i * s->k, s->ids + i * s->k, &o);
		s->seconds += now_seconds() - start;
		s->calls++;
		s->stats.pairs += stats.pairs;
		if (status != KITH_OK)
			return fail_status(status, s->inputs[0].path, NOTHING_WRITTEN);
		if (bar_at(&s->bar, (double)(first + i + now)))
			return fail_stopped(NOTHING_WRITTEN);
	}
	return EXIT_OK;
}

/* Replace the ids that were found by labels. */
static void name_chunk(struct search_index *s, int64_t n)
{
	for (int64_t i = 0; s->labels.values && i < n * s->k; i++)
		s->ids[i] = label_of(&s->labels, s->ids[i]);
}

static int measure_chunk(struct search_index *s, int64_t first, int64_t n)
{
	const bool wide = s->inputs[1].info.type == KITH_I64;
	for (int64_t i = 0; i < n; i++) {
		kith_status status = kith_vecs_read(s->inputs[1].vecs, first + i, 1, KITH_I64, s->truth);
		if (status != KITH_OK)
			return fail_status(status, s->truth_path, NOTHING_WRITTEN);
		for (int64_t j = 0; j < s->inputs[1].info.dim; j++)
			if (!wide && s->truth[j] < 0)
				s->truth[j] = -1;
		for (int l = 0; l < s->levels; l++)
			s->hits[l] += recall_row_wide(s->ids + i * s->k, s->truth, s->level[l], s->scratch);
	}
	kith_vecs_drop(s->inputs[1].vecs);
	return EXIT_OK;
}

static int write_chunk(struct search_index *s, int64_t n)
{
	kith_status status = KITH_OK;
	if (s->ids_out && s->ids_type == KITH_I64)
		status = kith_vecs_append(s->ids_out, n, s->ids);
	for (int64_t i = 0; s->ids_out && s->ids_type == KITH_I32 && status == KITH_OK && i < n; i++) {
		int code = labels_narrow(s->k, s->ids + i * s->k, "--ids", s->ids_path, s->row);
		if (code != EXIT_OK)
			return code;
		status = kith_vecs_append(s->ids_out, 1, s->row);
	}
	if (status == KITH_OK && s->dist_out)
		status = kith_vecs_append(s->dist_out, n, s->dist);
	return status == KITH_OK ? EXIT_OK : fail_status(status, NULL, NOTHING_WRITTEN);
}

static void print_neighbours(const struct search_index *s, int64_t n)
{
	int64_t shown = s->k < SHOWN_NEIGHBOURS ? s->k : SHOWN_NEIGHBOURS;
	printf("Neighbours (%s:%s), nearest first%s\n", s->labels.values ? "label" : "id",
	    cli_score(kith_index_metric(s->index)), shown < s->k ? "; --ids writes all" : "");
	for (int64_t i = 0; i < n && i < SHOWN_QUERIES; i++) {
		printf("query %" PRId64 " ", i);
		for (int64_t j = 0; j < shown && s->ids[i * s->k + j] >= 0; j++)
			printf(" %" PRId64 ":%.6g", label_of(&s->labels, s->ids[i * s->k + j]),
			    (double)s->dist[i * s->k + j]);
		printf("%s\n", s->ids[i * s->k] < 0 ? " none" : "");
	}
	printf("\n");
}

static int search_all(struct search_index *s)
{
	struct input *query = &s->inputs[0];
	size_t row = (size_t)query->info.dim * kith_type_size(s->type);
	int64_t nq = query->info.n, each = (int64_t)row + s->k * (int64_t)(sizeof *s->dist + sizeof *s->ids);
	int64_t chunk = batch_rows(nq, each, CHUNK_BYTES), deepest = s->levels ? s->level[s->levels - 1] : 1;
	s->q = malloc((size_t)chunk * row);
	s->dist = calloc((size_t)(chunk * s->k), sizeof *s->dist);
	s->ids = calloc((size_t)(chunk * s->k), sizeof *s->ids);
	s->row = calloc((size_t)s->k, sizeof *s->row);
	s->truth = calloc((size_t)(s->levels ? s->inputs[1].info.dim : 1), sizeof *s->truth);
	s->scratch = calloc((size_t)(2 * deepest), sizeof *s->scratch);
	if (!s->q || !s->dist || !s->ids || !s->row || !s->truth || !s->scratch)
		return fail_memory(chunk * each, "queries and results");
	int code = EXIT_OK;
	bar_begin(&s->bar, "searching", "queries", (double)nq);
	for (int64_t first = 0; code == EXIT_OK && first < nq; first += chunk) {
		int64_t n = chunk < nq - first ? chunk : nq - first;
		kith_status status = kith_vecs_read(query->vecs, first, n, s->type, s->q);
		kith_vecs_drop(query->vecs);
		code = status == KITH_OK ? search_chunk(s, first, n)
		                         : fail_status(status, query->path, NOTHING_WRITTEN);
		if (code == EXIT_OK && (s->truth_path || s->ids_path))
			name_chunk(s, n);
		if (code == EXIT_OK && s->truth_path)
			code = measure_chunk(s, first, n);
		if (code == EXIT_OK)
			code = write_chunk(s, n);
		if (code == EXIT_OK && first == 0 && !s->json && !s->ids_path && !s->dist_path &&
		    !s->truth_path) {
			bar_wipe();
			print_neighbours(s, n);
		}
	}
	bar_wipe();
	return code;
}

/* ---- the report ---- */

static int print_report_json(const struct search_index *s)
{
	double nq = (double)s->inputs[0].info.n;
	json_t *recalls = s->truth_path ? json_object() : json_null(), *outputs = json_object();
	for (int l = 0; l < s->levels; l++) {
		char name[32];
		snprintf(name, sizeof name, "%" PRId64, s->level[l]);
		json_object_set_new(recalls, name, json_real(s->hits[l] / nq));
	}
	if (s->ids_path)
		json_object_set_new(outputs, "ids", json_text(s->ids_path));
	if (s->dist_path)
		json_object_set_new(outputs, "distances", json_text(s->dist_path));
	return print_json(json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:f, s:f, s:o, s:f, "
	                            "s:f, s:o, s:i, s:s, s:I, s:o, s:b, s:o}",
	    "file", json_text(s->index_path), "index", kith_index_describe(s->index), "metric",
	    kith_metric_name(kith_index_metric(s->index)), "n", (json_int_t)kith_index_size(s->index), "dim",
	    (json_int_t)kith_index_dim(s->index), "nq", (json_int_t)s->inputs[0].info.n, "k",
	    (json_int_t)s->k, "query", input_json(&s->inputs[0]), "settings", settings_json(s->effective),
	    "calls", (json_int_t)s->calls, "open_seconds", s->open_seconds, "seconds", s->seconds, "qps",
	    json_finite(nq / s->seconds), "seconds_per_call", s->seconds / (double)s->calls,
	    "pairs_per_query", (double)s->stats.pairs / nq, "recall", recalls, "threads",
	    threads_used(s->threads), "isa", kith_isa(), "peak_rss_bytes", (json_int_t)peak_memory(),
	    "outputs", outputs, "labels", s->labels.given, "ids", labels_json(&s->labels)));
}

/* Print the search parameters that the file holds, if the user gave none. */
static void print_preset(const struct search_index *s)
{
	char text[200];
	preset_text(s->index, text, sizeof text);
	for (const struct setting *setting = s->settings; setting->name; setting++)
		if (setting->given)
			return;
	if (*text)
		printf("preset   not used: %s, with which FAISS would search; --set takes it\n", text);
}

static void print_report(const struct search_index *s)
{
	double nq = (double)s->inputs[0].info.n;
	char rate[40], memory[40], pairs[40], call[40];
	format_si(nq / s->seconds, rate, sizeof rate);
	format_si((double)peak_memory(), memory, sizeof memory);
	format_si((double)s->stats.pairs / nq, pairs, sizeof pairs);
	snprintf(call, sizeof call, "%.3f", 1e3 * s->seconds / (double)s->calls);
	printf("index    %s: %s, metric %s, %" PRId64 " x %" PRId64 ", opened in %.3f s\n", s->index_path,
	    kith_index_describe(s->index), kith_metric_name(kith_index_metric(s->index)),
	    kith_index_size(s->index), kith_index_dim(s->index), s->open_seconds);
	if (s->labels.values)
		printf("labels   %" PRId64 " ... %" PRId64 ", of FAISS's IndexIDMap: ids found are these\n",
		    s->labels.min, s->labels.max);
	else if (s->labels.given)
		printf("ids      %" PRId64 " ... %" PRId64 ", as they were given\n", s->labels.min,
		    s->labels.max);
	printf("queries  %s: %" PRId64 " x %" PRId64 " %s\n", s->inputs[0].path, s->inputs[0].info.n,
	    s->inputs[0].info.dim, kith_type_name(s->inputs[0].info.type));
	printf("search   k = %" PRId64 ", ", s->k);
	settings_print(s->effective);
	printf("%d %s, %s\n", CLI_COUNT(threads_used(s->threads), "thread"), kith_isa());
	print_preset(s);
	printf("result   %.3f s, %squeries/s, %s ms per call of %" PRId64 ", %svectors per query\n",
	    s->seconds, rate, call,
	    s->batch && s->batch < s->inputs[0].info.n ? s->batch : s->inputs[0].info.n, pairs);
	for (int l = 0; l < s->levels; l++)
		printf("recall   @%-6" PRId64 " %.4f\n", s->level[l], s->hits[l] / nq);
	printf("memory   peak %sB\n", memory);
	if (s->ids_path)
		printf("wrote    %s (ids)\n", s->ids_path);
	if (s->dist_path)
		printf("wrote    %s (distances)\n", s->dist_path);
}

static void release(struct search_index *s)
{
	kith_vecs_abandon(s->ids_out);
	kith_vecs_abandon(s->dist_out);
	kith_index_free(s->index);
	input_close(&s->inputs[0]);
	input_close(&s->inputs[1]);
	free(s->q);
	free(s->dist);
	free(s->ids);
	free(s->row);
	free(s->truth);
	free(s->scratch);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct search_index s = {.k = 10};
	search_settings(s.settings);
	int code = parse(&s, &cli);
	/* Help was shown: there is nothing to do. */
	if (code != EXIT_OK || !cli.operands)
		return code;
	code = open_files(&s, &cli);
	if (code == EXIT_OK)
		code = search_all(&s);
	if (code == EXIT_OK)
		code = results_finish(&s.ids_out, s.ids_path, &s.dist_out, s.dist_path);
	if (code == EXIT_OK && s.json)
		code = print_report_json(&s);
	else if (code == EXIT_OK)
		print_report(&s);
	release(&s);
	return code;
}

const struct command command_search = {
    .name = "search",
    .operands = "INDEX QUERY",
    .summary = "Search an index file, and measure speed and recall",
    .notes = "INDEX comes from 'kith build', or is one of FAISS's files. Only the search itself is\n"
             "timed. --batch 1 measures one query at a time. Recall at K is the share of the true\n"
             "K nearest among the K found; 'kith knn' finds the true ones, 'kith eval' measures\n"
             "more. Output files appear, complete, at the end; without --ids, --distances, --truth\n"
             "or --json the first neighbours are shown. Settings that INDEX does not use are\n"
             "pointed out; those in use are told, also where they are the defaults. Where INDEX\n"
             "has labels, of FAISS's IndexIDMap, these are the ids found. INDEX or QUERY can be -,\n"
             "standard input, or pipes, and one of the output files -, standard output.\n",
    .example = "  kith search base.kith query.fvecs -k 10 --set nprobe=16 --truth truth.ivecs\n",
    .options = options,
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
