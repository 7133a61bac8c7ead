/* Functions that only prefetch. gcc treats them as functions without effects and removes calls of them
 * unless they are inlined first: graph searches took 15% longer. tests/lint/test_prefetch.py checks it. */
#ifndef KITH_BASE_PREFETCH_H
#define KITH_BASE_PREFETCH_H

#define PREFETCH_INLINE static inline __attribute__((always_inline))

#endif
