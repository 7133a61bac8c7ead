/* Turns: any number of calls may read an index at a time, or one alone may change it. A call whose turn it is
 * not fails with KITH_BUSY instead of reading what another one is writing. Two atomic additions a call. */
#ifndef KITH_API_TURN_H
#define KITH_API_TURN_H

#include "lib/base/status.h"
#include "lib/structure/structure.h"

/* In index->turn while a call changes the index; calls that then try to read add to it for a moment. */
#define TURN_CHANGE (INT32_MIN / 2)

static inline kith_status turn_begin_read(const kith_index *index)
{
	/* Only this member of a constant index is ever written, and never one in constant memory. */
	_Atomic int32_t *turn = (_Atomic int32_t *)&index->turn;
	if (atomic_fetch_add(turn, 1) >= 0)
		return KITH_OK;
	atomic_fetch_sub(turn, 1);
	return fail(KITH_BUSY, "index '%s' is being changed by another call", index->spec);
}

static inline void turn_end_read(const kith_index *index)
{
	atomic_fetch_sub((_Atomic int32_t *)&index->turn, 1);
}

static inline kith_status turn_begin_change(kith_index *index)
{
	int32_t none = 0;
	if (atomic_compare_exchange_strong(&index->turn, &none, TURN_CHANGE))
		return KITH_OK;
	return fail(KITH_BUSY, "index '%s' is being %s by another call; a change needs it for itself",
	    index->spec, none < 0 ? "changed" : "read");
}

static inline void turn_end_change(kith_index *index)
{
	atomic_fetch_sub(&index->turn, TURN_CHANGE);
}

#endif
