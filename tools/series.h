/* The lines of a picture of benchmarks. Each is an index of a report; no two have the same label. */
#ifndef KITH_TOOLS_SERIES_H
#define KITH_TOOLS_SERIES_H

#include <jansson.h>

struct series {
	const json_t *report, *index, *points; /* parts of the caller's reports */
	const char *name;                      /* of the index */
	char label[240];
	int number; /* of the report, from 0 */
	int color;  /* from 0; indexes of several reports with one factory string share one */
};

/* Collect all indexes of n reports that have points; files: the names of the reports. The caller frees *out.
 * Returns an exit code. */
int series_collect(json_t *const *reports, const char *const *files, int n, struct series **out, int *count);

/* The points that no other beats in both recall and speed, by decreasing recall; *count: how many. The caller
 * frees the array. NULL: no memory. */
json_t **series_front(const json_t *points, size_t *count);

#endif
