/* Far vectors: so long that their distances from others overflow floats (norms beyond FAR).
 *
 * A few of them among normal ones are kept out of the graph, in a list: they have no edges and so cost the
 * others nothing. They are compared one by one with the queries that may have them as neighbours: under L2
 * those that may be nearer to such a vector than to the k-th that was found, by the triangle inequality;
 * under inner product, which favours long vectors, all queries.
 *
 * If there are more of them than the list takes, or nothing else, the whole index compares by wide keys
 * (graph/keys.c), and all are in the graph. Seen from a far vector all normal ones are one point, so normal
 * vectors have no edges to far ones: searches for a far query, and all under inner product, begin at some of
 * the far vectors, too (seeds). The list then names all far vectors.
 *
 * Under cosine nothing is far: vectors have unit length.
 */
#include "lib/index/hnsw.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"

#include <math.h>
#include <string.h>

static const double FAR = 1e18;

enum { LISTED = 64, LISTED_SHARE = 64, FAR_SHARE = 4 };

bool hnsw_far_norm(double norm)
{
	return norm > FAR;
}

/* Whether `far` of n vectors may be kept out of the graph. */
static bool list_takes(int64_t far, int64_t n)
{
	int64_t max = n / LISTED_SHARE > LISTED ? n / LISTED_SHARE : LISTED;
	return far <= max && far <= n / FAR_SHARE;
}

bool hnsw_too_many_far(const struct hnsw *hnsw, int64_t more, int64_t n)
{
	return hnsw->fars + more > 0 && !list_takes(hnsw->fars + more, n);
}

static bool measures(const struct hnsw *hnsw)
{
	const struct codec *codec = hnsw->codec;
	return !codec->cosine && codec->ops->type == KITH_F32;
}

int64_t hnsw_count_far(const struct hnsw *hnsw, kith_type type, int64_t n, const void *x)
{
	const struct kernels *kern = kernels();
	int64_t dim = hnsw->base.dim, count = 0;
	for (int64_t i = 0; type == KITH_F32 && measures(hnsw) && i < n; i++) {
		const float *row = (const float *)x + (size_t)i * (size_t)dim;
		count += hnsw_far_norm(sqrt(kern->ip_exact(row, row, dim)));
	}
	return count;
}

kith_status hnsw_reserve_far(struct hnsw *hnsw, int64_t n)
{
	size_t bytes = (size_t)n * sizeof(uint32_t);
	return n == 0 || buffer_reserve(&hnsw->far, bytes, 4) ? KITH_OK : fail_nomem("far vectors", bytes);
}

static bool is_far(const struct rows *rows, int64_t node, float *x)
{
	const float *row = rows_load(rows, node, x);
	return hnsw_far_norm(sqrt(kernels()->ip_exact(row, row, rows->dim)));
}

void hnsw_forget_far(struct hnsw *hnsw, const uint32_t *nodes, int64_t n)
{
	uint32_t *list = hnsw_far(hnsw);
	for (int64_t i = 0; i < n && hnsw->fars > 0; i++)
		for (int64_t j = 0; j < hnsw->fars; j++)
			if (list[j] == nodes[i])
				list[j--] = list[--hnsw->fars];
}

void hnsw_note_far(struct hnsw *hnsw, const uint32_t *nodes, int64_t n, int64_t far, float *x)
{
	struct rows rows = codes_rows(&hnsw->codes);
	uint32_t *list = hnsw_far(hnsw);
	int64_t max = hnsw->fars + far;
	for (int64_t i = 0; i < n && hnsw->fars < max; i++) {
		if (is_far(&rows, nodes[i], x))
			list[hnsw->fars++] = nodes[i];
	}
}

kith_status hnsw_find_far(struct hnsw *hnsw)
{
	struct rows rows = codes_rows(&hnsw->codes);
	if (!measures(hnsw) || !rows.bounds)
		return KITH_OK;
	float *x = mem_alloc((size_t)rows.dim, sizeof *x);
	kith_status status = x ? KITH_OK : fail_nomem("a vector", (size_t)rows.dim * sizeof *x);
	for (int64_t i = 0; status == KITH_OK && i < rows.n; i += ROWS_BLOCK) {
		int64_t end = i + ROWS_BLOCK < rows.n ? i + ROWS_BLOCK : rows.n;
		if (!((double)rows.bounds[i / ROWS_BLOCK].norm > FAR / 2))
			continue;
		status = hnsw_reserve_far(hnsw, hnsw->fars + ROWS_BLOCK);
		for (int64_t node = i; status == KITH_OK && node < end; node++)
			if (is_far(&rows, node, x))
				hnsw_far(hnsw)[hnsw->fars++] = (uint32_t)node;
	}
	mem_free(x);
	return status;
}

void hnsw_renumber_far(struct hnsw *hnsw, const uint32_t *number, const uint64_t *live)
{
	uint32_t *list = hnsw_far(hnsw);
	int64_t kept = 0;
	for (int64_t i = 0; i < hnsw->fars; i++)
		if (graph_is_live(live, list[i]))
			list[kept++] = number[list[i]];
	hnsw->fars = kept;
}

kith_status hnsw_linkable(const struct hnsw *hnsw, uint64_t **owned, const uint64_t **live)
{
	*owned = NULL;
	*live = hnsw_live(hnsw);
	if (!hnsw_far_outside(hnsw))
		return KITH_OK;
	size_t words = (size_t)(hnsw->graph.n + 63) / 64;
	*owned = mem_alloc(words, sizeof **owned);
	if (!*owned)
		return fail_nomem("far vectors", words * sizeof **owned);
	if (*live)
		memcpy(*owned, *live, words * sizeof **owned);
	else
		memset(*owned, 0xff, words * sizeof **owned);
	for (int64_t i = 0; i < hnsw->fars; i++) {
		uint32_t node = hnsw_far(hnsw)[i];
		(*owned)[node / 64] &= ~(UINT64_C(1) << (node % 64));
	}
	*live = *owned;
	return KITH_OK;
}

int64_t hnsw_seeds(const struct hnsw *hnsw, int64_t fars, uint32_t seeds[HNSW_SEEDS])
{
	int64_t n = fars < HNSW_SEEDS ? fars : HNSW_SEEDS;
	if (hnsw->keys != KEYS_WIDE || fars * FAR_SHARE > (FAR_SHARE - 1) * hnsw->codes.n)
		return 0;
	for (int64_t i = 0; i < n; i++)
		seeds[i] = hnsw_far(hnsw)[i * fars / n];
	return n;
}

kith_status hnsw_far_bits(const struct hnsw *hnsw, int64_t n, uint64_t **bits)
{
	uint32_t seeds[HNSW_SEEDS];
	size_t words = (size_t)(n + 63) / 64;
	*bits = NULL;
	if (!hnsw_seeds(hnsw, hnsw->fars, seeds))
		return KITH_OK;
	*bits = mem_zalloc(words, sizeof **bits);
	if (!*bits)
		return fail_nomem("far vectors", words * sizeof **bits);
	for (int64_t i = 0; i < hnsw->fars; i++)
		(*bits)[hnsw_far(hnsw)[i] / 64] |= UINT64_C(1) << (hnsw_far(hnsw)[i] % 64);
	return KITH_OK;
}
