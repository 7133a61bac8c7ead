#include "kernels/ref/ref.h"

void kernels_ref(struct kernels *table)
{
#define KERNEL(name, type, ...) table->name = name##_ref;
#include "kernels/kernels.def"
	table->isa = "ref";
	table->panel_bytes = 192 << 10;
	table->block_bytes = 192 << 10;
	table->i8_is_fast = 0;
	table->blas_is_faster = 1;
}
