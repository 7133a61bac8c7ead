#include "kernels/avx512/avx512.h"

void kernels_avx512(struct kernels *table)
{
	table->isa = "avx512";
	table->l2sq_f32 = l2sq_f32_avx512;
	table->ip_f32 = ip_f32_avx512;
	table->l2sq_bf16 = l2sq_bf16_avx512;
	table->ip_bf16 = ip_bf16_avx512;
	table->l2sq_f16 = l2sq_f16_avx512;
	table->ip_f16 = ip_f16_avx512;
	table->l2sq_f32_gather = l2sq_f32_gather_avx512;
	table->ip_f32_gather = ip_f32_gather_avx512;
	table->l2sq_bf16_gather = l2sq_bf16_gather_avx512;
	table->ip_bf16_gather = ip_bf16_gather_avx512;
	table->l2sq_f16_gather = l2sq_f16_gather_avx512;
	table->ip_f16_gather = ip_f16_gather_avx512;
	table->l2sq_split_gather = l2sq_split_gather_avx512;
	table->ip_split_gather = ip_split_gather_avx512;
	table->l2sq_u8 = l2sq_u8_avx512;
	table->ip_u8 = ip_u8_avx512;
	table->l2sq_i8 = l2sq_i8_avx512;
	table->ip_i8 = ip_i8_avx512;
	table->l2sq_u8_gather = l2sq_u8_gather_avx512;
	table->ip_u8_gather = ip_u8_gather_avx512;
	table->l2sq_i8_gather = l2sq_i8_gather_avx512;
	table->ip_i8_gather = ip_i8_gather_avx512;
	table->normsq_f32 = normsq_f32_avx512;
	table->normsq_bf16 = normsq_bf16_avx512;
	table->normsq_f16 = normsq_f16_avx512;
	table->normsq_u8 = normsq_u8_avx512;
	table->normsq_i8 = normsq_i8_avx512;
	table->l2sq_exact = l2sq_exact_avx512;
	table->ip_exact = ip_exact_avx512;
	table->find_nonfinite = find_nonfinite_avx512;
	table->good_list = good_list_avx512;
	table->split = split_avx512;
	table->join = join_avx512;
	table->narrow_f16 = narrow_f16_avx512;
	table->narrow_bf16 = narrow_bf16_avx512;
	table->widen_f16 = widen_f16_avx512;
	table->widen_bf16 = widen_bf16_avx512;
	table->sq8 = (struct sq_kernels){encode_sq8_avx512, decode_sq8_avx512, l2sq_sq8_avx512, ip_sq8_avx512,
	    l2sq_sq8_gather_avx512, ip_sq8_gather_avx512};
	table->sq6 = (struct sq_kernels){encode_sq6_avx512, decode_sq6_avx512, l2sq_sq6_avx512, ip_sq6_avx512,
	    l2sq_sq6_gather_avx512, ip_sq6_gather_avx512};
	table->sq4 = (struct sq_kernels){encode_sq4_avx512, decode_sq4_avx512, l2sq_sq4_avx512, ip_sq4_avx512,
	    l2sq_sq4_gather_avx512, ip_sq4_gather_avx512};
	table->widen_u8 = widen_u8_avx512;
	table->widen_i8 = widen_i8_avx512;
	table->select_le = select_le_avx512;
	table->quantize = quantize_avx512;
	table->pq.l2sq = pq_l2sq_avx512;
	table->pq.ip = pq_ip_avx512;
	table->pq.range = pq_range_avx512;
	table->pq.bytes = pq_bytes_avx512;
	table->pq.nearest = pq_nearest_avx512;
	table->pq.find4 = pq_find4_avx512;
	if (__builtin_cpu_supports("avx512vbmi"))
		table->pq.find8 = pq_find8_avx512;
	table->pack = pack_avx512;
	table->tile_f32 = tile_f32_avx512;
	table->tile_i8 = tile_i8_avx512;
	table->i8_is_fast = 1;
	table->blas_is_faster = 0;
}
