/* Product quantizers: codebooks, codes and look-up tables. pq_codec.c makes a codec of them, lib/api/pq.c the
 * public kith_pq. */
#ifndef KITH_CODEC_PQ_H
#define KITH_CODEC_PQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/kmeans.h>

#include "lib/codec/codec.h"

struct pq {
	int64_t dim, m;   /* components of a vector, sub-vectors */
	int64_t sub;      /* components of a sub-vector: dim / m */
	int bits;         /* of a number */
	int64_t k;        /* centroids of a sub-quantizer: 2^bits */
	size_t code_size; /* bytes */
	float *centroids; /* [m × k × sub]; NULL: not trained */
	float *panels;    /* the same, each codebook in panels as in kernels/pq.h */
	float *half;      /* [m × k] half the squared norm of each centroid, see pq_encode */
	float max_half;   /* of these */
	double norm_sq;   /* >= squared norm of anything that decodes */
};

/* The codec of one. */
struct codec_pq {
	struct codec codec;
	struct pq pq;
};

static inline const struct pq *pq_of_const(const struct codec *codec)
{
	return &((const struct codec_pq *)(const void *)codec)->pq;
}

/* An untrained quantizer. INVALID unless m divides dim and bits is 4 … 12; the message begins with `what`. */
kith_status pq_init(struct pq *pq, const char *what, int64_t dim, int64_t m, int bits);
void pq_free(struct pq *pq);
size_t pq_memory(const struct pq *pq);

/* Take these for trained: finite centroids [m × k × sub], copied. NOMEM: nothing changed. */
kith_status pq_set(struct pq *pq, const float *centroids);

/* Train on n finite vectors x [n × dim]; options complete, without objectives. On failure nothing changed. */
kith_status pq_train(struct pq *pq, int64_t n, const float *x, const kith_kmeans_options *options);

/* Finite x [n × dim] to codes [n × code_size] and back (one vector), whose code may be the last code_size
 * bytes of x: a number takes fewer bytes than the components it becomes, so it is read before they get there.
 */
void pq_encode(const struct pq *pq, int64_t n, const float *x, uint8_t *codes);
void pq_decode(const struct pq *pq, const uint8_t *code, float *x);

/* Table of a query q [dim]: squared distances, or inner products for a similarity, table [m × k]. */
void pq_table(const struct pq *pq, const float *q, const struct metric *metric, float *table);

/* pq_scan.c: scans of codes in blocks. */
extern const struct comparison pq_in_scan;

/* The quantizer of a codec that is one; else NULL. */
const struct pq *codec_pq(const struct codec *codec);

/* Make such a codec trained: pq_set. */
kith_status codec_pq_set(struct codec *codec, const float *centroids);

/* Floats of all codebooks. */
static inline size_t pq_cells(const struct pq *pq)
{
	return (size_t)pq->k * (size_t)pq->dim;
}

/* Number i of a code. */
static inline int64_t pq_number(const struct pq *pq, const uint8_t *code, int64_t i)
{
	size_t bit = (size_t)i * (size_t)pq->bits;
	const uint8_t *byte = code + bit / 8;
	int have = 8 - (int)(bit % 8);
	uint32_t number = (uint32_t)*byte >> (bit % 8);
	for (; have < pq->bits; have += 8)
		number |= (uint32_t) * ++byte << have;
	return (int64_t)number & (pq->k - 1);
}

#endif
