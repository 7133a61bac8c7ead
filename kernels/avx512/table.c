#include "kernels/avx512/avx512.h"

/* Some CPUs have all other parts of AVX-512 but not VBMI. */
#undef IF_VBMI
#define IF_VBMI(statement)                                                                                   \
	if (__builtin_cpu_supports("avx512vbmi"))                                                            \
	statement

void kernels_avx512(struct kernels *table)
{
#define KERNEL(name, type, test, bench, avx2, avx512, ...) IF_##avx512(table->name = name##_avx512;)
#include "kernels/kernels.def"
	table->isa = "avx512";
	table->panel_bytes = 192 << 10;
	table->block_bytes = 192 << 10;
	table->i8_is_fast = 1;
	table->blas_is_faster = 0;
}
