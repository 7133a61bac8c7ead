/* Helpers of the suites about wrappers. */
#ifndef KITH_TESTS_STRUCTURE_COMMON_H
#define KITH_TESTS_STRUCTURE_COMMON_H

#include "tests/support/support.h"

/* n vectors that vary mainly in `rank` directions, on decreasing scales, around a point other than the
 * origin. */
float *make_cloud(uint64_t seed, int64_t n, int64_t dim, int64_t rank);

/* A new index, trained with x if it needs training; never NULL. */
kith_index *make_trained(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x);

/* The same with the vectors added. */
kith_index *make_filled(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x);

/* Check that searches for nq queries give the same ids, except for ties, and the same distances up to
 * `tolerance` times the largest one. */
void check_alike(const kith_index *a, const kith_index *b, int64_t nq, const float *q, double tolerance);

/* Check that searches give the same results to the last bit, for several numbers of threads. options may be
 * NULL. */
void check_same(
    const kith_index *a, const kith_index *b, int64_t nq, const float *q, const kith_search_options *options);

/* Change an index with n rows x, and a new one of `spec` in the same way, by adding, updating, removing and
 * cloning, and check that their results stay the same. */
void check_changes(kith_index *index, const char *spec, int64_t n, const float *x, double tolerance);

/* The fraction of the k true neighbours, from a flat index, that an index finds. */
double recall(const kith_index *index, int64_t n, const float *x, int64_t nq, const float *q, int64_t k,
    const kith_search_options *options);

/* Let each allocation of every kind of call on an index of `spec` fail, alone and together with all later
 * ones. After the first hundred allocations only every step-th one fails. */
void check_faults(int64_t dim, kith_metric metric, const char *spec, int64_t step);

/* The same without creation and training, on copies of an index with at least 200 vectors, the rows of x. */
void check_faults_of(const kith_index *whole, const float *x, int64_t step);

#endif
