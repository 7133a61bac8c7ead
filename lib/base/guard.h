/* A read/write guard: any number of calls may read an object at a time, or one alone may change it. A call
 * that cannot have it is told so at once instead of waiting: there is nothing to deadlock on, and a callback
 * that comes back to an object whose call it serves gets an answer. Two atomic additions a call. */
#ifndef KITH_BASE_GUARD_H
#define KITH_BASE_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise. Holds the number of readers, or GUARD_WRITER, to which readers that are about to be
 * refused add for a moment. */
struct guard {
	_Atomic int32_t holders;
};

#define GUARD_WRITER (INT32_MIN / 2)

/* Readers have a pointer to const; the guard is the one member that they write, and no guarded object lies in
 * read-only memory. */
static inline struct guard *guard_of_const(const struct guard *guard)
{
	return (struct guard *)(uintptr_t)guard;
}

static inline bool guard_read(const struct guard *guard)
{
	if (atomic_fetch_add(&guard_of_const(guard)->holders, 1) >= 0)
		return true;
	atomic_fetch_sub(&guard_of_const(guard)->holders, 1);
	return false;
}

static inline void guard_read_end(const struct guard *guard)
{
	atomic_fetch_sub(&guard_of_const(guard)->holders, 1);
}

/* After a failure *changed tells whether the other call changes the object (true) or reads it. */
static inline bool guard_write(struct guard *guard, bool *changed)
{
	int32_t none = 0;
	if (atomic_compare_exchange_strong(&guard->holders, &none, GUARD_WRITER))
		return true;
	*changed = none < 0;
	return false;
}

static inline void guard_write_end(struct guard *guard)
{
	atomic_fetch_sub(&guard->holders, GUARD_WRITER);
}

#endif
