/* Status names and the per-thread message. It lies in static thread-local storage, so reporting a failed
 * allocation needs no allocation. There are two buffers, and the one that a caller got last is not written
 * to: it may be an argument (a path, a tag) of a call that fails itself. A message may quote the one before.
 */
#include "lib/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char messages[2][512];
static _Thread_local int latest, handed_out = 1;

const char *kith_status_name(kith_status status)
{
	switch (status) {
	case KITH_OK:
		return "ok";
	case KITH_INVALID:
		return "invalid argument";
	case KITH_UNTRAINED:
		return "index not trained";
	case KITH_NOMEM:
		return "out of memory";
	case KITH_CANCELLED:
		return "cancelled";
	case KITH_NOTFOUND:
		return "not found";
	case KITH_IO:
		return "input/output error";
	case KITH_FORMAT:
		return "malformed file";
	case KITH_UNSUPPORTED:
		return "not supported";
	case KITH_INTERNAL:
		return "internal error";
	case KITH_BUSY:
		return "index in use";
	case KITH_STALE:
		return "file changed meanwhile";
	}
	return "unknown status";
}

const char *kith_last_error(void)
{
	handed_out = latest;
	return messages[latest];
}

const char *fail_message(void)
{
	return messages[latest];
}

/* In parentheses: the analyzer sees macros of these names. */
kith_status(fail)(kith_status status, const char *format, ...)
{
	char text[sizeof *messages];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	latest = !handed_out;
	memcpy(messages[latest], text, strlen(text) + 1);
	return status;
}

kith_status(fail_nomem)(const char *what, size_t bytes)
{
	return fail(KITH_NOMEM, "no memory for %zu bytes of %s", bytes, what);
}

kith_status(fail_nomem_search)(long long queries)
{
	return fail(KITH_NOMEM, "no memory for a search of %lld %s", queries, QUERIES(queries));
}
