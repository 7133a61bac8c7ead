/* Tile kernels from blocks: an instruction set has registers for a few queries, and its block function
 * handles up to that many. These macros make kernels that call it for all queries of a tile. */
#ifndef KITH_KERNELS_TILE_BLOCKS_H
#define KITH_KERNELS_TILE_BLOCKS_H

#include "kernels/kernels.h"

/* Define the kernel `name`, which calls `block` with the same arguments for up to `max` queries at a time. */
#define TILE_F32_IN_BLOCKS(name, block, max)                                                                 \
	uint64_t name(const float *panel, int64_t k, const float *q, size_t qstride, int nq,                 \
	    const float *low, const float *thr, uint64_t *mask, float *keys)                                 \
	{                                                                                                    \
		uint64_t any = 0;                                                                            \
		for (int j = 0; j < nq; j += (max)) {                                                        \
			int n = nq - j < (max) ? nq - j : (max);                                             \
			any |= block(panel, k, q + (size_t)j * qstride, qstride, n, low, thr + j, mask + j,  \
			    keys + j * TILE_ROWS);                                                           \
		}                                                                                            \
		return any;                                                                                  \
	}

#define TILE_I8_IN_BLOCKS(name, block, max)                                                                  \
	uint64_t name(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,             \
	    const float *low, const float *scale, const float *qscale, const int32_t *qbias,                 \
	    const float *thr, uint64_t *mask, float *keys)                                                   \
	{                                                                                                    \
		uint64_t any = 0;                                                                            \
		for (int j = 0; j < nq; j += (max)) {                                                        \
			int n = nq - j < (max) ? nq - j : (max);                                             \
			any |= block(panel, k, q + (size_t)j * qstride, qstride, n, low, scale, qscale + j,  \
			    qbias + j, thr + j, mask + j, keys + j * TILE_ROWS);                             \
		}                                                                                            \
		return any;                                                                                  \
	}

#endif
