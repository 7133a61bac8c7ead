/* kith_distance, kith_normalize, kith_from_json, kith_to_json, kith_from_npy, kith_contains, kith_version:
 * all are deterministic and innocuous. An invalid vector is an error; NULL gives NULL. */
#include "functions.h"

#include <math.h>
#include <string.h>

#include <kith/kith.h>

#include "distance.h"
#include "vector.h"

/* Read a vector from an argument. Returns 0 if the result is already set (to an error, or to NULL for
 * NULL). */
static int read_argument(
    sqlite3_context *context, const char *function, struct vector *v, sqlite3_value *value)
{
	char *why = NULL;
	if (sqlite3_value_type(value) == SQLITE_NULL) {
		return 0;
	}
	int rc = vector_read(v, value, &why);
	if (rc == SQLITE_NOMEM) {
		sqlite3_result_error_nomem(context);
	} else if (rc != SQLITE_OK) {
		char *message = sqlite3_mprintf("%s: %s", function, why);
		sqlite3_result_error(context, message != NULL ? message : "not a vector", -1);
		sqlite3_free(message);
	}
	sqlite3_free(why);
	return rc == SQLITE_OK;
}

static void return_floats(sqlite3_context *context, const struct vector *v)
{
	sqlite3_result_blob64(context, v->x, (sqlite3_uint64)v->dim * sizeof *v->x, SQLITE_TRANSIENT);
}

static void call_distance(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct vector a = {0};
	struct vector b = {0};
	kith_metric metric = KITH_L2;
	if (argc > 2) {
		const char *name = (const char *)sqlite3_value_text(argv[2]);
		if (name == NULL || !metric_by_name(name, &metric)) {
			sqlite3_result_error(
			    context, "kith_distance: the metric must be L2, IP, COSINE, L1 or LINF", -1);
			return;
		}
	}
	if (read_argument(context, "kith_distance", &a, argv[0]) &&
	    read_argument(context, "kith_distance", &b, argv[1])) {
		if (a.dim != b.dim) {
			sqlite3_result_error(context, "kith_distance: the vectors differ in dimension", -1);
		} else {
			sqlite3_result_double(context, distance_between(metric, a.dim, a.x, b.x));
		}
	}
	vector_free(&a);
	vector_free(&b);
}

/* Normalise a vector to unit length; a zero vector gives NULL. */
static void call_normalize(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct vector v = {0};
	(void)argc;
	if (read_argument(context, "kith_normalize", &v, argv[0])) {
		double length = sqrt(-distance_between(KITH_IP, v.dim, v.x, v.x));
		if (length > 0) {
			for (int64_t i = 0; i < v.dim; i++) {
				v.x[i] = (float)((double)v.x[i] / length);
			}
			return_floats(context, &v);
		}
	}
	vector_free(&v);
}

static void call_to_floats(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct vector v = {0};
	(void)argc;
	if (read_argument(context, sqlite3_user_data(context), &v, argv[0])) {
		return_floats(context, &v);
	}
	vector_free(&v);
}

/* The second argument is the type of a blob's elements, which is that of the column that it comes from. */
static void call_to_json(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct vector v = {0};
	struct column c = {.name = "kith_to_json", .element = ELEMENT_F32};
	if (argc > 1 && sqlite3_value_type(argv[0]) == SQLITE_BLOB) {
		const char *type = (const char *)sqlite3_value_text(argv[1]);
		c.dim = 1;
		while (c.element < ELEMENT_U8 &&
		       (type == NULL || sqlite3_stricmp(type, element_name(c.element)) != 0)) {
			c.element++;
		}
		if (type == NULL || sqlite3_stricmp(type, element_name(c.element)) != 0) {
			sqlite3_result_error(
			    context, "kith_to_json: the type must be FLOAT, FLOAT16, INT8 or UINT8", -1);
			return;
		}
		c.dim = sqlite3_value_bytes(argv[0]) / column_width(&c);
	}
	int ok;
	if (c.element != ELEMENT_F32) {
		char *why = NULL;
		ok = vector_read_for(&v, &c, argv[0], &why) == SQLITE_OK;
		if (!ok) {
			sqlite3_result_error(context, why != NULL ? why : "kith_to_json: out of memory", -1);
		}
		sqlite3_free(why);
	} else {
		ok = read_argument(context, "kith_to_json", &v, argv[0]);
	}
	if (ok) {
		char *text = vector_to_json(v.x, v.dim);
		if (text == NULL) {
			sqlite3_result_error_nomem(context);
		} else {
			sqlite3_result_text(context, text, -1, sqlite3_free);
		}
	}
	vector_free(&v);
}

/* Whether the second text occurs in the first one, compared byte by byte; NULL if one of them is NULL. */
static void call_contains(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL || sqlite3_value_type(argv[1]) == SQLITE_NULL) {
		return;
	}
	const unsigned char *text = sqlite3_value_text(argv[0]);
	const unsigned char *part = sqlite3_value_text(argv[1]);
	if (text == NULL || part == NULL) {
		sqlite3_result_error_nomem(context);
		return;
	}
	size_t n = (size_t)sqlite3_value_bytes(argv[0]);
	size_t m = (size_t)sqlite3_value_bytes(argv[1]);
	sqlite3_result_int(context, m == 0 || memmem(text, n, part, m) != NULL);
}

static void call_version(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	(void)argv;
	sqlite3_result_text(context, kith_version(), -1, SQLITE_STATIC);
}

int functions_find(sqlite3_vtab *base, int argc, const char *name,
    void (**function)(sqlite3_context *, int, sqlite3_value **), void **data)
{
	(void)base;
	if (argc != 2 || sqlite3_stricmp(name, "kith_contains") != 0) {
		return 0;
	}
	*function = call_contains;
	*data = NULL;
	return SQLITE_INDEX_CONSTRAINT_FUNCTION;
}

int functions_register(sqlite3 *db)
{
	static const struct {
		const char *name;
		int argc;
		void (*call)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = {
	    {"kith_distance", 2, call_distance},
	    {"kith_distance", 3, call_distance},
	    {"kith_normalize", 1, call_normalize},
	    {"kith_from_json", 1, call_to_floats},
	    {"kith_from_npy", 1, call_to_floats},
	    {"kith_to_json", 1, call_to_json},
	    {"kith_to_json", 2, call_to_json},
	    {"kith_contains", 2, call_contains},
	    {"kith_version", 0, call_version},
	};
	int rc = SQLITE_OK;
	for (size_t i = 0; i < sizeof functions / sizeof *functions && rc == SQLITE_OK; i++) {
		rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].argc,
		    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
		    (void *)(uintptr_t)functions[i].name, functions[i].call, NULL, NULL, NULL);
	}
	return rc;
}
