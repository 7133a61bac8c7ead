/* Ground truth. The name of a file in the cache is a hash of what the truth depends on: the paths, sizes and
 * times of change of base and query, the metric and k. So a truth is never used for files that have changed.
 * Old truths stay until the user empties the cache.
 */
#include "truth.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "report.h"
#include "search.h"

/* Add a text, or the bytes of a number, to a hash (FNV-1a, 64 bits). */
static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h;
}

static uint64_t hash_number(uint64_t h, int64_t number)
{
	for (int shift = 0; shift < 64; shift += 8)
		h = (h ^ ((uint64_t)number >> shift & 0xff)) * 0x100000001b3u;
	return h;
}

static uint64_t hash_input(uint64_t h, const struct input *in)
{
	struct stat st;
	char *real = realpath(in->path, NULL);
	h = hash_text(h, real ? real : in->path);
	free(real);
	h = hash_number(h, in->info.n);
	h = hash_number(h, in->info.dim);
	h = hash_number(h, in->info.bytes);
	h = hash_number(h, (int64_t)in->info.type);
	/* The path of a set in an HDF5 file is no file name: for it, path and size must do. */
	if (stat(in->path, &st) != 0)
		return h;
	return hash_number(hash_number(h, (int64_t)st.st_mtim.tv_sec), (int64_t)st.st_mtim.tv_nsec);
}

/* kith's folder in the user's cache, which is made if it does not exist; NULL: there is no cache. */
static char *cache_folder(void)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *folder = NULL;
	if (base && *base == '/') {
		if (asprintf(&folder, "%s/kith", base) < 0)
			return NULL;
	} else if (home && *home == '/') {
		if (asprintf(&folder, "%s/.cache/kith", home) < 0)
			return NULL;
	} else {
		return NULL;
	}
	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(folder, 0700);
		*slash = '/';
	}
	mkdir(folder, 0700);
	if (access(folder, W_OK | X_OK) == 0)
		return folder;
	free(folder);
	return NULL;
}

static char *cache_path(const struct input *base, const struct input *query, kith_metric metric, int64_t k)
{
	uint64_t h = hash_input(hash_input(0xcbf29ce484222325u, base), query);
	h = hash_number(hash_number(h, (int64_t)metric), k);
	char *folder = cache_folder(), *path = NULL;
	if (folder && asprintf(&path, "%s/truth-%016" PRIx64 ".ivecs", folder, h) < 0)
		path = NULL;
	free(folder);
	return path;
}

static int read_truth(struct truth *t, const char *path)
{
	struct input in;
	int code = input_open(&in, path);
	if (code != EXIT_OK)
		return code;
	int32_t *all = NULL;
	if (in.info.type != KITH_I32 && in.info.type != KITH_I64)
		code = cli_error(EXIT_FAILED, "'%s' holds %s, not ids; give integers: ivecs, ibin, npy", path,
		    kith_type_name(in.info.type));
	else if (in.info.n != t->n)
		code = cli_error(EXIT_FAILED,
		    "'%s' has %" PRId64 " %s, but the number of queries is %" PRId64
		    "; give the truth of these queries",
		    path, CLI_COUNT(in.info.n, "row"), t->n);
	else if (in.info.dim < t->k)
		code =
		    cli_error(EXIT_FAILED, "'%s' has %" PRId64 " %s of each query, fewer than k = %" PRId64,
		        path, CLI_COUNT(in.info.dim, "neighbour"), t->k);
	if (code == EXIT_OK)
		all = malloc((size_t)(t->n * in.info.dim) * sizeof *all);
	if (code == EXIT_OK && !all)
		code = fail_memory(t->n * in.info.dim * 4, "the ground truth");
	if (code == EXIT_OK && kith_vecs_read(in.vecs, 0, t->n, KITH_I32, all) != KITH_OK)
		code = fail_status(KITH_IO, path, NULL);
	for (int64_t i = 0; code == EXIT_OK && all && i < t->n; i++)
		memcpy(t->ids + i * t->k, all + i * in.info.dim, (size_t)t->k * sizeof *all);
	free(all);
	input_close(&in);
	return code;
}

static int compute(struct truth *t, struct input *base, struct input *query, kith_metric metric, int threads)
{
	int64_t cells = t->n * t->k;
	struct search s = {.base = base,
	    .query = query,
	    .metric = metric,
	    .k = t->k,
	    .threads = threads,
	    .keep = t->n,
	    .ids = calloc((size_t)cells, sizeof *s.ids),
	    .dist = calloc((size_t)cells, sizeof *s.dist)};
	int code = EXIT_FAILED;
	if (s.ids && s.dist)
		code = search_run(&s);
	else
		fail_memory(cells * 12, "the ground truth");
	for (int64_t i = 0; code == EXIT_OK && s.ids && i < cells; i++)
		t->ids[i] = (int32_t)s.ids[i];
	t->seconds = s.seconds;
	t->computed = true;
	free(s.ids);
	free(s.dist);
	return code;
}

int truth_get(struct truth *t, const char *path, struct input *base, struct input *query, kith_metric metric,
    int64_t k, int threads)
{
	*t = (struct truth){.n = query->info.n, .k = k};
	if (base->info.n > INT32_MAX)
		return cli_error(EXIT_FAILED, "'%s' has %" PRId64 " rows, more than 32-bit ids can number",
		    base->path, base->info.n);
	t->ids = malloc((size_t)(t->n * k) * sizeof *t->ids);
	t->path = path ? strdup(path) : cache_path(base, query, metric, k);
	if (!t->ids || (path && !t->path))
		return fail_memory(t->n * k * 4, "the ground truth");
	if (t->path && access(t->path, F_OK) == 0)
		return read_truth(t, t->path);
	int code = compute(t, base, query, metric, threads);
	if (code != EXIT_OK || !t->path)
		return code;
	kith_status status = kith_vecs_write(t->path, KITH_I32, t->n, k, t->ids);
	if (status != KITH_OK && path)
		return fail_status(status, path, NULL);
	if (status != KITH_OK) {
		free(t->path);
		t->path = NULL;
	}
	return EXIT_OK;
}

void truth_free(struct truth *t)
{
	free(t->ids);
	free(t->path);
	*t = (struct truth){0};
}
