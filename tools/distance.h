/* The distance, or similarity, of two vectors in double precision: computed here for the common metrics, so
 * that kith eval does not rely on what it judges, and by the library for the others. */
#ifndef KITH_TOOLS_DISTANCE_H
#define KITH_TOOLS_DISTANCE_H

#include <kith/kith.h>

/* NaN: the metric does not compare such vectors. */
double distance(kith_metric metric, const float *q, const float *x, int64_t dim);

#endif
