/* What every call that takes an index begins and ends with. A call that cannot have the index fails with
 * KITH_BUSY instead of reading what another one is writing. Nothing of an index that a change can alter
 * (whether it is trained, its size, its ids …) may be looked at outside of these; its dimension, metric, type
 * and spec never change. */
#ifndef KITH_API_GUARD_H
#define KITH_API_GUARD_H

#include "lib/base/status.h"
#include "lib/index/structure.h"

/* To read it, beside others that do. BUSY. */
kith_status read_begin(const kith_index *index);
void read_end(const kith_index *index);

/* To change it: it is the caller's alone, may be changed and is validated (structure_validate, which the
 * first change of a mapped index needs). On failure nothing is held. INVALID: it is read-only; BUSY;
 * FORMAT: it is from a file that proves damaged; NOMEM. */
kith_status write_begin(kith_index *index);
void write_end(kith_index *index);

/* The same to take over an index, which read-only ones suffer too. */
kith_status take_begin(kith_index *index);

/* Alone, for what changes nothing that searches or files see. BUSY. */
kith_status alone_begin(kith_index *index);

#endif
