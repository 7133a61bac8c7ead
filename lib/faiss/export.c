/* Exporting to FAISS's files. Codes and graphs are written as they are; nothing is computed.
 *
 * Numbers. FAISS's flat indexes, graphs and refinements know vectors by number, its inverted files by any id.
 * So the ids of an inverted file go into its lists; otherwise, unless they are 0 … n − 1 in order, an
 * IndexIDMap2 around everything has them, and below it vectors are known by their positions in the whole
 * index.
 *
 * Cosine is inner product of unit vectors: an IndexPreTransform normalises queries, stored vectors have unit
 * length already.
 */
#include "lib/faiss/faiss.h"

#include "lib/base/status.h"
#include "lib/codec/pq.h"
#include "lib/codec/sq.h"
#include "lib/index/hnsw.h"
#include "lib/index/index_state.h"
#include "lib/index/ivf.h"
#include "lib/index/parts.h"

#include <string.h>

/* The defaults of kith's searches. */
enum { NPROBE = 8, K_FACTOR = 4 };

struct export
{
	struct faiss_writer w;
	const kith_index *whole;
	kith_preset preset; /* this and the labels are those of `whole` */
	const int64_t *labels;
	int64_t label_count;
	bool direct;             /* a coarse quantizer, whose vectors FAISS reads one by one */
	bool mapped;             /* vectors are known by their positions in `whole`, else by their ids */
	const kith_index *below; /* the index behind transforms that the IndexIDMap is around; NULL: all */
};

static void put_index(struct export *e, const kith_index *index);
static void put_mapped(struct export *e, const kith_index *index);

static void refuse(struct export *e, const char *what)
{
	if (!e->w.status)
		e->w.status = fail(KITH_UNSUPPORTED, "index '%s': FAISS's files have nothing for '%s'",
		    e->whole->spec, what);
}

/* The letters of a flat index of floats tell its metric, too. */
static const char *flat_letters(const kith_index *index)
{
	return index->metric->faiss == FAISS_L2 ? "IxF2" : index->metric->faiss == FAISS_IP ? "IxFI" : "IxFl";
}

static void put_header(struct export *e, const char *fourcc, const kith_index *index)
{
	faiss_put_index_of(&e->w, fourcc, index->dim, index->ops->size(index), index->metric);
}

/* What FAISS is to call the vector of an id: its label, if it has one. */
static int64_t label_of(const struct export *e, int64_t id)
{
	return id < e->label_count ? e->labels[id] : id;
}

static int64_t id_of(const struct export *e, int64_t number)
{
	return e->mapped ? e->whole->ops->id_at(e->whole, number) : number;
}

static int64_t number_of(const struct export *e, int64_t id)
{
	return e->mapped ? e->whole->ops->find(e->whole, id) : label_of(e, id);
}

/* ---- codecs ---- */

/* The type of scalar quantizer that a codec is; −1: none. */
static int scalar_of(const struct codec *codec)
{
	struct sq_ranges ranges;
	if (codec->ops->type == KITH_U8)
		return FAISS_8BIT_DIRECT;
	if (codec->ops->type == KITH_I8)
		return FAISS_8BIT_SIGNED;
	if (strcmp(codec->word, "SQfp16") == 0)
		return FAISS_FP16;
	if (strcmp(codec->word, "SQbf16") == 0)
		return FAISS_BF16;
	if (!codec_sq_ranges(codec, &ranges))
		return -1;
	if (ranges.bits == 8)
		return ranges.uniform ? FAISS_8BIT_UNIFORM : FAISS_8BIT;
	if (ranges.bits == 4)
		return ranges.uniform ? FAISS_4BIT_UNIFORM : FAISS_4BIT;
	return FAISS_6BIT;
}

/* Whether FAISS can read what the codec wrote. */
static bool has_coding(struct export *e, const struct codec *codec, enum faiss_coding *coding)
{
	if (codec->cosine && !codec->ops->normalizes) {
		refuse(e, "vectors that are compared at unit length but not kept so");
		return false;
	}
	*coding = codec_is_fp32(codec) ? FAISS_FLOATS : codec_pq(codec) ? FAISS_PRODUCT : FAISS_SCALAR;
	if (*coding == FAISS_SCALAR && scalar_of(codec) < 0) {
		refuse(e, codec->word);
		return false;
	}
	return true;
}

static void put_product(struct export *e, const struct codec *codec)
{
	const struct pq *pq = codec_pq(codec);
	faiss_put_i64(&e->w, pq->dim);
	faiss_put_i64(&e->w, pq->m);
	faiss_put_i64(&e->w, pq->bits);
	faiss_put_array(&e->w, pq->centroids, (int64_t)pq_cells(pq), sizeof(float));
}

static void put_scalar(struct export *e, const struct codec *codec)
{
	struct sq_ranges ranges = {0};
	int type = scalar_of(codec);
	bool learns = codec_sq_ranges(codec, &ranges);
	bool uniform = type == FAISS_8BIT_UNIFORM || type == FAISS_4BIT_UNIFORM;
	faiss_put_i32(&e->w, type);
	faiss_put_i32(&e->w, 0);   /* ranges are from the least to the greatest value, */
	faiss_put_float(&e->w, 0); /* widened by nothing */
	faiss_put_i64(&e->w, codec->dim);
	faiss_put_i64(&e->w, (int64_t)codes_plain_bytes(codec));
	int64_t each = learns ? uniform ? 1 : codec->dim : 0;
	faiss_put_i64(&e->w, 2 * each);
	faiss_put(&e->w, ranges.low, (size_t)each * sizeof(float));
	faiss_put(&e->w, ranges.diff, (size_t)each * sizeof(float));
}

/* The code at a position. room: for a code */
static void put_code(struct export *e, const struct codes *codes, int64_t at, uint8_t *room)
{
	size_t bytes = codes_plain_bytes(codes->codec);
	codes_get_plain(codes, at, room);
	for (size_t b = 0; codes->codec->ops->type == KITH_I8 && b < bytes; b++)
		room[b] ^= 0x80;
	faiss_put(&e->w, room, bytes);
}

static uint8_t *new_room(struct export *e, const struct codec *codec)
{
	uint8_t *room = e->w.status ? NULL : mem_alloc(codes_plain_bytes(codec), 1);
	if (!room && !e->w.status)
		e->w.status = fail_nomem("a code", codes_plain_bytes(codec));
	return room;
}

/* ---- flat ---- */

/* The position of the code of a number. nodes: the node of each number; NULL: codes lie in the order of
 * ids. */
static int64_t position_of(
    const struct export *e, const struct stored_components *parts, const uint32_t *nodes, int64_t number)
{
	return nodes ? (int64_t)nodes[number] : ids_find(parts->ids, id_of(e, number));
}

static void put_stored(
    struct export *e, const kith_index *index, const struct stored_components *parts, const uint32_t *nodes)
{
	enum faiss_coding coding;
	int64_t n = index->ops->size(index);
	size_t bytes = codes_plain_bytes(parts->codec);
	if (!has_coding(e, parts->codec, &coding))
		return;
	uint8_t *room = new_room(e, parts->codec);
	if (!room)
		return;
	put_header(e,
	    coding == FAISS_FLOATS    ? flat_letters(index)
	    : coding == FAISS_PRODUCT ? "IxPq"
	                              : "IxSQ",
	    index);
	if (coding == FAISS_PRODUCT)
		put_product(e, parts->codec);
	else if (coding == FAISS_SCALAR)
		put_scalar(e, parts->codec);
	faiss_put_i64(&e->w, n * (int64_t)(coding == FAISS_FLOATS ? bytes / sizeof(float) : bytes));
	for (int64_t i = 0; i < n && !e->w.status; i++)
		put_code(e, parts->codes, position_of(e, parts, nodes, i), room);
	if (coding == FAISS_PRODUCT) {
		faiss_put_i32(&e->w, e->preset.search_type);
		faiss_put_bool(&e->w, false);
		faiss_put_i32(&e->w, e->preset.polysemous_ht);
	}
	mem_free(room);
}

/* ---- inverted files ---- */

static void put_sizes(struct export *e, const struct ivf *ivf)
{
	int64_t filled = 0;
	for (int64_t l = 0; l < ivf->nlist; l++)
		filled += ivf->lists[l].codes.n > 0;
	bool full = filled > ivf->nlist / 2;
	faiss_put_fourcc(&e->w, full ? "full" : "sprs");
	faiss_put_i64(&e->w, full ? ivf->nlist : 2 * filled);
	for (int64_t l = 0; l < ivf->nlist; l++) {
		if (!full && ivf->lists[l].codes.n > 0)
			faiss_put_i64(&e->w, l);
		if (full || ivf->lists[l].codes.n > 0)
			faiss_put_i64(&e->w, ivf->lists[l].codes.n);
	}
}

static void put_lists(struct export *e, const struct ivf *ivf)
{
	uint8_t *room = new_room(e, ivf->codec);
	if (!room)
		return;
	faiss_put_fourcc(&e->w, "ilar");
	faiss_put_i64(&e->w, ivf->nlist);
	faiss_put_i64(&e->w, (int64_t)codes_plain_bytes(ivf->codec));
	put_sizes(e, ivf);
	for (int64_t l = 0; l < ivf->nlist && !e->w.status; l++) {
		const struct list *list = &ivf->lists[l];
		for (int64_t i = 0; i < list->codes.n; i++)
			put_code(e, &list->codes, i, room);
		for (int64_t i = 0; i < list->codes.n; i++)
			faiss_put_i64(&e->w, number_of(e, ids_at(&ivf->ids, list_slots(list)[i])));
	}
	mem_free(room);
}

/* A coarse quantizer that is an index of any kind, whose ids are the numbers of lists. */
static void put_quantizer(struct export *e, const kith_index *quantizer)
{
	struct export inner = {
	    .w = e->w, .whole = quantizer, .preset.efSearch = e->preset.efSearch, .direct = true};
	put_index(&inner, quantizer);
	e->w = inner.w;
}

/* The coarse quantizer. */
static void put_centroids(struct export *e, const kith_index *index)
{
	const struct ivf *ivf = ivf_of_const(index);
	const struct graph *graph = ivf_graph(index);
	if (ivf->kind) {
		put_quantizer(e, ivf->quantizer);
		return;
	}
	if (graph) {
		faiss_put_index_of(&e->w, "IHNf", index->dim, ivf->nlist, index->metric);
		faiss_put_graph(&e->w, graph, NULL, NULL, &e->preset);
	}
	faiss_put_index_of(&e->w, flat_letters(index), index->dim, ivf->nlist, index->metric);
	faiss_put_array(&e->w, ivf->centroids, ivf->nlist * index->dim, sizeof(float));
}

/* The list and the place in it of each id, if FAISS needs them; else an empty map. */
static void put_direct_map(struct export *e, const struct ivf *ivf)
{
	char kind = e->direct; /* an array, by id */
	int64_t n = kind ? ivf->ids.n : 0;
	int64_t *places = mem_zalloc((size_t)n, sizeof *places);
	if (!places) {
		e->w.status = fail_nomem("where vectors are", (size_t)n * sizeof *places);
		return;
	}
	for (int64_t l = 0; kind && l < ivf->nlist; l++) {
		const struct list *list = &ivf->lists[l];
		for (int64_t i = 0; i < list->codes.n; i++)
			places[ids_at(&ivf->ids, list_slots(list)[i])] = l << 32 | i;
	}
	faiss_put(&e->w, &kind, 1);
	faiss_put_array(&e->w, places, n, sizeof *places);
	mem_free(places);
}

static void put_ivf(struct export *e, const kith_index *index)
{
	const struct ivf *ivf = ivf_of_const(index);
	enum faiss_coding coding;
	if (!has_coding(e, ivf->codec, &coding))
		return;
	put_header(e, coding == FAISS_FLOATS ? "IwFl" : coding == FAISS_PRODUCT ? "IwPQ" : "IwSq", index);
	faiss_put_i64(&e->w, ivf->nlist);
	int64_t nprobe = e->preset.nprobe ? e->preset.nprobe : NPROBE;
	faiss_put_i64(&e->w, ivf->nlist < nprobe ? ivf->nlist : nprobe);
	put_centroids(e, index);
	put_direct_map(e, ivf);
	if (coding == FAISS_PRODUCT) {
		faiss_put_bool(&e->w, ivf->residual);
		faiss_put_i64(&e->w, (int64_t)codes_plain_bytes(ivf->codec));
		put_product(e, ivf->codec);
	} else if (coding == FAISS_SCALAR) {
		put_scalar(e, ivf->codec);
		faiss_put_i64(&e->w, (int64_t)codes_plain_bytes(ivf->codec));
		faiss_put_bool(&e->w, ivf->residual);
	}
	put_lists(e, ivf);
}

/* ---- graphs ---- */

/* order [n]: the node of each number; number [n]: the number of each node. */
static void number_nodes(const struct export *e, const struct hnsw *hnsw, uint32_t *order, uint32_t *number)
{
	for (int64_t i = 0; i < hnsw->ids.n; i++) {
		order[i] = (uint32_t)hnsw_node(hnsw, ids_find(&hnsw->ids, id_of(e, i)));
		number[order[i]] = (uint32_t)i;
	}
}

static void put_nodes(struct export *e, const kith_index *index)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	struct stored_components parts = {hnsw->codec, &hnsw->codes, &hnsw->ids};
	enum faiss_coding coding;
	size_t n = (size_t)hnsw->ids.n;
	if (!has_coding(e, hnsw->codec, &coding))
		return;
	uint32_t *order = mem_alloc(2 * n, sizeof *order), *number = order + n;
	if (!order) {
		e->w.status = fail_nomem("numbers of nodes", 2 * n * sizeof *order);
		return;
	}
	number_nodes(e, hnsw, order, number);
	put_header(e, coding == FAISS_FLOATS ? "IHNf" : coding == FAISS_PRODUCT ? "IHNp" : "IHNs", index);
	faiss_put_graph(&e->w, &hnsw->graph, number, order, &e->preset);
	put_stored(e, index, &parts, order);
	mem_free(order);
}

/* Removed vectors are still nodes, which FAISS would find, so a compacted copy is written instead. */
static void put_hnsw(struct export *e, const kith_index *index)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	kith_add_options options = KITH_ADD_OPTIONS;
	kith_index *copy = NULL;
	if (hnsw->dead + hnsw->free == 0) {
		put_nodes(e, index);
		return;
	}
	e->w.status = structure_clone(&copy, index);
	if (e->w.status)
		return;
	e->w.status = copy->ops->compact(copy, &options);
	if (e->w.status == KITH_OK && hnsw_of(copy)->dead + hnsw_of(copy)->free > 0)
		refuse(e, "a graph of which vectors were removed");
	if (e->w.status == KITH_OK)
		put_nodes(e, copy);
	structure_free(copy);
}

/* ---- transforms ---- */

static void put_ends(struct export *e, int64_t in, int64_t out)
{
	faiss_put_i32(&e->w, in);
	faiss_put_i32(&e->w, out);
	faiss_put_bool(&e->w, true);
}

static void put_unit(struct export *e, int64_t dim)
{
	faiss_put_fourcc(&e->w, "VNrm");
	faiss_put_float(&e->w, 2);
	put_ends(e, dim, dim);
}

static void put_pad(struct export *e, const struct mapping *m)
{
	faiss_put_fourcc(&e->w, "RmDT");
	faiss_put_i64(&e->w, m->out);
	for (int64_t i = 0; i < m->out; i++)
		faiss_put_i32(&e->w, i < m->in ? i : -1);
	put_ends(e, m->in, m->out);
}

/* The members that only principal components have. inverse: room for the inverse map, [in × out] and [in] */
static void put_pca(struct export *e, const struct transform_components *parts, float *inverse)
{
	const struct mapping *m = parts->mapping;
	float *mean = inverse + (size_t)m->in * (size_t)m->out;
	linear_get(parts->inverse, inverse, mean);
	faiss_put_fourcc(&e->w, "PcAm");
	faiss_put_float(&e->w, m->whiten ? -0.5F : 0);
	faiss_put_bool(&e->w, m->rotate);
	faiss_put_i32(&e->w, 0);
	faiss_put_array(&e->w, mean, m->in, sizeof *mean);
	faiss_put_i64(&e->w, 0); /* no eigenvalues */
	faiss_put_i64(&e->w, 0); /* and no eigenvectors: the matrix was made of them */
}

static void put_linear(struct export *e, const struct transform_components *parts)
{
	const struct mapping *m = parts->mapping;
	size_t cells = (size_t)m->in * (size_t)m->out, floats = cells + (size_t)(m->in + m->out);
	float *a = mem_alloc(floats, sizeof *a), *b = a + cells;
	bool biased = false;
	if (!a) {
		e->w.status = fail_nomem("a linear map", floats * sizeof *a);
		return;
	}
	if (m->kind == MAP_PCA)
		put_pca(e, parts, a);
	linear_get(parts->forward, a, b);
	for (int64_t i = 0; i < m->out; i++)
		biased |= b[i] != 0;
	if (m->kind != MAP_PCA)
		faiss_put_fourcc(&e->w, m->kind == MAP_ROTATION && !biased ? "rrot" : "LTra");
	faiss_put_bool(&e->w, biased);
	faiss_put_array(&e->w, a, (int64_t)cells, sizeof *a);
	faiss_put_array(&e->w, b, biased ? m->out : 0, sizeof *b);
	put_ends(e, m->in, m->out);
	mem_free(a);
}

/* One IndexPreTransform for all transforms that follow each other. */
static void put_transform(struct export *e, const kith_index *index)
{
	struct transform_components parts;
	bool cosine = index->metric->unit;
	int64_t count = cosine, dim = index->dim;
	const kith_index *below = index;
	for (; transform_components(below, &parts); below = parts.child)
		count++;
	put_header(e, "IxPT", index);
	faiss_put_i32(&e->w, count);
	if (cosine)
		put_unit(e, dim);
	for (below = index; transform_components(below, &parts) && !e->w.status; below = parts.child) {
		if (parts.forward)
			put_linear(e, &parts);
		else if (parts.mapping->kind == MAP_UNIT)
			put_unit(e, parts.mapping->in);
		else
			put_pad(e, parts.mapping);
	}
	if (e->below == below)
		put_mapped(e, below);
	else
		put_index(e, below);
}

/* ---- everything ---- */

static void put_index(struct export *e, const kith_index *index)
{
	struct stored_components stored;
	struct transform_components transform;
	const kith_index *child;
	if (e->w.status)
		return;
	if (index == e->whole && index->metric->unit && !transform_components(index, &transform)) {
		put_header(e, "IxPT", index);
		faiss_put_i32(&e->w, 1);
		put_unit(e, index->dim);
	}
	if (transform_components(index, &transform)) {
		put_transform(e, index);
	} else if (flat_components(index, &stored)) {
		put_stored(e, index, &stored, NULL);
	} else if (is_hnsw(index)) {
		put_hnsw(e, index);
	} else if (is_ivf(index)) {
		put_ivf(e, index);
	} else if (refine_components(index, &stored, &child)) {
		put_header(e, "IxRF", index);
		put_index(e, child);
		put_stored(e, index, &stored, NULL);
		faiss_put_float(&e->w, e->preset.k_factor != 0 ? e->preset.k_factor : K_FACTOR);
	} else {
		refuse(e, index->spec);
	}
}

/* Whether vectors may have any ids without an IndexIDMap2: those of an inverted file. */
static bool lists_ids(const kith_index *index)
{
	struct transform_components parts;
	while (transform_components(index, &parts))
		index = parts.child;
	return is_ivf(index);
}

static bool numbers_itself(const kith_index *index)
{
	int64_t n = index->ops->size(index);
	for (int64_t i = 0; i < n; i++)
		if (index->ops->id_at(index, i) != i)
			return false;
	return true;
}

/* An IndexIDMap around an index that has the vectors of the whole. */
static void put_mapped(struct export *e, const kith_index *index)
{
	int64_t n = e->whole->ops->size(e->whole);
	put_header(e, e->preset.idmap == 1 ? "IxMp" : "IxM2", index);
	put_index(e, index);
	faiss_put_i64(&e->w, n);
	for (int64_t i = 0; i < n && !e->w.status; i++)
		faiss_put_i64(&e->w, label_of(e, e->whole->ops->id_at(e->whole, i)));
}

/* The index behind all transforms, if that is where FAISS had its IndexIDMap; else NULL. */
static const kith_index *find_below(const struct export *e)
{
	struct transform_components parts;
	const kith_index *below = e->whole;
	int depth = 0;
	for (; transform_components(below, &parts); below = parts.child)
		depth++;
	return e->preset.idmap && depth > 0 && depth == e->preset.idmap_depth ? below : NULL;
}

static kith_status export_validated(const kith_index *index, struct blob_sink sink)
{
	struct export e = {.whole = index, .preset = preset_of(index)};
	kith_status status = faiss_writer_begin(&e.w, sink);
	if (status)
		return faiss_writer_end(&e.w);
	e.labels = labels_of(index, &e.label_count);
	e.mapped = e.preset.idmap || (!lists_ids(index) && (e.labels || !numbers_itself(index)));
	e.below = find_below(&e);
	if (e.mapped && !e.below)
		put_mapped(&e, index);
	else
		put_index(&e, index);
	return faiss_writer_end(&e.w);
}

/* Of an index that is not validated yet a validated copy is written. */
kith_status faiss_export(const kith_index *index, struct blob_sink sink)
{
	kith_index *copy;
	if (!index->state || !index->state->unvalidated)
		return export_validated(index, sink);
	kith_status status = structure_clone(&copy, index);
	if (status)
		return status;
	status = structure_validate(copy);
	if (status == KITH_OK)
		status = preset_copy(copy, index);
	if (status == KITH_OK)
		status = export_validated(copy, sink);
	structure_free(copy);
	return status;
}
