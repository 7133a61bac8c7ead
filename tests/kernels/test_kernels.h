/* What the kernel tests share: the loop over instruction sets and lengths, random numbers. */
#ifndef KITH_TESTS_KERNELS_H
#define KITH_TESTS_KERNELS_H

#include "kernels/kernels.h"
#include "tests/kernels/guard.h"

#include <check.h>

/* Names for a loop test over instruction sets; not all of them need be available. */
extern const char *const isa_names[];
enum { ISA_COUNT = 5 };

/* The table of isa_names[i], with *ref the reference; NULL where it is not available. */
const struct kernels *isa_table(int i, struct kernels *ref);

/* The lengths at which every kernel is tried, and numbers of rows. */
extern const int lengths[];
extern const int row_counts[];
enum { LENGTH_COUNT = 68 + 9, ROW_COUNT_COUNT = 8, MAX_ROWS = 65, MAX_LENGTH = 1536 };

uint64_t random_bits(void);
float random_float(void); /* −1 … 1, of widely differing magnitude */
void random_bytes(void *out, size_t bytes);

TCase *rows_tests(void);
TCase *bytes_tests(void);
TCase *plane_tests(void);
TCase *quantize_tests(void);
TCase *sq_tests(void);
TCase *tile_tests(void);
TCase *pq_tests(void);

#endif
