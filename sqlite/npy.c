/* Reads blobs that are npy files, as written by numpy.save: one vector of shape (d,), (1, d) or (d, 1), of
 * little-endian numbers. */
#include <stdlib.h>
#include <string.h>

#include "vector.h"

enum { NPY_MAGIC = 6, NPY_HEAD = 10 };

static const unsigned char magic[NPY_MAGIC] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

int npy_is(const void *bytes, int length)
{
	return length >= NPY_HEAD && memcmp(bytes, magic, NPY_MAGIC) == 0;
}

static int refuse(char **error, const char *why)
{
	*error = sqlite3_mprintf("npy blob: %s", why);
	return *error != NULL ? SQLITE_ERROR : SQLITE_NOMEM;
}

/* Find the value after 'key': in the header, which is terminated by a zero byte. */
static const char *find_key(const char *header, const char *key)
{
	const char *p = strstr(header, key);
	if (p == NULL) {
		return NULL;
	}
	p += strlen(key);
	while (*p == ' ' || *p == ':') {
		p++;
	}
	return p;
}

/* The number of elements of a shape such as "(3,)" or "(1, 3)"; 0 if it is not one vector. */
static int64_t parse_shape(const char *p)
{
	int64_t dim = 1;
	int numbers = 0;
	int wide = 0;
	if (p == NULL || *p++ != '(') {
		return 0;
	}
	while (*p != ')') {
		char *end;
		long n = strtol(p, &end, 10);
		if (end == p || n < 1 || n > KITH_MAX_DIM) {
			return 0;
		}
		numbers++;
		wide += n > 1;
		dim *= n > 1 ? n : 1;
		for (p = end; *p == ',' || *p == ' '; p++) {
		}
		if (wide > 1) {
			return 0;
		}
	}
	return numbers > 0 ? dim : 0;
}

static double element_at(const unsigned char *p, char kind, int size)
{
	double d;
	float f;
	uint16_t h;
	uint64_t bits = 0;
	switch (kind) {
	case 'f':
		if (size == 8) {
			memcpy(&d, p, sizeof d);
			return d;
		}
		if (size == 4) {
			memcpy(&f, p, sizeof f);
			return (double)f;
		}
		memcpy(&h, p, sizeof h);
		return (double)half_to_float(h);
	case 'u':
		memcpy(&bits, p, (size_t)size);
		return (double)bits;
	default:
		memcpy(&bits, p, (size_t)size);
		return (double)((int64_t)(bits << (64 - 8 * size)) >> (64 - 8 * size));
	}
}

int npy_read(struct vector *v, const unsigned char *bytes, int length, char **error)
{
	char header[1024];
	int two = bytes[6] >= 2; /* versions 2 and 3 have four bytes of length */
	int begin = NPY_HEAD + 2 * two;
	if (bytes[6] < 1 || bytes[6] > 3 || length < begin) {
		return refuse(error, "unknown version");
	}
	uint32_t size = (uint32_t)bytes[8] | (uint32_t)bytes[9] << 8;
	if (two) {
		size |= (uint32_t)bytes[10] << 16 | (uint32_t)bytes[11] << 24;
	}
	if (size >= sizeof header || (int)size > length - begin) {
		return refuse(error, "its header is incomplete");
	}
	memcpy(header, bytes + begin, size);
	header[size] = '\0';
	const char *type = find_key(header, "'descr'");
	int64_t dim = parse_shape(find_key(header, "'shape'"));
	if (type == NULL || type[0] != '\'' || (type[1] != '<' && type[1] != '|') ||
	    strchr("fiu", type[2]) == NULL) {
		return refuse(error, "elements must be little-endian numbers");
	}
	int width = type[3] - '0';
	int known = type[2] == 'f' ? width == 2 || width == 4 || width == 8
	                           : width == 1 || width == 2 || width == 4 || width == 8;
	if (!known || type[4] != '\'') {
		return refuse(error, "elements must be little-endian numbers");
	}
	if (dim == 0) {
		return refuse(error, "it must hold one vector");
	}
	if (length - begin - (int)size != dim * width) {
		return refuse(error, "its size differs from what its header says");
	}
	v->dim = 0;
	const unsigned char *p = bytes + begin + size;
	for (int64_t i = 0; i < dim; i++) {
		if (!vector_push(v, element_at(p + i * width, type[2], width))) {
			return SQLITE_NOMEM;
		}
	}
	return SQLITE_OK;
}
