/* Vectors of one codec with ids, one after another: the content of a flat index, also of the one that a
 * refinement reranks by. */
#ifndef KITH_INDEX_VECTORS_H
#define KITH_INDEX_VECTORS_H

#include "lib/base/progress.h"
#include "lib/index/ids.h"
#include "lib/index/structure.h"

struct vectors {
	struct codec *codec; /* owned */
	struct codes codes;
	struct ids ids;
};

static inline void vectors_init(struct vectors *v, struct codec *take_codec)
{
	v->codec = take_codec;
	codes_init(&v->codes, take_codec);
}

/* The rows, for searching. */
struct rows vectors_rows(const struct vectors *v);

/* Adding n vectors has three steps. The first makes room for codes and ids and for encoding on some threads;
 * after it nothing can fail but the ids, if they are repeated: */
struct encoder {
	int threads;
	float *scratch; /* [threads × CODES_SCRATCH] */
};

kith_status vectors_prepare(
    struct vectors *v, struct encoder *encoder, int64_t n, const int64_t *ids, int threads);

/* The second encodes them behind the last one, to the same codes whatever the threads. False: cancelled,
 * nothing was added. progress may be NULL. */
bool vectors_encode(struct vectors *v, const struct encoder *encoder, kith_type type, int64_t n,
    const void *x, struct progress *progress);

/* The third is ids_append. */

static inline void encoder_free(struct encoder *encoder)
{
	mem_free(encoder->scratch);
}

/* Overwrite the vectors of ids, all present. scratch [CODES_SCRATCH]. */
void vectors_replace(
    struct vectors *v, kith_type type, int64_t n, const void *x, const int64_t *ids, float *scratch);

/* A new bit map of the vectors that do not pass `which`; *removed: how many do. NULL: no memory. */
uint64_t *vectors_to_retain(const struct vectors *v, const kith_filter *which, int64_t *removed);

/* Retain position i if its bit is set. ids_prepare_remove was called. */
void vectors_retain(struct vectors *v, const uint64_t *retained);

/* Whether codes of one decode to the same vectors in the other. */
bool vectors_alike(const struct vectors *a, const struct vectors *b);

/* Move the codes of `from` behind the last one of `into`, which has room and their new ids already; from is
 * empty afterwards. */
void vectors_merge(struct vectors *into, struct vectors *from);

/* Decode n positions into x [n × dim]. */
void vectors_read(const struct vectors *v, int64_t n, const int64_t *positions, float *x);

kith_status vectors_reserve(struct vectors *v, int64_t n);
void vectors_trim(struct vectors *v);
size_t vectors_memory(const struct vectors *v);
kith_status vectors_copy(struct vectors *to, const struct vectors *from);
void vectors_free(struct vectors *v);

/* Ids and codes to a file, and n of them back; the codec is saved apart. */
void vectors_save(const struct vectors *v, struct blob_writer *w);
kith_status vectors_load(struct vectors *v, int64_t n, struct blob_reader *r);

#endif
