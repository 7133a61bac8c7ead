/* Recall of one result row. */
#ifndef KITH_TOOLS_RECALL_H
#define KITH_TOOLS_RECALL_H

#include <stdint.h>

/* Share of the first `level` true ids that are among the first `level` found. Ids below 0 stand for nothing;
 * 1 where there is no true one. scratch: [2 × level]. */
double recall_row(const int64_t *found, const int32_t *truth, int64_t level, int64_t *scratch);

/* The same where ids may be any numbers but −1, as labels are. */
double recall_row_wide(const int64_t *found, const int64_t *truth, int64_t level, int64_t *scratch);

#endif
