/* Reads vectors from SQL values, and encodes and decodes the bytes that columns store. */
#include "vector.h"

#include <limits.h>
#include <math.h>
#include <string.h>

void vector_free(struct vector *v)
{
	sqlite3_free(v->x);
	*v = (struct vector){0};
}

int vector_resize(struct vector *v, int64_t dim)
{
	if (dim > v->room) {
		float *x = sqlite3_realloc64(v->x, (sqlite3_uint64)dim * sizeof *x);
		if (x == NULL) {
			return 0;
		}
		v->x = x;
		v->room = dim;
	}
	v->dim = dim;
	return 1;
}

int vector_push(struct vector *v, double x)
{
	int64_t dim = v->dim;
	if (dim == v->room && !vector_resize(v, dim < 16 ? 16 : 2 * dim)) {
		return 0;
	}
	v->x[dim] = (float)x;
	v->dim = dim + 1;
	return 1;
}

static int fail(char **error, char *message)
{
	*error = message;
	return message != NULL ? SQLITE_ERROR : SQLITE_NOMEM;
}

static int check_finite(const struct vector *v, char **error)
{
	for (int64_t i = 0; i < v->dim; i++) {
		if (!isfinite(v->x[i])) {
			return fail(error, sqlite3_mprintf("element %lld is not finite", (long long)i));
		}
	}
	return SQLITE_OK;
}

static int read_blob(struct vector *v, const void *bytes, int length, char **error)
{
	if (npy_is(bytes, length)) {
		return npy_read(v, bytes, length, error);
	}
	if (length == 0 || length % 4 != 0) {
		return fail(error, sqlite3_mprintf("a blob of %d bytes is not a vector of floats", length));
	}
	if (!vector_resize(v, length / 4)) {
		return SQLITE_NOMEM;
	}
	memcpy(v->x, bytes, (size_t)length);
	return SQLITE_OK;
}

int vector_read(struct vector *v, sqlite3_value *value, char **error)
{
	int rc;
	switch (sqlite3_value_type(value)) {
	case SQLITE_BLOB: {
		const void *bytes = sqlite3_value_blob(value);
		rc = read_blob(v, bytes, sqlite3_value_bytes(value), error);
		break;
	}
	case SQLITE_TEXT: {
		const char *text = (const char *)sqlite3_value_text(value);
		if (text == NULL) {
			return SQLITE_NOMEM;
		}
		rc = json_read(v, text, sqlite3_value_bytes(value), error);
		break;
	}
	case SQLITE_NULL:
		return fail(error, sqlite3_mprintf("NULL is not a vector"));
	default:
		return fail(error, sqlite3_mprintf("a number is not a vector: give a blob or JSON text"));
	}
	return rc == SQLITE_OK ? check_finite(v, error) : rc;
}

int vector_read_for(struct vector *v, const struct column *c, sqlite3_value *value, char **error)
{
	char *why = NULL;
	int rc = SQLITE_OK;
	if (c->element != ELEMENT_F32 && sqlite3_value_type(value) == SQLITE_BLOB &&
	    sqlite3_value_bytes(value) == column_width(c)) {
		if (!vector_resize(v, c->dim)) {
			return SQLITE_NOMEM;
		}
		vector_decode(c, 1, sqlite3_value_blob(value), v->x);
		rc = check_finite(v, &why);
	} else {
		rc = vector_read(v, value, &why);
	}
	if (rc == SQLITE_ERROR && why != NULL) {
		*error = sqlite3_mprintf("%s: %s", c->name, why);
		sqlite3_free(why);
		return *error != NULL ? SQLITE_ERROR : SQLITE_NOMEM;
	}
	if (rc == SQLITE_OK && v->dim != c->dim) {
		rc = fail(error, sqlite3_mprintf("%s: the vector has %lld dimensions, the column %lld",
		                     c->name, (long long)v->dim, (long long)c->dim));
	}
	return rc;
}

int vector_encode(const struct column *c, const float *x, void *bytes, char **error)
{
	if (c->element == ELEMENT_F32) {
		memcpy(bytes, x, (size_t)column_width(c));
		return SQLITE_OK;
	}
	float min = c->element == ELEMENT_I8 ? SCHAR_MIN : 0;
	float max = c->element == ELEMENT_I8 ? SCHAR_MAX : UCHAR_MAX;
	for (int64_t i = 0; i < c->dim; i++) {
		if (c->element == ELEMENT_F16) {
			uint16_t h = half_from_float(x[i]);
			if ((h & 0x7c00U) == 0x7c00U) {
				return fail(error,
				    sqlite3_mprintf("%s: element %lld is beyond FLOAT16's range of ±65504",
				        c->name, (long long)i));
			}
			((uint16_t *)bytes)[i] = h;
		} else if (!(x[i] >= min && x[i] <= max) || x[i] != floorf(x[i])) {
			return fail(error, sqlite3_mprintf("%s: element %lld is not an integer in %d … %d",
			                       c->name, (long long)i, (int)min, (int)max));
		} else {
			((unsigned char *)bytes)[i] = (unsigned char)(int)x[i];
		}
	}
	return SQLITE_OK;
}

int vector_decode(const struct column *c, int64_t n, const void *bytes, float *x)
{
	int64_t count = n * c->dim;
	int finite = 1;
	const signed char *i8 = bytes;
	const unsigned char *u8 = bytes;
	switch (c->element) {
	case ELEMENT_F32:
		memcpy(x, bytes, (size_t)count * sizeof *x);
		break;
	case ELEMENT_F16:
		for (int64_t i = 0; i < count; i++) {
			uint16_t h;
			memcpy(&h, u8 + 2 * i, sizeof h);
			x[i] = half_to_float(h);
		}
		break;
	case ELEMENT_I8:
		for (int64_t i = 0; i < count; i++) {
			x[i] = (float)i8[i];
		}
		return 1;
	case ELEMENT_U8:
		for (int64_t i = 0; i < count; i++) {
			x[i] = (float)u8[i];
		}
		return 1;
	}
	for (int64_t i = 0; i < count; i++) {
		finite &= isfinite(x[i]) != 0;
	}
	return finite;
}
