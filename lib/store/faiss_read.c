/* Reading FAISS's files, first pass: which objects there are, and where their arrays lie. Nothing is
 * allocated for what a count says before the bytes it speaks of were found in the file, so that a count that
 * lies costs nothing. The second pass (lib/api/faiss_import.c) then knows the size of everything, and the ids
 * of an IndexIDMap, which come last, before it builds what they belong to.
 *
 * What an object is made of was read from FAISS's own reader (impl/index_read.cpp), for all forms that it
 * still reads of the kinds of index that kith has.
 */
#include "lib/store/faiss.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What kith has nothing for, so that messages can say what it is. */
static const struct {
	const char *fourcc, *what;
} others[] = {
    {"IxHE", "a hash (IndexLSH)"},
    {"IxHe", "a hash (IndexLSH)"},
    {"IxRQ", "a residual quantizer"},
    {"IxRq", "a residual quantizer"},
    {"IxLS", "a local search quantizer"},
    {"IxPR", "a product residual quantizer"},
    {"IxPL", "a product local search quantizer"},
    {"ImRQ", "a residual coarse quantizer"},
    {"ILfs", "an additive quantizer, packed for fast scans"},
    {"IRfs", "an additive quantizer, packed for fast scans"},
    {"IPRf", "an additive quantizer, packed for fast scans"},
    {"IPLf", "an additive quantizer, packed for fast scans"},
    {"IVLf", "an inverted file of additive quantizers"},
    {"IVRf", "an inverted file of additive quantizers"},
    {"NPLf", "an inverted file of additive quantizers"},
    {"NPRf", "an inverted file of additive quantizers"},
    {"IwLS", "an inverted file of additive quantizers"},
    {"IwRQ", "an inverted file of additive quantizers"},
    {"IwPL", "an inverted file of additive quantizers"},
    {"IwPR", "an inverted file of additive quantizers"},
    {"IwFd", "an inverted file without duplicates"},
    {"IwPn", "an inverted file in Panorama's order"},
    {"IwP2", "an inverted file in Panorama's order"},
    {"IxFP", "a flat index in Panorama's order"},
    {"IxFp", "a flat index in Panorama's order"},
    {"IHfP", "an HNSW graph in Panorama's order"},
    {"IxRP", "a refinement in Panorama's order"},
    {"IxLa", "a lattice"},
    {"IwSh", "an inverted file of spectral hashes"},
    {"IwQR", "an inverted file of product quantizers with a second one (IVFPQR)"},
    {"IvQR", "an inverted file of product quantizers with a second one (IVFPQR)"},
    {"IwIQ", "an inverted file with a quantizer in another space"},
    {"Imiq", "an inverted multi-index"},
    {"Ix2L", "an index of two layers"},
    {"IHN2", "an HNSW graph over an index of two layers"},
    {"INSf", "an NSG graph"},
    {"INSp", "an NSG graph"},
    {"INSs", "an NSG graph"},
    {"INNf", "an NN-descent graph"},
    {"IPfs", "a product quantizer packed for fast scans"},
    {"IwPf", "an inverted file of product quantizers packed for fast scans"},
    {"IRMf", "a row-wise normaliser"},
    {"IRMh", "a row-wise normaliser"},
    {"Ixrq", "RaBitQ"},
    {"Ixrr", "RaBitQ"},
    {"Iwrq", "an inverted file of RaBitQ codes"},
    {"Iwrr", "an inverted file of RaBitQ codes"},
    {"Irfn", "RaBitQ, packed for fast scans"},
    {"Irfs", "RaBitQ, packed for fast scans"},
    {"Iwrn", "an inverted file of RaBitQ codes, packed for fast scans"},
    {"Iwrf", "an inverted file of RaBitQ codes, packed for fast scans"},
    {"IxEd", "an EDEN quantizer"},
    {"IxEe", "an EDEN quantizer"},
    {"IwEd", "an inverted file of EDEN codes"},
    {"IwEe", "an inverted file of EDEN codes"},
    {"null", "an index without its vectors"},
    {"Viqm", "a transform by ITQ"},
    {"Viqt", "a transform by ITQ"},
    {"HRot", "a Hadamard rotation"},
    {"VCnt", "a transform that only subtracts a mean"},
    {"il00", "an inverted file without its lists"},
    {"ilod", "an inverted file whose lists are in another file; read and write it with FAISS first"},
    {"ilbl", "an inverted file with lists in blocks"},
    {"ilpn", "an inverted file in Panorama's order"},
    {"ilp2", "an inverted file in Panorama's order"},
};

/* What kith reads. */
static const char *const known[] = {"IxFI", "IxF2", "IxFl", "IxPQ", "IxPo", "IxPq", "IxSQ", "IvFl", "IvFL",
    "IvPQ", "IvSQ", "IwFl", "IwPQ", "IwSQ", "IwSq", "IHNf", "IHNp", "IHNs", "IHNc", "IHc2", "IH00", "IxMp",
    "IxM2", "IxPT", "IxRF"};

/* In parentheses: the analyzer sees a macro of this name. */
kith_status(faiss_fail)(const struct blob_source *source, const char *format, ...)
{
	char text[240];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return fail(KITH_FORMAT, "%s: %s", source->name, text);
}

static const char *what_is(const char *fourcc)
{
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (memcmp(others[i].fourcc, fourcc, 4) == 0)
			return others[i].what;
	return NULL;
}

bool faiss_begins(const char *bytes)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (memcmp(known[i], bytes, 4) == 0)
			return true;
	/* An index, or one of bits: not only a part of one. */
	return memcmp(bytes, "IB", 2) == 0 || (bytes[0] == 'I' && what_is(bytes) != NULL);
}

kith_status faiss_refuse(const struct faiss_reader *r, const char *fourcc)
{
	char name[5] = {0};
	for (int i = 0; i < 4; i++)
		name[i] = isprint((unsigned char)fourcc[i]) ? fourcc[i] : '?';
	const char *what = what_is(fourcc);
	if (!what && memcmp(fourcc, "IB", 2) == 0)
		what = "an index of bits";
	if (what)
		return fail(KITH_UNSUPPORTED, "%s: holds '%s', %s; kith has nothing for it", r->source->name,
		    name, what);
	return faiss_fail(r->source, "byte %llu: '%s' is nothing that FAISS writes there",
	    (unsigned long long)r->at - 4, name);
}

/* ---- bytes ---- */

kith_status faiss_take(struct faiss_reader *r, void *out, size_t bytes)
{
	if (bytes > r->source->size - r->at)
		return faiss_fail(r->source, "ends where more should follow; was it cut off?");
	kith_status status = r->source->read(r->source->owner, r->at, out, bytes);
	r->at += bytes;
	return status;
}

kith_status faiss_take_bool(struct faiss_reader *r, bool *out)
{
	uint8_t byte = 0;
	kith_status status = faiss_take(r, &byte, 1);
	if (status == KITH_OK && byte > 1)
		return faiss_fail(
		    r->source, "byte %llu is %u instead of yes or no", (unsigned long long)r->at - 1, byte);
	*out = byte;
	return status;
}

kith_status faiss_take_array(struct faiss_reader *r, size_t size, struct faiss_array *array)
{
	uint64_t n = 0;
	kith_status status = faiss_take(r, &n, sizeof n);
	if (status)
		return status;
	if (n > (r->source->size - r->at) / size)
		return faiss_fail(r->source, "byte %llu: counts %llu elements, more than there are",
		    (unsigned long long)r->at - 8, (unsigned long long)n);
	*array = (struct faiss_array){r->at, (int64_t)n};
	r->at += n * size;
	return KITH_OK;
}

kith_status faiss_load(
    const struct blob_source *source, uint64_t offset, int64_t first, int64_t count, size_t size, void *out)
{
	return source->read(source->owner, offset + (uint64_t)first * size, out, (size_t)count * size);
}

/* ---- objects ---- */

static kith_status take_index(struct faiss_reader *r, int depth, struct faiss_node **out);

static kith_status check_header(
    const struct faiss_reader *r, const struct faiss_node *node, bool trained, int32_t metric)
{
	static const char *const metrics[] = {[2] = "L1",
	    [3] = "Linf",
	    [4] = "Lp",
	    [20] = "Canberra",
	    [21] = "BrayCurtis",
	    [22] = "JensenShannon",
	    [23] = "Jaccard",
	    [24] = "NaNEuclidean",
	    [25] = "Gower"};
	enum { METRICS = sizeof metrics / sizeof *metrics };
	if (node->dim < 1 || node->n < 0 || metric < 0)
		return faiss_fail(r->source, "'%s' has dimension %lld, %lld vectors, metric %d", node->fourcc,
		    (long long)node->dim, (long long)node->n, metric);
	if (node->dim > KITH_MAX_DIM)
		return fail(KITH_UNSUPPORTED, "%s: '%s' has dimension %lld; kith's go to %d", r->source->name,
		    node->fourcc, (long long)node->dim, KITH_MAX_DIM);
	if (metric > 1)
		return fail(KITH_UNSUPPORTED, "%s: '%s' has metric %d (%s); kith has L2 and inner product",
		    r->source->name, node->fourcc, metric,
		    metric < METRICS && metrics[metric] ? metrics[metric] : "unknown");
	if (!trained)
		return fail(KITH_UNSUPPORTED, "%s: '%s' is not trained; only trained indexes are imported",
		    r->source->name, node->fourcc);
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
		return faiss_fail(r->source, "'%s' has %lld bytes of codes, not %zu for each of %lld vectors",
		    node->fourcc, (long long)codes.n * (long long)cell, node->codec.code_size,
		    (long long)node->n);
	node->codes = codes.offset;
	return KITH_OK;
}

static kith_status take_flat(struct faiss_reader *r, struct faiss_node *node)
{
	node->codec =
	    (struct faiss_codec){.coding = FAISS_FLOATS, .code_size = (size_t)node->dim * sizeof(float)};
	/* The letters say the metric, too. */
	if ((node->fourcc[3] == 'I') != (node->metric == FAISS_IP) && node->fourcc[3] != 'l')
		return faiss_fail(r->source, "'%s' has metric %d", node->fourcc, node->metric);
	return take_codes(r, node, sizeof(float));
}

static kith_status take_pq(struct faiss_reader *r, struct faiss_node *node)
{
	struct {
		int32_t type;
		bool signs;
	} search = {0, false};
	int32_t unused;
	kith_status status = faiss_take_product(r, node, &node->codec);
	if (status == KITH_OK)
		status = take_codes(r, node, 1);
	if (node->fourcc[3] == 'Q') {
		node->metric = FAISS_L2; /* whatever it says: it was not asked then */
		return status;
	}
	if (status == KITH_OK)
		status = faiss_take(r, &search.type, sizeof search.type);
	if (status == KITH_OK)
		status = faiss_take_bool(r, &search.signs);
	if (status == KITH_OK)
		status = faiss_take(r, &unused, sizeof unused);
	if (node->fourcc[3] == 'o')
		node->metric = FAISS_L2;
	return status;
}

static kith_status take_sq(struct faiss_reader *r, struct faiss_node *node)
{
	kith_status status = faiss_take_scalar(r, node, &node->codec);
	return status ? status : take_codes(r, node, 1);
}

/* ---- inverted files ---- */

/* What of an inverted file comes before its codec. old [nlist]: the ids of lists, where they come here. */
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
	if (node->child->metric != node->metric)
		return fail(KITH_UNSUPPORTED,
		    "%s: '%s' has another metric than its coarse quantizer '%s'; kith's lists have that of "
		    "the index",
		    r->source->name, node->fourcc, node->child->fourcc);
	/* As many centroids are in the file. */
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
		status = faiss_take_lists(r, node);
	mem_free(old);
	return status;
}

/* ---- wrappers ---- */

static kith_status same_size(
    const struct faiss_reader *r, const struct faiss_node *node, const struct faiss_node *below, int64_t dim)
{
	if (below->n == node->n && below->dim == dim)
		return KITH_OK;
	return faiss_fail(r->source, "'%s' has %lld vectors of dimension %lld, '%s' below it %lld of %lld",
	    node->fourcc, (long long)node->n, (long long)dim, below->fourcc, (long long)below->n,
	    (long long)below->dim);
}

static kith_status take_hnsw(struct faiss_reader *r, int depth, struct faiss_node *node)
{
	bool flags[2];
	int32_t unused;
	kith_status status = KITH_OK;
	/* Graphs that cuVS made say some more. */
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
		return faiss_fail(r->source, "'%s' has %lld ids for %lld vectors", node->fourcc,
		    (long long)node->ids.n, (long long)node->n);
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
	if (memcmp(letters, "IxPT", 4) == 0) {
		node->kind = FAISS_PRETRANSFORM;
		return take_pretransform(r, depth, node);
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

static bool is_known(const char *fourcc)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (memcmp(known[i], fourcc, 4) == 0)
			return true;
	return false;
}

/* *out is to be freed also after a failure. */
static kith_status take_index(struct faiss_reader *r, int depth, struct faiss_node **out)
{
	char fourcc[4];
	kith_status status = faiss_take(r, fourcc, sizeof fourcc);
	if (status)
		return status;
	if (!is_known(fourcc))
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
		status = faiss_fail(
		    source, "goes on for %llu bytes after its end", (unsigned long long)(source->size - end));
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
