/* Vectors as SQL has them: blobs of floats or of a column's own elements, JSON text, npy files in blobs. */
#ifndef KITH_SQLITE_VECTOR_H
#define KITH_SQLITE_VECTOR_H

#include <stdint.h>

#include "schema.h"
#include "sqlite.h"

/* A growing array of floats. Zeroed: empty. */
struct vector {
	float *x;
	int64_t dim, room;
};

void vector_free(struct vector *v);
/* Room for `dim` floats, of which none is kept. 0: out of memory. */
int vector_resize(struct vector *v, int64_t dim);
int vector_push(struct vector *v, double x);

/* Read any vector. On failure *error is a message without the name of what was read, to be freed with
 * sqlite3_free. Codes: SQLITE_OK, SQLITE_ERROR, SQLITE_NOMEM. */
int vector_read(struct vector *v, sqlite3_value *value, char **error);

/* Read a vector for a column: of its dimension, from its own elements, too. The message names the column. */
int vector_read_for(struct vector *v, const struct column *c, sqlite3_value *value, char **error);

/* Store x [dim] as elements of a column: bytes [column_width]. Values that the elements cannot hold are
 * refused. */
int vector_encode(const struct column *c, const float *x, void *bytes, char **error);

/* n stored vectors as floats: x [n × dim]. Returns 0 where one is not finite, as no stored vector is. */
int vector_decode(const struct column *c, int64_t n, const void *bytes, float *x);

/* JSON text; NULL: out of memory. Freed with sqlite3_free. */
char *vector_to_json(const float *x, int64_t dim);

/* Parts of it that stand in files of their own. */
int json_read(struct vector *v, const char *text, int length, char **error);
int npy_is(const void *bytes, int length);
int npy_read(struct vector *v, const unsigned char *bytes, int length, char **error);

float half_to_float(uint16_t h);
uint16_t half_from_float(float x); /* to nearest, ties to even; overflow gives infinity */

/* The number at p, which ends before `end`, in JSON's grammar; NULL: there is none, else what follows it.
 * Does not depend on the locale. */
const char *number_read(const char *p, const char *end, double *x);

#endif
