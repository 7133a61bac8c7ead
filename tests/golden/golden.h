/* The cases of golden.c. */
#ifndef KITH_TESTS_GOLDEN_H
#define KITH_TESTS_GOLDEN_H

#include "tests/golden/table.h"

/* How many there are; the numbers are only good for one build. */
int golden_cases(void);

/* Name and digests of case i, computed with so many threads. */
void golden_run(struct row *row, int i, int threads);

#endif
