#include "kernels/avx2/avx2.h"

void kernels_avx2(struct kernels *table)
{
#define KERNEL(name, type, test, bench, avx2, ...) IF_##avx2(table->name = name##_avx2;)
#include "kernels/kernels.def"
	table->isa = "avx2";
	table->panel_bytes = 192 << 10;
	table->block_bytes = 192 << 10;
	table->i8_is_fast = 1;
	table->blas_is_faster = 0;
}
