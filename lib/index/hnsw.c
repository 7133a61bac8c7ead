/* HNSW: a navigable small-world graph in levels (Malkov & Yashunin 2016).
 *
 * Every vector is a node with edges to up to 2 M others in different directions; a search follows these edges
 * towards the query. A few nodes have upper levels, on which the search begins with long steps. Vectors are
 * kept by any codec, code after code; the search compares them in low precision (of floats by the upper
 * halves), and candidates are reranked.
 *
 * Slots and nodes. A node is a position of codes and graph. A slot is a position of ids: vectors in the order
 * in which they were added, which is what the API calls positions. While nothing was removed they are the
 * same. A removed vector leaves its slot at once, but its node stays in the graph, dead, since searches pass
 * through it. When many are dead, edges to them are replaced; then their nodes are free and are used again.
 */
#include "lib/index/hnsw.h"
#include "lib/index/hnsw_log.h"
#include "lib/index/index_log.h"

#include "lib/base/lazy.h"
#include "lib/base/status.h"

#include <stdio.h>
#include <string.h>

enum { READ_AHEAD = 12 }; /* vectors in random places that are prefetched before they are read */

/* ---- structure_ops ---- */

static kith_status hnsw_check(const kith_index *index, kith_type type, int64_t n, const void *x)
{
	const struct codec *codec = hnsw_of_const(index)->codec;
	return codec_check(codec, type, n, x);
}

static kith_status hnsw_train(kith_index *index, int64_t n, const float *x, const kith_add_options *options)
{
	return train_codec_alone(index, hnsw_of(index)->codec, n, x, options);
}

static kith_status hnsw_reserve(kith_index *index, int64_t n)
{
	struct hnsw *hnsw = hnsw_of(index);
	if (n > GRAPH_MAX_NODES)
		return fail(KITH_INVALID, "n is %lld: a graph has at most %lld vectors", (long long)n,
		    (long long)GRAPH_MAX_NODES);
	int64_t rows = n / (hnsw->graph.M - 1) + n / 1000 + 64; /* of upper levels, very likely enough */
	kith_status status = hnsw_make_room(hnsw, n, n, hnsw->mapped, 0);
	if (status == KITH_OK)
		status = graph_reserve(&hnsw->graph, n, rows, 0);
	return status ? status : ids_reserve(&hnsw->ids, n);
}

static int64_t hnsw_find(const kith_index *index, int64_t id)
{
	return ids_find(&hnsw_of_const(index)->ids, id);
}

static int64_t hnsw_id_at(const kith_index *index, int64_t position)
{
	return ids_at(&hnsw_of_const(index)->ids, position);
}

static int64_t node_at(const struct hnsw_maps *maps, int64_t slot)
{
	return maps->node_of ? maps->node_of[slot] : slot;
}

static kith_status hnsw_read(const kith_index *index, int64_t n, const int64_t *positions, float *x)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	struct rows rows = codes_rows(&hnsw->codes);
	struct hnsw_maps maps;
	kith_status status = hnsw_find_maps(hnsw, &maps);
	for (int64_t i = 0, asked = 0; status == KITH_OK && i < n; i++) {
		for (; asked < n && asked < i + READ_AHEAD; asked++)
			rows_prefetch(&rows, node_at(&maps, positions[asked]));
		codes_read(&hnsw->codes, node_at(&maps, positions[i]), x + i * index->dim);
	}
	return status;
}

static int64_t hnsw_size(const kith_index *index)
{
	return hnsw_of_const(index)->ids.n;
}

static size_t hnsw_memory(const kith_index *index)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	return sizeof *hnsw + hnsw->codec->memory + codes_memory(&hnsw->codes) + graph_memory(&hnsw->graph) +
	       ids_memory(&hnsw->ids) + buffer_memory(&hnsw->node_of) + buffer_memory(&hnsw->slot_of) +
	       buffer_memory(&hnsw->live) + buffer_memory(&hnsw->inverse) + buffer_memory(&hnsw->far) +
	       scratch_pool_memory(hnsw->scratch_pool);
}

static void hnsw_free(kith_index *index)
{
	struct hnsw *hnsw = hnsw_of(index);
	hnsw_clear(hnsw);
	hnsw_log_free(hnsw);
	ids_free(&hnsw->ids);
	codec_free(hnsw->codec);
	if (hnsw->scratch_pool)
		scratch_pool_free(hnsw->scratch_pool);
	mem_free(hnsw->scratch_pool);
	mem_free(hnsw);
}

static kith_status copy_nodes(struct hnsw *to, const struct hnsw *from)
{
	static const char what[] = "a graph's nodes";
	int64_t n = from->graph.n;
	kith_status status = codes_copy(&to->codes, &from->codes, to->codec);
	if (status == KITH_OK)
		status = graph_copy(&to->graph, &from->graph);
	if (status == KITH_OK)
		status = buffer_copy(&to->inverse, &from->inverse, (size_t)n * sizeof(float), what);
	if (status == KITH_OK && from->fars)
		status = buffer_copy(&to->far, &from->far, (size_t)from->fars * sizeof(uint32_t), what);
	if (status == KITH_OK && from->unvalidated &&
	    !(to->unvalidated = mem_zalloc(1, sizeof *to->unvalidated)))
		status = fail_nomem("an index", sizeof *to->unvalidated);
	if (status || !from->mapped)
		return status;
	status = buffer_copy(&to->node_of, &from->node_of, (size_t)from->ids.n * sizeof(uint32_t), what);
	if (status == KITH_OK)
		status = buffer_copy(&to->slot_of, &from->slot_of, (size_t)n * sizeof(uint32_t), what);
	return status ? status
	              : buffer_copy(&to->live, &from->live, (size_t)(n + 63) / 64 * sizeof(uint64_t), what);
}

static struct hnsw *new_hnsw(void)
{
	struct hnsw *hnsw = mem_zalloc(1, sizeof *hnsw);
	struct graph_scratch_pool *scratch_pool = mem_alloc(1, sizeof *scratch_pool);
	if (!hnsw || !scratch_pool) {
		mem_free(hnsw);
		mem_free(scratch_pool);
		fail_nomem("an index", sizeof *hnsw + sizeof *scratch_pool);
		return NULL;
	}
	scratch_pool_init(scratch_pool);
	hnsw->scratch_pool = scratch_pool;
	return hnsw;
}

static kith_status hnsw_clone(kith_index **out, const kith_index *index)
{
	const struct hnsw *from = hnsw_of_const(index);
	struct hnsw *to = new_hnsw();
	if (!to)
		return KITH_NOMEM;
	index_head_copy(&to->base, &from->base);
	graph_init(&to->graph, from->graph.M);
	kith_status status = codec_clone(&to->codec, from->codec);
	if (status == KITH_OK)
		status = ids_copy(&to->ids, &from->ids);
	if (status == KITH_OK)
		status = copy_nodes(to, from);
	if (status) {
		hnsw_free(&to->base);
		return status;
	}
	to->quantizer = from->quantizer;
	to->mapped = from->mapped;
	to->dead = from->dead;
	to->free = from->free;
	to->unconnected = from->unconnected;
	to->keys = from->keys;
	to->linked = from->linked;
	to->measured = from->measured;
	to->fars = from->fars;
	to->changed = from->changed;
	*out = &to->base;
	return KITH_OK;
}

static kith_status hnsw_renumber(kith_index *index, const int64_t *ids)
{
	return ids_replace(&hnsw_of(index)->ids, ids);
}

static const struct codec *hnsw_codec(const kith_index *index)
{
	return hnsw_of_const(index)->codec;
}

static const struct structure_ops hnsw_ops = {
    .codec = hnsw_codec,
    .check = hnsw_check,
    .train = hnsw_train,
    .add = hnsw_add,
    .update = hnsw_update,
    .remove = hnsw_remove,
    .renumber = hnsw_renumber,
    .compact = hnsw_compact,
    .reorder = hnsw_reorder,
    .reserve = hnsw_reserve,
    .search = hnsw_search,
    .find = hnsw_find,
    .id_at = hnsw_id_at,
    .read = hnsw_read,
    .size = hnsw_size,
    .memory = hnsw_memory,
    .clone = hnsw_clone,
    .free = hnsw_free,
    .log = &hnsw_log_ops,
    .save = hnsw_save,
    .load = hnsw_load,
    .validate = hnsw_validate,
};

kith_status hnsw_new(kith_index **out, const struct metric *metric, int M, struct codec *take_codec)
{
	if (M < GRAPH_MIN_M || M > GRAPH_MAX_M)
		return fail(KITH_INVALID, "spec: HNSW%d: M must be %d … %d", M, GRAPH_MIN_M, GRAPH_MAX_M);
	struct hnsw *hnsw = new_hnsw();
	if (!hnsw)
		return KITH_NOMEM;
	hnsw->base = (struct kith_index){.ops = &hnsw_ops,
	    .dim = take_codec->dim,
	    .metric = metric,
	    .type = take_codec->ops->type,
	    .trained = take_codec->trained};
	snprintf(hnsw->base.spec, sizeof hnsw->base.spec, "HNSW%d,%s", M, take_codec->word);
	hnsw->codec = take_codec;
	codes_init(&hnsw->codes, take_codec);
	hnsw->codes.gathered = true;
	graph_init(&hnsw->graph, M);
	hnsw->keys = hnsw->linked = KEYS_FLOAT;
	*out = &hnsw->base;
	return KITH_OK;
}
