/* A read/write guard: any number of calls may read an object at a time, or one alone may change it. A call
 * that cannot have it is told so at once instead of waiting: there is nothing to deadlock on, and a callback
 * that comes back to an object whose call it serves gets an answer. Two atomic additions a call. */
#ifndef KITH_BASE_GUARD_H
#define KITH_BASE_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise. Readers count up from 0; a writer adds GUARD_WRITER, to which readers that come meanwhile
 * add for a moment. */
struct guard {
	_Atomic int32_t holders;
};

#define GUARD_WRITER (INT32_MIN / 2)

/* Constant objects are read: of such, only this member is ever written, and none is in constant memory. */
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

/* *changed, after a failure: another call is changing it, rather than reading. */
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
