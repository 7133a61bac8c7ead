#include "kernels/amx/amx.h"

void kernels_amx(struct kernels *table)
{
	table->isa = "amx";
	table->tile_i8 = tile_i8_amx;
}
