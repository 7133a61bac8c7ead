/* Reads and checks the values of a query: k, bounds, options, and values of conditions. */
#include "query.h"

#include <math.h>

/* Read an integer of at least min. NULL means that the query has no rows; other values are an error. */
static int read_integer(
    struct table *t, struct query *q, sqlite3_value *value, const char *name, int64_t min, int64_t *out)
{
	double real = sqlite3_value_double(value);
	switch (sqlite3_value_type(value)) {
	case SQLITE_NULL:
		q->no_rows = 1;
		return SQLITE_OK;
	case SQLITE_INTEGER:
		*out = sqlite3_value_int64(value);
		break;
	case SQLITE_FLOAT:
		if (real == floor(real) && fabs(real) < 0x1p63) {
			*out = (int64_t)real;
			break;
		}
		return table_error(t, SQLITE_ERROR, "%s must be an integer, not %!.15g", name, real);
	default:
		return table_error(t, SQLITE_ERROR, "%s must be an integer", name);
	}
	if (*out < min) {
		return table_error(t, SQLITE_ERROR, "%s must be at least %lld, not %lld", name,
		    (long long)min, (long long)*out);
	}
	return SQLITE_OK;
}

static void lower_bound(double x, int strict, double *min, int *above)
{
	if (x > *min || (x == *min && strict)) {
		*min = x;
		*above = strict;
	}
}

static void upper_bound(double x, int strict, double *max, int *below)
{
	if (x < *max || (x == *max && strict)) {
		*max = x;
		*below = strict;
	}
}

/* Read a bound. One that is not a number is left to SQLite, which checks all bounds once more. */
static void read_bound(struct query *q, const struct term *term, sqlite3_value *value)
{
	int type = sqlite3_value_numeric_type(value);
	if (type == SQLITE_NULL) {
		q->no_rows = 1;
	}
	if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) {
		return;
	}
	int similar = term->kind == TERM_SIMILARITY;
	double *min = similar ? &q->bounds.similar_min : &q->bounds.min;
	double *max = similar ? &q->bounds.similar_max : &q->bounds.max;
	int *above = similar ? &q->bounds.similar_above : &q->bounds.above;
	int *below = similar ? &q->bounds.similar_below : &q->bounds.below;
	double x = sqlite3_value_double(value);
	int op = term->op;
	if (op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_GE ||
	    op == SQLITE_INDEX_CONSTRAINT_EQ) {
		lower_bound(x, op == SQLITE_INDEX_CONSTRAINT_GT, min, above);
	}
	if (op == SQLITE_INDEX_CONSTRAINT_LT || op == SQLITE_INDEX_CONSTRAINT_LE ||
	    op == SQLITE_INDEX_CONSTRAINT_EQ) {
		upper_bound(x, op == SQLITE_INDEX_CONSTRAINT_LT, max, below);
	}
}

int bounds_allow(const struct bounds *b, kith_metric metric, double distance)
{
	if (distance < b->min || distance > b->max || (b->above && distance == b->min) ||
	    (b->below && distance == b->max)) {
		return 0;
	}
	if (b->similar_min == -INFINITY && b->similar_max == INFINITY) {
		return 1;
	}
	double s = distance_similarity(metric, distance);
	return s >= b->similar_min && s <= b->similar_max && !(b->similar_above && s == b->similar_min) &&
	       !(b->similar_below && s == b->similar_max);
}

static int read_option(struct query *q, struct table *t, const struct term *term, sqlite3_value *value)
{
	switch (term->column) {
	case HIDDEN_EF:
		return read_integer(t, q, value, "ef", 1, &q->ef);
	case HIDDEN_NPROBE:
		return read_integer(t, q, value, "nprobe", 1, &q->nprobe);
	case HIDDEN_RECALL:
		q->recall = sqlite3_value_double(value);
		if (sqlite3_value_type(value) == SQLITE_NULL) {
			q->no_rows = 1;
		} else if (!(q->recall > 0 && q->recall <= 1)) {
			return table_error(t, SQLITE_ERROR, "recall must be above 0 and at most 1");
		}
		return SQLITE_OK;
	case HIDDEN_FILTER:
		if (sqlite3_value_type(value) == SQLITE_NULL) {
			q->no_rows = 1;
			return SQLITE_OK;
		}
		if (sqlite3_value_type(value) != SQLITE_TEXT) {
			return table_error(t, SQLITE_ERROR, "filter must be text: an SQL expression");
		}
		q->filter_value = sqlite3_value_dup(value);
		q->filter =
		    q->filter_value != NULL ? (const char *)sqlite3_value_text(q->filter_value) : NULL;
		return q->filter != NULL ? SQLITE_OK : SQLITE_NOMEM;
	default:
		q->filter_args = sqlite3_value_dup(value);
		return q->filter_args != NULL ? SQLITE_OK : SQLITE_NOMEM;
	}
}

static int read_match(struct query *q, struct table *t, const struct term *term, sqlite3_value *value)
{
	char *why = NULL;
	q->column = schema_column(&t->schema, COLUMN_VECTOR, term->column);
	if (sqlite3_value_type(value) == SQLITE_NULL) {
		q->no_rows = 1;
		return SQLITE_OK;
	}
	int rc = vector_read_for(&q->vector, q->column, value, &why);
	if (rc != SQLITE_OK && rc != SQLITE_NOMEM) {
		table_error(t, rc, "%s", why);
	}
	sqlite3_free(why);
	return rc;
}

static int read_list(struct query *q, sqlite3_value *list)
{
	struct values *values = &q->in[q->lists++];
	sqlite3_value *item;
	int rc = sqlite3_vtab_in_first(list, &item);
	while (rc == SQLITE_OK) {
		if (values_push(values, item) != SQLITE_OK) {
			return SQLITE_NOMEM;
		}
		rc = sqlite3_vtab_in_next(list, &item);
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int query_begin(struct query *q, struct table *t, const struct plan *p, sqlite3_value **argv)
{
	*q = (struct query){.k = INT64_MAX,
	    .bounds = {.min = -INFINITY, .max = INFINITY, .similar_min = -INFINITY, .similar_max = INFINITY}};
	size_t terms = (size_t)p->n + 1;
	q->in = zeroed(sizeof *q->in * terms);
	q->values = zeroed(sizeof(sqlite3_value *) * terms);
	if (q->in == NULL || q->values == NULL) {
		return SQLITE_NOMEM;
	}
	q->terms = p->n;
	int rc = SQLITE_OK;
	for (int i = 0; i < p->n && rc == SQLITE_OK; i++) {
		switch (p->terms[i].kind) {
		case TERM_MATCH:
			rc = read_match(q, t, &p->terms[i], argv[i]);
			break;
		case TERM_K:
			rc = read_integer(t, q, argv[i], "k", 0, &q->k);
			break;
		case TERM_DISTANCE:
		case TERM_SIMILARITY:
			read_bound(q, &p->terms[i], argv[i]);
			break;
		case TERM_OPTION:
			rc = read_option(q, t, &p->terms[i], argv[i]);
			break;
		case TERM_IN:
			rc = read_list(q, argv[i]);
			break;
		case TERM_WHERE:
			q->values[i] = sqlite3_value_dup(argv[i]);
			rc = q->values[i] != NULL ? SQLITE_OK : SQLITE_NOMEM;
			break;
		}
	}
	return rc;
}

void query_end(struct query *q)
{
	for (int i = 0; q->in != NULL && i < q->lists; i++) {
		values_free(&q->in[i]);
	}
	for (int i = 0; q->values != NULL && i < q->terms; i++) {
		sqlite3_value_free(q->values[i]);
	}
	sqlite3_free(q->values);
	sqlite3_free(q->in);
	sqlite3_value_free(q->filter_value);
	sqlite3_value_free(q->filter_args);
	vector_free(&q->vector);
	*q = (struct query){0};
}
