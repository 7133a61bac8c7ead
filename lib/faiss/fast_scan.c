/* Codes as FAISS packs them for its fast scans (IndexPQFastScan, IndexIVFPQFastScan): product quantizers of 4
 * bits a number, `block` vectors at a time (bbs, a multiple of 32).
 *
 * A block holds pairs of numbers, one pair of all its vectors after another: a row of 32 bytes for each 32
 * vectors. Byte j < 16 of a row has the first number of the pair, byte 16 + j the second; the low half of a
 * byte belongs to vector v < 16, the high half to vector v + 16. To suit a kernel, v goes through 0, 8, 1, 9,
 * 2, 10 … as j counts. The last block is stored whole even if it is not full.
 *
 * Here they are unpacked to plain codes: the numbers of a vector one after another.
 */
#include "lib/faiss/format.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"

#include <string.h>

enum { LANES = 32, HALF = LANES / 2, PAIR = 2, MAX_BLOCK = 1 << 16 };

/* Whether the blocks of n vectors have so many bytes. */
static bool are_blocks(const struct faiss_codec *codec, int64_t bytes, int64_t n)
{
	int64_t size = (int64_t)codec->block_bytes, blocks = n / codec->block + (n % codec->block != 0);
	return bytes % size == 0 && bytes / size == blocks;
}

/* Check the packing of a codec that was read, and note it there. numbers: of a vector in a block. */
static kith_status check_packing(
    const struct faiss_reader *r, struct faiss_node *node, int32_t block, uint64_t numbers)
{
	struct faiss_codec *codec = &node->codec;
	uint64_t whole = ((uint64_t)codec->m + 1) / PAIR * PAIR;
	if (codec->bits != 4 || block < LANES || block % LANES != 0 || block > MAX_BLOCK || numbers != whole)
		return faiss_fail(r->source, "'%s' packs %lld numbers of %d bits as %llu, in blocks of %d",
		    node->fourcc, (long long)codec->m, codec->bits, (unsigned long long)numbers, block);
	codec->block = block;
	codec->block_bytes = (size_t)block * (size_t)(whole / PAIR);
	return KITH_OK;
}

kith_status faiss_take_fast_flat(struct faiss_reader *r, struct faiss_node *node)
{
	int32_t how[3] = {0}; /* implementation, block, queries at a time */
	uint64_t sizes[2];    /* vectors, counting those that fill the last block; numbers of a vector */
	struct faiss_array codes = {0, 0};
	kith_status status = faiss_take_product(r, node, &node->codec);
	if (status == KITH_OK)
		status = faiss_take(r, how, sizeof how);
	if (status == KITH_OK)
		status = faiss_take(r, sizes, sizeof sizes);
	if (status == KITH_OK)
		status = check_packing(r, node, how[1], sizes[1]);
	if (status == KITH_OK)
		status = faiss_take_array(r, 1, &codes);
	if (status)
		return status;
	if (!are_blocks(&node->codec, codes.n, node->n))
		return faiss_fail(r->source,
		    "'%s' has %lld bytes of codes for %lld vectors, in blocks of %zu", node->fourcc,
		    (long long)codes.n, (long long)node->n, node->codec.block_bytes);
	node->codes = codes.offset;
	return KITH_OK;
}

kith_status faiss_take_fast_codec(struct faiss_reader *r, struct faiss_node *node)
{
	int32_t block = 0, unused;
	uint64_t size = 0, numbers = 0, queries;
	kith_status status = faiss_take_bool(r, &node->residual);
	if (status == KITH_OK)
		status = faiss_take(r, &size, sizeof size);
	if (status == KITH_OK)
		status = faiss_take(r, &block, sizeof block);
	if (status == KITH_OK)
		status = faiss_take(r, &numbers, sizeof numbers);
	if (status == KITH_OK)
		status = faiss_take(r, &unused, sizeof unused);
	if (status == KITH_OK)
		status = faiss_take(r, &queries, sizeof queries);
	if (status == KITH_OK)
		status = faiss_take_product(r, node, &node->codec);
	if (status == KITH_OK && size != node->codec.code_size)
		return faiss_fail(r->source, "'%s' has codes of %llu bytes, its codec of %zu", node->fourcc,
		    (unsigned long long)size, node->codec.code_size);
	return status ? status : check_packing(r, node, block, numbers);
}

kith_status faiss_take_fast_lists(struct faiss_reader *r, struct faiss_node *node)
{
	const struct faiss_codec *codec = &node->codec;
	uint64_t sizes[4]; /* lists, bytes of a code (meaningless here), vectors and bytes of a block */
	char fourcc[4];
	kith_status status = faiss_take(r, fourcc, sizeof fourcc);
	if (status == KITH_OK && memcmp(fourcc, "ilbl", 4) != 0)
		return faiss_refuse(r, fourcc);
	if (status == KITH_OK)
		status = faiss_take(r, sizes, sizeof sizes);
	if (status)
		return status;
	if (sizes[0] != (uint64_t)node->nlist || sizes[2] != (uint64_t)codec->block ||
	    sizes[3] != codec->block_bytes)
		return faiss_fail(r->source,
		    "'%s' has %lld lists in blocks of %lld vectors, then %llu of %llu", node->fourcc,
		    (long long)node->nlist, (long long)codec->block, (unsigned long long)sizes[0],
		    (unsigned long long)sizes[2]);
	for (int64_t l = 0; l < node->nlist; l++) {
		struct faiss_array ids, codes;
		status = faiss_take_array(r, sizeof(int64_t), &ids);
		if (status == KITH_OK)
			status = faiss_take_array(r, 1, &codes);
		if (status)
			return status;
		if (!are_blocks(codec, codes.n, ids.n))
			return faiss_fail(r->source,
			    "list %lld of '%s' has %lld ids, but %lld bytes of codes", (long long)l,
			    node->fourcc, (long long)ids.n, (long long)codes.n);
		node->list[l] = (struct faiss_list){ids.n, codes.offset, ids.offset};
	}
	return faiss_check_lists(r, node);
}

/* The code of vector v of a block. */
static void unpack(const struct faiss_codec *codec, const uint8_t *packed, int64_t v, uint8_t *code)
{
	int64_t lane = v % LANES, low = lane % HALF;
	int shift = lane < HALF ? 0 : 4;
	const uint8_t *row = packed + v / LANES * LANES + PAIR * (low % (HALF / 2)) + low / (HALF / 2);
	for (size_t i = 0; i < codec->code_size; i++, row += codec->block) {
		int first = row[0] >> shift & 15, second = row[HALF] >> shift & 15;
		code[i] = (uint8_t)(first | second << 4);
	}
}

kith_status faiss_load_packed(const struct blob_source *source, const struct faiss_codec *codec,
    uint64_t offset, int64_t first, int64_t n, uint8_t *out)
{
	uint8_t *packed = mem_alloc(codec->block_bytes, 1);
	if (!packed)
		return fail_nomem("codes", codec->block_bytes);
	kith_status status = KITH_OK;
	int64_t at = -1; /* the block in memory */
	for (int64_t i = 0; i < n; i++) {
		int64_t block = (first + i) / codec->block;
		if (block != at)
			status = faiss_load(source, offset, block, 1, codec->block_bytes, packed);
		if (status)
			break;
		at = block;
		unpack(codec, packed, (first + i) % codec->block, out + (size_t)i * codec->code_size);
	}
	mem_free(packed);
	return status;
}
