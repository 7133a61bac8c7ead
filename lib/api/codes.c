/* Encoding and decoding vectors that belong to no index. Threads share the work in chunks, each of which is
 * encoded as an add would encode it. */
#include <kith/codes.h>

#include "lib/api/check.h"
#include "lib/api/guard.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/codec/codec.h"
#include "lib/index/structure.h"

#include <stdatomic.h>

enum { CHUNK = 1024 };

struct coding {
	const struct codec *codec;
	size_t size; /* bytes of a code */
	int64_t n;
	const float *x;
	float *out;
	const uint8_t *codes;
	uint8_t *made;
	_Atomic bool failed;
};

static const struct codec *codec_of(const kith_index *index)
{
	return index->ops->codec ? index->ops->codec(index) : NULL;
}

size_t kith_index_code_size(const kith_index *index)
{
	const struct codec *codec = index ? codec_of(index) : NULL;
	return codec ? codes_plain_bytes(codec) : 0;
}

/* Get the codec of an index, which is trained and does not change until read_end. */
static kith_status coding_begin(struct coding *c, const kith_index *index)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	kith_status status = read_begin(index);
	if (status)
		return status;
	c->codec = codec_of(index);
	if (!c->codec)
		status = fail(KITH_UNSUPPORTED,
		    "index '%s' keeps no codes of its own; ask what it wraps (kith_index_part)", index->spec);
	else if (!c->codec->trained)
		status = fail(KITH_UNTRAINED, "index '%s' must be trained before it encodes", index->spec);
	else
		c->size = codes_plain_bytes(c->codec);
	if (status)
		read_end(index);
	return status;
}

static void encode_chunk(void *arg, int64_t number, int worker)
{
	(void)worker;
	struct coding *c = arg;
	int64_t from = number * CHUNK, n = c->n - from < CHUNK ? c->n - from : CHUNK, dim = c->codec->dim;
	uint8_t *made = c->made + (size_t)from * c->size;
	struct codes codes;
	codes_init(&codes, c->codec);
	float *scratch = mem_alloc(CODES_SCRATCH(dim), sizeof *scratch);
	if (scratch && codes_reserve(&codes, n, 0) == KITH_OK) {
		codes_append(&codes, KITH_F32, n, c->x + from * dim, scratch);
		for (int64_t i = 0; i < n; i++)
			codes_get_plain(&codes, i, made + (size_t)i * c->size);
	} else {
		atomic_store(&c->failed, true);
	}
	codes_free(&codes);
	mem_free(scratch);
}

static void decode_chunk(void *arg, int64_t number, int worker)
{
	(void)worker;
	struct coding *c = arg;
	const struct codec_ops *ops = c->codec->ops;
	int64_t from = number * CHUNK, to = c->n - from < CHUNK ? c->n : from + CHUNK, dim = c->codec->dim;
	struct rows rows = rows_of_array(ops->type, c->n, dim, c->codes, c->size);
	for (int64_t i = from; i < to; i++) {
		float *x = c->out + i * dim;
		if (codec_encodes(c->codec)) {
			ops->decode(c->codec, c->codes + (size_t)i * c->size, x);
			continue;
		}
		const float *row = rows_load(&rows, i, x);
		if (row != x)
			memcpy(x, row, (size_t)dim * sizeof *x);
	}
}

static kith_status encode(struct coding *c)
{
	kith_status status = check_vectors("x", c->n, c->codec->dim, KITH_F32, c->x);
	if (status == KITH_OK && c->n && !c->made)
		status = fail(KITH_INVALID, "codes is NULL, with %lld to write", (long long)c->n);
	if (status == KITH_OK)
		status = codec_check(c->codec, KITH_F32, c->n, c->x);
	if (status == KITH_OK)
		threads_run(threads_resolve(0), (c->n + CHUNK - 1) / CHUNK, encode_chunk, c);
	return c->failed ? fail_nomem("codes", CHUNK * c->size) : status;
}

kith_status kith_index_encode(const kith_index *index, int64_t n, const float *x, uint8_t *codes)
{
	struct coding c = {.n = n, .x = x, .made = codes};
	kith_status status = coding_begin(&c, index);
	if (status)
		return status;
	status = encode(&c);
	read_end(index);
	return status;
}

kith_status kith_index_decode(const kith_index *index, int64_t n, const uint8_t *codes, float *x)
{
	struct coding c = {.n = n, .codes = codes, .out = x};
	kith_status status = coding_begin(&c, index);
	if (status)
		return status;
	status = check_vectors("codes", n, (int64_t)c.size, KITH_U8, codes);
	if (status == KITH_OK)
		status = check_vectors("x", n, c.codec->dim, KITH_F32, x);
	if (status == KITH_OK)
		threads_run(threads_resolve(0), (n + CHUNK - 1) / CHUNK, decode_chunk, &c);
	read_end(index);
	return status;
}
