/* Failing with a message. */
#ifndef KITH_BASE_STATUS_H
#define KITH_BASE_STATUS_H

#include <stddef.h>

#include <kith/status.h>

/* Set this thread's message (printf style, one line, names the argument, its value and what is
 * allowed) and return the status, so that `return fail(KITH_INVALID, …)` reads well. */
kith_status fail(kith_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* This thread's message, for the library itself: kith_last_error is for callers, who may keep what it gives
 * through the next call. */
const char *fail_message(void);

/* fail(KITH_NOMEM, …) for `bytes` bytes of `what`. */
kith_status fail_nomem(const char *what, size_t bytes);

/* fail(KITH_NOMEM, …) for a search of so many queries. */
kith_status fail_nomem_search(long long queries);

/* For "%lld row%s", n, PLURAL(n) and "%lld %s", n, QUERIES(n). */
#define PLURAL(n)  ((n) == 1 ? "" : "s")
#define QUERIES(n) ((n) == 1 ? "query" : "queries")

/* The analyzer cannot see that they never return KITH_OK. */
#if defined(__clang_analyzer__)
#define fail(status, ...)      ((void)fail(status, __VA_ARGS__), (status))
#define fail_nomem(what, size) ((void)fail_nomem(what, size), KITH_NOMEM)
#define fail_nomem_search(n)   ((void)fail_nomem_search(n), KITH_NOMEM)
#endif

#endif
