/* Status names and the per-thread message. The buffer is static thread-local storage, so reporting a
 * failed allocation needs no allocation. */
#include "lib/base/status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[512];

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
	}
	return "unknown status";
}

const char *kith_last_error(void)
{
	return message;
}

/* In parentheses: the analyzer sees macros of these names. */
kith_status(fail)(kith_status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	return status;
}

kith_status(fail_nomem)(const char *what, size_t bytes)
{
	return fail(KITH_NOMEM, "no memory for %zu bytes of %s", bytes, what);
}
