/* Helpers of all suites: checks that name the failing call, random numbers that are the same on every
 * machine, the list of instruction sets, memory that is never NULL.
 *
 * Every assertion of Check makes a system call, so these macros call Check only on failure.
 */
#ifndef KITH_TESTS_SUPPORT_H
#define KITH_TESTS_SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/kith.h>

/* Check that a call succeeds. */
#define OK(call) support_ok(call, #call, __FILE__, __LINE__)

/* Check that a call fails with this status, and that its message is one line that contains `word`. */
#define FAILS(call, status, word) support_fails(call, status, word, #call, __FILE__, __LINE__)

/* Check a condition. */
#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			ck_abort_msg("%s:%d: failed: %s", __FILE__, __LINE__, #condition);                   \
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

/* n Gaussian vectors of dimension dim; free() them. */
float *make_gauss(uint64_t seed, int64_t n, int64_t dim);

/* The instruction sets that this machine can run, slowest first. */
struct isa_list {
	int n;
	char name[8][16];
};

struct isa_list isa_list(void);

/* Whether this is a build with a sanitizer. These are slow, so suites test less. */
extern const bool sanitized;

/* Whether `./run test --long` asked for the long form of a suite; tests in Python read KITH_TEST_LONG. */
bool test_long(void);

/* A number from the environment, for runs that test more than usual. */
int64_t test_setting(const char *name, int64_t usual);

/* A new index with the vectors x; never NULL. */
kith_index *make_index(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x);

/* End of main(): runs the suite. */
int run_suite(Suite *suite);

#endif
