#include "kernels/avx2/avx2.h"

void kernels_avx2(struct kernels *table)
{
	table->isa = "avx2";
	table->blas_is_faster = 0;
	table->l2sq_f32 = l2sq_f32_avx2;
	table->ip_f32 = ip_f32_avx2;
	table->l2sq_bf16 = l2sq_bf16_avx2;
	table->ip_bf16 = ip_bf16_avx2;
	table->l2sq_f16 = l2sq_f16_avx2;
	table->ip_f16 = ip_f16_avx2;
	table->l2sq_f32_gather = l2sq_f32_gather_avx2;
	table->ip_f32_gather = ip_f32_gather_avx2;
	table->l2sq_bf16_gather = l2sq_bf16_gather_avx2;
	table->ip_bf16_gather = ip_bf16_gather_avx2;
	table->l2sq_f16_gather = l2sq_f16_gather_avx2;
	table->ip_f16_gather = ip_f16_gather_avx2;
	table->l2sq_split_gather = l2sq_split_gather_avx2;
	table->ip_split_gather = ip_split_gather_avx2;
	table->l2sq_u8 = l2sq_u8_avx2;
	table->ip_u8 = ip_u8_avx2;
	table->l2sq_i8 = l2sq_i8_avx2;
	table->ip_i8 = ip_i8_avx2;
	table->l2sq_u8_gather = l2sq_u8_gather_avx2;
	table->ip_u8_gather = ip_u8_gather_avx2;
	table->l2sq_i8_gather = l2sq_i8_gather_avx2;
	table->ip_i8_gather = ip_i8_gather_avx2;
	table->normsq_f32 = normsq_f32_avx2;
	table->normsq_bf16 = normsq_bf16_avx2;
	table->normsq_f16 = normsq_f16_avx2;
	table->normsq_u8 = normsq_u8_avx2;
	table->normsq_i8 = normsq_i8_avx2;
	table->l2sq_exact = l2sq_exact_avx2;
	table->ip_exact = ip_exact_avx2;
	table->find_nonfinite = find_nonfinite_avx2;
	table->split = split_avx2;
	table->join = join_avx2;
	table->narrow_f16 = narrow_f16_avx2;
	table->narrow_bf16 = narrow_bf16_avx2;
	table->widen_f16 = widen_f16_avx2;
	table->widen_bf16 = widen_bf16_avx2;
	table->sq8 = (struct sq_kernels){encode_sq8_avx2, decode_sq8_avx2, l2sq_sq8_avx2, ip_sq8_avx2,
	    l2sq_sq8_gather_avx2, ip_sq8_gather_avx2};
	table->sq6 = (struct sq_kernels){encode_sq6_avx2, decode_sq6_avx2, l2sq_sq6_avx2, ip_sq6_avx2,
	    l2sq_sq6_gather_avx2, ip_sq6_gather_avx2};
	table->sq4 = (struct sq_kernels){encode_sq4_avx2, decode_sq4_avx2, l2sq_sq4_avx2, ip_sq4_avx2,
	    l2sq_sq4_gather_avx2, ip_sq4_gather_avx2};
	table->widen_u8 = widen_u8_avx2;
	table->widen_i8 = widen_i8_avx2;
	table->select_le = select_le_avx2;
	table->quantize = quantize_avx2;
	table->pq = (struct pq_kernels){pq_l2sq_avx2, pq_ip_avx2, pq_range_avx2, pq_bytes_avx2,
	    pq_nearest_avx2, pq_find8_avx2, pq_find4_avx2};
	table->pack = pack_avx2;
	table->tile_f32 = tile_f32_avx2;
	table->tile_i8 = tile_i8_avx2;
	table->i8_is_fast = 1;
}
