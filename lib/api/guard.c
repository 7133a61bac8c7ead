/* Guards of indexes.
 *
 * A change first takes the index for itself and only then validates it, since validating a mapped index frees
 * tables that searches use. `readonly` does not change after opening, so it is checked without the guard: a
 * change that can never be made is refused as INVALID, not as BUSY, even while searches run.
 */
#include "lib/api/guard.h"

#include "lib/index/index_state.h"

kith_status read_begin(const kith_index *index)
{
	if (guard_read(&index->guard))
		return KITH_OK;
	return fail(KITH_BUSY, "index '%s' is being changed by another call", index->spec);
}

void read_end(const kith_index *index)
{
	guard_read_end(&index->guard);
}

kith_status alone_begin(kith_index *index)
{
	bool changed = false;
	if (guard_write(&index->guard, &changed))
		return KITH_OK;
	return fail(KITH_BUSY, "index '%s' is being %s by another call; a change needs it for itself",
	    index->spec, changed ? "changed" : "read");
}

void write_end(kith_index *index)
{
	guard_write_end(&index->guard);
}

kith_status take_begin(kith_index *index)
{
	kith_status status = alone_begin(index);
	if (status || !index->state || !index->state->unvalidated)
		return status;
	status = structure_validate(index);
	if (status)
		write_end(index);
	else
		index->state->unvalidated = false;
	return status;
}

kith_status write_begin(kith_index *index)
{
	if (index->readonly)
		return fail(KITH_INVALID, "index was opened READONLY; it cannot be changed");
	return take_begin(index);
}
