/* Distances in double precision: what `distance` shows, and what rows are ordered by. */
#ifndef KITH_SQLITE_DISTANCE_H
#define KITH_SQLITE_DISTANCE_H

#include <stdint.h>

#include <kith/library.h>

/* Smaller is nearer: the squared Euclidean distance, −⟨a, b⟩, 1 − cos (of a zero vector 1), L1, Linf. */
double distance_between(kith_metric metric, int64_t dim, const float *a, const float *b);

/* The same number turned around, larger is nearer: ⟨a, b⟩, cos, and 1 / (1 + distance) of the others. */
double distance_similarity(kith_metric metric, double distance);

/* What kith's search gives for a vector, as a distance. */
double distance_from_score(kith_metric metric, float score);

/* A metric by its name in SQL, whatever its case. 0: there is none of that name. */
int metric_by_name(const char *name, kith_metric *metric);

#endif
