/* Reading FAISS's files, first pass: which objects there are, and where their arrays lie. A count is compared
 * with the bytes in the file before anything is allocated for it, so that a false one costs nothing. The
 * second pass (import.c) then knows the size of everything, and the ids of an IndexIDMap, which come last in
 * the file, before it builds what they belong to.
 *
 * The members of an object are those of FAISS's own reader (impl/index_read.cpp), in all forms that it still
 * reads of the kinds of index that kith has.
 */
#include "lib/faiss/format.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/metric/metric.h"

#include <math.h>
#include <string.h>

/* ---- objects ---- */

static kith_status take_index(struct faiss_reader *r, int depth, struct faiss_node **out);

static kith_status check_header(
    const struct faiss_reader *r, const struct faiss_node *node, bool trained, int32_t metric)
{
	enum { LP = 4, GOWER = 25 };
	if (node->dim < 1 || node->n < 0 || metric < 0)
		return faiss_fail(r->source, "'%s' has dimension %lld, %lld vector%s, metric %d",
		    node->fourcc, (long long)node->dim, (long long)node->n, PLURAL(node->n), metric);
	if (node->dim > KITH_MAX_DIM)
		return fail(KITH_UNSUPPORTED, "%s: '%s' has dimension %lld; kith's go to %d", r->source->name,
		    node->fourcc, (long long)node->dim, KITH_MAX_DIM);
	if (metric == LP && !faiss_node_metric(node))
		return fail(KITH_UNSUPPORTED, "%s: '%s' has metric Lp with p = %g, which must be positive",
		    r->source->name, node->fourcc, (double)node->argument);
	if (!faiss_node_metric(node)) {
		char known[METRIC_NAMES];
		metric_names(known);
		return fail(KITH_UNSUPPORTED, "%s: '%s' has metric %d (%s); kith has %s", r->source->name,
		    node->fourcc, metric, metric == GOWER ? "Gower" : "unknown", known);
	}
	if (!trained)
		return fail(KITH_UNSUPPORTED,
		    "%s: '%s' is not trained; train it with FAISS before it is saved", r->source->name,
		    node->fourcc);
	return KITH_OK;
}

static kith_status take_header(struct faiss_reader *r, struct faiss_node *node)
{
	int32_t dim = 0, metric = 0;
	int64_t unused[2];
	bool trained = false;
	kith_status status = faiss_take(r, &dim, sizeof dim);
	if (status == KITH_OK)
		status = faiss_take(r, &node->n, sizeof node->n);
	if (status == KITH_OK)
		status = faiss_take(r, unused, sizeof unused);
	if (status == KITH_OK)
		status = faiss_take_bool(r, &trained);
	if (status == KITH_OK)
		status = faiss_take(r, &metric, sizeof metric);
	if (status == KITH_OK && faiss_metric_has_argument(metric))
		status = faiss_take(r, &node->argument, sizeof node->argument);
	node->dim = dim;
	node->metric = metric;
	return status ? status : check_header(r, node, trained, metric);
}

/* codes [n × code_size] as an array of elements of `cell` bytes. */
static kith_status take_codes(struct faiss_reader *r, struct faiss_node *node, size_t cell)
{
	struct faiss_array codes = {0, 0};
	size_t bytes;
	kith_status status = faiss_take_array(r, cell, &codes);
	if (status)
		return status;
	if (!size_mul((size_t)node->n, node->codec.code_size, &bytes) || bytes != (size_t)codes.n * cell)
		return faiss_fail(r->source,
		    "'%s' has %lld bytes of codes, not %zu for each of %lld vector%s", node->fourcc,
		    (long long)codes.n * (long long)cell, node->codec.code_size, (long long)node->n,
		    PLURAL(node->n));
	node->codes = codes.offset;
	return KITH_OK;
}

static kith_status take_flat(struct faiss_reader *r, struct faiss_node *node)
{
	node->codec =
	    (struct faiss_codec){.coding = FAISS_FLOATS, .code_size = (size_t)node->dim * sizeof(float)};
	/* The letters tell the metric, too. */
	if ((node->fourcc[3] == 'I') != (node->metric == FAISS_IP) && node->fourcc[3] != 'l')
		return faiss_fail(r->source, "'%s' has metric %d", node->fourcc, node->metric);
	return take_codes(r, node, sizeof(float));
}

static kith_status take_pq(struct faiss_reader *r, struct faiss_node *node)
{
	bool signs;
	kith_status status = faiss_take_product(r, node, &node->codec);
	if (status == KITH_OK)
		status = take_codes(r, node, 1);
	if (node->fourcc[3] == 'Q') {
		node->metric = FAISS_L2; /* whatever the file says: FAISS did not use it in this form */
		return status;
	}
	if (status == KITH_OK)
		status = faiss_take(r, &node->search_type, sizeof node->search_type);
	if (status == KITH_OK)
		status = faiss_take_bool(r, &signs);
	if (status == KITH_OK)
		status = faiss_take(r, &node->polysemous_ht, sizeof node->polysemous_ht);
	if (node->fourcc[3] == 'o')
		node->metric = FAISS_L2;
	return status;
}

static kith_status take_sq(struct faiss_reader *r, struct faiss_node *node)
{
	kith_status status = faiss_take_scalar(r, node, &node->codec);
	return status ? status : take_codes(r, node, 1);
}

static kith_status take_rabitq(struct faiss_reader *r, struct faiss_node *node)
{
	uint8_t query_bits;
	kith_status status = faiss_take_rabitq(r, node);
	if (status == KITH_OK)
		status = take_codes(r, node, 1);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(float), &node->codec.centroids);
	if (status == KITH_OK)
		status = faiss_take(r, &query_bits, sizeof query_bits);
	if (status == KITH_OK && node->codec.centroids.n != node->dim)
		return faiss_fail(r->source, "'%s' has a mean of %lld floats", node->fourcc,
		    (long long)node->codec.centroids.n);
	return status;
}

/* ---- inverted files ---- */

/* The members of an inverted file before its codec. old [nlist]: the ids of lists, in forms that have them
 * here. */
static kith_status take_ivf(
    struct faiss_reader *r, int depth, struct faiss_node *node, struct faiss_array **old)
{
	uint64_t counts[2] = {0, 0};
	struct faiss_array direct, table;
	char kind = 0;
	kith_status status = faiss_take(r, counts, sizeof counts);
	if (status == KITH_OK)
		status = take_index(r, depth, &node->child);
	if (status)
		return status;
	if (counts[0] < 1 || counts[0] != (uint64_t)node->child->n || node->child->dim != node->dim)
		return faiss_fail(r->source,
		    "'%s' has %llu lists of dimension %lld, and %lld centroids of %lld", node->fourcc,
		    (unsigned long long)counts[0], (long long)node->dim, (long long)node->child->n,
		    (long long)node->child->dim);
	if (faiss_node_metric(node->child) != faiss_node_metric(node))
		return fail(KITH_UNSUPPORTED,
		    "%s: '%s' has another metric than its coarse quantizer '%s'; kith's lists have that of "
		    "the index",
		    r->source->name, node->fourcc, node->child->fourcc);
	/* The file has as many centroids, so the count is no lie. */
	node->nlist = node->child->n;
	node->nprobe = counts[1] < 1 || counts[1] > (uint64_t)node->nlist ? 1 : (int64_t)counts[1];
	node->list = mem_zalloc((size_t)node->nlist, sizeof *node->list);
	*old = node->fourcc[1] == 'v' ? mem_zalloc((size_t)node->nlist, sizeof **old) : NULL;
	if (!node->list || (node->fourcc[1] == 'v' && !*old))
		return fail_nomem("lists", (size_t)node->nlist * sizeof *node->list);
	for (int64_t l = 0; status == KITH_OK && *old && l < node->nlist; l++)
		status = faiss_take_array(r, sizeof(int64_t), &(*old)[l]);
	if (status == KITH_OK)
		status = faiss_take(r, &kind, 1);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(int64_t), &direct);
	if (status == KITH_OK && kind == 2)
		status = faiss_take_array(r, 2 * sizeof(int64_t), &table);
	return status;
}

static kith_status check_code_size(const struct faiss_reader *r, const struct faiss_node *node, uint64_t size)
{
	if (size == node->codec.code_size)
		return KITH_OK;
	return faiss_fail(r->source, "'%s' has codes of %llu bytes, its codec of %zu", node->fourcc,
	    (unsigned long long)size, node->codec.code_size);
}

/* The codec of an inverted file, and whether it codes residuals. */
static kith_status take_ivf_codec(struct faiss_reader *r, struct faiss_node *node)
{
	uint64_t size = (uint64_t)node->dim * sizeof(float);
	kith_status status = KITH_OK;
	if (node->fourcc[2] == 'F') {
		node->codec = (struct faiss_codec){.coding = FAISS_FLOATS, .code_size = (size_t)size};
		return KITH_OK;
	}
	if (node->fourcc[3] == 'f')
		return faiss_take_fast_codec(r, node);
	if (node->fourcc[2] == 'r')
		return faiss_take_rabitq_list(r, node);
	if (node->fourcc[2] == 'P') {
		status = faiss_take_bool(r, &node->residual);
		if (status == KITH_OK)
			status = faiss_take(r, &size, sizeof size);
		if (status == KITH_OK)
			status = faiss_take_product(r, node, &node->codec);
		return status ? status : check_code_size(r, node, size);
	}
	node->residual = true;
	status = faiss_take_scalar(r, node, &node->codec);
	if (status == KITH_OK)
		status = faiss_take(r, &size, sizeof size);
	if (status == KITH_OK && memcmp(node->fourcc, "IwSq", 4) == 0)
		status = faiss_take_bool(r, &node->residual);
	return status ? status : check_code_size(r, node, size);
}

static kith_status take_inverted(struct faiss_reader *r, int depth, struct faiss_node *node)
{
	struct faiss_array *old = NULL;
	kith_status status = take_ivf(r, depth, node, &old);
	if (status == KITH_OK)
		status = take_ivf_codec(r, node);
	if (status == KITH_OK && old)
		status = faiss_take_old_lists(
		    r, node, old, memcmp(node->fourcc, "IvFl", 4) == 0 ? sizeof(float) : 1);
	else if (status == KITH_OK)
		status = (node->codec.block ? faiss_take_fast_lists : faiss_take_lists)(r, node);
	mem_free(old);
	return status;
}

/* ---- wrappers ---- */

static kith_status same_size(
    const struct faiss_reader *r, const struct faiss_node *node, const struct faiss_node *below, int64_t dim)
{
	if (below->n == node->n && below->dim == dim)
		return KITH_OK;
	return faiss_fail(r->source, "'%s' has %lld vector%s of dimension %lld, '%s' below it %lld of %lld",
	    node->fourcc, (long long)node->n, PLURAL(node->n), (long long)dim, below->fourcc,
	    (long long)below->n, (long long)below->dim);
}

static kith_status take_hnsw(struct faiss_reader *r, int depth, struct faiss_node *node)
{
	bool flags[2];
	int32_t unused;
	kith_status status = KITH_OK;
	/* Graphs made by cuVS have some more members. */
	if (node->fourcc[2] == 'c' || node->fourcc[3] == 'c') {
		status = faiss_take_bool(r, &flags[0]);
		if (status == KITH_OK)
			status = faiss_take_bool(r, &flags[1]);
		if (status == KITH_OK)
			status = faiss_take(r, &unused, sizeof unused);
		if (status == KITH_OK && node->fourcc[3] == '2')
			status = faiss_take(r, &unused, sizeof unused);
	}
	if (status == KITH_OK)
		status = faiss_take_graph(r, node);
	if (status == KITH_OK)
		status = take_index(r, depth, &node->child);
	if (status == KITH_OK && node->child->kind != FAISS_FLAT)
		return fail(KITH_UNSUPPORTED, "%s: holds '%s', a graph over '%s'; kith's are over codes",
		    r->source->name, node->fourcc, node->child->fourcc);
	if (status == KITH_OK)
		status = same_size(r, node, node->child, node->dim);
	return status;
}

static kith_status take_idmap(struct faiss_reader *r, int depth, struct faiss_node *node)
{
	kith_status status = take_index(r, depth, &node->child);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(int64_t), &node->ids);
	if (status == KITH_OK && node->ids.n != node->n)
		return faiss_fail(r->source, "'%s' has %lld id%s for %lld vector%s", node->fourcc,
		    (long long)node->ids.n, PLURAL(node->ids.n), (long long)node->n, PLURAL(node->n));
	return status ? status : same_size(r, node, node->child, node->dim);
}

static kith_status take_pretransform(struct faiss_reader *r, int depth, struct faiss_node *node)
{
	int32_t count = 0;
	int64_t dim = node->dim;
	kith_status status = faiss_take(r, &count, sizeof count);
	if (status)
		return status;
	if (count < 0 || count > FAISS_DEPTH)
		return faiss_fail(r->source, "'%s' has %d transforms", node->fourcc, count);
	node->transform = mem_zalloc((size_t)count, sizeof *node->transform);
	if (!node->transform)
		return fail_nomem("transforms", (size_t)count * sizeof *node->transform);
	node->transforms = count;
	for (int i = 0; status == KITH_OK && i < count; i++) {
		struct faiss_transform *transform = &node->transform[i];
		status = faiss_take_transform(r, transform);
		if (status == KITH_OK && transform->in != dim)
			return faiss_fail(r->source, "transform %d takes dimension %lld, not %lld", i + 1,
			    (long long)transform->in, (long long)dim);
		dim = transform->out;
	}
	if (status == KITH_OK)
		status = take_index(r, depth, &node->child);
	return status ? status : same_size(r, node, node->child, dim);
}

static kith_status take_refine(struct faiss_reader *r, int depth, struct faiss_node *node)
{
	kith_status status = take_index(r, depth, &node->child);
	if (status == KITH_OK)
		status = take_index(r, depth, &node->fine);
	if (status == KITH_OK)
		status = faiss_take(r, &node->k_factor, sizeof node->k_factor);
	if (status)
		return status;
	if (!(node->k_factor >= 1 && node->k_factor <= (float)KITH_MAX_K))
		return faiss_fail(r->source, "'%s' has k_factor %g", node->fourcc, (double)node->k_factor);
	if (node->fine->kind != FAISS_FLAT)
		return fail(KITH_UNSUPPORTED, "%s: '%s' refines by '%s'; kith does by codes", r->source->name,
		    node->fourcc, node->fine->fourcc);
	status = same_size(r, node, node->child, node->dim);
	return status ? status : same_size(r, node, node->fine, node->dim);
}

static kith_status take_members(struct faiss_reader *r, int depth, struct faiss_node *node)
{
	const char *letters = node->fourcc;
	if (memcmp(letters, "Ix", 2) == 0 && letters[2] == 'F') {
		node->kind = FAISS_FLAT;
		return take_flat(r, node);
	}
	if (memcmp(letters, "IxSQ", 4) == 0) {
		node->kind = FAISS_FLAT;
		return take_sq(r, node);
	}
	if (memcmp(letters, "Ixr", 3) == 0) {
		node->kind = FAISS_FLAT;
		return take_rabitq(r, node);
	}
	if (memcmp(letters, "IxPT", 4) == 0) {
		node->kind = FAISS_PRETRANSFORM;
		return take_pretransform(r, depth, node);
	}
	if (memcmp(letters, "IPfs", 4) == 0) {
		node->kind = FAISS_FLAT;
		return faiss_take_fast_flat(r, node);
	}
	if (memcmp(letters, "IxP", 3) == 0) {
		node->kind = FAISS_FLAT;
		return take_pq(r, node);
	}
	if (memcmp(letters, "IxM", 3) == 0) {
		node->kind = FAISS_IDMAP;
		return take_idmap(r, depth, node);
	}
	if (memcmp(letters, "IxRF", 4) == 0) {
		node->kind = FAISS_REFINE;
		return take_refine(r, depth, node);
	}
	node->kind = letters[1] == 'H' ? FAISS_HNSW : FAISS_IVF;
	return node->kind == FAISS_HNSW ? take_hnsw(r, depth, node) : take_inverted(r, depth, node);
}

/* *out is to be freed also after a failure. */
static kith_status take_index(struct faiss_reader *r, int depth, struct faiss_node **out)
{
	char fourcc[4];
	kith_status status = faiss_take(r, fourcc, sizeof fourcc);
	if (status)
		return status;
	if (!faiss_knows(fourcc))
		return faiss_refuse(r, fourcc);
	if (depth == FAISS_DEPTH)
		return fail(KITH_UNSUPPORTED, "%s: holds indexes in indexes, more than %d deep",
		    r->source->name, FAISS_DEPTH);
	*out = mem_zalloc(1, sizeof **out);
	if (!*out)
		return fail_nomem("a description", sizeof **out);
	memcpy((*out)->fourcc, fourcc, sizeof fourcc);
	status = take_header(r, *out);
	return status ? status : take_members(r, depth + 1, *out);
}

kith_status faiss_describe_first(struct faiss_node **out, const struct blob_source *source, uint64_t *end)
{
	struct faiss_reader r = {.source = source};
	*out = NULL;
	kith_status status = take_index(&r, 0, out);
	*end = r.at;
	if (status) {
		faiss_node_free(*out);
		*out = NULL;
	}
	return status;
}

kith_status faiss_describe(struct faiss_node **out, const struct blob_source *source)
{
	uint64_t end;
	kith_status status = faiss_describe_first(out, source, &end);
	if (status == KITH_OK && end != source->size)
		status = faiss_fail(source, "goes on for %llu byte%s after its end",
		    (unsigned long long)(source->size - end), PLURAL(source->size - end));
	if (status) {
		faiss_node_free(*out);
		*out = NULL;
	}
	return status;
}

void faiss_node_free(struct faiss_node *node)
{
	if (!node)
		return;
	faiss_node_free(node->child);
	faiss_node_free(node->fine);
	mem_free(node->list);
	mem_free(node->transform);
	mem_free(node);
}
