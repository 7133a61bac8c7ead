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

/* n rows of `width` bytes, the first at `from`, each `step` behind the one before it. In the slot they lie
 * `stride` bytes apart and end like an array; between them and behind are ones, or zeros if FAR_APART. */
const void *put_rows(
    enum guard_slot slot, const void *from, size_t step, size_t width, size_t stride, int n, size_t shift);

/* From this stride on rows reach beyond 2^32 bytes. */
static const size_t FAR_APART = (size_t)1 << 26;

/* Room for a result, likewise; filled with GUARD_FILL, as are the bytes before it. */
void *guard_room(enum guard_slot slot, size_t bytes);

/* 1 if nothing was written before the room last asked for in that slot. */
int guard_intact(enum guard_slot slot);

enum { GUARD_FILL = 0xa5 };

#endif
