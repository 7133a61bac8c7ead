/* Vectors in SQL: blobs of floats or of a column's element type, JSON text, npy files in blobs. */
#ifndef KITH_SQLITE_VECTOR_H
#define KITH_SQLITE_VECTOR_H

#include <stdint.h>

#include "schema.h"
#include "sqlite.h"

/* A growing array of floats. All zero: empty. */
struct vector {
	float *x;
	int64_t dim, room;
};

void vector_free(struct vector *v);

/* Change the size to `dim` floats. Returns 0 if out of memory. */
int vector_resize(struct vector *v, int64_t dim);
int vector_push(struct vector *v, double x);

/* Read a vector of any form. On failure *error is a message, which does not name the value; free it with
 * sqlite3_free. Codes: SQLITE_OK, SQLITE_ERROR, SQLITE_NOMEM. */
int vector_read(struct vector *v, sqlite3_value *value, char **error);

/* Read a vector of a column's dimension; blobs of the column's element type are accepted as well. The
 * message names the column. */
int vector_read_for(struct vector *v, const struct column *c, sqlite3_value *value, char **error);

/* Encode x [dim] as elements of a column: bytes [column_width]. A value that the element type cannot
 * represent is an error. */
int vector_encode(const struct column *c, const float *x, void *bytes, char **error);

/* Decode n stored vectors to floats: x [n × dim]. Returns 0 if one is not finite, which no intact vector
 * is. */
int vector_decode(const struct column *c, int64_t n, const void *bytes, float *x);

/* A vector as JSON text; NULL: out of memory. Freed with sqlite3_free. */
char *vector_to_json(const float *x, int64_t dim);

/* Readers of the single forms: JSON text (json.c), npy files (npy.c). Errors are as in vector_read. */
int json_read(struct vector *v, const char *text, int length, char **error);
int npy_is(const void *bytes, int length);
int npy_read(struct vector *v, const unsigned char *bytes, int length, char **error);

/* Half precision (half.c). */
float half_to_float(uint16_t h);
uint16_t half_from_float(float x); /* rounds to nearest, ties to even; overflow gives infinity */

/* Read a number in JSON's grammar at p, before `end`. Returns the end of the number, or NULL if there is
 * none. Does not depend on the locale. */
const char *number_read(const char *p, const char *end, double *x);

#endif
