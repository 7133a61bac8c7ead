/* Arrays that end at an unmapped page, so that a kernel which reads or writes one byte too many faults. */
#ifndef KITH_TESTS_GUARD_H
#define KITH_TESTS_GUARD_H

#include <stddef.h>

/* Places for the arrays of one call. */
enum guard_slot { Q, ROWS, POS, OUT, OUT2, MEAN, LOW, SCALE, QSCALE, QBIAS, THR, MASK, KEYS, SLOTS };

/* Before any other call, once a process. */
void guard_open(void);

/* A copy of src that ends `shift` bytes before the slot's unmapped page; those bytes are all ones. */
void *guard_put(enum guard_slot slot, const void *src, size_t bytes, size_t shift);

/* Room for a result, likewise; filled with GUARD_FILL, as are the bytes before it. */
void *guard_room(enum guard_slot slot, size_t bytes);

/* 1 if nothing was written before the room last asked for in that slot. */
int guard_intact(enum guard_slot slot);

enum { GUARD_FILL = 0xa5 };

#endif
