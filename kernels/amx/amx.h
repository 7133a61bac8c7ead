/* AMX kernels (TILE, INT8), on top of AVX-512. */
#ifndef KITH_KERNELS_AMX_H
#define KITH_KERNELS_AMX_H

#include "kernels/avx512/avx512.h"

uint64_t tile_i8_amx(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask, float *keys);

#endif
