/* What every call that takes an index begins and ends with. A call that cannot have the index fails with
 * KITH_BUSY instead of waiting. Whatever a change can alter (whether the index is trained, its size, its ids
 * …) may be read between these only; its dimension, metric, type and spec never change. */
#ifndef KITH_API_GUARD_H
#define KITH_API_GUARD_H

#include "lib/base/status.h"
#include "lib/index/structure.h"

/* To read it, beside others that do. BUSY. */
kith_status read_begin(const kith_index *index);
void read_end(const kith_index *index);

/* To change it: the caller has it alone, and it is validated (structure_validate, before the first change of
 * a mapped index). On failure nothing is held. INVALID: it is read-only; BUSY; FORMAT: its file proves
 * damaged; NOMEM. */
kith_status write_begin(kith_index *index);
void write_end(kith_index *index);

/* The same to take an index over, which may be read-only. */
kith_status take_begin(kith_index *index);

/* To have it alone, for changes that neither searches nor files notice. BUSY. */
kith_status alone_begin(kith_index *index);

#endif
