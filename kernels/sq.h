/* Kernels of scalar quantisers (lib/codec/sq.c).
 *
 * A code c of b bits, 0 … 2^b − 1, of element i stands for low_i + (c + 1/2) · step_i. A row of codes is a
 * string of bits, least significant first: code i has bits b · i … b · i + b − 1; zeros fill it up to a whole
 * byte. */
#ifndef KITH_KERNELS_SQ_H
#define KITH_KERNELS_SQ_H

#include <stddef.h>
#include <stdint.h>

/* c_i = (x_i − low_i) / step_i, both operations rounded to float; 0 where that is NaN or negative, 2^b − 1
 * where it is greater than that, else its integer part. The same codes on every instruction set. */
typedef void kernel_sq_encode_fn(
    const float *x, const float *low, const float *step, int64_t d, uint8_t *code);

/* x_i = fma(step_i, c_i + 1/2, low_i): the same bits on every instruction set. */
typedef void kernel_sq_decode_fn(
    const uint8_t *code, const float *low, const float *step, int64_t d, float *x);

/* Σ (a_i − step_i c_i)² of each of n rows of codes, every difference rounded once. */
typedef void kernel_sq_l2sq_fn(
    const float *a, const float *step, const void *rows, size_t stride, int64_t n, int64_t d, float *out);

/* Σ w_i c_i of each of n rows of codes. */
typedef void kernel_sq_ip_fn(
    const float *w, const void *rows, size_t stride, int64_t n, int64_t d, float *out);

struct sq_kernels {
	kernel_sq_encode_fn *encode;
	kernel_sq_decode_fn *decode;
	kernel_sq_l2sq_fn *l2sq;
	kernel_sq_ip_fn *ip;
};

#endif
