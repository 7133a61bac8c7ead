#include "kernels/ref/ref.h"

void kernels_ref(struct kernels *table)
{
	*table = (struct kernels){
	    .isa = "ref",
	    .l2sq_f32 = l2sq_f32_ref,
	    .ip_f32 = ip_f32_ref,
	    .l2sq_bf16 = l2sq_bf16_ref,
	    .ip_bf16 = ip_bf16_ref,
	    .l2sq_f32_gather = l2sq_f32_gather_ref,
	    .ip_f32_gather = ip_f32_gather_ref,
	    .l2sq_bf16_gather = l2sq_bf16_gather_ref,
	    .ip_bf16_gather = ip_bf16_gather_ref,
	    .l2sq_u8 = l2sq_u8_ref,
	    .ip_u8 = ip_u8_ref,
	    .l2sq_i8 = l2sq_i8_ref,
	    .ip_i8 = ip_i8_ref,
	    .l2sq_u8_gather = l2sq_u8_gather_ref,
	    .ip_u8_gather = ip_u8_gather_ref,
	    .l2sq_i8_gather = l2sq_i8_gather_ref,
	    .ip_i8_gather = ip_i8_gather_ref,
	    .normsq_f32 = normsq_f32_ref,
	    .normsq_u8 = normsq_u8_ref,
	    .normsq_i8 = normsq_i8_ref,
	    .l2sq_exact = l2sq_exact_ref,
	    .ip_exact = ip_exact_ref,
	    .find_nonfinite = find_nonfinite_ref,
	    .split = split_ref,
	    .join = join_ref,
	    .widen_u8 = widen_u8_ref,
	    .widen_i8 = widen_i8_ref,
	    .select_le = select_le_ref,
	    .quantize = quantize_ref,
	    .pack = pack_ref,
	    .tile_f32 = tile_f32_ref,
	    .tile_i8 = tile_i8_ref,
	};
}
