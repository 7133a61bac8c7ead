/* The cases of golden.c. */
#ifndef KITH_TESTS_GOLDEN_H
#define KITH_TESTS_GOLDEN_H

#include "tests/golden/table.h"

/* The number of cases. The number of a case may change from build to build. */
int golden_cases(void);

/* Run case i with some threads: its name and digests. */
void golden_run(struct row *row, int i, int threads);

#endif
