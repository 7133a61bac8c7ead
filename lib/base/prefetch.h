/* Functions that only prefetch. gcc takes such a function for one without any effect and drops calls of it,
 * unless it has inlined them before it looks: graph searches took 15% longer for that. */
#ifndef KITH_BASE_PREFETCH_H
#define KITH_BASE_PREFETCH_H

#define PREFETCH_INLINE static inline __attribute__((always_inline))

#endif
