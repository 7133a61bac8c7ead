/* Product quantizers: codebooks, codes and look-up tables. pq_codec.c has the codec, lib/api/pq.c the public
 * kith_pq. */
#ifndef KITH_CODEC_PQ_H
#define KITH_CODEC_PQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/kmeans.h>

#include "lib/codec/codec.h"

struct pq {
	int64_t dim, m;   /* number of components and of sub-vectors of a vector */
	int64_t sub;      /* number of components of a sub-vector: dim / m */
	int bits;         /* of a number */
	int64_t k;        /* number of centroids of a sub-quantizer: 2^bits */
	size_t code_size; /* bytes of a code */
	float *centroids; /* [m × k × sub]; NULL: not trained */
	float *panels;    /* the same with each codebook in panels (kernels/pq.h) */
	float *half;      /* [m × k] a little less than half the squared norm of each centroid (pq.c) */
	float max_half;   /* the largest of these */
	double norm_sq;   /* >= the squared norm of any decoded vector */
};

/* The codec of a product quantizer. */
struct codec_pq {
	struct codec codec;
	struct pq pq;
};

static inline const struct pq *pq_of_const(const struct codec *codec)
{
	return &((const struct codec_pq *)(const void *)codec)->pq;
}

/* Make an untrained quantizer. INVALID unless m divides dim and bits is 4 … 12; what: how the message
 * begins. */
kith_status pq_init(struct pq *pq, const char *what, int64_t dim, int64_t m, int bits);
void pq_free(struct pq *pq);
size_t pq_memory(const struct pq *pq);

/* Make it trained with finite centroids [m × k × sub], which are copied. NOMEM changes nothing. */
kith_status pq_set(struct pq *pq, const float *centroids);

/* Train on n finite vectors x [n × dim]; all members of options must be set, without objectives. A failure
 * changes nothing. */
kith_status pq_train(struct pq *pq, int64_t n, const float *x, const kith_kmeans_options *options);

/* Encode finite x [n × dim] to codes [n × code_size]; decode one vector. Its code may be in the last
 * code_size bytes of x itself: a number takes fewer bytes than the components that it stands for, and is read
 * before they are written there. */
void pq_encode(const struct pq *pq, int64_t n, const float *x, uint8_t *codes);
void pq_decode(const struct pq *pq, const uint8_t *code, float *x);

/* The table of a query q [dim]: squared distances or, for a similarity, inner products; table [m × k]. */
void pq_table(const struct pq *pq, const float *q, const struct metric *metric, float *table);

/* pq_scan.c: scans of codes in blocks. */
extern const struct comparison pq_in_scan;

/* The quantizer of a codec; NULL: it is of another kind. */
const struct pq *codec_pq(const struct codec *codec);

/* Make such a codec trained, as pq_set does. */
kith_status codec_pq_set(struct codec *codec, const float *centroids);

/* The number of floats of all codebooks. */
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
