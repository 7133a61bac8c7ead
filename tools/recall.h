/* Recall of one result row. */
#ifndef KITH_TOOLS_RECALL_H
#define KITH_TOOLS_RECALL_H

#include <stdint.h>

/* The share of the first `level` true ids that are among the first `level` found; 1 if there is no true one.
 * True ids below 0 do not count. scratch: [2 × level]. */
double recall_row(const int64_t *found, const int32_t *truth, int64_t level, int64_t *scratch);

/* The same for ids that may be any numbers but −1, which means none, as labels are. */
double recall_row_wide(const int64_t *found, const int64_t *truth, int64_t level, int64_t *scratch);

#endif
