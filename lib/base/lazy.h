/* A value that is made when it is first needed, by whichever thread needs it first. */
#ifndef KITH_BASE_LAZY_H
#define KITH_BASE_LAZY_H

#include <stdatomic.h>

#include "lib/base/alloc.h"

/* Zeroed by mem_zalloc; what it holds is mem_alloc'ed. Threads: safe, without locks, so fork is, too. */
struct lazy {
	_Atomic(void *) value;
};

/* The value; NULL: not made yet. */
static inline void *lazy_get(struct lazy *lazy)
{
	return atomic_load(&lazy->value);
}

/* Store `made`, or free it if another thread has stored a value meanwhile. Returns the value that is
 * stored. */
static inline void *lazy_put(struct lazy *lazy, void *made)
{
	void *before = NULL;
	if (atomic_compare_exchange_strong(&lazy->value, &before, made))
		return made;
	mem_free(made);
	return before;
}

static inline void lazy_free(struct lazy *lazy)
{
	if (lazy)
		mem_free(lazy_get(lazy));
	mem_free(lazy);
}

#endif
