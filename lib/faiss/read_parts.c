/* Parts of FAISS's objects: quantizers, transforms, inverted lists, graphs. */
#include "lib/faiss/format.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"

#include <math.h>
#include <string.h>

/* ---- quantizers ---- */

kith_status faiss_take_product(
    struct faiss_reader *r, const struct faiss_node *node, struct faiss_codec *codec)
{
	uint64_t numbers[3] = {0}; /* dimension, parts, bits of a number */
	kith_status status = faiss_take(r, numbers, sizeof numbers);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(float), &codec->centroids);
	if (status)
		return status;
	uint64_t m = numbers[1], bits = numbers[2];
	if (numbers[0] != (uint64_t)node->dim || m < 1 || m > numbers[0] || numbers[0] % m)
		return faiss_fail(r->source, "'%s' has %llu parts of dimension %llu in dimension %lld",
		    node->fourcc, (unsigned long long)m, (unsigned long long)numbers[0],
		    (long long)node->dim);
	if (bits < 4 || bits > 12)
		return fail(KITH_UNSUPPORTED,
		    "%s: '%s' is of a product quantizer of %llu bits a number; kith's have 4 to 12",
		    r->source->name, node->fourcc, (unsigned long long)bits);
	if (codec->centroids.n != node->dim << bits)
		return faiss_fail(r->source, "'%s' has %lld floats of centroids instead of %lld",
		    node->fourcc, (long long)codec->centroids.n, (long long)(node->dim << bits));
	codec->coding = FAISS_PRODUCT;
	codec->m = (int64_t)m;
	codec->bits = (int)bits;
	codec->code_size = (size_t)(m * bits + 7) / 8;
	return KITH_OK;
}

/* Bits of an element; whether ranges are learnt, and then for each element or one for all. */
static const struct {
	int bits;
	bool learns, uniform;
} scalars[FAISS_SCALARS] = {
    [FAISS_8BIT] = {8, true, false},
    [FAISS_4BIT] = {4, true, false},
    [FAISS_8BIT_UNIFORM] = {8, true, true},
    [FAISS_4BIT_UNIFORM] = {4, true, true},
    [FAISS_FP16] = {16, false, false},
    [FAISS_8BIT_DIRECT] = {8, false, false},
    [FAISS_6BIT] = {6, true, false},
    [FAISS_BF16] = {16, false, false},
    [FAISS_8BIT_SIGNED] = {8, false, false},
};

kith_status faiss_take_scalar(
    struct faiss_reader *r, const struct faiss_node *node, struct faiss_codec *codec)
{
	int32_t type = 0, range[2]; /* how ranges were found, which no longer matters */
	uint64_t sizes[2] = {0};    /* dimension, bytes of a code */
	kith_status status = faiss_take(r, &type, sizeof type);
	if (status == KITH_OK)
		status = faiss_take(r, range, sizeof range);
	if (status == KITH_OK)
		status = faiss_take(r, sizes, sizeof sizes);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(float), &codec->ranges);
	if (status)
		return status;
	if (type < 0 || sizes[0] != (uint64_t)node->dim)
		return faiss_fail(r->source, "'%s' has a scalar quantizer %d of dimension %llu", node->fourcc,
		    type, (unsigned long long)sizes[0]);
	if (type >= FAISS_SCALARS)
		return fail(KITH_UNSUPPORTED,
		    "%s: '%s' is of a scalar quantizer of type %d; kith has 8bit, 6bit, 4bit, fp16, bf16 and "
		    "8bit_direct",
		    r->source->name, node->fourcc, type);
	int64_t learnt = !scalars[type].learns ? 0 : scalars[type].uniform ? 2 : 2 * node->dim;
	codec->coding = FAISS_SCALAR;
	codec->scalar = (enum faiss_scalar)type;
	codec->code_size = ((size_t)node->dim * (size_t)scalars[type].bits + 7) / 8;
	if (sizes[1] != codec->code_size || codec->ranges.n != learnt)
		return faiss_fail(r->source, "'%s' has codes of %llu bytes and %lld floats of ranges",
		    node->fourcc, (unsigned long long)sizes[1], (long long)codec->ranges.n);
	return KITH_OK;
}

/* ---- transforms ---- */

static kith_status take_pca(struct faiss_reader *r, const char *fourcc, struct faiss_transform *t)
{
	float power = 0, epsilon;
	int32_t bins;
	struct faiss_array learnt;
	t->map = FAISS_PCA;
	kith_status status = faiss_take(r, &power, sizeof power);
	if (status == KITH_OK && memcmp(fourcc, "Pcam", 4) == 0)
		status = faiss_take(r, &epsilon, sizeof epsilon);
	if (status == KITH_OK)
		status = faiss_take_bool(r, &t->rotate);
	if (status == KITH_OK && memcmp(fourcc, "PCAm", 4) != 0)
		status = faiss_take(r, &bins, sizeof bins);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(float), &t->mean);
	/* Eigenvalues, eigenvectors: the matrix follows from them. */
	for (int i = 0; status == KITH_OK && i < 2; i++)
		status = faiss_take_array(r, sizeof(float), &learnt);
	t->whiten = power != 0;
	return status;
}

static kith_status take_linear(struct faiss_reader *r, struct faiss_transform *t)
{
	bool biased = false;
	kith_status status = faiss_take_bool(r, &biased);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(float), &t->matrix);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(float), &t->shift);
	if (!biased)
		t->shift.n = 0;
	else if (status == KITH_OK && t->shift.n == 0)
		return faiss_fail(r->source, "a transform lacks its bias");
	return status;
}

/* kith only pads: element i must come from element i, or be 0 where i is at least the dimension that goes
 * in. */
static kith_status check_padding(
    const struct faiss_reader *r, const struct faiss_array *map, const struct faiss_transform *t)
{
	if (map->n != t->out)
		return faiss_fail(
		    r->source, "a map of %lld dimensions makes %lld", (long long)map->n, (long long)t->out);
	for (int64_t i = 0; i < t->out; i++) {
		int32_t from = 0;
		kith_status status = faiss_load(r->source, map->offset, i, 1, sizeof from, &from);
		if (status)
			return status;
		if (from != (i < t->in ? i : -1) || t->out < t->in)
			return fail(KITH_UNSUPPORTED,
			    "%s: holds 'RmDT', which moves dimensions; kith only pads them with zeros",
			    r->source->name);
	}
	return KITH_OK;
}

static kith_status check_transform(const struct faiss_reader *r, const struct faiss_array *map,
    const struct faiss_transform *t, bool trained)
{
	if (t->in < 1 || t->out < 1)
		return faiss_fail(r->source, "a transform makes %lld dimensions out of %lld",
		    (long long)t->out, (long long)t->in);
	if (t->in > KITH_MAX_DIM || t->out > KITH_MAX_DIM)
		return fail(KITH_UNSUPPORTED,
		    "%s: a transform makes %lld dimensions out of %lld; kith's go to %d", r->source->name,
		    (long long)t->out, (long long)t->in, KITH_MAX_DIM);
	if (!trained)
		return fail(KITH_UNSUPPORTED, "%s: holds a transform that is not trained", r->source->name);
	if (t->map == FAISS_UNIT && t->in != t->out)
		return faiss_fail(r->source, "'VNrm' makes %lld dimensions out of %lld", (long long)t->out,
		    (long long)t->in);
	if (t->map == FAISS_PAD)
		return check_padding(r, map, t);
	if (t->map != FAISS_UNIT && (t->matrix.n != t->in * t->out || (t->shift.n && t->shift.n != t->out) ||
	                                (t->mean.n && t->mean.n != t->in)))
		return faiss_fail(r->source, "a transform of %lld to %lld dimensions has a matrix of %lld",
		    (long long)t->in, (long long)t->out, (long long)t->matrix.n);
	return KITH_OK;
}

kith_status faiss_take_transform(struct faiss_reader *r, struct faiss_transform *t)
{
	char fourcc[4];
	int32_t dims[2] = {0, 0};
	float norm = 2;
	bool trained = false;
	struct faiss_array map = {0, 0};
	kith_status status = faiss_take(r, fourcc, sizeof fourcc);
	if (status)
		return status;
	if (memcmp(fourcc, "VNrm", 4) == 0) {
		t->map = FAISS_UNIT;
		status = faiss_take(r, &norm, sizeof norm);
	} else if (memcmp(fourcc, "RmDT", 4) == 0) {
		t->map = FAISS_PAD;
		status = faiss_take_array(r, sizeof(int32_t), &map);
	} else if (memcmp(fourcc, "rrot", 4) == 0 || memcmp(fourcc, "LTra", 4) == 0) {
		t->map = fourcc[0] == 'r' ? FAISS_ROTATION : FAISS_LINEAR;
		status = take_linear(r, t);
	} else if (memcmp(fourcc, "PCAm", 4) == 0 || memcmp(fourcc, "PcAm", 4) == 0 ||
	           memcmp(fourcc, "Pcam", 4) == 0) {
		status = take_pca(r, fourcc, t);
		status = status ? status : take_linear(r, t);
	} else {
		return faiss_refuse(r, fourcc);
	}
	if (status == KITH_OK)
		status = faiss_take(r, dims, sizeof dims);
	if (status == KITH_OK)
		status = faiss_take_bool(r, &trained);
	t->in = dims[0];
	t->out = dims[1];
	if (status == KITH_OK && norm != 2)
		return fail(KITH_UNSUPPORTED, "%s: holds 'VNrm' for norm %g; kith has norm 2",
		    r->source->name, (double)norm);
	return status ? status : check_transform(r, &map, t, trained);
}

/* ---- inverted lists ---- */

kith_status faiss_check_lists(const struct faiss_reader *r, const struct faiss_node *node)
{
	int64_t sum = 0;
	for (int64_t l = 0; l < node->nlist; l++)
		sum += node->list[l].n;
	if (sum != node->n)
		return faiss_fail(r->source, "'%s' has %lld vector%s, its lists %lld", node->fourcc,
		    (long long)node->n, PLURAL(node->n), (long long)sum);
	return KITH_OK;
}

/* Find the places of the lists, whose sizes are known. */
static kith_status place_lists(struct faiss_reader *r, struct faiss_node *node)
{
	size_t each = node->codec.code_size + sizeof(int64_t);
	for (int64_t l = 0; l < node->nlist; l++) {
		struct faiss_list *list = &node->list[l];
		if (list->n < 0 || (uint64_t)list->n > (r->source->size - r->at) / each)
			return faiss_fail(r->source,
			    "list %lld of '%s' has %lld vector%s, more than there are", (long long)l,
			    node->fourcc, (long long)list->n, PLURAL(list->n));
		list->codes = r->at;
		list->ids = r->at + (uint64_t)list->n * node->codec.code_size;
		r->at = list->ids + (uint64_t)list->n * sizeof(int64_t);
	}
	return faiss_check_lists(r, node);
}

/* Read the sizes of all lists; sparse: pairs of a list and its size. */
static kith_status take_sizes(struct faiss_reader *r, struct faiss_node *node, bool sparse)
{
	enum { CHUNK = 1024 };
	struct faiss_array sizes;
	kith_status status = faiss_take_array(r, sizeof(uint64_t), &sizes);
	if (status)
		return status;
	if (sparse ? sizes.n % 2 || sizes.n / 2 > node->nlist : sizes.n != node->nlist)
		return faiss_fail(r->source, "'%s' has %lld list%s, but %lld number%s for their sizes",
		    node->fourcc, (long long)node->nlist, PLURAL(node->nlist), (long long)sizes.n,
		    PLURAL(sizes.n));
	for (int64_t first = 0; first < sizes.n; first += CHUNK) {
		uint64_t numbers[CHUNK];
		int64_t count = sizes.n - first < CHUNK ? sizes.n - first : CHUNK;
		status = faiss_load(r->source, sizes.offset, first, count, sizeof *numbers, numbers);
		if (status)
			return status;
		for (int64_t i = 0; i < count; i += sparse ? 2 : 1) {
			uint64_t list = sparse ? numbers[i] : (uint64_t)(first + i);
			uint64_t size = numbers[sparse ? i + 1 : i];
			if (list >= (uint64_t)node->nlist || size > INT64_MAX)
				return faiss_fail(r->source, "list %llu of '%s' has %llu vector%s",
				    (unsigned long long)list, node->fourcc, (unsigned long long)size,
				    PLURAL(size));
			node->list[list].n = (int64_t)size;
		}
	}
	return KITH_OK;
}

kith_status faiss_take_lists(struct faiss_reader *r, struct faiss_node *node)
{
	char fourcc[4];
	uint64_t sizes[2]; /* lists, bytes of a code */
	kith_status status = faiss_take(r, fourcc, sizeof fourcc);
	if (status)
		return status;
	if (memcmp(fourcc, "ilar", 4) != 0)
		return faiss_refuse(r, fourcc);
	status = faiss_take(r, sizes, sizeof sizes);
	if (status == KITH_OK && (sizes[0] != (uint64_t)node->nlist || sizes[1] != node->codec.code_size))
		return faiss_fail(r->source, "'%s' has %lld lists with codes of %zu bytes, then %llu of %llu",
		    node->fourcc, (long long)node->nlist, node->codec.code_size, (unsigned long long)sizes[0],
		    (unsigned long long)sizes[1]);
	if (status == KITH_OK)
		status = faiss_take(r, fourcc, sizeof fourcc);
	if (status)
		return status;
	bool sparse = memcmp(fourcc, "sprs", 4) == 0;
	if (!sparse && memcmp(fourcc, "full", 4) != 0)
		return faiss_refuse(r, fourcc);
	status = take_sizes(r, node, sparse);
	return status ? status : place_lists(r, node);
}

kith_status faiss_take_old_lists(
    struct faiss_reader *r, struct faiss_node *node, const struct faiss_array *ids, size_t cell)
{
	for (int64_t l = 0; l < node->nlist; l++) {
		struct faiss_array codes;
		kith_status status = faiss_take_array(r, cell, &codes);
		if (status)
			return status;
		/* Both are in the file, so neither product overflows. */
		if ((uint64_t)codes.n * cell != (uint64_t)ids[l].n * node->codec.code_size)
			return faiss_fail(r->source, "list %lld of '%s' has %lld id%s, but other codes",
			    (long long)l, node->fourcc, (long long)ids[l].n, PLURAL(ids[l].n));
		node->list[l] = (struct faiss_list){ids[l].n, codes.offset, ids[l].offset};
	}
	return faiss_check_lists(r, node);
}

/* ---- graphs ---- */

kith_status faiss_take_graph(struct faiss_reader *r, struct faiss_node *node)
{
	struct faiss_array chances;
	int32_t ef[3] = {0}; /* efConstruction, efSearch, one that is not used any more */
	kith_status status = faiss_take_array(r, sizeof(double), &chances);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(int32_t), &node->widths);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(int32_t), &node->levels);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(uint64_t), &node->offsets);
	if (status == KITH_OK)
		status = faiss_take_array(r, sizeof(int32_t), &node->neighbors);
	if (status == KITH_OK)
		status = faiss_take(r, &node->entry, sizeof node->entry);
	if (status == KITH_OK)
		status = faiss_take(r, &node->top, sizeof node->top);
	if (status == KITH_OK)
		status = faiss_take(r, ef, sizeof ef);
	node->ef_construction = ef[0] < 1 ? 1 : ef[0];
	node->ef_search = ef[1] < 1 ? 1 : ef[1];
	if (status == KITH_OK && (node->levels.n != node->n || node->offsets.n - 1 != node->n))
		return faiss_fail(r->source, "'%s' has %lld vector%s, but a graph of %lld node%s",
		    node->fourcc, (long long)node->n, PLURAL(node->n), (long long)node->levels.n,
		    PLURAL(node->levels.n));
	return status;
}
