/* Importing from FAISS's files, the second pass, over the description of a file (format.h). Vectors go
 * through memory in pieces, straight into the codes of the new index.
 *
 * Codes. FAISS's product quantizers, halves and bytes are kith's, bit for bit; so are its scalar quantizers:
 * a code c stands for vmin + (c + 1/2) / (2^bits − 1) · vdiff in both, packed from the lowest bit on. Only
 * 8bit_direct_signed keeps bytes that are 128 more than what they mean. An inverted file codes residuals or
 * whole vectors; kith does either.
 *
 * Ids. The lists of an inverted file hold ids; other indexes number their vectors, and an IndexIDMap around
 * either says what those numbers are called. Here ids come down from the IndexIDMap to whatever holds
 * vectors.
 */
#include "lib/faiss/import.h"

#include "lib/base/status.h"
#include "lib/index/index_state.h"
#include "lib/index/parts.h"

#include <stddef.h>
#include <string.h>

static kith_status build(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out);

static kith_status build_hnsw(
    const struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out)
{
	struct vectors stored;
	struct graph graph;
	graph_init(&graph, 0);
	kith_status status = import_stored(im, node->child, ids, true, &stored);
	if (status == KITH_OK)
		status = faiss_import_graph(im->source, node, &graph);
	if (status == KITH_OK)
		status = hnsw_from_components(out, faiss_node_metric(node), &stored, &graph);
	import_stored_free(&stored);
	graph_free(&graph);
	return status;
}

/* ---- wrappers ---- */

/* The map gives ids to the numbers of the node below. around [n]: ids that another map gives to those, or
 * NULL. */
static kith_status build_idmap(
    struct import *im, const struct faiss_node *node, const int64_t *around, kith_index **out)
{
	size_t bytes = (size_t)node->n * sizeof(int64_t);
	int64_t *ids = mem_alloc(bytes, 1);
	kith_status status = ids ? faiss_load(im->source, node->ids.offset, 0, node->n, sizeof *ids, ids)
	                         : fail_nomem("ids", bytes);
	for (int64_t i = 0; status == KITH_OK && around && i < node->n; i++) {
		if (ids[i] < 0 || ids[i] >= node->n)
			status = faiss_fail(im->source, "'%s' around '%s' lacks number %lld", node->fourcc,
			    node->child->fourcc, (long long)ids[i]);
		else
			ids[i] = around[ids[i]];
	}
	if (status == KITH_OK)
		status = import_labels(im, node->n, &ids);
	if (!im->mapped) {
		im->found.idmap = strcmp(node->fourcc, "IxMp") == 0 ? 1 : 2;
		im->found.idmap_depth = im->depth;
	}
	im->mapped = true;
	if (status == KITH_OK)
		status = build(im, node->child, ids, out);
	mem_free(ids);
	return status;
}

/* Sub-vectors of a node's product quantizer; 0: it has none. */
static int64_t components_of(const struct faiss_node *node)
{
	bool product =
	    (node->kind == FAISS_FLAT || node->kind == FAISS_IVF) && node->codec.coding == FAISS_PRODUCT;
	return product ? node->codec.m : 0;
}

static kith_status build_pretransform(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out)
{
	im->depth += (int)node->transforms;
	kith_status status = build(im, node->child, ids, out);
	for (int64_t i = node->transforms - 1; status == KITH_OK && i >= 0; i--) {
		struct mapping mapping;
		struct linear forward, inverse;
		int64_t m = i == node->transforms - 1 ? components_of(node->child) : 0;
		status = faiss_import_map(im->source, &node->transform[i], m, &mapping, &forward, &inverse);
		if (status)
			return status;
		status = import_refit(im, transform_from_components(out, faiss_node_metric(node), &mapping,
		                              &forward, &inverse, false, *out));
		if (status) {
			linear_free(&forward);
			linear_free(&inverse);
		}
	}
	return status;
}

static kith_status build_refine(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out)
{
	struct vectors stored;
	im->found.k_factor = node->k_factor;
	im->depth++;
	kith_status status = build(im, node->child, ids, out);
	if (status == KITH_OK && im->labels && !im->mapped)
		return fail(KITH_UNSUPPORTED, "%s: ids in the lists below '%s' are not those of its vectors",
		    im->source->name, node->fourcc);
	if (status == KITH_OK)
		status = import_stored(im, node->fine, ids, false, &stored);
	if (status)
		return status;
	status = import_refit(im, refine_from_components(out, &stored, *out));
	if (status)
		import_stored_free(&stored);
	return status;
}

/* ids [node->n] of the vectors; NULL: 0 … n − 1, or those in the lists. *out is to be freed also after a
 * failure. */
static kith_status build(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out)
{
	if (node->n > IDS_MAX)
		return fail(KITH_UNSUPPORTED, "%s: '%s' has %lld vectors; an index holds at most %lld",
		    im->source->name, node->fourcc, (long long)node->n, (long long)IDS_MAX);
	switch (node->kind) {
	case FAISS_FLAT:
		return import_flat(im, node, ids, out);
	case FAISS_IVF:
		return import_ivf(im, node, ids, out);
	case FAISS_IDMAP:
		return build_idmap(im, node, ids, out);
	case FAISS_PRETRANSFORM:
		return build_pretransform(im, node, ids, out);
	case FAISS_REFINE:
		return build_refine(im, node, ids, out);
	case FAISS_HNSW:
		im->found.efSearch = node->ef_search;
		im->found.efConstruction = node->ef_construction;
		return build_hnsw(im, node, ids, out);
	}
	return KITH_INTERNAL;
}

static void tell_options(const kith_preset *found, kith_search_options *options)
{
	if (options->size >= offsetof(kith_search_options, nprobe) + sizeof options->nprobe)
		options->nprobe = found->nprobe;
	if (options->size >= offsetof(kith_search_options, k_factor) + sizeof options->k_factor)
		options->k_factor = found->k_factor;
	if (options->size >= offsetof(kith_search_options, efSearch) + sizeof options->efSearch)
		options->efSearch = found->efSearch;
}

/* Keep search parameters and labels of the file in the index. */
static kith_status carry(const struct import *im, kith_index *index)
{
	kith_status status = preset_put(index, &im->found);
	return status || !im->labels ? status : labels_put(index, im->label_count, im->labels);
}

kith_status faiss_import(
    kith_index **out, const struct blob_source *source, bool labelled, kith_search_options *options)
{
	struct faiss_node *node;
	struct import im = {.source = source, .found = KITH_PRESET, .labelled = labelled};
	*out = NULL;
	kith_status status = faiss_describe(&node, source);
	if (status)
		return status;
	status = build(&im, node, NULL, out);
	faiss_node_free(node);
	if (status == KITH_OK)
		status = carry(&im, *out);
	mem_free(im.labels);
	if (status) {
		structure_free(*out);
		*out = NULL;
	} else if (options) {
		tell_options(&im.found, options);
	}
	return status;
}
