/* kith tune: choose an index and its settings.
 *
 * By successive halving (Jamieson & Talwalkar, AISTATS 2016), all candidates are tried on a small sample of
 * the base, the better third of them on a sample four times as large, and so on, and the last two on the
 * whole base. On each sample a candidate is built and tuned to the recall (kith_index_tune) against the
 * sample's own exact neighbours. Time, memory and build time of the whole base are estimated from it. The
 * candidate is judged by the estimated time, and left out if it is expected to exceed a limit.
 *
 * Candidates are tuned on one half of the queries. The recall of the other half, which is measured at the
 * end, is what new queries can be expected to have.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "fill.h"
#include "hint.h"
#include "recall.h"
#include "report.h"
#include "stream.h"
#include "tune.h"

enum { KEEP = 3, GROW = 4, FINALISTS = 2, FIRST_SAMPLE = 5000, MAX_QUERIES = 1000, MIN_QUERIES = 200 };
enum { MAX_RIVALS = 4 };

enum {
	OPT_BASE,
	OPT_QUERY,
	OPT_RECALL,
	OPT_K,
	OPT_BYTES,
	OPT_SECONDS,
	OPT_METRIC,
	OPT_INDEX,
	OPT_THREADS,
	OPT_BATCH,
	OPT_JSON
};

static const struct cli_option options[] = {
    [OPT_BASE] = {"base", 'b', "FILE", "the vectors to search (required)"},
    [OPT_QUERY] = {"query", 'q', "FILE",
        "sample queries, like those to come; 500 or more are best\n"
        "(required)"},
    [OPT_RECALL] = {"recall", 0, "R", "share of the true K nearest to find (default 0.95)",
        .old_letter = "r"},
    [OPT_K] = {"k", 'k', "K", "neighbours of each query (default 10)"},
    [OPT_BYTES] = {"max-bytes-per-vector", 0, "N",
        "memory that the index may take, ids included (default:\n"
        "any)"},
    [OPT_SECONDS] = {"max-build-seconds", 0, "N", "time that building may take (default: any)"},
    [OPT_METRIC] = {"metric", 'm', "METRIC", CLI_HELP_METRIC, CLI_METRICS},
    [OPT_INDEX] = {"index", 'i', "SPEC",
        "choose among these only; may be given several times\n"
        "(default: all that fit)"},
    [OPT_THREADS] = {"threads", 't', "N", "number of threads (default 1)"},
    [OPT_BATCH] = {"batch", 0, "N", CLI_HELP_BATCH},
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

static bool read_share(const struct cli *cli, double *out)
{
	char *end;
	*out = strtod(cli->value, &end);
	if (end != cli->value && !*end && *out > 0 && *out <= 1)
		return true;
	cli_error(EXIT_USAGE, "--recall must be a number above 0 and at most 1, not '%s'", cli->value);
	return false;
}

static bool add_given(struct tune *t, const char *spec)
{
	if (t->count == CANDIDATES || strlen(spec) >= sizeof t->candidates->codec) {
		cli_error(EXIT_USAGE, "--index '%.80s': too many of them, or too long", spec);
		return false;
	}
	tune_given(&t->candidates[t->count++], spec);
	return hint_spec("--index", spec, false) == EXIT_OK;
}

static bool parse_option(struct tune *t, struct cli *cli, int option)
{
	switch (option) {
	case OPT_BASE:
		t->base_path = cli->value;
		return true;
	case OPT_QUERY:
		t->query_path = cli->value;
		return true;
	case OPT_RECALL:
		return read_share(cli, &t->recall);
	case OPT_K:
		return cli_number(cli, option, 1, KITH_MAX_DIM, &t->k);
	case OPT_BYTES:
		return cli_number(cli, option, 1, INT64_MAX, &t->max_bytes);
	case OPT_SECONDS:
		return cli_number(cli, option, 1, INT64_MAX, &t->max_seconds);
	case OPT_METRIC:
		return cli_metric(cli, option, &t->metric);
	case OPT_INDEX:
		return add_given(t, cli->value);
	case OPT_THREADS:
		return cli_threads(cli, option, &t->threads);
	case OPT_BATCH:
		return cli_batch(cli, option, &t->batch);
	default:
		t->json = true;
		return true;
	}
}

static int parse(struct tune *t, struct cli *cli)
{
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli->exit_code;
		if (!parse_option(t, cli, option))
			return EXIT_USAGE;
	}
	if (!t->base_path || !t->query_path)
		return cli_error(EXIT_USAGE, "--base and --query are needed: files of vectors");
	int code = stream_refuse("--base", t->base_path);
	return code == EXIT_OK ? stream_refuse("--query", t->query_path) : code;
}

/* ---- samples and queries ---- */
/* Read `count` of the file's rows, evenly spread, as floats. */
static int read_spread(struct input *in, int64_t count, float *x)
{
	int64_t n = in->info.n, dim = in->info.dim;
	for (int64_t i = 0; i < count; i++) {
		int64_t row = (int64_t)((double)i * ((double)n / (double)count));
		kith_status status =
		    kith_vecs_read(in->vecs, row < n ? row : n - 1, 1, KITH_F32, x + i * dim);
		if (status != KITH_OK)
			return fail_status(status, in->path, NULL);
		if (stop_signal())
			return fail_stopped(NULL);
	}
	kith_vecs_drop(in->vecs);
	return EXIT_OK;
}

/* Read the queries, first those of even numbers, then those of odd ones: these are the two halves. */
static int read_queries(struct tune *t)
{
	int64_t dim = t->query.info.dim, all = t->query.info.n, cells;
	t->nq = (all < 2 * MAX_QUERIES ? all : 2 * MAX_QUERIES) / 2;
	if (t->nq < 1)
		return cli_error(EXIT_FAILED, "'%s' holds one query; tuning needs at least two, better 500",
		    t->query.path);
	cells = 2 * t->nq * t->k;
	float *spread = malloc((size_t)(2 * t->nq * dim) * sizeof *spread);
	t->q = malloc((size_t)(2 * t->nq * dim) * sizeof *t->q);
	t->truth = malloc((size_t)cells * sizeof *t->truth);
	t->found = malloc((size_t)cells * sizeof *t->found);
	t->dist = malloc((size_t)cells * sizeof *t->dist);
	bool room = spread && t->q && t->truth && t->found && t->dist;
	int code = room ? read_spread(&t->query, 2 * t->nq, spread)
	                : fail_memory(2 * t->nq * dim * 8, "the queries");
	for (int64_t i = 0; room && code == EXIT_OK && i < 2 * t->nq; i++)
		memcpy(t->q + (i % 2 * t->nq + i / 2) * dim, spread + i * dim, (size_t)dim * sizeof *spread);
	free(spread);
	return code;
}

static int open_files(struct tune *t)
{
	int code = input_open(&t->base, t->base_path);
	if (code == EXIT_OK)
		code = input_open(&t->query, t->query_path);
	if (code != EXIT_OK)
		return code;
	code = input_same_dim(&t->base, &t->query);
	if (code != EXIT_OK)
		return code;
	if (t->base.info.n < t->k)
		return cli_error(EXIT_FAILED, "'%s' holds %" PRId64 " %s, fewer than k = %" PRId64,
		    t->base.path, CLI_COUNT(t->base.info.n, "vector"), t->k);
	if (t->count == 0)
		t->count = tune_space(t->candidates, t->base.info.dim, t->base.info.type, t->metric);
	for (int i = 0; i < t->count; i++) {
		char spec[SPEC_SIZE];
		kith_index *index;
		tune_spec(&t->candidates[i], t->base.info.n, spec);
		kith_status status = kith_index_new(&index, t->base.info.dim, t->metric, spec);
		if (status != KITH_OK)
			return fail_status(status, "--index", NULL);
		kith_index_free(index);
	}
	return read_queries(t);
}

static int on_progress(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	(void)done;
	(void)total;
	struct tune *t = data;
	return bar_at(&t->bar, t->done);
}

/* Find the exact neighbours of all queries in the base, which is read in pieces. */
static int truth_of_base(struct tune *t)
{
	enum { PIECE_BYTES = 64 << 20 };
	struct input *in = &t->base;
	int64_t dim = in->info.dim, rows = batch_rows(in->info.n, dim * 4, PIECE_BYTES);
	kith_search_options o = KITH_SEARCH_OPTIONS;
	kith_knn_stream *stream = NULL;
	float *piece = malloc((size_t)(rows * dim) * sizeof *piece);
	o.progress = on_progress;
	o.progress_data = t;
	if (!piece)
		return fail_memory(rows * dim * 4, "a piece of the vectors");
	kith_status status =
	    kith_knn_stream_new(&stream, dim, t->metric, KITH_F32, 2 * t->nq, t->q, t->k, &o);
	for (int64_t i = 0; status == KITH_OK && i < in->info.n; i += rows) {
		rows = rows < in->info.n - i ? rows : in->info.n - i;
		status = kith_vecs_read(in->vecs, i, rows, KITH_F32, piece);
		kith_vecs_drop(in->vecs);
		if (status == KITH_OK)
			status = kith_knn_stream_feed(stream, rows, piece, 0);
	}
	if (status == KITH_OK)
		status = kith_knn_stream_get(stream, t->dist, t->truth);
	int code = status == KITH_OK ? EXIT_OK : fail_status(status, in->path, NULL);
	kith_knn_stream_free(stream);
	free(piece);
	return code;
}

/* The number of queries for a sample of n vectors. It falls as the number of lists does, so that as many
 * queries of a batch share a list as on the whole base; but it stays large enough to measure a recall. */
static int64_t queries_for(const struct tune *t, int64_t n)
{
	int64_t nq = (int64_t)((double)t->nq * sqrt((double)n / (double)t->base.info.n));
	nq = nq < MIN_QUERIES ? MIN_QUERIES : nq;
	return nq < t->nq ? nq : t->nq;
}

/* Take a sample of n vectors, and find the true neighbours in it. */
static int take_sample(struct tune *t, int64_t n)
{
	int64_t dim = t->base.info.dim;
	free(t->x);
	t->x = NULL;
	t->n = n;
	t->tuned = queries_for(t, n);
	if (n == t->base.info.n)
		return truth_of_base(t);
	t->x = malloc((size_t)(n * dim) * sizeof *t->x);
	if (!t->x)
		return fail_memory(n * dim * 4, "a sample of the vectors");
	int code = read_spread(&t->base, n, t->x);
	if (code != EXIT_OK)
		return code;
	kith_search_options o = KITH_SEARCH_OPTIONS;
	o.progress = on_progress;
	o.progress_data = t;
	kith_status status =
	    kith_knn(dim, t->metric, KITH_F32, n, t->x, t->tuned, t->q, t->k, t->dist, t->truth, &o);
	return status == KITH_OK ? EXIT_OK : fail_status(status, t->base.path, NULL);
}

/* ---- trying a candidate ---- */

static int build(struct tune *t, kith_index *index, struct candidate *c)
{
	if (!t->x) {
		struct fill fill = {.base = &t->base, .train = &t->base, .options = KITH_ADD_OPTIONS};
		fill.options.threads = t->threads;
		c->fixed = 0;
		return fill_index(&fill, index);
	}
	kith_add_options o = KITH_ADD_OPTIONS;
	o.threads = t->threads;
	o.progress = on_progress;
	o.progress_data = t;
	kith_status status = kith_index_train(index, t->n, t->x, &o);
	c->fixed = (double)kith_index_memory(index);
	if (status == KITH_OK)
		status = kith_index_reserve(index, t->n);
	if (status == KITH_OK)
		status = kith_index_add(index, t->n, t->x, NULL, &o);
	return status == KITH_OK ? EXIT_OK : fail_status(status, t->base.path, NULL);
}

/* Measure the recall of the queries that the candidate was not tuned on. */
static int measure_held_out(struct tune *t, const kith_index *index, struct candidate *c)
{
	int64_t dim = t->base.info.dim, offset = t->nq * t->k;
	int64_t *scratch = malloc((size_t)(2 * t->k) * sizeof *scratch);
	kith_status status =
	    scratch ? kith_index_search(index, t->nq, t->q + t->nq * dim, t->k, t->dist, t->found, &c->search)
	            : KITH_NOMEM;
	double sum = 0;
	for (int64_t i = 0; status == KITH_OK && i < t->nq; i++)
		sum += recall_row_wide(t->found + i * t->k, t->truth + offset + i * t->k, t->k, scratch);
	free(scratch);
	c->held_out = sum / (double)t->nq;
	return status == KITH_OK ? EXIT_OK : fail_status(status, kith_index_describe(index), NULL);
}

/* Tune a candidate, and check whether it keeps the limits. */
static int judge(struct tune *t, const kith_index *index, struct candidate *c)
{
	kith_tune_result result = {.size = sizeof result};
	kith_tune_options o = KITH_TUNE_OPTIONS;
	o.batch = t->batch;
	o.progress = on_progress;
	o.progress_data = t;
	o.result = &result;
	c->search = (kith_search_options)KITH_SEARCH_OPTIONS;
	c->search.threads = t->threads;
	c->memory = (double)kith_index_memory(index);
	c->reaches = false;
	tune_expect(c, t->base.info.n);
	if (t->max_bytes && c->bytes > (double)t->max_bytes) {
		c->why_not = "takes too much memory";
		return EXIT_OK;
	}
	kith_status status =
	    kith_index_tune(index, t->tuned, t->q, t->k, t->truth, t->recall, &c->search, &o);
	if (status != KITH_OK && status != KITH_NOTFOUND)
		return fail_status(status, kith_index_describe(index), NULL);
	c->recall = result.recall;
	c->seconds = result.seconds;
	c->codes = result.codes;
	tune_expect(c, t->base.info.n);
	c->reaches = status == KITH_OK;
	c->why_not = c->reaches ? NULL : "does not reach the recall";
	if (t->max_seconds && c->expected_build > (double)t->max_seconds) {
		c->reaches = false;
		c->why_not = "takes too long to build";
	}
	return EXIT_OK;
}

static int try(struct tune *t, struct candidate *c)
{
	char spec[SPEC_SIZE];
	kith_index *index;
	tune_spec(c, t->n, spec);
	kith_status status = kith_index_new(&index, t->base.info.dim, t->metric, spec);
	if (status != KITH_OK)
		return fail_status(status, spec, NULL);
	double start = now_seconds();
	int code = build(t, index, c);
	c->build_seconds = now_seconds() - start;
	c->n = t->n;
	if (code == EXIT_OK)
		code = judge(t, index, c);
	if (code == EXIT_OK && c->reaches && t->n == t->base.info.n)
		code = measure_held_out(t, index, c);
	kith_index_free(index);
	return code;
}

/* Copy the results of an earlier candidate with the same factory string. On a small sample several ratios
 * give the same number of lists, which is tried once. */
static bool copy_twin(struct tune *t, int number)
{
	struct candidate *c = &t->candidates[number];
	char spec[SPEC_SIZE], other[SPEC_SIZE];
	tune_spec(c, t->n, spec);
	for (int i = 0; i < number; i++) {
		tune_spec(&t->candidates[i], t->n, other);
		if (strcmp(spec, other) != 0)
			continue;
		double lists = c->lists;
		*c = t->candidates[i];
		c->lists = lists;
		return true;
	}
	return false;
}

/* ---- halving ---- */

/* The order of candidates: those that reach the recall come first, and among them those that were tried on
 * larger samples, and then the faster ones. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if (x->reaches != y->reaches)
		return x->reaches ? -1 : 1;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return (x->expected_seconds > y->expected_seconds) - (x->expected_seconds < y->expected_seconds);
}

static int reaching(const struct tune *t)
{
	int n = 0;
	while (n < t->count && t->candidates[n].reaches)
		n++;
	return n;
}

/* The size of the smallest sample: large enough to train codebooks, small enough to try all candidates. */
static int64_t first_sample(const struct tune *t)
{
	int64_t n = t->base.info.n, first = n;
	while (first / GROW >= FIRST_SAMPLE && t->count > FINALISTS)
		first /= GROW;
	return first;
}

/* The work for all samples from `first` to `last`, counted in vectors to be indexed. */
static double work_left(int64_t first, int64_t last, int alive)
{
	double work = 0;
	for (int64_t n = first;; n = n * GROW < last ? n * GROW : last) {
		work += (double)n * alive;
		if (n >= last)
			return work;
		alive = alive / KEEP > FINALISTS ? alive / KEEP : FINALISTS;
	}
}

/* The candidate that was not tried on the whole base, and is expected to be faster than all that were; NULL:
 * there is none. */
static struct candidate *rival(struct tune *t)
{
	struct candidate *best = NULL;
	for (int i = 0, n = reaching(t); i < n; i++) {
		struct candidate *c = &t->candidates[i];
		if (!best || c->expected_seconds < best->expected_seconds)
			best = c;
	}
	return best && best->n < t->base.info.n ? best : NULL;
}

/* Try more candidates on the whole base while one is expected to be faster than the best: a finalist may be
 * slower than its sample let expect, or miss the recall. */
static int conclude(struct tune *t)
{
	int code = EXIT_OK;
	struct candidate *next;
	for (int tried = 0; code == EXIT_OK && (next = rival(t)); tried++) {
		if (tried >= MAX_RIVALS && t->candidates[0].n == t->base.info.n)
			break;
		code = t->n < t->base.info.n ? take_sample(t, t->base.info.n) : EXIT_OK;
		if (code == EXIT_OK)
			code = try(t, next);
		qsort(t->candidates, (size_t)t->count, sizeof *t->candidates, compare);
	}
	return code;
}

static int halve(struct tune *t)
{
	int64_t last = t->base.info.n, n = first_sample(t);
	int alive = t->count;
	bar_begin(&t->bar, "tuning", "vectors", work_left(n, last, alive));
	for (;;) {
		int code = take_sample(t, n);
		for (int i = 0; code == EXIT_OK && i < alive; i++) {
			if (!copy_twin(t, i))
				code = try(t, &t->candidates[i]);
			t->done += (double)n;
		}
		if (code != EXIT_OK)
			return code;
		qsort(t->candidates, (size_t)t->count, sizeof *t->candidates, compare);
		int left = reaching(t);
		if (n >= last || left == 0)
			return conclude(t);
		int keep = alive / KEEP > FINALISTS ? alive / KEEP : FINALISTS;
		alive = left < keep ? left : keep;
		n = alive <= FINALISTS || n * GROW > last ? last : n * GROW;
	}
}

static void release(struct tune *t)
{
	input_close(&t->base);
	input_close(&t->query);
	free(t->q);
	free(t->x);
	free(t->truth);
	free(t->found);
	free(t->dist);
	free(t);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct tune *t = calloc(1, sizeof *t);
	if (!t)
		return cli_error(EXIT_FAILED, "out of memory");
	t->metric = KITH_L2;
	t->k = 10;
	t->recall = 0.95;
	t->threads = 1;
	int code = parse(t, &cli);
	/* Help was shown: there is nothing to do. */
	bool work = code == EXIT_OK && cli.operands;
	double start = now_seconds();
	if (work)
		code = open_files(t);
	if (work && code == EXIT_OK)
		code = halve(t);
	bar_wipe();
	t->seconds = now_seconds() - start;
	if (work && code == EXIT_OK && reaching(t) == 0)
		code = tune_fail_none(t);
	else if (work && code == EXIT_OK && t->json)
		code = tune_print_json(t);
	else if (work && code == EXIT_OK)
		tune_print(t);
	release(t);
	return code;
}

const struct command command_tune = {
    .name = "tune",
    .operands = "",
    .summary = "Choose an index and its settings for a recall",
    .notes = "All kinds of indexes are tried on a sample of BASE, the better ones on larger ones,\n"
             "the last two on all of it; each is tuned to find the recall asked for as fast as it\n"
             "can. Half of the queries are kept back to check the result. Times are measured, so\n"
             "the machine should be idle.\n",
    .example = "  kith tune --base base.fvecs --query query.fvecs --recall 0.95 -k 10 \\\n"
               "    --max-bytes-per-vector 64\n",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
