/* See support.h. */
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
const bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
const bool sanitized = true;
#else
const bool sanitized = false;
#endif
#else
const bool sanitized = false;
#endif

void support_ok(kith_status got, const char *call, const char *file, int line)
{
	if (got != KITH_OK)
		ck_abort_msg("%s:%d: %s: %s: %s", file, line, call, kith_status_name(got), kith_last_error());
}

void support_fails(
    kith_status got, kith_status want, const char *word, const char *call, const char *file, int line)
{
	const char *message = got == KITH_OK ? "" : kith_last_error();
	if (got != want)
		ck_abort_msg("%s:%d: %s: %s, not %s: %s", file, line, call, kith_status_name(got),
		    kith_status_name(want), message);
	if (!strstr(message, word) || strchr(message, '\n'))
		ck_abort_msg("%s:%d: %s: the message \"%s\" does not say \"%s\" in one line", file, line,
		    call, message, word);
}

void *make(int64_t n, size_t size)
{
	void *p = calloc((size_t)(n > 0 ? n : 1), size);
	if (!p)
		ck_abort_msg("the test has no memory for %lld × %zu bytes", (long long)n, size);
	return p;
}

uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

int64_t rng_below(struct rng *rng, int64_t n)
{
	return (int64_t)(rng_next(rng) % (uint64_t)n);
}

double rng_uniform(struct rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

float rng_gauss(struct rng *rng)
{
	/* The sum of twelve uniform numbers needs no logarithm, so its bits are the same everywhere, which
	 * is more important here than tails beyond six sigma. */
	uint64_t sum = 0;
	for (int i = 0; i < 3; i++) {
		uint64_t u = rng_next(rng);
		sum += (u & 0xffff) + (u >> 16 & 0xffff) + (u >> 32 & 0xffff) + (u >> 48);
	}
	return (float)((double)sum / 65536.0 - 6.0);
}

void rng_shuffle(struct rng *rng, int64_t *x, int64_t n)
{
	for (int64_t i = n - 1; i > 0; i--) {
		int64_t j = rng_below(rng, i + 1), t = x[i];
		x[i] = x[j];
		x[j] = t;
	}
}

float *make_gauss(uint64_t seed, int64_t n, int64_t dim)
{
	struct rng rng = {seed};
	float *x = make(n * dim, sizeof *x);
	for (int64_t i = 0; i < n * dim; i++)
		x[i] = rng_gauss(&rng);
	return x;
}

struct isa_list isa_list(void)
{
	struct isa_list list = {.n = 0};
	const char *at = kith_isa_available();
	while (*at && list.n < 8) {
		size_t length = strcspn(at, " ");
		REQUIRE(length > 0 && length < sizeof list.name[0]);
		memcpy(list.name[list.n++], at, length);
		at += length + (at[length] == ' ');
	}
	REQUIRE(list.n > 0);
	return list;
}

bool test_long(void)
{
	return test_setting("KITH_TEST_LONG", 0) != 0;
}

int64_t test_setting(const char *name, int64_t usual)
{
	const char *text = getenv(name);
	return text && *text ? strtoll(text, NULL, 10) : usual;
}

kith_index *make_index(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x)
{
	kith_index *index;
	OK(kith_index_new(&index, dim, metric, spec));
	OK(kith_index_add(index, n, x, NULL, NULL));
	return index;
}

int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
