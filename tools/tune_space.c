/* The indexes that kith tune chooses from: combinations of structure, codec and refinement that are the best
 * in some case. Those that the library cannot build for these vectors are left out.
 *
 * The number of lists of an inverted file is given as a ratio to the root of the number of vectors, since the
 * best ratio, unlike the best number, is about the same for a sample and for the whole base.
 */
#include "tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double list_ratios[] = {1, 2, 4, 8};
static const int link_counts[] = {16, 32};
enum { RATIOS = 4, LINKS = 2, MIN_TRAINED = 39 };

static void add(
    struct candidate *all, int *n, struct candidate c, const char *codec, int64_t dim, kith_metric metric)
{
	char spec[SPEC_SIZE];
	kith_index *index;
	if (*n == CANDIDATES)
		return;
	snprintf(c.codec, sizeof c.codec, "%s", codec);
	c.held_out = -1;
	tune_spec(&c, 10000, spec);
	if (kith_index_new(&index, dim, metric, spec) != KITH_OK)
		return;
	kith_index_free(index);
	all[(*n)++] = c;
}

/* The largest number up to `max` that divides dim. */
static int64_t parts(int64_t dim, int64_t max)
{
	int64_t m = max < 1 ? 1 : max;
	while (dim % m)
		m--;
	return m;
}

/* Fill in the codecs for inverted files; whole: the one that keeps vectors as they are. Returns how many
 * there are. */
static int codecs_for_lists(int64_t dim, const char *whole, char out[][64])
{
	int n = 0;
	int64_t fine = parts(dim, dim / 2), middle = parts(dim, dim / 4), coarse = parts(dim, dim / 8);
	snprintf(out[n++], 64, "%s", whole);
	snprintf(out[n++], 64, "SQ8");
	snprintf(out[n++], 64, "SQ4,Refine(SQ8)");
	snprintf(out[n++], 64, "PQ%lldx4fs,Refine(SQ8)", (long long)fine);
	snprintf(out[n++], 64, "PQ%lld", (long long)fine);
	snprintf(out[n++], 64, "PQ%lld,Refine(SQ8)", (long long)middle);
	snprintf(
	    out[n++], 64, "PQ%lld,R%s", (long long)middle, strcmp(whole, "Flat") ? "efine(SQ8)" : "Flat");
	snprintf(out[n++], 64, "PQ%lld,Refine(SQ4)", (long long)coarse);
	snprintf(out[n++], 64, "PQ%lld", (long long)coarse);
	/* If vectors are bytes, two of these are the same. */
	for (int i = 0; i < n; i++)
		for (int j = n - 1; j > i; j--)
			if (strcmp(out[i], out[j]) == 0)
				memmove(out[j], out[j + 1], (size_t)(--n - j) * 64);
	return n;
}

int tune_space(struct candidate *all, int64_t dim, kith_type type, kith_metric metric)
{
	/* Other metrics than these are for floats. */
	bool codes = metric == KITH_L2 || metric == KITH_IP || metric == KITH_COSINE;
	const char *whole = !codes            ? "Flat"
	                    : type == KITH_U8 ? "SQ8_direct"
	                    : type == KITH_I8 ? "SQ8_direct_signed"
	                                      : "Flat";
	const struct candidate flat = {.growth = GROW_LINEAR};
	char codecs[16][64];
	int n = 0, count = codecs_for_lists(dim, whole, codecs);
	add(all, &n, flat, whole, dim, metric);
	add(all, &n, flat, "SQ8", dim, metric);
	add(all, &n, flat, codecs[3], dim, metric);
	for (int r = 0; r < RATIOS; r++)
		for (int c = 0; c < count; c++)
			add(all, &n, (struct candidate){.lists = list_ratios[r], .growth = GROW_ROOT},
			    codecs[c], dim, metric);
	for (int l = 0; l < LINKS; l++) {
		const struct candidate graph = {.links = link_counts[l], .growth = GROW_LOG};
		add(all, &n, graph, whole, dim, metric);
		add(all, &n, graph, "SQ8", dim, metric);
		if (strcmp(whole, "Flat") == 0)
			add(all, &n, graph, "SQ8,RFlat", dim, metric);
	}
	return n;
}

void tune_given(struct candidate *c, const char *spec)
{
	*c = (struct candidate){.given = true, .held_out = -1};
	snprintf(c->codec, sizeof c->codec, "%s", spec);
	c->growth = strstr(spec, "IVF") ? GROW_ROOT : strstr(spec, "HNSW") ? GROW_LOG : GROW_LINEAR;
}

/* The number of lists for n vectors; k-means needs MIN_TRAINED of them for each list. */
static int64_t list_count(double ratio, int64_t n)
{
	int64_t lists = (int64_t)(ratio * sqrt((double)n)), max = n / MIN_TRAINED;
	lists = lists < max ? lists : max;
	return lists < 1 ? 1 : lists;
}

void tune_spec(const struct candidate *c, int64_t n, char spec[SPEC_SIZE])
{
	if (c->lists > 0)
		snprintf(spec, SPEC_SIZE, "IVF%lld,%s", (long long)list_count(c->lists, n), c->codec);
	else if (c->links > 0)
		snprintf(spec, SPEC_SIZE, "HNSW%d,%s", c->links, c->codec);
	else
		snprintf(spec, SPEC_SIZE, "%s", c->codec);
}

void tune_expect(struct candidate *c, int64_t n)
{
	double ratio = (double)n / (double)c->n, logs = log((double)n + 2) / log((double)c->n + 2);
	double search[] = {[GROW_LINEAR] = ratio, [GROW_ROOT] = sqrt(ratio), [GROW_LOG] = logs};
	/* With more vectors there are more lists to choose from, and a longer path through a graph. */
	double build[] = {
	    [GROW_LINEAR] = ratio, [GROW_ROOT] = ratio * sqrt(ratio), [GROW_LOG] = ratio * logs};
	c->expected_seconds = c->seconds * search[c->growth];
	c->expected_build = c->build_seconds * build[c->growth];
	/* Codebooks keep their size; the number of centroids is that of lists. */
	double fixed = c->fixed * (c->growth == GROW_ROOT ? sqrt(ratio) : 1);
	c->bytes = (c->memory - c->fixed) / (double)c->n + fixed / (double)n;
}
