/* Pictures of benchmarks, by gnuplot. */
#ifndef KITH_TOOLS_PLOT_H
#define KITH_TOOLS_PLOT_H

#include <jansson.h>

/* Can a picture with this name be drawn here? svg or png, and gnuplot there. Else an error is printed that
 * says what to do; returns an exit code. */
int plot_check(const char *path);

/* Draw the Pareto fronts of n benchmark reports: recall against queries per second. Returns an exit code. */
int plot_reports(json_t *const *reports, int n, const char *path);

/* Points of an index's report [points] that no other beats in both recall and speed, by falling recall; the
 * caller frees the array. *count: how many. NULL: no memory. */
json_t **plot_front(const json_t *points, size_t *count);

#endif
