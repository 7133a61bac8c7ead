/* What the suites about FAISS's files share: indexes to export, and their bytes. */
#ifndef KITH_TESTS_FAISS_H
#define KITH_TESTS_FAISS_H

/* First: Check has a macro of the name of fail. */
#include "lib/faiss/faiss.h"

#include "tests/support/bytes.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

enum { DIM = 8, N = 300, NQ = 5, K = 10 };

struct bytes export_bytes(const kith_index *index);
kith_status import_bytes(kith_index **out, struct bytes *b, kith_search_options *options);

/* n vectors, with ids of their own if `listed`, some of them removed again. */
kith_index *build_index(const char *spec, kith_metric metric, int64_t n, bool listed);

/* Everything that reads an index. */
void use_index(kith_index *index);

/* Whether n floats differ by no more than that share of the largest. */
bool near(const float *a, const float *b, int64_t n, double relative);

/* test_faiss_hand.c: forms that kith does not write. */
void add_hand(Suite *suite);

/* test_faiss_bad.c: files and calls that must fail. */
void add_bad(Suite *suite);

#endif
