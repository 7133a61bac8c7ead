/* What every format of vector files needs: messages that name the file, and what its cells are. */
#include "lib/store/vecs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Replace control characters, so that a message stays on one line whatever the file holds. */
static void keep_printable(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

void vecs_quote(const char *path, char *out, size_t size)
{
	enum { TAIL = 180 }; /* of a long path, the end tells more, and a text must still fit behind it */
	size_t length = strlen(path);
	snprintf(
	    out, size, "'%s%s'", length > TAIL ? "..." : "", length > TAIL ? path + length - TAIL : path);
	keep_printable(out);
}

kith_status vecs_fail(kith_status status, const char *path, const char *format, ...)
{
	char name[200], text[300];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	vecs_quote(path, name, sizeof name);
	keep_printable(text);
	return fail(status, "%s: %s", name, text);
}

kith_status vecs_check_dim(const char *path, int64_t dim)
{
	if (dim < 1 || dim > KITH_MAX_DIM)
		return vecs_fail(
		    KITH_FORMAT, path, "dimension %lld is outside of 1 to %d", (long long)dim, KITH_MAX_DIM);
	return KITH_OK;
}

size_t vecs_cell_size(enum vecs_cell cell)
{
	switch (cell) {
	case CELL_U8:
	case CELL_I8:
		return 1;
	case CELL_F16:
		return 2;
	case CELL_F32:
	case CELL_I32:
	case CELL_U32:
		return 4;
	case CELL_F64:
	case CELL_I64:
		return 8;
	}
	return 0;
}

kith_type vecs_cell_type(enum vecs_cell cell)
{
	switch (cell) {
	case CELL_F16:
	case CELL_F64:
		return KITH_F32;
	case CELL_U32:
		return KITH_I64;
	default:
		return (kith_type)cell;
	}
}
