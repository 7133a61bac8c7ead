/* Importing from FAISS's files: codecs, codes, and the indexes that are nothing else. */
#include "lib/faiss/import.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"
#include "lib/codec/pq.h"
#include "lib/codec/rabitq.h"
#include "lib/codec/sq.h"
#include "lib/index/index_state.h"
#include "lib/index/parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bytes of codes in memory at a time. */
enum { PIECE = 1 << 20 };

kith_status import_refit(const struct import *im, kith_status status)
{
	char message[200];
	if (status != KITH_INVALID)
		return status;
	snprintf(message, sizeof message, "%s", fail_message());
	return fail(KITH_UNSUPPORTED, "%s: does not fit into kith: %s", im->source->name, message);
}

/* A new array of floats, all finite and of at most `max`; NULL on failure. */
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
	float *ranges =
	    load_floats(im, &node->codec.ranges, IMPORT_MAX, "ranges of a scalar quantizer", &status);
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
	    load_floats(im, &node->codec.centroids, IMPORT_MAX, "centroids of a product quantizer", &status);
	if (status == KITH_OK)
		status = codec_new_pq(out, node->dim, false, node->codec.m, node->codec.bits);
	if (status == KITH_OK)
		status = codec_pq_set(*out, centroids);
	mem_free(centroids);
	return status;
}

/* Its mean is a flat index's; lists have centroids. */
static kith_status make_rabitq(const struct import *im, const struct faiss_node *node, struct codec **out)
{
	kith_status status = KITH_OK;
	float *mean = node->codec.centroids.n
	                  ? load_floats(im, &node->codec.centroids, IMPORT_MAX, "the mean of RaBitQ", &status)
	                  : mem_zalloc((size_t)node->dim, sizeof *mean);
	if (status == KITH_OK && !mean)
		status = fail_nomem("a mean", (size_t)node->dim * sizeof *mean);
	if (status == KITH_OK)
		status = codec_new_rabitq(
		    out, node->dim, false, node->codec.bits, faiss_node_metric(node)->similarity);
	if (status == KITH_OK && codec_rabitq_set(*out, mean) != KITH_OK)
		status = faiss_fail(im->source, "'%s' has a mean that is too large", node->fourcc);
	mem_free(mean);
	return status;
}

kith_status import_codec(const struct import *im, const struct faiss_node *node, struct codec **out)
{
	kith_status status;
	*out = NULL;
	if (node->codec.coding == FAISS_FLOATS)
		status = codec_new_fp32(out, node->dim, false);
	else
		status = (node->codec.coding == FAISS_SCALAR   ? make_scalar
		          : node->codec.coding == FAISS_RABITQ ? make_rabitq
		                                               : make_product)(im, node, out);
	if (status == KITH_OK)
		status = codec_take_metric(*out, faiss_node_metric(node));
	if (status) {
		codec_free(*out);
		*out = NULL;
	}
	return status;
}

/* ---- codes ---- */

/* The first of n codes that stands for no finite vector; −1: none. x [dim] */
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
		if (metric_find_bad(codec->domain, x, codec->dim) >= 0)
			return i;
	}
	return -1;
}

kith_status import_codes(const struct import *im, const struct faiss_node *node, const struct codec *codec,
    uint64_t offset, int64_t first, int64_t n, uint8_t *plain, float *x)
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
	if (node->codec.coding == FAISS_RABITQ)
		return faiss_convert_rabitq(im->source, node, codec, first, n, plain);
	int64_t bad = find_bad(codec, n, plain, x);
	if (bad >= 0)
		return faiss_fail(im->source, "vector %lld of '%s' is not finite%s", (long long)(first + bad),
		    node->fourcc,
		    codec->ops->limit > 0
		        ? ": FAISS keeps what is beyond ±65504 as infinity; use SQbf16 there"
		        : "");
	return KITH_OK;
}

/* Append all codes of a flat node to stored->codes. */
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
		status = import_codes(im, node, stored->codec, node->codes, first, n, plain, x);
		if (status == KITH_OK)
			codes_append_plain(&stored->codes, n, plain, x);
	}
	mem_free(plain);
	mem_free(x);
	return status;
}

void import_stored_free(struct vectors *stored)
{
	vectors_free(stored);
	*stored = (struct vectors){0};
}

kith_status import_stored(const struct import *im, const struct faiss_node *node, const int64_t *ids,
    bool gathered, struct vectors *stored)
{
	*stored = (struct vectors){0};
	kith_status status = import_codec(im, node, &stored->codec);
	if (status)
		return status;
	vectors_init(stored, stored->codec);
	stored->codes.gathered = gathered;
	status = copy_codes(im, node, stored);
	if (status == KITH_OK)
		status = import_refit(im, ids_append(&stored->ids, node->n, ids));
	if (status)
		import_stored_free(stored);
	return status;
}

kith_status import_flat(
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
	kith_status status = import_stored(im, node, ids, false, &stored);
	if (status)
		return status;
	status = flat_from_components(out, faiss_node_metric(node), &stored);
	if (status)
		import_stored_free(&stored);
	return status;
}

kith_status import_labels(struct import *im, int64_t n, int64_t **ids)
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
