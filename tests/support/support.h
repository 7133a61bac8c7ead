/* What the suites share: checks that name the call they are about, random numbers that are the same on
 * every machine, the list of instruction sets, memory that never fails.
 *
 * Every assertion of Check is a system call, so these macros speak up only when something is wrong.
 */
#ifndef KITH_TESTS_SUPPORT_H
#define KITH_TESTS_SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/kith.h>

/* The call succeeds. */
#define OK(call) support_ok(call, #call, __FILE__, __LINE__)

/* The call fails with this status, and its message, one line, contains `word`. */
#define FAILS(call, status, word) support_fails(call, status, word, #call, __FILE__, __LINE__)

/* A condition, checked silently. */
#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			ck_abort_msg("%s:%d: not so: %s", __FILE__, __LINE__, #condition);                   \
	} while (0)

void support_ok(kith_status got, const char *call, const char *file, int line);
void support_fails(
    kith_status got, kith_status want, const char *word, const char *call, const char *file, int line);

/* Zeroed memory for n elements; free() it. */
void *make(int64_t n, size_t size);

/* Random numbers: splitmix64. */
struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *rng);
int64_t rng_below(struct rng *rng, int64_t n); /* 0 … n − 1 */
double rng_uniform(struct rng *rng);           /* [0, 1) */
float rng_gauss(struct rng *rng);              /* mean 0, variance 1 */
void rng_shuffle(struct rng *rng, int64_t *x, int64_t n);

/* n vectors of dimension dim, gaussian; free() them. */
float *make_gauss(uint64_t seed, int64_t n, int64_t dim);

/* Instruction sets of this machine, slowest first. */
struct isa_list {
	int n;
	char name[8][16];
};

struct isa_list isa_list(void);

/* 1 in builds with a sanitizer, which are slow: the suites then try less. */
extern const bool sanitized;

/* Whether `./run test --long` asked for the long form of a suite; tests in Python read KITH_TEST_LONG. */
bool test_long(void);

/* A number from the environment, for runs that look further than usual. */
int64_t test_setting(const char *name, int64_t usual);

/* An index with vectors; never NULL. */
kith_index *make_index(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x);

/* End of main(): runs the suite. */
int run_suite(Suite *suite);

#endif
