/* Kernels of scalar quantizers (lib/codec/sq.c): a part of the table in kernels.h.
 *
 * A code c of b bits, 0 … 2^b − 1, of element i stands for low_i + (c + 1/2) · step_i. A row of codes is a
 * string of bits, least significant first: code i has bits b · i … b · i + b − 1. The last byte is filled up
 * with zeros. */
#ifndef KITH_KERNELS_SQ_H
#define KITH_KERNELS_SQ_H

#include <stddef.h>
#include <stdint.h>

/* c_i is the integer part of (x_i − low_i) / step_i, both operations rounded to float; 0 if that is NaN or
 * negative, 2^b − 1 if it is greater than that. The codes are the same on every instruction set. */
typedef void kernel_sq_encode_fn(
    const float *x, const float *low, const float *step, int64_t d, uint8_t *code);

/* x_i = fma(step_i, c_i + 1/2, low_i): the same bits on every instruction set. */
typedef void kernel_sq_decode_fn(
    const uint8_t *code, const float *low, const float *step, int64_t d, float *x);

/* Scans are exact: they compute with integers of 16 bits, one or two for each element of the query. Element i
 * is at a[sq_lane(bits, i)] and b[sq_lane(bits, i)], in the order in which shifts take codes out of a
 * register. a and b have sq_lanes(bits, d) places; those without an element are 0. */

/* Σ (a_i − ⌊c_i b_i / 2^b⌋)² of each of n rows of codes. It is less than 2^31 and each difference an
 * int16. */
typedef void kernel_sq_l2sq_fn(
    const int16_t *a, const uint16_t *b, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);

/* Σ a_i c_i of each of n rows of codes. Σ |a_i| (2^b − 1) is less than 2^31. */
typedef void kernel_sq_ip_fn(
    const int16_t *a, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);

/* The same for gathered rows, which the caller has prefetched. */
typedef void kernel_sq_l2sq_gather_fn(const int16_t *a, const uint16_t *b, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, int32_t *out);
typedef void kernel_sq_ip_gather_fn(const int16_t *a, const void *rows, size_t stride, const uint32_t *pos,
    int64_t n, int64_t d, int32_t *out);

/* The order of elements in a and b. A group is SQ_LANES words of 16 bits; a word has two codes of 8 bits,
 * four of 4 bits, or one of 6 bits. In each group the first codes of all words come first, then the second
 * ones, and so on. */
enum { SQ_LANES = 32 };

static inline int64_t sq_codes(int bits)
{
	return bits == 6 ? 1 : 16 / bits;
}

static inline int64_t sq_lane(int bits, int64_t i)
{
	int64_t codes = sq_codes(bits), group = SQ_LANES * codes;
	return i / group * group + i % codes * SQ_LANES + i % group / codes;
}

static inline int64_t sq_lanes(int bits, int64_t d)
{
	int64_t group = SQ_LANES * sq_codes(bits);
	return (d + group - 1) / group * group;
}

#endif
