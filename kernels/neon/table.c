#include "kernels/neon/neon.h"

void kernels_neon(struct kernels *table)
{
	table->isa = "neon";
	table->blas_is_faster = 0;
	table->l2sq_f32 = l2sq_f32_neon;
	table->ip_f32 = ip_f32_neon;
	table->l2sq_bf16 = l2sq_bf16_neon;
	table->ip_bf16 = ip_bf16_neon;
	table->l2sq_f16 = l2sq_f16_neon;
	table->ip_f16 = ip_f16_neon;
	table->l2sq_f32_gather = l2sq_f32_gather_neon;
	table->ip_f32_gather = ip_f32_gather_neon;
	table->l2sq_bf16_gather = l2sq_bf16_gather_neon;
	table->ip_bf16_gather = ip_bf16_gather_neon;
	table->l2sq_f16_gather = l2sq_f16_gather_neon;
	table->ip_f16_gather = ip_f16_gather_neon;
	table->l2sq_split_gather = l2sq_split_gather_neon;
	table->ip_split_gather = ip_split_gather_neon;
	table->l2sq_u8 = l2sq_u8_neon;
	table->ip_u8 = ip_u8_neon;
	table->l2sq_i8 = l2sq_i8_neon;
	table->ip_i8 = ip_i8_neon;
	table->l2sq_u8_gather = l2sq_u8_gather_neon;
	table->ip_u8_gather = ip_u8_gather_neon;
	table->l2sq_i8_gather = l2sq_i8_gather_neon;
	table->ip_i8_gather = ip_i8_gather_neon;
	table->normsq_f32 = normsq_f32_neon;
	table->normsq_bf16 = normsq_bf16_neon;
	table->normsq_f16 = normsq_f16_neon;
	table->normsq_u8 = normsq_u8_neon;
	table->normsq_i8 = normsq_i8_neon;
	table->l2sq_exact = l2sq_exact_neon;
	table->ip_exact = ip_exact_neon;
	table->find_nonfinite = find_nonfinite_neon;
	table->split = split_neon;
	table->join = join_neon;
	table->narrow_f16 = narrow_f16_neon;
	table->narrow_bf16 = narrow_bf16_neon;
	table->widen_f16 = widen_f16_neon;
	table->widen_bf16 = widen_bf16_neon;
	table->sq8 = (struct sq_kernels){encode_sq8_neon, decode_sq8_neon, l2sq_sq8_neon, ip_sq8_neon,
	    l2sq_sq8_gather_neon, ip_sq8_gather_neon};
	table->sq6 = (struct sq_kernels){encode_sq6_neon, decode_sq6_neon, l2sq_sq6_neon, ip_sq6_neon,
	    l2sq_sq6_gather_neon, ip_sq6_gather_neon};
	table->sq4 = (struct sq_kernels){encode_sq4_neon, decode_sq4_neon, l2sq_sq4_neon, ip_sq4_neon,
	    l2sq_sq4_gather_neon, ip_sq4_gather_neon};
	table->widen_u8 = widen_u8_neon;
	table->widen_i8 = widen_i8_neon;
	table->select_le = select_le_neon;
	table->quantize = quantize_neon;
	table->pq = (struct pq_kernels){pq_l2sq_neon, pq_ip_neon, pq_range_neon, pq_bytes_neon,
	    pq_nearest_neon, pq_find8_neon, pq_find4_neon};
	table->pack = pack_neon;
	table->tile_f32 = tile_f32_neon;
	table->tile_i8 = tile_i8_neon;
#ifdef __ARM_FEATURE_DOTPROD
	table->i8_is_fast = 1;
#endif
}
