#include "kernels/neon/neon.h"

void kernels_neon(struct kernels *table)
{
#define KERNEL(name, type, test, bench, avx2, avx512, amx, neon) IF_##neon(table->name = name##_neon;)
#include "kernels/kernels.def"
	table->isa = "neon";
	table->panel_bytes = 192 << 10;
	table->block_bytes = 192 << 10;
#ifdef __ARM_FEATURE_DOTPROD
	table->i8_is_fast = 1;
#endif
	table->blas_is_faster = 0;
}
