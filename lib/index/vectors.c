/* Vectors of one codec with ids. Codes lie in one growing array, ids beside them; removal closes the gaps and
 * keeps the order. */
#include "lib/index/vectors.h"

#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/search/filter.h"

struct rows vectors_rows(const struct vectors *v)
{
	struct rows rows = codes_rows(&v->codes);
	rows.ids = ids_list(&v->ids);
	return rows;
}

kith_status vectors_prepare(
    struct vectors *v, struct encoder *encoder, int64_t n, const int64_t *ids, int threads)
{
	*encoder = (struct encoder){.threads = codes_useful_threads(n, threads_resolve(threads))};
	if (n > IDS_MAX - v->codes.n)
		return fail(KITH_INVALID, "n is %lld: an index holds at most %lld vectors", (long long)n,
		    (long long)IDS_MAX);
	size_t floats = CODES_SCRATCH(v->codec->dim) * (size_t)encoder->threads;
	encoder->scratch = mem_alloc(floats, sizeof *encoder->scratch);
	if (!encoder->scratch)
		return fail_nomem("encoding", floats * sizeof *encoder->scratch);
	kith_status status = codes_reserve(&v->codes, v->codes.n + n, 4);
	return status ? status : ids_prepare_append(&v->ids, n, ids);
}

bool vectors_encode(struct vectors *v, const struct encoder *encoder, kith_type type, int64_t n,
    const void *x, struct progress *progress)
{
	return codes_append_parallel(&v->codes, type, n, x, encoder->threads, encoder->scratch, progress);
}

void vectors_replace(
    struct vectors *v, kith_type type, int64_t n, const void *x, const int64_t *ids, float *scratch)
{
	size_t row = (size_t)v->codec->dim * kith_type_size(type);
	for (int64_t i = 0; i < n; i++)
		codes_replace(
		    &v->codes, ids_find(&v->ids, ids[i]), type, (const char *)x + (size_t)i * row, scratch);
}

uint64_t *vectors_to_retain(const struct vectors *v, const kith_filter *which, int64_t *removed)
{
	struct rows rows = vectors_rows(v);
	size_t words = (size_t)(rows.n + 63) / 64;
	uint64_t *bits = mem_zalloc(words, sizeof *bits);
	*removed = 0;
	if (!bits) {
		fail_nomem("a removal", words * sizeof *bits);
		return NULL;
	}
	*removed = filter_rows(which, &rows, 1, bits);
	for (size_t i = 0; i < words; i++)
		bits[i] = ~bits[i];
	return bits;
}

void vectors_retain(struct vectors *v, const uint64_t *retained)
{
	codes_retain(&v->codes, retained);
	ids_retain(&v->ids, retained);
}

bool vectors_alike(const struct vectors *a, const struct vectors *b)
{
	return codec_same(a->codec, b->codec);
}

void vectors_merge(struct vectors *into, struct vectors *from)
{
	codes_extend(&into->codes, &from->codes);
	codes_free(&from->codes);
	ids_free(&from->ids);
}

void vectors_read(const struct vectors *v, int64_t n, const int64_t *positions, float *x)
{
	for (int64_t i = 0; i < n; i++)
		codes_read(&v->codes, positions[i], x + i * v->codec->dim);
}

kith_status vectors_reserve(struct vectors *v, int64_t n)
{
	kith_status status = codes_reserve(&v->codes, n, 0);
	return status ? status : ids_reserve(&v->ids, n);
}

void vectors_trim(struct vectors *v)
{
	codes_trim(&v->codes);
	ids_trim(&v->ids);
}

size_t vectors_memory(const struct vectors *v)
{
	return v->codec->memory + codes_memory(&v->codes) + ids_memory(&v->ids);
}

kith_status vectors_copy(struct vectors *to, const struct vectors *from)
{
	kith_status status = codec_clone(&to->codec, from->codec);
	if (status == KITH_OK)
		status = codes_copy(&to->codes, &from->codes, to->codec);
	return status ? status : ids_copy(&to->ids, &from->ids);
}

void vectors_free(struct vectors *v)
{
	codes_free(&v->codes);
	codec_free(v->codec);
	ids_free(&v->ids);
}

void vectors_save(const struct vectors *v, struct blob_writer *w)
{
	ids_save(&v->ids, w);
	codes_save(&v->codes, sizeof v->codes, 1, w);
}

kith_status vectors_load(struct vectors *v, int64_t n, struct blob_reader *r)
{
	kith_status status = ids_load(&v->ids, n, r);
	return status ? status : codes_load(&v->codes, sizeof v->codes, 1, &n, NULL, r);
}
