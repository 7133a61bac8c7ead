/* Distances in double precision: the values of the column `distance`, by which rows are ordered. */
#ifndef KITH_SQLITE_DISTANCE_H
#define KITH_SQLITE_DISTANCE_H

#include <stdint.h>

#include <kith/library.h>

/* The distance of two vectors; smaller is nearer. L2: the squared Euclidean distance; IP: −⟨a, b⟩; cosine:
 * 1 − cos, and 1 if a vector is zero; L1; Linf. */
double distance_between(kith_metric metric, int64_t dim, const float *a, const float *b);

/* The similarity for a distance; larger is nearer. IP: ⟨a, b⟩; cosine: cos; all others: 1 / (1 +
 * distance). */
double distance_similarity(kith_metric metric, double distance);

/* The distance for a score that kith's search returns. */
double distance_from_score(kith_metric metric, float score);

/* Find a metric by its name in SQL, in upper or lower case. Returns 0 if there is none. */
int metric_by_name(const char *name, kith_metric *metric);

#endif
