/* AMX kernels (TILE, INT8), on top of AVX-512. */
#ifndef KITH_KERNELS_AMX_H
#define KITH_KERNELS_AMX_H

#include "kernels/avx512/avx512.h"

#define KERNEL(name, type, test, bench, avx2, avx512, amx, ...) IF_##amx(type name##_amx;)
#include "kernels/kernels.def"

#endif
