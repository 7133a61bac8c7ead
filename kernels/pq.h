/* Kernels of product quantizers (lib/codec/pq.h) and of RaBitQ (lib/codec/rabitq.h): a part of the table in
 * kernels.h.
 *
 * The k centroids of a sub-space, k a positive multiple of PQ_LANES, lie in panels: component i of centroid
 * c is panels[(c / PQ_LANES · d + i) · PQ_LANES + c % PQ_LANES]. Codes lie in blocks of PQ_BLOCK vectors,
 * byte b of vector v at b · PQ_BLOCK + v.
 */
#ifndef KITH_KERNELS_PQ_H
#define KITH_KERNELS_PQ_H

#include <stddef.h>
#include <stdint.h>

enum { PQ_LANES = 16, PQ_BLOCK = 64 };

/* The squared distances (as sums of squared differences) or inner products of x [d] and all centroids. */
typedef void kernel_pq_table_fn(const float *x, int64_t d, const float *panels, int64_t k, float *out);

/* The smallest and the greatest of t [k], which has no NaN. */
typedef void kernel_pq_range_fn(const float *t, int64_t k, float *low, float *high);

/* out [k] = (t − start) · steps, each operation rounded, then truncated; all are in [0, 256). */
typedef void kernel_pq_bytes_fn(const float *t, int64_t k, float start, float steps, uint8_t *out);

/* The two smallest of key[c] = half[c] − ⟨x, centroid c⟩ for each of n vectors; vector j is at x + j · stride
 * floats, and k is a power of two, at most 4096. pos [n] gets the centroid with the smallest key, min [n]
 * that key, second [n] the smallest of all other keys. Beyond the rounding of a sum, each key may be wrong by
 * k · 2^-25 of itself, since instruction sets keep the number of its panel in its last bits. If keys
 * overflow, results are undefined. */
typedef void kernel_pq_nearest_fn(const float *x, size_t stride, int64_t n, int64_t d, const float *panels,
    const float *half, int64_t k, uint16_t *pos, float *min, float *second);

/* Codes to be searched for small keys. key(v) = offset + scale · Σ_b (table entry for byte b of vector v)
 * + code_norms[v] / 2. */
struct pq_find {
	const uint8_t *codes; /* begins with a block; in memory, the last block is whole too */
	int64_t n, bytes;     /* number of vectors; bytes of a code, at most 65,536 */
	const uint8_t *tables;
	float scale, offset;
	const float *code_norms; /* [n]; NULL: none */
	float limit;
	float *min; /* [PQ_BLOCK]; NULL: find the keys within the limit */
};

/* Write the positions of the vectors with key <= limit, ascending, to hit [n], and return how many there are.
 * If `min` is not NULL, min[i] is lowered to the smallest key of vectors i, i + PQ_BLOCK, … instead, and 0 is
 * returned. Sums are exact; keys are rounded at most four times, each time by at most 2^-24 of |scale Σ| +
 * |offset| + |code_norms / 2|.
 *
 * pq_find8 has a table of 256 entries for each byte, pq_find4 two of 16, the first for the byte's lower
 * half. */
typedef int64_t kernel_pq_find_fn(const struct pq_find *find, uint32_t *hit);

/* Codes of RaBitQ: `bits` bytes for each group of eight components, plane by plane, then a float f, all of
 * it in blocks. key(v) = half the term of v − f_v · (offset + scale · S_v), where S_v = Σ_b 2^b Σ
 * (entries for the bytes of plane b): as in pq_find4, each byte is looked up in two tables of 16, those of
 * its group. */
struct rabitq_find {
	const uint8_t *codes; /* from the start of a block on; blocks are whole in memory */
	int64_t n, groups;    /* vectors; at most 4096 groups */
	int64_t bytes;        /* of a code, at least groups · bits + 4 */
	int bits;             /* 1 … 8 */
	const uint8_t *tables;
	float scale, offset;
	const float *terms; /* [n]; NULL: none */
	float limit;
};

/* Positions of the vectors with a key not above the limit (one that is no number is not), ascending, into
 * hit [n], and their keys into key [n]; returns how many. S is exact; a key is rounded at most five times,
 * each time by 2^-24 of |f| (|offset| + |scale S|) + |term|. */
typedef int64_t kernel_rabitq_find_fn(const struct rabitq_find *find, uint32_t *hit, float *key);

#endif
