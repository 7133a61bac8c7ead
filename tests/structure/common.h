/* What the suites of wrappers share. */
#ifndef KITH_TESTS_STRUCTURE_COMMON_H
#define KITH_TESTS_STRUCTURE_COMMON_H

#include "tests/support/support.h"

/* n vectors about `rank` directions of dim, whose scales fall off, around a point away from the origin. */
float *make_cloud(uint64_t seed, int64_t n, int64_t dim, int64_t rank);

/* A new index, trained with x if it must be; never NULL. */
kith_index *make_trained(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x);

/* As make_trained, and with the vectors in it. */
kith_index *make_filled(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x);

/* Searches for nq queries give the same: ids up to ties, distances up to `tolerance` times the largest. */
void check_alike(const kith_index *a, const kith_index *b, int64_t nq, const float *q, double tolerance);

/* The same to the last bit, with other numbers of threads too; options [1] of both, may be NULL. */
void check_same(
    const kith_index *a, const kith_index *b, int64_t nq, const float *q, const kith_search_options *options);

/* Change an index of n rows x (and one of `spec`, which sees the same changes) by adding, updating, removing
 * and cloning; they stay alike. */
void check_changes(kith_index *index, const char *spec, int64_t n, const float *x, double tolerance);

/* Share of the k true neighbours (by a flat index) that index finds. */
double recall(const kith_index *index, int64_t n, const float *x, int64_t nq, const float *q, int64_t k,
    const kith_search_options *options);

/* Every allocation of every kind of call on an index of `spec` fails, alone and with all that follow. step:
 * how many are skipped from one to the next, beyond the first hundred. */
void check_faults(int64_t dim, kith_metric metric, const char *spec, int64_t step);

/* The same, less making and training, on copies of an index that has at least 200 vectors, rows of x. */
void check_faults_of(const kith_index *whole, const float *x, int64_t step);

#endif
