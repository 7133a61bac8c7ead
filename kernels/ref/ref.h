/* Plain C kernels: complete, and the specification of all others. */
#ifndef KITH_KERNELS_REF_H
#define KITH_KERNELS_REF_H

#include "kernels/kernels.h"

#include <string.h>

static inline float bf16_at(const void *row, int64_t i)
{
	uint16_t h;
	memcpy(&h, (const char *)row + 2 * i, sizeof h);
	uint32_t u = (uint32_t)h << 16;
	float v;
	memcpy(&v, &u, sizeof v);
	return v;
}

/* A binary16: its bits in the place of a float's have the wrong exponent, which a power of 2 puts right,
 * except where it means infinity or NaN. */
static inline float f16_at(const void *row, int64_t i)
{
	uint16_t h;
	memcpy(&h, (const char *)row + 2 * i, sizeof h);
	uint32_t u = (uint32_t)(h & 0x7fff) << 13;
	float v;
	memcpy(&v, &u, sizeof v);
	v *= 0x1p112f;
	memcpy(&u, &v, sizeof u);
	u |= (h & 0x7c00) == 0x7c00 ? 0x7f800000 : 0;
	u |= (uint32_t)(h & 0x8000) << 16;
	memcpy(&v, &u, sizeof v);
	return v;
}

/* rows.c */
kernel_f32_fn l2sq_f32_ref, ip_f32_ref, l2sq_bf16_ref, ip_bf16_ref;
kernel_f32_gather_fn l2sq_f32_gather_ref, ip_f32_gather_ref, l2sq_bf16_gather_ref, ip_bf16_gather_ref;
kernel_f32_fn l2sq_f16_ref, ip_f16_ref;
kernel_f32_gather_fn l2sq_f16_gather_ref, ip_f16_gather_ref;
kernel_split_gather_fn l2sq_split_gather_ref, ip_split_gather_ref;
void normsq_f32_ref(const void *rows, size_t stride, int64_t n, int64_t d, float *out);
void normsq_bf16_ref(const void *rows, size_t stride, int64_t n, int64_t d, float *out);
void normsq_f16_ref(const void *rows, size_t stride, int64_t n, int64_t d, float *out);

/* bytes.c */
kernel_i32_fn l2sq_u8_ref, ip_u8_ref, l2sq_i8_ref, ip_i8_ref;
kernel_i32_gather_fn l2sq_u8_gather_ref, ip_u8_gather_ref, l2sq_i8_gather_ref, ip_i8_gather_ref;
void normsq_u8_ref(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);
void normsq_i8_ref(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);

/* exact.c */
double l2sq_exact_ref(const float *x, const float *y, int64_t d);
double ip_exact_ref(const float *x, const float *y, int64_t d);

/* half.c */
void narrow_f16_ref(const float *x, int64_t n, void *half);
void narrow_bf16_ref(const float *x, int64_t n, void *half);
void widen_f16_ref(const void *half, int64_t n, float *x);
void widen_bf16_ref(const void *half, int64_t n, float *x);

/* sq.c */
kernel_sq_encode_fn encode_sq8_ref, encode_sq6_ref, encode_sq4_ref;
kernel_sq_decode_fn decode_sq8_ref, decode_sq6_ref, decode_sq4_ref;
kernel_sq_l2sq_fn l2sq_sq8_ref, l2sq_sq6_ref, l2sq_sq4_ref;
kernel_sq_ip_fn ip_sq8_ref, ip_sq6_ref, ip_sq4_ref;
kernel_sq_l2sq_gather_fn l2sq_sq8_gather_ref, l2sq_sq6_gather_ref, l2sq_sq4_gather_ref;
kernel_sq_ip_gather_fn ip_sq8_gather_ref, ip_sq6_gather_ref, ip_sq4_gather_ref;

/* plane.c */
int64_t find_nonfinite_ref(const float *x, int64_t n);
bool good_list_ref(const uint32_t *list, int64_t width, uint32_t limit, uint32_t except);
void split_ref(const float *x, int64_t n, uint16_t *hi, uint16_t *lo);
void join_ref(const uint16_t *hi, const uint16_t *lo, int64_t n, float *x);
void widen_u8_ref(const uint8_t *x, int64_t n, float *out);
void widen_i8_ref(const int8_t *x, int64_t n, float *out);
int64_t select_le_ref(const float *keys, int64_t n, float bound, uint32_t *pos);

/* tile.c */
void quantize_ref(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info);
void pack_ref(const void *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out);
uint64_t tile_f32_ref(const float *panel, int64_t k, const float *q, size_t qstride, int nq, const float *low,
    const float *thr, uint64_t *mask, float *keys);
uint64_t tile_i8_ref(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask, float *keys);

/* pq.c */
kernel_pq_table_fn pq_l2sq_ref, pq_ip_ref;
kernel_pq_range_fn pq_range_ref;
kernel_pq_bytes_fn pq_bytes_ref;
kernel_pq_nearest_fn pq_nearest_ref;
kernel_pq_find_fn pq_find8_ref, pq_find4_ref;

#endif
