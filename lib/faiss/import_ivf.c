/* Importing inverted files from FAISS's files: centroids, the numbers and ids of what the lists hold,
 * lists. */
#include "lib/faiss/import.h"

#include "lib/base/status.h"
#include "lib/index/parts.h"

#include <math.h>

/* The most lists that a factory string of kith's can name. */
enum { MAX_LISTS = 1 << 24 };

/* The number of each entry of the lists, and the ids of numbers. */
struct numbering {
	int64_t *listed;    /* [n] ids in the lists, list after list */
	uint32_t *number;   /* [n] number of each entry */
	const int64_t *ids; /* [n] id of each number; NULL: the number itself */
};

/* A new array of the centroids [nlist × dim]; NULL on failure. */
static float *load_centroids(struct import *im, const struct faiss_node *node, kith_status *status)
{
	const struct faiss_node *flat = node->child->kind == FAISS_HNSW ? node->child->child : node->child;
	size_t cells = (size_t)node->nlist * (size_t)node->dim;
	kith_index *quantizer = NULL;
	if (flat->kind != FAISS_FLAT) {
		*status = fail(KITH_UNSUPPORTED,
		    "%s: '%s' has the coarse quantizer '%s'; flat ones and graphs over them are imported",
		    im->source->name, node->fourcc, flat->fourcc);
		return NULL;
	}
	*status = import_flat(im, flat, NULL, &quantizer);
	if (*status)
		return NULL;
	float *centroids = mem_alloc(cells, sizeof *centroids);
	if (!centroids)
		*status = fail_nomem("centroids", cells * sizeof *centroids);
	for (int64_t l = 0; *status == KITH_OK && l < node->nlist; l++)
		*status = quantizer->ops->read(quantizer, 1, &l, centroids + l * node->dim);
	for (size_t i = 0; *status == KITH_OK && i < cells; i++)
		if (fabsf(centroids[i]) > IMPORT_MAX)
			*status = faiss_fail(im->source, "'%s' has a centroid at %g, which is too far away",
			    node->fourcc, (double)centroids[i]);
	quantizer->ops->free(quantizer);
	if (*status == KITH_OK)
		return centroids;
	mem_free(centroids);
	return NULL;
}

/* Whether listed ids are 0 … n − 1 in some order. */
static kith_status are_numbers(const struct numbering *numbering, int64_t n, bool *yes)
{
	uint64_t *seen = mem_zalloc((size_t)(n + 63) / 64, sizeof *seen);
	if (!seen)
		return fail_nomem("ids", (size_t)(n + 63) / 8);
	*yes = true;
	for (int64_t i = 0; *yes && i < n; i++) {
		int64_t id = numbering->listed[i];
		*yes = id >= 0 && id < n && !(seen[id / 64] >> (id % 64) & 1);
		if (*yes)
			seen[id / 64] |= UINT64_C(1) << (id % 64);
	}
	mem_free(seen);
	return KITH_OK;
}

/* If the listed ids are numbers, they tell the order in which vectors were added; else that order is unknown
 * and entries are numbered as they are listed. ids [n]: the ids of numbers, NULL: the numbers themselves. */
static kith_status number_entries(
    struct import *im, const struct faiss_node *node, const int64_t *ids, struct numbering *numbering)
{
	int64_t n = node->n, at = 0;
	bool numbers = false;
	numbering->listed = mem_alloc((size_t)n, sizeof *numbering->listed);
	numbering->number = mem_alloc((size_t)n, sizeof *numbering->number);
	kith_status status = numbering->listed && numbering->number
	                         ? KITH_OK
	                         : fail_nomem("ids", (size_t)n * sizeof *numbering->listed);
	for (int64_t l = 0; status == KITH_OK && l < node->nlist; at += node->list[l++].n)
		status = faiss_load(im->source, node->list[l].ids, 0, node->list[l].n,
		    sizeof *numbering->listed, numbering->listed + at);
	if (status == KITH_OK)
		status = are_numbers(numbering, n, &numbers);
	if (status == KITH_OK && !numbers && im->mapped)
		return faiss_fail(
		    im->source, "the lists of '%s' do not number the ids around them", node->fourcc);
	for (int64_t i = 0; status == KITH_OK && i < n; i++)
		numbering->number[i] = (uint32_t)(numbers ? numbering->listed[i] : i);
	numbering->ids = ids;
	if (status == KITH_OK && !numbers) {
		status = import_labels(im, n, &numbering->listed);
		numbering->ids = numbering->listed;
	}
	return status;
}

static kith_status fill_lists(const struct import *im, const struct faiss_node *node,
    const struct codec *codec, const uint32_t *number, kith_index *index)
{
	int64_t max = 0;
	for (int64_t l = 0; l < node->nlist; l++)
		max = node->list[l].n > max ? node->list[l].n : max;
	uint8_t *plain = mem_alloc((size_t)max, node->codec.code_size);
	float *x = mem_alloc((size_t)node->dim, sizeof *x);
	kith_status status = plain && x ? KITH_OK : fail_nomem("a list", (size_t)max * node->codec.code_size);
	for (int64_t l = 0; status == KITH_OK && l < node->nlist; number += node->list[l++].n) {
		const struct faiss_list *list = &node->list[l];
		status = import_codes(im, node, codec, list->codes, 0, list->n, plain, x);
		if (status == KITH_OK)
			status = ivf_put_list(index, l, list->n, plain, number);
	}
	mem_free(plain);
	mem_free(x);
	return status;
}

/* An empty index for the node's lists, and its codec; M as of ivf_new. */
static kith_status make_ivf(const struct import *im, const struct faiss_node *node, int M, kith_index **out,
    const struct codec **used)
{
	struct codec *codec;
	if (node->nlist > MAX_LISTS)
		return fail(KITH_UNSUPPORTED, "%s: '%s' has %lld lists; kith's go to %d", im->source->name,
		    node->fourcc, (long long)node->nlist, MAX_LISTS);
	kith_status status = import_codec(im, node, &codec);
	if (status)
		return status;
	*used = codec;
	if (node->residual && !codec_encodes(codec))
		status = fail(KITH_UNSUPPORTED, "%s: '%s' keeps residuals as whole bytes; kith only vectors",
		    im->source->name, node->fourcc);
	if (status == KITH_OK)
		status = ivf_new(out, faiss_node_metric(node), node->nlist, M, codec);
	if (status)
		codec_free(codec);
	else if (!node->residual)
		ivf_code_whole(*out);
	return status;
}

kith_status import_ivf(struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out)
{
	struct numbering numbering = {0};
	const struct codec *codec = NULL;
	float *centroids = NULL;
	struct graph graph;
	bool has_graph = node->child->kind == FAISS_HNSW;
	graph_init(&graph, 0);
	im->found.nprobe = node->nprobe;
	im->found.fastscan = (int)node->codec.block;
	if (has_graph)
		im->found.efSearch = node->child->ef_search;
	if (has_graph)
		im->found.efConstruction = node->child->ef_construction;
	kith_status status = has_graph ? faiss_import_graph(im->source, node->child, &graph) : KITH_OK;
	if (status == KITH_OK)
		status = make_ivf(im, node, graph.M, out, &codec);
	if (status == KITH_OK)
		centroids = load_centroids(im, node, &status);
	if (status == KITH_OK)
		status = number_entries(im, node, ids, &numbering);
	if (status == KITH_OK)
		status = import_refit(im, ivf_begin_components(*out, centroids, node->n, numbering.ids));
	if (status == KITH_OK && has_graph)
		status = ivf_take_graph(*out, &graph);
	if (status == KITH_OK)
		status = fill_lists(im, node, codec, numbering.number, *out);
	if (status == KITH_OK)
		ivf_end_components(*out);
	graph_free(&graph);
	mem_free(centroids);
	mem_free(numbering.listed);
	mem_free(numbering.number);
	return status;
}
