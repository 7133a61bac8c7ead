/* Building and tuning the index of a part. */
#ifndef KITH_SQLITE_BUILD_H
#define KITH_SQLITE_BUILD_H

#include "live.h"
#include "refresh.h"

/* Build an index of all rows of a part. *out is NULL without an error if there are too few rows to train
 * it. */
int build_index(
    struct table *t, const struct column *c, const char *spec, const struct part_state *s, struct live **out);

/* Update the index for the changed rows d: those that exist in the part are read and added again, all
 * others are removed. Call live_prepare afterwards. */
int build_apply(struct table *t, const struct column *c, struct live *l, int64_t part, const struct delta *d);

/* Measure the recall of searches of the index (live_tune), with queries made from the part's rows. */
int build_tune(struct table *t, const struct column *c, struct live *l, const struct part_state *s);

#endif
