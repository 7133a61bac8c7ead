/* Arenas: see arena.h. */
#include "lib/base/arena.h"

#include "lib/base/alloc.h"

void *arena_take(struct arena *arena, int64_t n, size_t size)
{
	void *p = arena->memory ? arena->memory + arena->used : NULL;
	size_t bytes;
	if (!size_mul((size_t)n, size, &bytes) || !size_add(arena->used, align64(bytes), &arena->used))
		arena->used = SIZE_MAX;
	return p;
}
