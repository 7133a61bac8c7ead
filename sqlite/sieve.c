/* A condition is compiled to a range of numbers, a list of numbers, or one byte for each distinct text of
 * the column. Only values that SQLite would compare without conversion are compared here: numbers with
 * numbers, and texts with texts. If texts are not compared byte by byte, SQLite compares each distinct
 * text once. */
#include "sieve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_TEXTS = 2000 };

static const int64_t EXACT = (int64_t)1 << 53;

static void free_test(struct sieve_test *s)
{
	sqlite3_free(s->pass);
	sqlite3_free(s->integers);
	sqlite3_free(s->reals);
}

void sieve_free(struct sieve *s)
{
	for (int i = 0; s->tests != NULL && i < s->n; i++) {
		free_test(&s->tests[i]);
	}
	sqlite3_free(s->tests);
	*s = (struct sieve){0};
}

static int is_condition(const struct table *t, const struct term *term)
{
	return (term->kind == TERM_WHERE || term->kind == TERM_IN) &&
	       !(term->column >= 0 && t->schema.columns[term->column].kind == COLUMN_PARTITION);
}

int sieve_columns(const struct table *t, const struct plan *p, int *columns)
{
	int n = 0;
	for (int i = 0; i < p->n; i++) {
		const struct term *term = &p->terms[i];
		if (is_condition(t, term) && term->column >= 0 &&
		    column_in_rows(&t->schema.columns[term->column])) {
			columns[n++] = term->column;
		}
	}
	return n;
}

/* ---- numbers ---- */

/* Make the range empty. */
static void make_empty(struct sieve_test *s)
{
	if (s->kind == CELLS_F64) {
		s->range.f.lo = 1;
		s->range.f.hi = 0;
	} else {
		s->range.i.lo = 1;
		s->range.i.hi = 0;
	}
}

/* The range of those integers x in the cells for which `x op v` is true. */
static void range_of_integers(struct sieve_test *s, int op, int64_t v)
{
	int64_t min = s->kind == CELLS_I32 ? INT32_MIN + 1 : INT64_MIN + s->nullable;
	int64_t max = s->kind == CELLS_I32 ? INT32_MAX : INT64_MAX;
	int64_t lo = INT64_MIN;
	int64_t hi = INT64_MAX;
	if ((op == SQLITE_INDEX_CONSTRAINT_LT && v == INT64_MIN) ||
	    (op == SQLITE_INDEX_CONSTRAINT_GT && v == INT64_MAX)) {
		make_empty(s);
		return;
	}
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_LT:
		hi = v - 1;
		break;
	case SQLITE_INDEX_CONSTRAINT_LE:
		hi = v;
		break;
	case SQLITE_INDEX_CONSTRAINT_GT:
		lo = v + 1;
		break;
	case SQLITE_INDEX_CONSTRAINT_GE:
		lo = v;
		break;
	default:
		lo = hi = v;
	}
	s->range.i.lo = lo > min ? lo : min;
	s->range.i.hi = hi < max ? hi : max;
	if (s->range.i.lo > s->range.i.hi) {
		make_empty(s);
	}
}

/* The same for a value v between integers or outside of their range. */
static void range_around(struct sieve_test *s, int op, double v)
{
	int up = op == SQLITE_INDEX_CONSTRAINT_LT || op == SQLITE_INDEX_CONSTRAINT_GE;
	if (v >= -0x1p63 && v < 0x1p63 && (v == floor(v) || (op != SQLITE_INDEX_CONSTRAINT_EQ))) {
		range_of_integers(s, op, (int64_t)(up ? ceil(v) : floor(v)));
	} else if (v >= 0x1p63 && (op == SQLITE_INDEX_CONSTRAINT_LT || op == SQLITE_INDEX_CONSTRAINT_LE)) {
		range_of_integers(s, SQLITE_INDEX_CONSTRAINT_LE, INT64_MAX);
	} else if (v < -0x1p63 && (op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_GE)) {
		range_of_integers(s, SQLITE_INDEX_CONSTRAINT_GE, INT64_MIN);
	} else {
		make_empty(s);
	}
}

static void range_of_reals(struct sieve_test *s, int op, double v)
{
	s->range.f.lo = -INFINITY;
	s->range.f.hi = INFINITY;
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_LT:
		s->range.f.hi = nextafter(v, -INFINITY);
		break;
	case SQLITE_INDEX_CONSTRAINT_LE:
		s->range.f.hi = v;
		break;
	case SQLITE_INDEX_CONSTRAINT_GT:
		s->range.f.lo = nextafter(v, INFINITY);
		break;
	case SQLITE_INDEX_CONSTRAINT_GE:
		s->range.f.lo = v;
		break;
	default:
		s->range.f.lo = s->range.f.hi = v;
	}
	if ((op == SQLITE_INDEX_CONSTRAINT_LT && v == -INFINITY) ||
	    (op == SQLITE_INDEX_CONSTRAINT_GT && v == INFINITY)) {
		make_empty(s);
	}
}

/* Whether comparing cells of this kind with a value is exact. */
static int comparable(const struct sieve_test *s, sqlite3_value *value)
{
	int type = sqlite3_value_type(value);
	int64_t v = sqlite3_value_int64(value);
	return type == SQLITE_FLOAT ||
	       (type == SQLITE_INTEGER && (s->kind != CELLS_F64 || (v >= -EXACT && v <= EXACT)));
}

static int compile_number(struct sieve_test *s, int op, sqlite3_value *value)
{
	if (!comparable(s, value)) {
		return 0;
	}
	if (s->kind == CELLS_F64) {
		range_of_reals(s, op, sqlite3_value_double(value));
	} else if (sqlite3_value_type(value) == SQLITE_INTEGER) {
		range_of_integers(s, op, sqlite3_value_int64(value));
	} else {
		range_around(s, op, sqlite3_value_double(value));
	}
	return 1;
}

int sieve_compare_integers(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

int sieve_compare_reals(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Compile IN for numbers; NULLs in the list are ignored, as they make no row pass. 0: it cannot be tested
 * in memory; −1: out of memory. */
static int compile_numbers(struct sieve_test *s, const struct values *in)
{
	int64_t n = 0;
	for (int i = 0; i < in->n; i++) {
		if (sqlite3_value_type(in->items[i]) != SQLITE_NULL && !comparable(s, in->items[i])) {
			return 0;
		}
	}
	int64_t *integers = sqlite3_malloc64(((sqlite3_uint64)in->n + 1) * sizeof *integers);
	double *reals = sqlite3_malloc64(((sqlite3_uint64)in->n + 1) * sizeof *reals);
	if (integers == NULL || reals == NULL) {
		sqlite3_free(integers);
		sqlite3_free(reals);
		return -1;
	}
	for (int i = 0; i < in->n; i++) {
		double real = sqlite3_value_double(in->items[i]);
		int type = sqlite3_value_type(in->items[i]);
		int whole = type == SQLITE_INTEGER || (real == floor(real) && fabs(real) < 0x1p63);
		if (type != SQLITE_NULL && (s->kind == CELLS_F64 || whole)) {
			integers[n] = s->kind == CELLS_F64     ? 0
			              : type == SQLITE_INTEGER ? sqlite3_value_int64(in->items[i])
			                                       : (int64_t)real;
			reals[n++] = real;
		}
	}
	qsort(integers, (size_t)n, sizeof *integers, sieve_compare_integers);
	qsort(reals, (size_t)n, sizeof *reals, sieve_compare_reals);
	s->listed = n;
	s->integers = integers;
	s->reals = reals;
	return 1;
}

/* ---- texts ---- */

static int holds(int op, int order)
{
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_LT:
		return order < 0;
	case SQLITE_INDEX_CONSTRAINT_LE:
		return order <= 0;
	case SQLITE_INDEX_CONSTRAINT_GT:
		return order > 0;
	case SQLITE_INDEX_CONSTRAINT_GE:
		return order >= 0;
	default:
		return order == 0;
	}
}

/* Compare all texts of the column byte by byte. */
static void compare_bytes(struct sieve_test *s, const struct cells *c, int op, sqlite3_value *value)
{
	const char *bytes = (const char *)sqlite3_value_text(value);
	int length = sqlite3_value_bytes(value);
	for (int i = 0; i < c->text_count && bytes != NULL; i++) {
		const struct text *x = &c->texts[i];
		int order = memcmp(x->bytes, bytes, (size_t)(x->length < length ? x->length : length));
		s->pass[i + 1] = (uint8_t)(holds(op, order != 0 ? order : x->length - length) != s->outside);
	}
}

/* Compare all texts of the column by SQL: for another collation, LIKE, GLOB or a function. */
static int ask_sqlite(
    struct sieve_test *s, struct table *t, const struct cells *c, char *take_sql, sqlite3_value *value)
{
	sqlite3_stmt *ask;
	int rc = table_prepare(t, take_sql, &ask);
	sqlite3_free(take_sql);
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_value(ask, 2, value);
	}
	for (int i = 0; i < c->text_count && rc == SQLITE_OK; i++) {
		sqlite3_bind_text(ask, 1, c->texts[i].bytes, c->texts[i].length, SQLITE_STATIC);
		s->pass[i + 1] = sqlite3_step(ask) == SQLITE_ROW && sqlite3_column_int(ask, 0);
		rc = sqlite3_reset(ask);
	}
	sqlite3_finalize(ask);
	return rc == SQLITE_OK ? rc : table_forward(t, rc);
}

static int has_collation(const struct column *c)
{
	const char *at = c->declared;
	while (*at != '\0' && sqlite3_strnicmp(at, " COLLATE ", 9) != 0) {
		at++;
	}
	return *at != '\0';
}

static int is_order(int op)
{
	return op == SQLITE_INDEX_CONSTRAINT_LT || op == SQLITE_INDEX_CONSTRAINT_LE ||
	       op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_GE;
}

/* Compile a comparison with a text. 0: it cannot be tested in memory; −1: *rc is an error. */
static int compile_text(struct sieve_test *s, struct table *t, const struct cells *c, const struct term *term,
    sqlite3_value *value, int *rc)
{
	int op = term->op;
	const char *collation = term->collation;
	int own = op == SQLITE_INDEX_CONSTRAINT_NE || op == SQLITE_INDEX_CONSTRAINT_ISNOT;
	char *sql = NULL;
	if (sqlite3_value_type(value) != SQLITE_TEXT ||
	    (own && has_collation(&t->schema.columns[c->column]))) {
		return 0;
	}
	if (op == SQLITE_INDEX_CONSTRAINT_LIKE || op == SQLITE_INDEX_CONSTRAINT_GLOB) {
		sql =
		    sqlite3_mprintf("SELECT ?1 %s ?2", op == SQLITE_INDEX_CONSTRAINT_LIKE ? "LIKE" : "GLOB");
	} else if (op == SQLITE_INDEX_CONSTRAINT_FUNCTION) {
		sql = sqlite3_mprintf("SELECT kith_contains(?1, ?2)");
	} else if (own || (sqlite3_stricmp(collation, "BINARY") == 0 && (t->utf8 || !is_order(op)))) {
		compare_bytes(s, c, op, value);
		return 1;
	} else {
		const char *sign = op == SQLITE_INDEX_CONSTRAINT_LT   ? "<"
		                   : op == SQLITE_INDEX_CONSTRAINT_LE ? "<="
		                   : op == SQLITE_INDEX_CONSTRAINT_GT ? ">"
		                   : op == SQLITE_INDEX_CONSTRAINT_GE ? ">="
		                                                      : "=";
		sql = sqlite3_mprintf("SELECT (?1 COLLATE \"%w\") %s ?2", collation, sign);
	}
	if (c->text_count > SQL_TEXTS) {
		sqlite3_free(sql);
		return 0;
	}
	*rc = ask_sqlite(s, t, c, sql, value);
	return *rc == SQLITE_OK ? 1 : -1;
}

static int compile_texts(
    struct sieve_test *s, const struct cells *c, const struct term *term, const struct values *in)
{
	if (sqlite3_stricmp(term->collation, "BINARY") != 0) {
		return 0;
	}
	for (int i = 0; i < in->n; i++) {
		int type = sqlite3_value_type(in->items[i]);
		if (type != SQLITE_TEXT && type != SQLITE_NULL) {
			return 0;
		}
		const char *bytes = (const char *)sqlite3_value_text(in->items[i]);
		int number = bytes != NULL ? cells_text(c, bytes, sqlite3_value_bytes(in->items[i])) : 0;
		s->pass[number] = number > 0;
	}
	return 1;
}

/* ---- conditions ---- */

/* Compile a condition about NULL. Returns 0 if this is not one. */
static int compile_null(struct sieve_test *s, int op, sqlite3_value *value)
{
	int null = value == NULL || sqlite3_value_type(value) == SQLITE_NULL;
	int yes = op == SQLITE_INDEX_CONSTRAINT_ISNULL || (op == SQLITE_INDEX_CONSTRAINT_IS && null);
	int no = op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL || (op == SQLITE_INDEX_CONSTRAINT_ISNOT && null);
	if (!yes && !no && !null) {
		return 0;
	}
	make_empty(s);
	s->null = yes;
	s->outside = no;
	if (s->pass != NULL) {
		memset(s->pass, no, MAX_TEXTS + 1);
	}
	return 1;
}

/* Compile a condition. 0: it cannot be tested in memory; −1: *rc is an error. */
static int compile(struct sieve_test *s, struct table *t, const struct cells *c, const struct term *term,
    sqlite3_value *value, const struct values *in, int *rc)
{
	int texts = c != NULL && s->kind == CELLS_TEXT;
	if (texts && (s->pass = zeroed(MAX_TEXTS + 1)) == NULL) {
		*rc = SQLITE_NOMEM;
		return -1;
	}
	int done;
	if (in != NULL) {
		done = texts ? compile_texts(s, c, term, in) : compile_numbers(s, in);
		*rc = done < 0 ? SQLITE_NOMEM : SQLITE_OK;
	} else if (compile_null(s, term->op, value)) {
		done = 1;
	} else {
		int op = term->op;
		s->outside = op == SQLITE_INDEX_CONSTRAINT_NE || op == SQLITE_INDEX_CONSTRAINT_ISNOT;
		s->null = op == SQLITE_INDEX_CONSTRAINT_ISNOT;
		int compares = op != SQLITE_INDEX_CONSTRAINT_LIKE && op != SQLITE_INDEX_CONSTRAINT_GLOB &&
		               op != SQLITE_INDEX_CONSTRAINT_FUNCTION;
		int as = s->outside || op == SQLITE_INDEX_CONSTRAINT_IS ? SQLITE_INDEX_CONSTRAINT_EQ : op;
		done =
		    texts ? compile_text(s, t, c, term, value, rc) : compares && compile_number(s, as, value);
	}
	if (s->pass != NULL) {
		s->pass[0] = (uint8_t)s->null;
	}
	return done;
}

static int is_plain_range(const struct sieve_test *s)
{
	return s->kind != CELLS_F64 && s->kind != CELLS_TEXT && s->integers == NULL && !s->outside &&
	       !s->null;
}

/* Join two ranges of the same column, as in `u >= 3 AND u < 5`, to one. Returns 0 if there is no other
 * range of it. */
static int join_ranges(struct sieve *s, const struct sieve_test *test)
{
	for (int i = 0; i < s->n; i++) {
		struct sieve_test *other = &s->tests[i];
		if (other->values != test->values || !is_plain_range(other) || !is_plain_range(test)) {
			continue;
		}
		other->range.i.lo =
		    other->range.i.lo > test->range.i.lo ? other->range.i.lo : test->range.i.lo;
		other->range.i.hi =
		    other->range.i.hi < test->range.i.hi ? other->range.i.hi : test->range.i.hi;
		if (other->range.i.lo > other->range.i.hi) {
			make_empty(other);
		}
		return 1;
	}
	return 0;
}

int sieve_make(
    struct sieve *s, struct table *t, const struct live *l, const struct plan *p, const struct query *q)
{
	int rc = SQLITE_OK;
	int list = 0;
	*s = (struct sieve){.complete = q->filter == NULL};
	s->tests = zeroed(sizeof *s->tests * ((size_t)p->n + 1));
	if (s->tests == NULL) {
		return SQLITE_NOMEM;
	}
	for (int i = 0; i < p->n && rc == SQLITE_OK; i++) {
		const struct term *term = &p->terms[i];
		const struct values *in = term->kind == TERM_IN ? &q->in[list++] : NULL;
		const struct cells *c = term->column >= 0 ? cells_find(l->cells, term->column) : NULL;
		if (!is_condition(t, term)) {
			continue;
		}
		struct sieve_test *test = &s->tests[s->n];
		*test = (struct sieve_test){.kind = c != NULL ? c->kind : CELLS_I64,
		    .values = c != NULL ? c->values : l->rowids,
		    .nullable = c != NULL};
		int known = term->column < 0 || (c != NULL && c->kind != CELLS_NONE && c->n == l->n);
		int done = known ? compile(test, t, c, term, q->values[i], in, &rc) : 0;
		s->n += done == 1 && !join_ranges(s, test);
		s->complete &= done == 1;
		if (done != 1) {
			free_test(test);
		}
	}
	if (rc != SQLITE_OK) {
		sieve_free(s);
	}
	return rc;
}
