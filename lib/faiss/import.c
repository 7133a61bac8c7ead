/* FAISS's files to indexes: the second pass, over a description of the file (lib/store/faiss.h). Vectors go
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
#include "lib/faiss/faiss.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"
#include "lib/codec/pq.h"
#include "lib/codec/sq.h"
#include "lib/index/index_state.h"
#include "lib/index/parts.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Bytes of codes in memory at a time; most lists that kith's factory strings can name. */
enum { PIECE = 1 << 20, MAX_LISTS = 1 << 24 };

/* Residuals of such size, and centroids, can be added without overflow. */
static const float MAX = FLT_MAX / 4;

struct import {
	const struct blob_source *source;
	kith_preset found;
	bool labelled; /* ids that kith cannot have become labels */
	bool mapped;   /* an IndexIDMap is around what is built */
	int depth;     /* of what is built: transforms and refinements around it */
	int64_t *labels;
	int64_t label_count;
};

static kith_status build(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out);

/* What the library below found wrong with its arguments is something that FAISS allows. */
static kith_status refit(const struct import *im, kith_status status)
{
	char message[200];
	if (status != KITH_INVALID)
		return status;
	snprintf(message, sizeof message, "%s", fail_message());
	return fail(KITH_UNSUPPORTED, "%s: does not fit into kith: %s", im->source->name, message);
}

/* A new array of count floats, all finite and up to `most`; NULL on failure. */
static float *load_floats(const struct import *im, const struct faiss_array *array, float max,
    const char *what, kith_status *status)
{
	size_t bytes = (size_t)array->n * sizeof(float);
	float *x = mem_alloc(bytes, 1);
	*status =
	    x ? faiss_load(im->source, array->offset, 0, array->n, sizeof *x, x) : fail_nomem(what, bytes);
	for (int64_t i = 0; *status == KITH_OK && i < array->n; i++)
		if (!(fabsf(x[i]) <= max))
			*status = faiss_fail(im->source, "%s: number %lld is %g, not finite or too large",
			    what, (long long)i, (double)x[i]);
	if (*status == KITH_OK)
		return x;
	mem_free(x);
	return NULL;
}

/* ---- codecs ---- */

static kith_status make_scalar(const struct import *im, const struct faiss_node *node, struct codec **out)
{
	enum faiss_scalar type = node->codec.scalar;
	int64_t dim = node->dim;
	int bits = type == FAISS_6BIT ? 6 : type == FAISS_4BIT || type == FAISS_4BIT_UNIFORM ? 4 : 8;
	bool uniform = type == FAISS_4BIT_UNIFORM || type == FAISS_8BIT_UNIFORM;
	if (type == FAISS_FP16)
		return codec_new_fp16(out, dim, false);
	if (type == FAISS_BF16)
		return codec_new_bf16(out, dim, false);
	if (type == FAISS_8BIT_DIRECT)
		return codec_new_u8(out, dim, false);
	if (type == FAISS_8BIT_SIGNED)
		return codec_new_i8(out, dim, false);
	kith_status status;
	float *ranges = load_floats(im, &node->codec.ranges, MAX, "ranges of a scalar quantizer", &status);
	float *each = mem_alloc(2 * (size_t)dim, sizeof *each);
	if (status == KITH_OK && !each)
		status = fail_nomem("ranges", 2 * (size_t)dim * sizeof *each);
	for (int64_t i = 0; status == KITH_OK && i < dim; i++) {
		each[i] = ranges[uniform ? 0 : i];
		each[dim + i] = ranges[uniform ? 1 : dim + i];
	}
	if (status == KITH_OK)
		status = codec_new_sq(out, dim, false, bits, SQ_MINMAX, false);
	if (status == KITH_OK && codec_sq_set_ranges(*out, each, each + dim) != KITH_OK)
		status =
		    faiss_fail(im->source, "a scalar quantizer of '%s' has an invalid range", node->fourcc);
	mem_free(ranges);
	mem_free(each);
	return status;
}

static kith_status make_product(const struct import *im, const struct faiss_node *node, struct codec **out)
{
	kith_status status;
	float *centroids =
	    load_floats(im, &node->codec.centroids, MAX, "centroids of a product quantizer", &status);
	if (status == KITH_OK)
		status = codec_new_pq(out, node->dim, false, node->codec.m, node->codec.bits);
	if (status == KITH_OK)
		status = codec_pq_set(*out, centroids);
	mem_free(centroids);
	return status;
}

/* The trained codec of a node; NULL after a failure. */
static kith_status make_codec(const struct import *im, const struct faiss_node *node, struct codec **out)
{
	kith_status status;
	*out = NULL;
	if (node->codec.coding == FAISS_FLOATS)
		status = codec_new_fp32(out, node->dim, false);
	else
		status = (node->codec.coding == FAISS_SCALAR ? make_scalar : make_product)(im, node, out);
	if (status == KITH_OK)
		status = codec_check_metric(*out, metric_of_faiss(node->metric));
	if (status) {
		codec_free(*out);
		*out = NULL;
	}
	return status;
}

/* ---- codes ---- */

/* The first of n rows that stands for no finite vector; −1: none. x [dim] */
static int64_t find_bad(const struct codec *codec, int64_t n, const uint8_t *plain, float *x)
{
	size_t bytes = codes_plain_bytes(codec);
	bool floats = codec_is_fp32(codec);
	if (!floats && !codec->ops->finite)
		return -1;
	for (int64_t i = 0; i < n; i++) {
		if (floats)
			memcpy(x, plain + (size_t)i * bytes, bytes);
		else
			codec->ops->decode(codec, plain + (size_t)i * bytes, x);
		if (kernels()->find_nonfinite(x, codec->dim) >= 0)
			return i;
	}
	return -1;
}

/* Rows first … first + n − 1 of codes at `offset`. x [dim] */
static kith_status load_codes(const struct import *im, const struct faiss_node *node,
    const struct codec *codec, uint64_t offset, int64_t first, int64_t n, uint8_t *plain, float *x)
{
	size_t size = node->codec.code_size;
	kith_status status = node->codec.block
	                         ? faiss_load_packed(im->source, &node->codec, offset, first, n, plain)
	                         : faiss_load(im->source, offset, first, n, size, plain);
	if (status)
		return status;
	if (node->codec.coding == FAISS_SCALAR && node->codec.scalar == FAISS_8BIT_SIGNED)
		for (size_t i = 0; i < (size_t)n * size; i++)
			plain[i] ^= 0x80;
	int64_t bad = find_bad(codec, n, plain, x);
	if (bad >= 0)
		return faiss_fail(im->source, "vector %lld of '%s' is not finite%s", (long long)(first + bad),
		    node->fourcc,
		    codec->ops->limit > 0
		        ? ": FAISS keeps what is beyond ±65504 as infinity; use SQbf16 there"
		        : "");
	return KITH_OK;
}

/* All codes of a flat node into stored->codes. */
static kith_status copy_codes(const struct import *im, const struct faiss_node *node, struct vectors *stored)
{
	int64_t each = PIECE / (int64_t)node->codec.code_size;
	each = each < 1 ? 1 : each < node->n ? each : node->n;
	uint8_t *plain = mem_alloc((size_t)each, node->codec.code_size);
	float *x = mem_alloc((size_t)node->dim, sizeof *x);
	kith_status status = plain && x ? KITH_OK : fail_nomem("codes", (size_t)each * node->codec.code_size);
	if (status == KITH_OK)
		status = codes_reserve(&stored->codes, node->n, 0);
	for (int64_t first = 0, n; status == KITH_OK && first < node->n; first += n) {
		n = node->n - first < each ? node->n - first : each;
		status = load_codes(im, node, stored->codec, node->codes, first, n, plain, x);
		if (status == KITH_OK)
			codes_append_plain(&stored->codes, n, plain);
	}
	mem_free(plain);
	mem_free(x);
	return status;
}

static void stored_free(struct vectors *stored)
{
	vectors_free(stored);
	*stored = (struct vectors){0};
}

/* A flat node's vectors. */
static kith_status load_stored(const struct import *im, const struct faiss_node *node, const int64_t *ids,
    bool gathered, struct vectors *stored)
{
	*stored = (struct vectors){0};
	kith_status status = make_codec(im, node, &stored->codec);
	if (status)
		return status;
	vectors_init(stored, stored->codec);
	stored->codes.gathered = gathered;
	status = copy_codes(im, node, stored);
	if (status == KITH_OK)
		status = refit(im, ids_append(&stored->ids, node->n, ids));
	if (status)
		stored_free(stored);
	return status;
}

static kith_status build_flat(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out)
{
	struct vectors stored;
	if (node->codec.block)
		im->found.fastscan = (int)node->codec.block;
	if (node->search_type > 0 && node->search_type <= PRESET_MAX_SEARCH_TYPE)
		im->found.search_type = node->search_type;
	/* FAISS's default is above all distances, and leaves no code out. */
	if (node->polysemous_ht > 0 && node->polysemous_ht <= node->codec.m * node->codec.bits)
		im->found.polysemous_ht = node->polysemous_ht;
	kith_status status = load_stored(im, node, ids, false, &stored);
	if (status)
		return status;
	status = flat_from_components(out, metric_of_faiss(node->metric), &stored);
	if (status)
		stored_free(&stored);
	return status;
}

/* ---- inverted files ---- */

/* A new array of the centroids [nlist × dim]; NULL on failure. */
static float *load_centroids(struct import *im, const struct faiss_node *node, kith_status *status)
{
	const struct faiss_node *flat = node->child->kind == FAISS_HNSW ? node->child->child : node->child;
	size_t cells = (size_t)node->nlist * (size_t)node->dim;
	kith_index *quantizer = NULL;
	if (flat->kind != FAISS_FLAT) {
		*status = fail(KITH_UNSUPPORTED,
		    "%s: '%s' has the coarse quantizer '%s'; kith's are flat or graphs over floats",
		    im->source->name, node->fourcc, flat->fourcc);
		return NULL;
	}
	*status = build_flat(im, flat, NULL, &quantizer);
	if (*status)
		return NULL;
	float *centroids = mem_alloc(cells, sizeof *centroids);
	if (!centroids)
		*status = fail_nomem("centroids", cells * sizeof *centroids);
	for (int64_t l = 0; *status == KITH_OK && l < node->nlist; l++)
		*status = quantizer->ops->read(quantizer, 1, &l, centroids + l * node->dim);
	for (size_t i = 0; *status == KITH_OK && i < cells; i++)
		if (fabsf(centroids[i]) > MAX)
			*status = faiss_fail(im->source, "'%s' has a centroid at %g, which is too far away",
			    node->fourcc, (double)centroids[i]);
	quantizer->ops->free(quantizer);
	if (*status == KITH_OK)
		return centroids;
	mem_free(centroids);
	return NULL;
}

/* Ids of a file, where kith cannot have them: they become labels, and the numbers are ids. Takes the array
 * then, and makes *ids NULL. */
static kith_status take_labels(struct import *im, int64_t n, int64_t **ids)
{
	struct ids made = {0};
	kith_status status = im->labelled ? ids_append(&made, n, *ids) : KITH_OK;
	ids_free(&made);
	if (status != KITH_INVALID)
		return status;
	im->labels = *ids;
	im->label_count = n;
	*ids = NULL;
	return KITH_OK;
}

/* Which number each entry of the lists has, and the ids of numbers. */
struct numbering {
	int64_t *listed;    /* [n] ids in the lists, list after list */
	uint32_t *number;   /* [n] of each */
	const int64_t *ids; /* [n]; NULL: the numbers */
};

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

/* Ids that number the vectors are the order in which these were added; of others nobody knows it. ids [n]:
 * what listed ids are called, NULL: themselves. */
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
		status = take_labels(im, n, &numbering->listed);
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
		status = load_codes(im, node, codec, list->codes, 0, list->n, plain, x);
		if (status == KITH_OK)
			status = ivf_put_list(index, l, list->n, plain, number);
	}
	mem_free(plain);
	mem_free(x);
	return status;
}

/* An empty index for the node's lists; M as of ivf_new. */
static kith_status make_ivf(const struct import *im, const struct faiss_node *node, int M, kith_index **out,
    const struct codec **used)
{
	struct codec *codec;
	if (node->nlist > MAX_LISTS)
		return fail(KITH_UNSUPPORTED, "%s: '%s' has %lld lists; kith's go to %d", im->source->name,
		    node->fourcc, (long long)node->nlist, MAX_LISTS);
	kith_status status = make_codec(im, node, &codec);
	if (status)
		return status;
	*used = codec;
	if (node->residual && !codec_encodes(codec))
		status = fail(KITH_UNSUPPORTED, "%s: '%s' keeps residuals as whole bytes; kith only vectors",
		    im->source->name, node->fourcc);
	if (status == KITH_OK)
		status = ivf_new(out, metric_of_faiss(node->metric), node->nlist, M, codec);
	if (status)
		codec_free(codec);
	else if (!node->residual)
		ivf_code_whole(*out);
	return status;
}

static kith_status build_ivf(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out)
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
		status = refit(im, ivf_begin_components(*out, centroids, node->n, numbering.ids));
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

static kith_status build_hnsw(
    const struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out)
{
	struct vectors stored;
	struct graph graph;
	graph_init(&graph, 0);
	kith_status status = load_stored(im, node->child, ids, true, &stored);
	if (status == KITH_OK)
		status = faiss_import_graph(im->source, node, &graph);
	if (status == KITH_OK)
		status = hnsw_from_components(out, metric_of_faiss(node->metric), &stored, &graph);
	stored_free(&stored);
	graph_free(&graph);
	return status;
}

/* ---- wrappers ---- */

/* ids [n] of the numbers that the node below gives; `around`: what those are called again, or NULL. */
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
		status = take_labels(im, node->n, &ids);
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

/* Parts of the product quantizer that vectors come to next; 0: none. */
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
		status = refit(im, transform_from_components(out, metric_of_faiss(node->metric), &mapping,
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
		status = load_stored(im, node->fine, ids, false, &stored);
	if (status)
		return status;
	status = refit(im, refine_from_components(out, &stored, *out));
	if (status)
		stored_free(&stored);
	return status;
}

/* ids [node->n] of the vectors, NULL: 0 … n − 1, or what lists say. *out is to be freed also after a failure.
 */
static kith_status build(
    struct import *im, const struct faiss_node *node, const int64_t *ids, kith_index **out)
{
	if (node->n > IDS_MAX)
		return fail(KITH_UNSUPPORTED, "%s: '%s' has %lld vectors; an index holds at most %lld",
		    im->source->name, node->fourcc, (long long)node->n, (long long)IDS_MAX);
	switch (node->kind) {
	case FAISS_FLAT:
		return build_flat(im, node, ids, out);
	case FAISS_IVF:
		return build_ivf(im, node, ids, out);
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

/* What was found beside the index goes into its state. */
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
