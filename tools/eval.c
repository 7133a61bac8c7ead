/* kith eval: measure how good a result is against the truth.
 *
 * Every returned id gets a rank: its place among the true neighbours of its query, counted from 0. It is
 * right at k if that rank is below k. With distances, an id that is not among the true ones but as near as
 * the j-th of them has rank j: this is a tie, and the truth could as well have named this id. All measures
 * follow from the ranks of one row, in one pass over the files:
 *
 *   recall@k     right ids among the first k / k true ones
 *   1-recall@k   1 if the nearest true neighbour is among the first k
 *   precision@k  right ids among the first k / ids returned there
 *   mAP@k        mean of precision@i over the places i <= k that are right, the missing ones as 0
 *   MRR@k        1 / place of the nearest true neighbour, 0 if it is not among the first k
 *
 * each averaged over the queries. Ids of -1 and repetitions of an id are never right. Where the truth
 * itself ends early (-1), k is what it has.
 *
 * Distances from an approximate index (with a product quantizer, say) are often too small, and would make
 * wrong ids look as near as true ones. So they are best computed here from the vectors. Distances that are
 * given are checked: an id must have the same distance in both files, and no id can be nearer than the
 * nearest true neighbour. If a check fails, ids alone count. Therefore every row is measured in both ways.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "cli.h"
#include "distance.h"
#include "files.h"
#include "report.h"

enum { PIECE_BYTES = 16 << 20, MAX_KS = 32 };

/* Distances whose relative difference is at most this are ties. */
static const double TOLERANCE = 1e-5;

/* Two programs that compute the exact distance of one vector in floats differ by less, relatively. */
static const double EXACT = 1e-4;

enum { OPT_K, OPT_BASE, OPT_QUERY, OPT_DISTANCES, OPT_TRUTH_DISTANCES, OPT_METRIC, OPT_JSON };

static const struct cli_option options[] = {
    [OPT_K] = {"k", 'k', "K,...",
        "numbers of neighbours (default: those of 1, 10, 100 that\n"
        "both files hold)"},
    [OPT_BASE] = {"base", 'b', "FILE",
        "the vectors that the ids number; with --query, distances are\n"
        "computed, and ids as near as true ones count as right\n"
        "(default: none)"},
    [OPT_QUERY] = {"query", 'q', "FILE", "the queries, one for each row (default: none)"},
    [OPT_DISTANCES] = {"distances", 'd', "FILE",
        "exact distances of the result's ids, instead of --base;\n"
        "approximate ones are not used (default: ids alone count)"},
    [OPT_TRUTH_DISTANCES] = {"truth-distances", 'D', "FILE",
        "distances of the true neighbours (default: none)"},
    [OPT_METRIC] = {"metric", 'm', "METRIC",
        "of the distances: l2, ip, cosine, l1, linf, lp3, … (default l2)", CLI_METRICS},
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

enum file { RESULT, TRUTH, RESULT_DIST, TRUTH_DIST, BASE, QUERY, FILES };

struct measures {
	double recall, one_recall, precision, map, mrr;
};

struct ranked_id {
	int64_t id;
	int64_t place;
};

struct eval {
	const char *paths[FILES]; /* NULL: not given */
	struct input inputs[FILES];
	int64_t k[MAX_KS], n;
	struct measures sums[MAX_KS], tied[MAX_KS]; /* by ids alone; with ties, if there are distances */
	int ks;
	kith_metric metric;
	bool json;
	bool metric_given;
	bool computes;     /* whether distances are computed from the vectors */
	bool approximate;  /* whether the distances that were given are not exact */
	int64_t large[2];  /* number of ids of RESULT and TRUTH beyond 32 bits */
	float *vectors[2]; /* one vector of BASE, one of QUERY */
	/* One piece of each file, and working memory for one row. */
	void *rows[FILES];
	struct ranked_id *result, *truth; /* sorted by id, then place */
	int64_t *rank, *tie;              /* of each place of the result: by ids alone; with ties */
};

static int parse(struct eval *e, struct cli *cli)
{
	bool ok = true;
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		if (option == OPT_K)
			ok = cli_numbers(cli, option, 1, KITH_MAX_DIM, MAX_KS, e->k, &e->ks);
		else if (option == OPT_BASE)
			e->paths[BASE] = cli->value;
		else if (option == OPT_QUERY)
			e->paths[QUERY] = cli->value;
		else if (option == OPT_DISTANCES)
			e->paths[RESULT_DIST] = cli->value;
		else if (option == OPT_TRUTH_DISTANCES)
			e->paths[TRUTH_DIST] = cli->value;
		else if (option == OPT_METRIC)
			ok = e->metric_given = cli_metric(cli, option, &e->metric);
		else if (option == OPT_JSON)
			e->json = true;
		else
			return cli->exit_code;
		if (!ok)
			return EXIT_USAGE;
	}
	if (!e->paths[RESULT_DIST] != !e->paths[TRUTH_DIST])
		return cli_error(
		    EXIT_USAGE, "--distances and --truth-distances go together; give both or none");
	if (!e->paths[BASE] != !e->paths[QUERY])
		return cli_error(EXIT_USAGE, "--base and --query go together; give both or none");
	if (e->paths[BASE] && e->paths[RESULT_DIST])
		return cli_error(EXIT_USAGE,
		    "--base and --query, from which distances are computed, or --distances and "
		    "--truth-distances: give one pair");
	if (e->metric_given && !e->paths[BASE] && !e->paths[RESULT_DIST])
		return cli_error(EXIT_USAGE, "--metric is of distances, and ids alone are compared; "
		                             "give --base and --query, too, or leave it out");
	e->computes = e->paths[BASE] != NULL;
	e->paths[RESULT] = cli->operands[0];
	e->paths[TRUTH] = cli->operands[1];
	return EXIT_OK;
}

/* Check that base and queries have one dimension, and that there is a query for each row. */
static int check_vectors(const struct eval *e)
{
	const struct input *base = &e->inputs[BASE], *query = &e->inputs[QUERY];
	int code = input_same_dim(base, query);
	if (code == EXIT_OK && query->info.n < e->n)
		return cli_error(EXIT_FAILED,
		    "'%s' has %" PRId64 " %s, fewer than the %" PRId64 " %s of '%s'", query->path,
		    CLI_COUNT_AS(query->info.n, "query", "queries"), CLI_COUNT(e->n, "row"),
		    e->paths[RESULT]);
	return code;
}

static int open_inputs(struct eval *e)
{
	for (int f = 0; f < FILES; f++) {
		if (!e->paths[f])
			continue;
		struct input *in = &e->inputs[f];
		const struct input *ids = &e->inputs[f == RESULT || f == RESULT_DIST ? RESULT : TRUTH];
		int code = f <= TRUTH ? input_open_ids(in, e->paths[f]) : input_open(in, e->paths[f]);
		if (code != EXIT_OK)
			return code;
		if (f >= BASE)
			continue;
		if (f <= TRUTH && in->info.type != KITH_I32 && in->info.type != KITH_I64)
			return cli_error(EXIT_FAILED,
			    "'%s' holds %s, no ids; give a file of integers (ivecs, ibin, npy)", in->path,
			    kith_type_name(in->info.type));
		if (in->info.dim != ids->info.dim || in->info.n != ids->info.n)
			return cli_error(EXIT_FAILED,
			    "'%s' is %" PRId64 " x %" PRId64 " but '%s' is %" PRId64 " x %" PRId64
			    "; distances must match their ids",
			    in->path, in->info.n, in->info.dim, ids->path, ids->info.n, ids->info.dim);
		if (in->info.n != e->inputs[RESULT].info.n)
			return cli_error(EXIT_FAILED,
			    "'%s' has %" PRId64 " %s but '%s' has %" PRId64
			    "; both need one row for each query",
			    e->inputs[RESULT].path, CLI_COUNT(e->inputs[RESULT].info.n, "row"), in->path,
			    in->info.n);
	}
	e->n = e->inputs[RESULT].info.n;
	return e->computes ? check_vectors(e) : EXIT_OK;
}

static int choose_ks(struct eval *e)
{
	static const int64_t usual[] = {1, 10, 100};
	bool given = e->ks > 0;
	for (int f = RESULT; f <= TRUTH; f++) {
		const struct input *in = &e->inputs[f];
		for (int i = 0; i < e->ks; i++) {
			if (e->k[i] > in->info.dim)
				return cli_error(EXIT_FAILED,
				    "-k %" PRId64 " is more than the %" PRId64 " %s of '%s'", e->k[i],
				    CLI_COUNT(in->info.dim, "column"), in->path);
		}
	}
	for (int i = 0; !given && i < 3; i++) {
		if (usual[i] <= e->inputs[RESULT].info.dim && usual[i] <= e->inputs[TRUTH].info.dim)
			e->k[e->ks++] = usual[i];
	}
	return EXIT_OK;
}

static int by_id(const void *a, const void *b)
{
	const struct ranked_id *x = a, *y = b;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

/* Sort ids [n] into out without −1 and repetitions, of which the first place stays. Returns how many there
 * are. */
static int64_t sort_ids(const int64_t *ids, int64_t n, struct ranked_id *out)
{
	int64_t kept = 0;
	for (int64_t i = 0; i < n; i++)
		out[i] = (struct ranked_id){ids[i], i};
	qsort(out, (size_t)n, sizeof *out, by_id);
	for (int64_t i = 0; i < n; i++) {
		if (out[i].id != -1 && (kept == 0 || out[kept - 1].id != out[i].id))
			out[kept++] = out[i];
	}
	return kept;
}

/* The place of the first true distance that `dist` does not exceed; n: there is none. sign: −1 for
 * similarities, by which `dist` is multiplied already, so that smaller is nearer. */
static int64_t tie_rank(double dist, const float *truth, double sign, int64_t n)
{
	int64_t low = 0, high = n;
	while (low < high) {
		int64_t middle = (low + high) / 2;
		double key = sign * (double)truth[middle];
		if (dist <= key + TOLERANCE * fabs(key))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool differ(double a, double b)
{
	return fabs(a - b) > EXACT * fmax(fabs(a), fabs(b)) + 1e-30;
}

/* Note that the result's distances are approximate if one is nearer than the nearest true neighbour. Both are
 * keys, of which smaller is nearer. */
static void find_approximate(struct eval *e, int64_t row, int64_t id, double key, double nearest)
{
	if (e->approximate || e->computes || key >= nearest || !differ(key, nearest))
		return;
	e->approximate = true;
	cli_warn(
	    "'%s' holds approximate distances (row %" PRId64 ": id %" PRId64
	    " is nearer than the nearest true neighbour): ids alone are counted; give --base and --query to "
	    "count those that are as near",
	    e->paths[RESULT_DIST], row, id);
}

/* Note that the result's distances are approximate if the two files differ in the distance of one id. */
static void compare_distances(struct eval *e, int64_t row, int64_t id, double result, double truth)
{
	if (e->approximate || e->computes || !differ(result, truth))
		return;
	e->approximate = true;
	cli_warn(
	    "'%s' holds approximate distances (row %" PRId64 ": id %" PRId64
	    " is at %.7g there, at %.7g in '%s'): ids alone are counted; give --base and --query to count "
	    "those that are as near",
	    e->paths[RESULT_DIST], row, id, result, truth, e->paths[TRUTH_DIST]);
}

/* Make the ids below −1 in a row of a file of 32 bits −1. In 64 bits they are labels like others. */
static void drop_large(struct eval *e, int file, int64_t row, int64_t first)
{
	const int64_t n = e->inputs[file].info.dim;
	int64_t *ids = (int64_t *)e->rows[file] + row * n;
	for (int64_t i = 0; i < n && e->inputs[file].info.type == KITH_I32; i++) {
		if (ids[i] >= -1)
			continue;
		if (e->large[file]++ == 0)
			cli_warn(
			    "'%s': row %" PRId64 " holds id %" PRId64 ", or %" PRIu32
			    " without a sign: a file of 32 bits has ids up to 2147483647 (npy of int64 has "
			    "all), and this never counts",
			    e->paths[file], first + row, ids[i], (uint32_t)ids[i]);
		ids[i] = -1;
	}
}

/* Rank the places of one row in e->rank and e->tie; INT64_MAX: not right at any k. Returns the number of true
 * neighbours. */
static int64_t rank_row(struct eval *e, int64_t row, int64_t first)
{
	int64_t rc = e->inputs[RESULT].info.dim, tc = e->inputs[TRUTH].info.dim, t = 0;
	const int64_t *ids = (const int64_t *)e->rows[RESULT] + row * rc;
	const int64_t *true_ids = (const int64_t *)e->rows[TRUTH] + row * tc;
	const float *true_dist = (const float *)e->rows[TRUTH_DIST] + row * tc;
	double sign = cli_similarity(e->metric) ? -1 : 1;
	int64_t kept = sort_ids(ids, rc, e->result);
	int64_t known = 0;
	while (known < tc && true_ids[known] != -1)
		known++;
	int64_t true_kept = sort_ids(true_ids, known, e->truth);
	for (int64_t i = 0; i < rc; i++)
		e->rank[i] = e->tie[i] = INT64_MAX;
	for (int64_t i = 0; i < kept; i++) {
		int64_t place = e->result[i].place;
		while (t < true_kept && e->truth[t].id < e->result[i].id)
			t++;
		bool same = t < true_kept && e->truth[t].id == e->result[i].id;
		if (same)
			e->rank[place] = e->tie[place] = e->truth[t].place;
		if (!e->rows[TRUTH_DIST])
			continue;
		double dist = (double)((const float *)e->rows[RESULT_DIST])[row * rc + place];
		if (same)
			compare_distances(
			    e, first + row, e->result[i].id, dist, (double)true_dist[e->truth[t].place]);
		int64_t tie = tie_rank(sign * dist, true_dist, sign, known);
		if (tie < known && tie < e->tie[place])
			e->tie[place] = tie;
		if (known > 0)
			find_approximate(
			    e, first + row, e->result[i].id, sign * dist, sign * (double)true_dist[0]);
	}
	return known;
}

/* Add one row's measures at k. ids: those of the result; known: the number of true neighbours. */
static void measure_row(
    struct measures *sum, const int64_t *ids, const int64_t *rank, int64_t k, int64_t known)
{
	int64_t right = 0, returned = 0, first = 0, wanted = known < k ? known : k;
	double precisions = 0;
	for (int64_t i = 0; i < k; i++) {
		returned += ids[i] != -1;
		if (rank[i] == 0 && !first)
			first = i + 1;
		if (rank[i] < k && right < wanted) {
			right++;
			precisions += (double)right / (double)(i + 1);
		}
	}
	if (wanted == 0) {
		/* There is nothing to find: the row is perfect if nothing is returned. */
		double perfect = returned == 0;
		sum->recall += perfect;
		sum->one_recall += perfect;
		sum->precision += perfect;
		sum->map += perfect;
		sum->mrr += perfect;
		return;
	}
	sum->recall += (double)right / (double)wanted;
	sum->one_recall += first > 0;
	sum->precision += returned ? (double)right / (double)returned : 0;
	sum->map += precisions / (double)wanted;
	sum->mrr += first > 0 ? 1.0 / (double)first : 0;
}

/* Check that the true distances of a row are sorted from near to far, which the search for ties relies on. */
static int check_order(const struct eval *e, int64_t row, int64_t first)
{
	int64_t tc = e->inputs[TRUTH].info.dim;
	float *d = (float *)e->rows[TRUTH_DIST] + row * tc;
	const int64_t *ids = (const int64_t *)e->rows[TRUTH] + row * tc;
	bool similarity = cli_similarity(e->metric);
	for (int64_t j = 0; j < tc && ids[j] != -1; j++) {
		bool wrong = j > 0 && (similarity ? d[j] > d[j - 1] : d[j] < d[j - 1]);
		/* Another program may have rounded differently, and so sorted equally near ones
		 * differently. */
		if (wrong && e->computes && !differ((double)d[j], (double)d[j - 1])) {
			d[j] = d[j - 1];
			wrong = false;
		}
		if (wrong || isnan(d[j]))
			return cli_error(EXIT_FAILED,
			    "'%s': row %" PRId64 " is not sorted from near to far for --metric %s"
			    " (column %" PRId64 "); is that the metric?",
			    e->paths[e->computes ? TRUTH : TRUTH_DIST], first + row,
			    kith_metric_name(e->metric), j);
	}
	return EXIT_OK;
}

/* Compute the distances of a row's ids from its query, which is in vectors[1]; file: RESULT or TRUTH. */
static int compute_row(struct eval *e, int file, int64_t row, int64_t first)
{
	const struct input *base = &e->inputs[BASE];
	int64_t columns = e->inputs[file].info.dim;
	const int64_t *ids = (const int64_t *)e->rows[file] + row * columns;
	float *out = (float *)e->rows[file + RESULT_DIST] + row * columns;
	for (int64_t i = 0; i < columns; i++) {
		out[i] = NAN;
		if (ids[i] == -1)
			continue;
		if (ids[i] < 0 || ids[i] >= base->info.n)
			return cli_error(EXIT_FAILED,
			    "'%s': row %" PRId64 " holds id %" PRId64 ", but '%s' has only %" PRId64 " %s",
			    e->paths[file], first + row, ids[i], base->path,
			    CLI_COUNT(base->info.n, "vector"));
		kith_status status = kith_vecs_read(base->vecs, ids[i], 1, KITH_F32, e->vectors[0]);
		if (status != KITH_OK)
			return fail_status(status, base->path, NULL);
		out[i] = (float)distance(e->metric, e->vectors[1], e->vectors[0], base->info.dim);
	}
	return EXIT_OK;
}

static int compute_distances(struct eval *e, int64_t first, int64_t n)
{
	int code = EXIT_OK;
	for (int64_t i = 0; i < n && code == EXIT_OK; i++) {
		kith_status status =
		    kith_vecs_read(e->inputs[QUERY].vecs, first + i, 1, KITH_F32, e->vectors[1]);
		if (status != KITH_OK)
			return fail_status(status, e->paths[QUERY], NULL);
		code = compute_row(e, RESULT, i, first);
		if (code == EXIT_OK)
			code = compute_row(e, TRUTH, i, first);
		if (code == EXIT_OK && stop_signal())
			code = fail_stopped(NULL);
	}
	return code;
}

static int eval_rows(struct eval *e, int64_t first, int64_t n)
{
	for (int f = 0; f < BASE; f++) {
		if (!e->paths[f])
			continue;
		kith_type type = f <= TRUTH ? KITH_I64 : KITH_F32;
		kith_status status = kith_vecs_read(e->inputs[f].vecs, first, n, type, e->rows[f]);
		kith_vecs_drop(e->inputs[f].vecs);
		if (status != KITH_OK)
			return fail_status(status, e->paths[f], NULL);
	}
	for (int64_t i = 0; i < n; i++) {
		drop_large(e, RESULT, i, first);
		drop_large(e, TRUTH, i, first);
	}
	int64_t columns = e->inputs[RESULT].info.dim;
	int failed = e->computes ? compute_distances(e, first, n) : EXIT_OK;
	if (failed != EXIT_OK)
		return failed;
	for (int64_t i = 0; i < n; i++) {
		int code = e->rows[TRUTH_DIST] ? check_order(e, i, first) : EXIT_OK;
		if (code != EXIT_OK)
			return code;
		int64_t known = rank_row(e, i, first);
		const int64_t *ids = (const int64_t *)e->rows[RESULT] + i * columns;
		for (int j = 0; j < e->ks; j++) {
			measure_row(&e->sums[j], ids, e->rank, e->k[j], known);
			measure_row(&e->tied[j], ids, e->tie, e->k[j], known);
		}
	}
	return EXIT_OK;
}

static int eval_files(struct eval *e)
{
	int64_t rc = e->inputs[RESULT].info.dim, tc = e->inputs[TRUTH].info.dim;
	int64_t rows = batch_rows(e->n, (rc + tc) * 12, PIECE_BYTES);
	bool ok = true;
	for (int f = 0; f < BASE; f++) {
		const struct input *ids = &e->inputs[f == RESULT || f == RESULT_DIST ? RESULT : TRUTH];
		if (e->paths[f] || e->computes)
			ok = (e->rows[f] = calloc((size_t)(rows * ids->info.dim), f <= TRUTH ? 8 : 4)) && ok;
	}
	for (int f = 0; f < 2 && e->computes; f++)
		ok = (e->vectors[f] = calloc((size_t)e->inputs[BASE].info.dim, sizeof(float))) && ok;
	e->result = calloc((size_t)rc, sizeof *e->result);
	e->truth = calloc((size_t)tc, sizeof *e->truth);
	e->rank = calloc(2 * (size_t)rc, sizeof *e->rank);
	e->tie = e->rank ? e->rank + rc : NULL;
	if (!ok || !e->result || !e->truth || !e->rank)
		return fail_memory(rows * (rc + tc) * 12, "ids and distances");
	struct bar bar;
	bar_begin(&bar, "comparing", "queries", (double)e->n);
	int code = EXIT_OK;
	for (int64_t i = 0; i < e->n && code == EXIT_OK; i += rows) {
		int64_t now = rows < e->n - i ? rows : e->n - i;
		code = eval_rows(e, i, now);
		if (code == EXIT_OK && bar_at(&bar, (double)(i + now)))
			code = fail_stopped(NULL);
	}
	bar_wipe();
	return code;
}

/* Whether ids that are as near as a true neighbour count as right. */
static bool ties_count(const struct eval *e)
{
	return (e->computes || e->paths[TRUTH_DIST]) && !e->approximate;
}

static void print_report(const struct eval *e)
{
	double n = (double)e->n;
	printf("queries %" PRId64 ", columns %" PRId64 " (result) and %" PRId64 " (truth), %s\n\n", e->n,
	    e->inputs[RESULT].info.dim, e->inputs[TRUTH].info.dim,
	    ties_count(e) ? e->computes ? "ties count (relative 1e-5, distances computed)"
	                                : "ties count (relative 1e-5)"
	                  : "compared by id");
	printf("%6s %10s %10s %10s %10s %10s\n", "k", "recall", "1-recall", "precision", "mAP", "MRR");
	for (int i = 0; i < e->ks; i++) {
		const struct measures *s = ties_count(e) ? &e->tied[i] : &e->sums[i];
		printf("%6" PRId64 " %10.6f %10.6f %10.6f %10.6f %10.6f\n", e->k[i], s->recall / n,
		    s->one_recall / n, s->precision / n, s->map / n, s->mrr / n);
	}
}

static int print_report_json(const struct eval *e)
{
	double n = (double)e->n;
	json_t *at = json_array();
	for (int i = 0; i < e->ks; i++) {
		const struct measures *s = ties_count(e) ? &e->tied[i] : &e->sums[i];
		json_array_append_new(
		    at, json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "k", (json_int_t)e->k[i], "recall",
		            s->recall / n, "one_recall", s->one_recall / n, "precision", s->precision / n,
		            "map", s->map / n, "mrr", s->mrr / n));
	}
	return print_json(json_pack("{s:o, s:o, s:I, s:b, s:b, s:I, s:o}", "result",
	    input_json(&e->inputs[RESULT]), "truth", input_json(&e->inputs[TRUTH]), "queries",
	    (json_int_t)e->n, "ties", ties_count(e), "approximate_distances", e->approximate,
	    "ids_beyond_32_bits", (json_int_t)(e->large[0] + e->large[1]), "at", at));
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct eval e = {.metric = KITH_L2};
	int code = parse(&e, &cli);
	if (code != EXIT_OK || !cli.operands)
		return code;
	code = open_inputs(&e);
	if (code == EXIT_OK)
		code = choose_ks(&e);
	if (code == EXIT_OK)
		code = eval_files(&e);
	if (code == EXIT_OK && e.json)
		code = print_report_json(&e);
	else if (code == EXIT_OK)
		print_report(&e);
	for (int f = 0; f < FILES; f++) {
		input_close(&e.inputs[f]);
		free(e.rows[f]);
	}
	free(e.result);
	free(e.truth);
	free(e.rank);
	free(e.vectors[0]);
	free(e.vectors[1]);
	return code;
}

const struct command command_eval = {
    .name = "eval",
    .operands = "RESULT TRUTH",
    .summary = "Measure a result's recall, precision, mAP and MRR against the truth",
    .notes = "RESULT and TRUTH hold one row of ids for each query, nearest first: ivecs, ibin,\n"
             "npy or HDF5 (data.hdf5:neighbors), the last two also of 64 bits. At each K, averaged\n"
             "over the queries:\n"
             "  recall     true neighbours among the first K / K\n"
             "  1-recall   is the nearest true neighbour among the first K?\n"
             "  precision  true neighbours among the first K / ids returned there\n"
             "  mAP        mean precision over the places of the true neighbours\n"
             "  MRR        1 / place of the nearest true neighbour, 0 beyond K\n"
             "Ids of -1 and repeated ids never count. With --base and --query an id counts as\n"
             "true at K if it is as near as the K-th true neighbour, within a relative 1e-5: both\n"
             "distances are computed. So, too, with two files of exact distances; those of a\n"
             "quantizer are not exact, and ids alone are counted then, with a warning.\n"
             "Ground truth of ids and distances in one .bin or .ibin is read as it is. One of the\n"
             "files can be -, standard input: ivecs for ids.\n",
    .example = "  kith eval found.ivecs truth.ivecs -k 1,10,100\n"
               "  kith eval found.ivecs truth.ivecs -b base.fvecs -q query.fvecs\n",
    .options = options,
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
