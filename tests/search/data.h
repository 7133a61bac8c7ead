/* The vectors of a problem. */
#ifndef KITH_TESTS_DATA_H
#define KITH_TESTS_DATA_H

#include "tests/search/problem.h"

/* Rows from … of float data of a kind, as base or as queries. Both grow from `seed`, so that they share
 * cluster centres, scales and the like. base_n: rows of the base. */
void data_floats(
    enum data_kind kind, uint64_t seed, bool query, int64_t base_n, int64_t n, int64_t dim, float *x);

/* Byte data: n · dim elements. */
void data_bytes(enum data_kind kind, uint64_t seed, kith_type type, int64_t n, int64_t dim, void *x);

/* Whether all values are integers, small enough for keys without rounding. */
bool data_integral(enum data_kind kind);

#endif
