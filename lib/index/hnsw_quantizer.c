/* A graph index as the coarse quantizer of an inverted file (Baranchuk, Babenko & Malkov, ECCV 2018, among
 * others): with tens of thousands of lists, comparing all centroids would cost more than searching the lists.
 * The graph finds the nearest by comparing some hundreds.
 *
 * The inverted file has the centroids and reranks candidates by them, so the graph index keeps them rounded
 * to bf16, half the bytes. If bf16 cannot tell them apart (graph/keys.c: an offset that is large against
 * their distances) it keeps whole floats. A file of the inverted file has the graph alone: the codes are made
 * anew from the centroids.
 *
 * Edges are chosen by squared L2 distance also under a similarity: centroids then have one length, and both
 * give the same order. All of them are linked at once; none is added or removed later.
 */
#include "lib/graph/file.h"
#include "lib/index/hnsw.h"
#include "lib/index/quantizer.h"

#include "lib/base/status.h"

/* An index of the centroids in a codec, not linked yet. Takes the codec, also after a failure. */
static kith_status make(kith_index **out, const struct metric *metric, int M, int64_t n,
    const float *centroids, struct codec *take_codec)
{
	float *scratch = mem_alloc(CODES_SCRATCH(take_codec->dim), sizeof *scratch);
	kith_index *index = NULL;
	kith_status status = scratch
	                         ? hnsw_new(&index, metric, M, take_codec)
	                         : fail_nomem("encoding", CODES_SCRATCH(take_codec->dim) * sizeof *scratch);
	if (!index) {
		codec_free(take_codec);
		mem_free(scratch);
		return status;
	}
	struct hnsw *hnsw = hnsw_of(index);
	hnsw->quantizer = true;
	status = codes_reserve(&hnsw->codes, n, 0);
	if (status == KITH_OK)
		status = ids_append(&hnsw->ids, n, NULL);
	if (status == KITH_OK)
		codes_append(&hnsw->codes, KITH_F32, n, centroids, scratch);
	mem_free(scratch);
	if (status)
		index->ops->free(index);
	else
		*out = index;
	return status;
}

/* The same in bf16 if that tells the centroids apart, else in floats. */
static kith_status make_coarse(
    kith_index **out, const struct metric *metric, int M, int64_t n, int64_t dim, const float *centroids)
{
	struct codec *codec;
	kith_index *index = NULL;
	enum key_precision keys = KEYS_WIDE;
	kith_status status = codec_new_fp32(&codec, dim, false);
	if (status == KITH_OK)
		status = make(&index, metric, M, n, centroids, codec);
	if (!index)
		return status;
	struct graph_space space = hnsw_space(hnsw_of(index));
	space.precision = KEYS_CODED;
	status = graph_choose_keys(&space, NULL, NULL, 1, &keys);
	if (status || keys == KEYS_CODED) {
		index->ops->free(index);
		if (status == KITH_OK)
			status = codec_new_bf16(&codec, dim, false);
		if (status == KITH_OK)
			status = make(&index, metric, M, n, centroids, codec);
	}
	if (status)
		return status;
	struct hnsw *hnsw = hnsw_of(index);
	hnsw->keys = hnsw->linked = keys;
	hnsw->measured = n;
	*out = index;
	return KITH_OK;
}

kith_status hnsw_quantizer_build(kith_index **out, const struct metric *metric, int M, int64_t n, int64_t dim,
    const float *centroids, const kith_add_options *options)
{
	struct progress progress;
	kith_index *index = NULL;
	kith_status status = make_coarse(&index, metric, M, n, dim, centroids);
	if (!index)
		return status;
	struct hnsw *hnsw = hnsw_of(index);
	struct graph_building how = hnsw_building(hnsw, options);
	how.progress = &progress;
	hnsw->graph.seed = options->seed;
	status = graph_grow(&hnsw->graph, n);
	if (status == KITH_OK) {
		progress_begin(&progress, options->progress, options->progress_data, "graph", n);
		status = hnsw_link_all(hnsw, &hnsw->graph, &how);
		status = progress_end_with(&progress, status);
	}
	graph_trim(&hnsw->graph);
	scratch_pool_clear(hnsw->scratch_pool);
	if (status)
		index->ops->free(index);
	else
		*out = index;
	return status;
}

kith_status hnsw_quantizer_from_components(kith_index **out, const struct metric *metric, int64_t dim,
    const float *centroids, struct graph *take_graph)
{
	kith_status status = make_coarse(out, metric, take_graph->M, take_graph->n, dim, centroids);
	if (status)
		return status;
	hnsw_of(*out)->graph = *take_graph;
	graph_init(take_graph, take_graph->M);
	return KITH_OK;
}

/* ---- files ---- */

void hnsw_quantizer_save(const kith_index *quantizer, struct blob_writer *w)
{
	graph_save(&hnsw_of_const(quantizer)->graph, 0, false, w);
}

kith_status hnsw_quantizer_load(kith_index **out, const struct metric *metric, int M, int64_t n, int64_t dim,
    const float *centroids, struct blob_reader *r)
{
	struct graph graph;
	struct graph_head head;
	struct graph_fault fault;
	graph_init(&graph, M);
	kith_status status = graph_load_head(&graph, &head, r);
	if (status == KITH_OK && (head.nodes != n || head.mapped || head.unconnected))
		status = blob_fail(r, "GRPH", "contradicts itself");
	if (status == KITH_OK)
		status = graph_take(&graph, &head, r);
	if (status == KITH_OK && graph_check(&graph, &fault))
		status = blob_fail(r, fault.tag, "%s", fault.what);
	if (status == KITH_OK)
		status = hnsw_quantizer_from_components(out, metric, dim, centroids, &graph);
	graph_free(&graph);
	return status;
}

const struct graph *hnsw_quantizer_graph(const kith_index *quantizer)
{
	return &hnsw_of_const(quantizer)->graph;
}

const struct codec *hnsw_quantizer_codec(const kith_index *quantizer)
{
	return hnsw_of_const(quantizer)->codec;
}
