#include "kernels/amx/amx.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

void kernels_amx(struct kernels *table)
{
#define KERNEL(name, type, test, bench, avx2, avx512, amx, ...) IF_##amx(table->name = name##_amx;)
#include "kernels/kernels.def"
	table->isa = "amx";
}

/* The bytes have both signs and both extremes, and neither the depth nor the number of queries fills a
 * tile. */
bool kernels_amx_agree(void)
{
	enum { K = 21, NQ = 37 };
	static const float ones[TILE_ROWS] = {[0 ... TILE_ROWS - 1] = 1}, low[TILE_ROWS];
	static const float endless[NQ] = {[0 ... NQ - 1] = INFINITY};
	static const int32_t bias[NQ];
	uint32_t panel[K * TILE_ROWS];
	int8_t q[NQ][4 * K];
	uint64_t mask[2][NQ];
	static float keys[2][NQ * TILE_ROWS]; /* large for a small stack; this is called once */
	for (uint32_t i = 0; i < K * TILE_ROWS; i++)
		panel[i] = i % 7 ? i * 2654435761u : 0xff80017fu;
	for (int i = 0; i < NQ * 4 * K; i++)
		q[i / (4 * K)][i % (4 * K)] = (int8_t)(i % 5 ? i * 89 : i % 2 ? -128 : 127);
	tile_i8_avx512(panel, K, q[0], sizeof q[0], NQ, low, ones, ones, bias, endless, mask[0], keys[0]);
	tile_i8_amx(panel, K, q[0], sizeof q[0], NQ, low, ones, ones, bias, endless, mask[1], keys[1]);
	return !memcmp(mask[0], mask[1], sizeof mask[0]) && !memcmp(keys[0], keys[1], sizeof keys[0]);
}
