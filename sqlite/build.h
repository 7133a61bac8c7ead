/* Making an index from a part's rows. */
#ifndef KITH_SQLITE_BUILD_H
#define KITH_SQLITE_BUILD_H

#include "live.h"
#include "refresh.h"

/* All rows of a part. *out NULL without an error: too few rows to train it. */
int build_index(
    struct table *t, const struct column *c, const char *spec, const struct part_state *s, struct live **out);

/* Rows of a part that have changed are looked up and added again, or are gone from the index. To be followed
 * by live_prepare. */
int build_apply(struct table *t, const struct column *c, struct live *l, int64_t part, const struct delta *d);

/* Measure how to search it, against the rows that it shows. */
int build_tune(struct table *t, const struct column *c, struct live *l, const struct part_state *s);

#endif
