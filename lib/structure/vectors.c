/* Vectors of one codec with ids. Codes lie in one growing array, ids beside them; removal closes the gaps and
 * keeps the order.
 *
 * Encoding is shared out among threads in chunks that begin at whole blocks, so that no two of them touch one
 * block of codes or one bound. */
#include "lib/structure/vectors.h"

#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/search/filter.h"

/* Positions of a task that encodes; whole blocks. */
enum { CHUNK = 8 * ROWS_BLOCK };

struct rows vectors_rows(const struct vectors *v)
{
	struct rows rows = codes_rows(&v->codes);
	rows.ids = ids_list(&v->ids);
	return rows;
}

kith_status vectors_prepare(
    struct vectors *v, struct encoder *encoder, int64_t n, const int64_t *ids, int threads)
{
	*encoder = (struct encoder){.threads = threads_resolve(threads)};
	if (n > IDS_MAX - v->codes.n)
		return fail(KITH_INVALID, "n is %lld: an index holds at most %lld vectors", (long long)n,
		    (long long)IDS_MAX);
	int64_t tasks = n / CHUNK + 1;
	encoder->threads = tasks < encoder->threads ? (int)tasks : encoder->threads;
	size_t floats = CODES_SCRATCH(v->codec->dim) * (size_t)encoder->threads;
	encoder->scratch = mem_alloc(floats, sizeof *encoder->scratch);
	if (!encoder->scratch)
		return fail_nomem("encoding", floats * sizeof *encoder->scratch);
	kith_status status = codes_reserve(&v->codes, v->codes.n + n, 4);
	return status ? status : ids_prepare_append(&v->ids, n, ids);
}

struct encoding {
	struct vectors *v;
	const struct encoder *encoder;
	kith_type type;
	const char *x; /* of position `first` */
	int64_t first, end;
	struct progress *progress;
};

static void encode_chunk(void *arg, int64_t number, int worker)
{
	const struct encoding *e = arg;
	int64_t dim = e->v->codec->dim, from = (e->first / CHUNK + number) * CHUNK, to = from + CHUNK;
	from = from > e->first ? from : e->first;
	to = to < e->end ? to : e->end;
	if (from >= to || (e->progress && progress_cancelled(e->progress)))
		return;
	codes_write(&e->v->codes, from, e->type, to - from,
	    e->x + (size_t)(from - e->first) * (size_t)dim * kith_type_size(e->type),
	    e->encoder->scratch + CODES_SCRATCH(dim) * (size_t)worker);
	if (e->progress)
		progress_add(e->progress, to - from);
}

bool vectors_encode(struct vectors *v, const struct encoder *encoder, kith_type type, int64_t n,
    const void *x, struct progress *progress)
{
	struct encoding e = {v, encoder, type, x, v->codes.n, v->codes.n + n, progress};
	v->codes.n = e.end;
	threads_run(
	    encoder->threads, (e.end - e.first / CHUNK * CHUNK + CHUNK - 1) / CHUNK, encode_chunk, &e);
	if (!progress || !progress_cancelled(progress))
		return true;
	v->codes.n = e.first;
	return false;
}

void vectors_replace(
    struct vectors *v, kith_type type, int64_t n, const void *x, const int64_t *ids, float *scratch)
{
	size_t row = (size_t)v->codec->dim * kith_type_size(type);
	for (int64_t i = 0; i < n; i++)
		codes_replace(
		    &v->codes, ids_find(&v->ids, ids[i]), type, (const char *)x + (size_t)i * row, scratch);
}

uint64_t *vectors_keepers(const struct vectors *v, const kith_filter *which, int64_t *removed)
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

void vectors_keep(struct vectors *v, const uint64_t *keep)
{
	codes_keep(&v->codes, keep);
	ids_keep(&v->ids, keep);
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

size_t vectors_memory(const struct vectors *v)
{
	return v->codec->ops->memory(v->codec) + codes_memory(&v->codes) + ids_memory(&v->ids);
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
	return status ? status : codes_load(&v->codes, sizeof v->codes, 1, &n, r);
}
