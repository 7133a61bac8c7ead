/* Functions that only prefetch. gcc regards such a function as one without effects and removes calls of it unless
 * they are inlined first; graph searches took 15% longer without them (tests/lint/test_prefetch.py looks). */
#ifndef KITH_BASE_PREFETCH_H
#define KITH_BASE_PREFETCH_H

#define PREFETCH_INLINE static inline __attribute__((always_inline))

#endif
