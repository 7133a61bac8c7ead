/* Whether benchmark reports can be compared. */
#ifndef KITH_TOOLS_COMPARE_H
#define KITH_TOOLS_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* Whether two reports were measured alike. If not, `out` says what differs: "k 10, and 100; threads 1, and
 * 2". */
bool compare_reports(const json_t *a, const json_t *b, char *out, size_t size);

/* Warn of each of n reports that was not measured as the first one was. */
void compare_warn(json_t *const *reports, const char *const *files, int n);

#endif
