/* NEON (AArch64, nothing beyond armv8-a): prototypes of the kernels in this folder and the helpers that its
 * files share.
 *
 * Loops over a row take whole vectors and then one tail, which load_part puts together from narrower loads:
 * nothing beyond a row is read. A template is an ALWAYS_INLINE function whose first arguments are
 * compile-time constants. Rows are loaded as bytes, for they may begin anywhere. */
#ifndef KITH_KERNELS_NEON_H
#define KITH_KERNELS_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "kernels/kernels.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Before a short loop over an array of sums that is to live in registers: gcc must be told to unroll it,
 * clang does by itself, and if told to, does it too late. */
#ifdef __clang__
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

kernel_f32_fn l2sq_f32_neon, ip_f32_neon, l2sq_bf16_neon, ip_bf16_neon;
kernel_f32_gather_fn l2sq_f32_gather_neon, ip_f32_gather_neon, l2sq_bf16_gather_neon, ip_bf16_gather_neon;
kernel_i32_fn l2sq_u8_neon, ip_u8_neon, l2sq_i8_neon, ip_i8_neon;
kernel_i32_gather_fn l2sq_u8_gather_neon, ip_u8_gather_neon, l2sq_i8_gather_neon, ip_i8_gather_neon;

kernel_f32_fn l2sq_f16_neon, ip_f16_neon;
kernel_f32_gather_fn l2sq_f16_gather_neon, ip_f16_gather_neon;
kernel_split_gather_fn l2sq_split_gather_neon, ip_split_gather_neon;
void normsq_f32_neon(const void *rows, size_t stride, int64_t n, int64_t d, float *out);
void normsq_bf16_neon(const void *rows, size_t stride, int64_t n, int64_t d, float *out);
void normsq_f16_neon(const void *rows, size_t stride, int64_t n, int64_t d, float *out);
void normsq_u8_neon(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);
void normsq_i8_neon(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);

double l2sq_exact_neon(const float *x, const float *y, int64_t d);
double ip_exact_neon(const float *x, const float *y, int64_t d);

void narrow_f16_neon(const float *x, int64_t n, void *half);
void narrow_bf16_neon(const float *x, int64_t n, void *half);
void widen_f16_neon(const void *half, int64_t n, float *x);
void widen_bf16_neon(const void *half, int64_t n, float *x);

kernel_sq_encode_fn encode_sq8_neon, encode_sq6_neon, encode_sq4_neon;
kernel_sq_decode_fn decode_sq8_neon, decode_sq6_neon, decode_sq4_neon;
kernel_sq_l2sq_fn l2sq_sq8_neon, l2sq_sq6_neon, l2sq_sq4_neon;
kernel_sq_ip_fn ip_sq8_neon, ip_sq6_neon, ip_sq4_neon;
kernel_sq_l2sq_gather_fn l2sq_sq8_gather_neon, l2sq_sq6_gather_neon, l2sq_sq4_gather_neon;
kernel_sq_ip_gather_fn ip_sq8_gather_neon, ip_sq6_gather_neon, ip_sq4_gather_neon;

int64_t find_nonfinite_neon(const float *x, int64_t n);
void split_neon(const float *x, int64_t n, uint16_t *hi, uint16_t *lo);
void join_neon(const uint16_t *hi, const uint16_t *lo, int64_t n, float *x);
void widen_u8_neon(const uint8_t *x, int64_t n, float *out);
void widen_i8_neon(const int8_t *x, int64_t n, float *out);
int64_t select_le_neon(const float *keys, int64_t n, float bound, uint32_t *pos);

void quantize_neon(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info);
void pack_neon(const void *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out);
uint64_t tile_f32_neon(const float *panel, int64_t k, const float *q, size_t qstride, int nq,
    const float *low, const float *thr, uint64_t *mask, float *keys);
uint64_t tile_i8_neon(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask, float *keys);

kernel_pq_table_fn pq_l2sq_neon, pq_ip_neon;
kernel_pq_range_fn pq_range_neon;
kernel_pq_bytes_fn pq_bytes_neon;
kernel_pq_nearest_fn pq_nearest_neon;
kernel_pq_find_fn pq_find8_neon, pq_find4_neon;

/* Up to 15 bytes, the rest zero. Two loads that may overlap, or three bytes, cover every length. */
ALWAYS_INLINE uint8x16_t load_part(const void *p, int64_t n)
{
	const unsigned char *c = p;
	uint64_t a = 0, b = 0;
	if (n >= 8) {
		memcpy(&a, c, 8);
		memcpy(&b, c + n - 8, 8);
		b = b >> 1 >> (127 - 8 * n);
	} else if (n >= 4) {
		uint32_t first, last;
		memcpy(&first, c, 4);
		memcpy(&last, c + n - 4, 4);
		a = first | (uint64_t)last << (8 * (n - 4));
	} else if (n > 0) {
		a = c[0] | (uint64_t)c[n / 2] << (8 * (n / 2)) | (uint64_t)c[n - 1] << (8 * (n - 1));
	}
	return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(a), vcreate_u64(b)));
}

/* Row kernels finish four rows at a time with one tree of pairwise additions. */
enum { GROUP = 4 };

ALWAYS_INLINE const char *row_at(const void *rows, size_t stride, const uint32_t *pos, int64_t i)
{
	return (const char *)rows + (size_t)(pos ? pos[i] : i) * stride;
}

/* Fetch the beginnings of the rows in the group after that of row i, at first also of that group itself:
 * gathered rows are where no hardware prefetcher expects them, though it foresees the rest of a long row. */
ALWAYS_INLINE void group_prefetch(
    const void *rows, size_t stride, const uint32_t *pos, int64_t i, int64_t n, int64_t bytes)
{
	enum { LINE = 64, MOST = 512 };
	int64_t end = i + 2 * GROUP < n ? i + 2 * GROUP : n;
	for (int64_t r = i ? i + GROUP : 0; r < end; r++) {
		for (int64_t b = 0; b < bytes && b < MOST; b += LINE)
			__builtin_prefetch(row_at(rows, stride, pos, r) + b);
	}
}

#endif
