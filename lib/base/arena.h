/* Arenas: one block of memory, given out in pieces that begin at multiples of 64 bytes.
 *
 * The function that takes the pieces runs twice: over an arena without memory, which only counts, and then
 * over one whose block has as many bytes as were counted. Sizes and places so cannot disagree.
 */
#ifndef KITH_BASE_ARENA_H
#define KITH_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena {
	char *memory; /* aligned to 64 bytes; NULL: only count */
	size_t used;  /* bytes; SIZE_MAX: more than can be counted, so that allocating them fails */
};

/* The least multiple of 64 that is >= bytes; SIZE_MAX where there is none. */
static inline size_t align64(size_t bytes)
{
	return bytes > SIZE_MAX - 63 ? SIZE_MAX : (bytes + 63) / 64 * 64;
}

/* Room for n >= 0 elements of `size` bytes; NULL while counting. */
void *arena_take(struct arena *arena, int64_t n, size_t size);

#endif
