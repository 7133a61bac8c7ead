/* kith convert --train … --test …: put files together into a data set in the layout of ann-benchmarks.
 *
 * The sets train, test, neighbors and distances follow each other in one HDF5 file, whose attribute
 * "distance" names the metric in ann-benchmarks' words. The distances in it are those that its programs
 * compute: roots for l2, 1 - cosine for cosine, negated products for ip. kith's own are squared distances for
 * l2 and similarities for cosine and ip; they are converted.
 */
#include "convert.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "cli.h"
#include "search.h"

enum { PIECE_BYTES = 32 << 20, DEFAULT_K = 100 };
enum { TRAIN, TEST, NEIGHBORS, DISTANCES, SETS };
static const char *const names[SETS] = {"train", "test", "neighbors", "distances"};

struct assembly {
	struct convert *c;
	struct input in[SETS];
	int64_t nq, k;
	int64_t *ids; /* [nq × k], if they are computed; NULL: a file has them */
	float *dist;
};

/* Convert kith's scores to the distances of ann-benchmarks. */
static void to_theirs(kith_metric metric, int64_t n, float *dist)
{
	for (int64_t i = 0; i < n; i++) {
		if (metric == KITH_L2)
			dist[i] = sqrtf(fmaxf(dist[i], 0));
		else if (cli_similarity(metric))
			dist[i] = metric == KITH_IP ? -dist[i] : 1 - dist[i];
	}
}

static int check_neighbors(const struct assembly *a)
{
	const struct input *test = &a->in[TEST], *ids = &a->in[NEIGHBORS], *dist = &a->in[DISTANCES];
	if (ids->info.type != KITH_I32 && ids->info.type != KITH_I64)
		return cli_error(EXIT_FAILED,
		    "--neighbors '%s' holds %s, not ids; give integers: ivecs, ibin, npy", ids->path,
		    kith_type_name(ids->info.type));
	if (ids->info.n != test->info.n)
		return cli_error(EXIT_FAILED,
		    "--neighbors '%s' has %" PRId64 " %s, but '%s' has %" PRId64
		    "; both need one row for each query",
		    ids->path, CLI_COUNT(ids->info.n, "row"), test->path, test->info.n);
	if (dist->info.n != ids->info.n || dist->info.dim != ids->info.dim)
		return cli_error(EXIT_FAILED,
		    "--distances '%s' is %" PRId64 " x %" PRId64 ", but '%s' is %" PRId64 " x %" PRId64,
		    dist->path, dist->info.n, dist->info.dim, ids->path, ids->info.n, ids->info.dim);
	return EXIT_OK;
}

static int open_inputs(struct assembly *a)
{
	const struct convert *c = a->c;
	const char *paths[SETS] = {c->train, c->test, c->neighbors, c->distances};
	for (int i = 0; i < SETS; i++) {
		int code = !paths[i]        ? EXIT_OK
		           : i == NEIGHBORS ? input_open_ids(&a->in[i], paths[i])
		                            : input_open(&a->in[i], paths[i]);
		if (code == EXIT_OK && paths[i])
			code = output_check(c->out_path, &a->in[i], 1);
		if (code != EXIT_OK)
			return code;
	}
	int64_t n = a->in[TRAIN].info.n;
	int code = input_same_dim(&a->in[TRAIN], &a->in[TEST]);
	if (code == EXIT_OK && n > INT32_MAX)
		return cli_error(
		    EXIT_FAILED, "'%s' has %" PRId64 " rows, more than 32-bit ids can number", c->train, n);
	if (code == EXIT_OK)
		code = output_check_folder("OUT", c->out_path);
	return code == EXIT_OK && c->neighbors ? check_neighbors(a) : code;
}

/* Compute the k nearest neighbours of each query. */
static int find_neighbors(struct assembly *a)
{
	const struct convert *c = a->c;
	int64_t n = a->in[TRAIN].info.n;
	a->nq = a->in[TEST].info.n;
	a->k = c->k ? c->k : DEFAULT_K < n ? DEFAULT_K : n;
	a->ids = calloc((size_t)(a->nq * a->k), sizeof *a->ids);
	a->dist = calloc((size_t)(a->nq * a->k), sizeof *a->dist);
	if (!a->ids || !a->dist)
		return fail_memory(a->nq * a->k * 12, "the neighbours");
	struct search s = {.base = &a->in[TRAIN],
	    .query = &a->in[TEST],
	    .metric = c->metric,
	    .k = a->k,
	    .keep = a->nq,
	    .ids = a->ids,
	    .dist = a->dist,
	    .after = NOTHING_WRITTEN};
	return search_run(&s);
}

static int check_ids(const struct assembly *a, int64_t n, const int32_t *ids)
{
	int64_t rows = a->in[TRAIN].info.n;
	for (int64_t i = 0; i < n; i++)
		if (ids[i] < -1 || ids[i] >= rows)
			return cli_error(EXIT_FAILED,
			    "--neighbors '%s' holds id %" PRId32 ", but '%s' has only %" PRId64 " %s",
			    a->in[NEIGHBORS].path, ids[i], a->in[TRAIN].path, CLI_COUNT(rows, "row"));
	return EXIT_OK;
}

/* Copy the rows of a file to set number `set`. */
static int copy_file(const struct assembly *a, int set, kith_type type, struct bar *bar)
{
	const struct input *in = &a->in[set];
	int64_t row_bytes = in->info.dim * (int64_t)kith_type_size(type);
	int64_t rows = batch_rows(in->info.n, row_bytes, PIECE_BYTES);
	void *x = malloc((size_t)(rows * row_bytes));
	int code = x ? EXIT_OK : fail_memory(rows * row_bytes, "vectors");
	for (int64_t i = 0; code == EXIT_OK && i < in->info.n; i += rows) {
		int64_t now = rows < in->info.n - i ? rows : in->info.n - i;
		kith_status status = kith_vecs_read(in->vecs, i, now, type, x);
		kith_vecs_drop(in->vecs);
		if (status != KITH_OK)
			code = fail_status(status, in->path, NOTHING_WRITTEN);
		if (code == EXIT_OK && set == NEIGHBORS)
			code = check_ids(a, now * in->info.dim, x);
		if (code == EXIT_OK && set == DISTANCES)
			to_theirs(a->c->metric, now * in->info.dim, x);
		if (code == EXIT_OK && (status = kith_vecs_append(a->c->out, now, x)) != KITH_OK)
			code = fail_status(status, a->c->out_path, NOTHING_WRITTEN);
		if (code == EXIT_OK && bar_at(bar, bar->done + (double)now))
			code = fail_stopped(NOTHING_WRITTEN);
	}
	free(x);
	return code;
}

/* Write the neighbours that were computed, or their distances. */
static int put_found(const struct assembly *a, int set)
{
	int64_t cells = a->nq * a->k;
	int32_t *ids = calloc((size_t)cells, sizeof *ids);
	if (!ids)
		return fail_memory(cells * 4, "the neighbours");
	for (int64_t i = 0; i < cells; i++)
		ids[i] = (int32_t)a->ids[i];
	if (set == DISTANCES)
		to_theirs(a->c->metric, cells, a->dist);
	kith_status status =
	    kith_vecs_append(a->c->out, a->nq, set == NEIGHBORS ? (const void *)ids : a->dist);
	free(ids);
	return status == KITH_OK ? EXIT_OK : fail_status(status, a->c->out_path, NOTHING_WRITTEN);
}

static int begin_file(const struct assembly *a, kith_type type)
{
	static const char *const distances[] = {
	    [KITH_L2] = "euclidean",
	    [KITH_IP] = "ip",
	    [KITH_COSINE] = "angular",
	    [KITH_L1] = "manhattan",
	    [KITH_LINF] = "chebyshev",
	};
	enum { NAMED = sizeof distances / sizeof *distances }; /* others by kith's own name */
	struct convert *c = a->c;
	char *name = NULL;
	if (asprintf(&name, "%s:train", c->out_path) < 0)
		return cli_error(EXIT_FAILED, "out of memory");
	kith_status status = kith_vecs_create(&c->out, name, type, a->in[TRAIN].info.dim);
	if (status == KITH_OK)
		status = kith_vecs_set_attribute(c->out, "distance",
		    (int)c->metric >= 0 && (int)c->metric < NAMED ? distances[c->metric]
		                                                  : kith_metric_name(c->metric));
	free(name);
	return status == KITH_OK ? EXIT_OK : fail_status(status, c->out_path, NULL);
}

static int put_set(const struct assembly *a, int set, struct bar *bar)
{
	bool found = set >= NEIGHBORS && a->ids;
	kith_type type = set == NEIGHBORS ? KITH_I32 : set == DISTANCES ? KITH_F32 : a->in[set].info.type;
	int64_t dim = found ? a->k : a->in[set].info.dim;
	int code = set == TRAIN ? begin_file(a, type) : EXIT_OK;
	if (code == EXIT_OK && set != TRAIN) {
		kith_status status = kith_vecs_add_set(a->c->out, names[set], type, dim);
		if (status != KITH_OK)
			code = fail_status(status, a->c->out_path, NOTHING_WRITTEN);
	}
	if (code == EXIT_OK)
		code = found ? put_found(a, set) : copy_file(a, set, type, bar);
	return code;
}

static void print_sets(const struct assembly *a)
{
	for (int set = 0; set < SETS; set++) {
		const kith_vecs_info *info = &a->in[set].info;
		bool found = set >= NEIGHBORS && a->ids;
		printf("%s:%s: %" PRId64 " x %" PRId64 " %s%s\n", a->c->out_path, names[set],
		    found ? a->nq : info->n, found ? a->k : info->dim,
		    kith_type_name(set == NEIGHBORS   ? KITH_I32
		                   : set == DISTANCES ? KITH_F32
		                                      : info->type),
		    found ? ", found here" : "");
	}
}

/* Check the options before anything is opened. */
static int check_options(const struct convert *c)
{
	const char *dot = strrchr(c->out_path, '.');
	if (!c->train || !c->test)
		return cli_error(EXIT_USAGE, "--train and --test go together: the vectors and the queries");
	if (!c->neighbors != !c->distances)
		return cli_error(
		    EXIT_USAGE, "--neighbors and --distances go together; without both they are computed");
	if (c->neighbors && c->k)
		return cli_error(
		    EXIT_USAGE, "-k is for neighbours that are computed; --neighbors gives them");
	if (!dot || (strcmp(dot, ".hdf5") != 0 && strcmp(dot, ".h5") != 0))
		return cli_error(
		    EXIT_USAGE, "OUT must be named .hdf5 or .h5 to hold several sets, not '%s'", c->out_path);
	return EXIT_OK;
}

int convert_assemble(struct convert *c)
{
	struct assembly a = {.c = c};
	struct bar bar;
	int code = check_options(c);
	if (code == EXIT_OK)
		code = open_inputs(&a);
	if (code == EXIT_OK && !c->neighbors)
		code = find_neighbors(&a);
	double total = 0;
	for (int set = 0; set < SETS; set++)
		total += (double)a.in[set].info.n;
	bar_begin(&bar, "converting", "vectors", total);
	for (int set = 0; code == EXIT_OK && set < SETS; set++)
		code = put_set(&a, set, &bar);
	bar_wipe();
	if (code == EXIT_OK)
		code = output_finish(&c->out, c->out_path);
	if (code == EXIT_OK)
		print_sets(&a);
	for (int set = 0; set < SETS; set++)
		input_close(&a.in[set]);
	free(a.ids);
	free(a.dist);
	return code;
}
