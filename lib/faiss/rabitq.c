/* RaBitQ codes in FAISS's files. A row consists of
 *
 *   the highest bits (signs), one for each component, starting at the lowest bit of the first byte;
 *   the floats ‖r‖² (for inner product minus ‖x‖²) and m, and with several bits one used only for pruning;
 *   with several bits: the lower bits, packed, and two floats, of which the second is f.
 *
 * Here r is the vector minus its mean or centroid, and u are the values of kith's numbers
 * (lib/codec/rabitq.h). FAISS's estimate of ⟨q, r⟩ is a ⟨q, u⟩, where a = 2 m / √d for one bit; for several
 * bits a = f, or −f / 2 under L2. For inner product, a is also the factor of kith's code. Under L2 FAISS
 * computes ‖q − c‖² + ‖r‖² − 2 a ⟨q, u⟩, but kith's codes stand for points, and the point of this direction
 * that is nearest to r is ‖r‖² / (a ‖u‖²) u. There is no rotation: in FAISS it is a separate
 * IndexPreTransform, which is also read.
 */
#include "lib/faiss/format.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/codec/rabitq.h"

#include <math.h>
#include <string.h>

enum { MAX_BITS = 9 };

/* The bytes of the floats after the signs. */
static size_t middle_bytes(int bits)
{
	return (bits > 1 ? 3 : 2) * sizeof(float);
}

static size_t row_bytes(int64_t dim, int bits)
{
	size_t signs = ((size_t)dim + 7) / 8, more = ((size_t)dim * (size_t)(bits - 1) + 7) / 8;
	return signs + middle_bytes(bits) + (bits > 1 ? more + 2 * sizeof(float) : 0);
}

kith_status faiss_take_rabitq(struct faiss_reader *r, struct faiss_node *node)
{
	uint64_t sizes[2] = {0}, bits = 1; /* dimension, bytes of a code */
	int32_t metric = 0;
	kith_status status = faiss_take(r, sizes, sizeof sizes);
	if (status == KITH_OK)
		status = faiss_take(r, &metric, sizeof metric);
	if (status == KITH_OK && node->fourcc[3] == 'r')
		status = faiss_take(r, &bits, sizeof bits);
	if (status)
		return status;
	if (bits < 1 || bits > MAX_BITS || sizes[0] != (uint64_t)node->dim ||
	    sizes[1] != row_bytes(node->dim, (int)bits) || metric != node->metric || metric > FAISS_L2)
		return faiss_fail(r->source,
		    "'%s' has RaBitQ of %llu bits, dimension %llu, metric %d and codes of %llu bytes",
		    node->fourcc, (unsigned long long)bits, (unsigned long long)sizes[0], metric,
		    (unsigned long long)sizes[1]);
	if (bits > RABITQ_MAX_BITS)
		return fail(KITH_UNSUPPORTED, "%s: '%s' has RaBitQ codes of %llu bits; kith has 1 to %d bits",
		    r->source->name, node->fourcc, (unsigned long long)bits, RABITQ_MAX_BITS);
	node->codec = (struct faiss_codec){
	    .coding = FAISS_RABITQ, .bits = (int)bits, .code_size = row_bytes(node->dim, (int)bits)};
	return KITH_OK;
}

kith_status faiss_take_rabitq_list(struct faiss_reader *r, struct faiss_node *node)
{
	uint64_t size = 0;
	uint8_t query_bits;
	kith_status status = faiss_take_rabitq(r, node);
	if (status == KITH_OK)
		status = faiss_take(r, &size, sizeof size);
	if (status == KITH_OK)
		status = faiss_take_bool(r, &node->residual);
	if (status == KITH_OK)
		status = faiss_take(r, &query_bits, sizeof query_bits);
	if (status)
		return status;
	if (!node->residual || size != node->codec.code_size)
		return faiss_fail(r->source, "'%s' has codes of %llu bytes, of %s", node->fourcc,
		    (unsigned long long)size, node->residual ? "residuals" : "whole vectors");
	return KITH_OK;
}

/* ---- rows ---- */

static float float_at(const uint8_t *byte)
{
	float value;
	memcpy(&value, byte, sizeof value);
	return value;
}

/* The number of component i. */
static unsigned number_at(const uint8_t *row, int64_t dim, int bits, int64_t i)
{
	unsigned number = row[i / 8] >> i % 8 & 1;
	const uint8_t *more = row + (dim + 7) / 8 + middle_bytes(bits);
	int64_t bit = i * (bits - 1);
	for (int b = bits - 2; b >= 0; b--)
		number = number << 1 | (more[(bit + b) / 8] >> (bit + b) % 8 & 1);
	return number;
}

/* The factor of a code; square: ‖u‖². */
static double factor_of(const uint8_t *row, size_t size, int64_t dim, int bits, bool l2, double square)
{
	const uint8_t *own = row + (dim + 7) / 8, *end = row + size;
	double length = (double)float_at(own), estimate;
	if (bits == 1) {
		estimate = 2 * (double)float_at(own + sizeof(float)) / sqrt((double)dim);
	} else {
		length = (double)float_at(end - 2 * sizeof(float));
		estimate = (double)float_at(end - sizeof(float)) * (l2 ? -0.5 : 1);
	}
	if (!l2 || estimate == 0)
		return estimate;
	return length / (estimate * square);
}

/* Convert a row to kith's code. Returns false if its factor is not finite or too large. */
static bool convert(const struct codec_rabitq *r, const uint8_t *row, size_t size, bool l2, uint8_t *code)
{
	int64_t dim = r->codec.dim;
	double square = 0;
	for (int64_t g = 0; g < r->groups; g++) {
		uint8_t number[8] = {0};
		for (int64_t i = 8 * g; i < dim && i < 8 * g + 8; i++) {
			number[i % 8] = (uint8_t)number_at(row, dim, r->bits, i);
			double u = number[i % 8] - rabitq_middle(r);
			square += u * u;
		}
		rabitq_pack(number, r->bits, code + g * r->bits);
	}
	double factor = factor_of(row, size, dim, r->bits, l2, square);
	if (!(fabs(factor) * sqrt(square) <= RABITQ_MAX_LENGTH))
		return false;
	rabitq_finish(r, (float)factor, square, code);
	return true;
}

kith_status faiss_convert_rabitq(const struct blob_source *source, const struct faiss_node *node,
    const struct codec *codec, int64_t first, int64_t n, uint8_t *rows)
{
	const struct codec_rabitq *r = codec_rabitq(codec);
	size_t size = node->codec.code_size;
	uint8_t *row = mem_alloc(size, 1);
	if (!row)
		return fail_nomem("a code", size);
	kith_status status = KITH_OK;
	/* In place: a code is not longer than a row. */
	for (int64_t i = 0; status == KITH_OK && i < n; i++) {
		memcpy(row, rows + (size_t)i * size, size);
		if (!convert(r, row, size, node->metric == FAISS_L2, rows + (size_t)i * codec->row_bytes))
			status = faiss_fail(source, "vector %lld of '%s' has an invalid length",
			    (long long)(first + i), node->fourcc);
	}
	mem_free(row);
	return status;
}
