/* The lines of a picture of benchmarks: an index of a report each, with labels that tell them apart. */
#ifndef KITH_TOOLS_SERIES_H
#define KITH_TOOLS_SERIES_H

#include <jansson.h>

struct series {
	const json_t *report, *index, *points; /* borrowed */
	const char *name;                      /* of the index */
	char label[240];                       /* no two of a picture have the same */
	int number;                            /* of the report, from 0 */
	int color;                             /* from 0: indexes with one factory string share one */
};

/* All indexes of n reports that have points. files: where the reports come from. The caller frees *out.
 * Returns an exit code; EXIT_FAILED: an error was printed. */
int series_collect(json_t *const *reports, const char *const *files, int n, struct series **out, int *count);

/* Points of an index's report [points] that no other beats in both recall and speed, by falling recall; the
 * caller frees the array. *count: how many. NULL: no memory. */
json_t **series_front(const json_t *points, size_t *count);

#endif
