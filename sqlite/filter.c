/* A filter may come from a user who must not get access to the rest of the database. It is therefore
 * compiled first in a database of its own, in memory, that contains only an empty table with the same
 * columns. An authorizer there allows one SELECT, the columns of that table, and a list of functions; the
 * authorizer of the host's connection is not touched. The filter must compile twice: within parentheses as
 * a WHERE clause, and without them as a result column. Only a single expression passes both: a surplus
 * closing parenthesis fails in the WHERE clause, and a second clause or column, or an unclosed comment,
 * fails in the other. */
#include "filter.h"

#include <string.h>

#include "functions.h"

struct validator {
	sqlite3 *db;
	const struct table *table;
	int selects;
	int reads_aux;
	const char *refused; /* what the authorizer refused; NULL: nothing */
	char name[64];       /* the name of it */
};

static const char *const allowed[] = {"->", "->>", "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2",
    "atanh", "ceil", "ceiling", "char", "coalesce", "cos", "cosh", "degrees", "exp", "floor", "glob", "hex",
    "ifnull", "iif", "instr", "json_array_length", "json_extract", "json_type", "json_valid", "kith_contains",
    "length", "like", "likelihood", "likely", "ln", "log", "log10", "log2", "lower", "ltrim", "max", "min",
    "mod", "nullif", "pi", "pow", "power", "radians", "round", "rtrim", "sign", "sin", "sinh", "sqrt",
    "substr", "substring", "tan", "tanh", "trim", "trunc", "typeof", "unicode", "unlikely", "upper"};

static int refuse(struct validator *v, const char *what, const char *name)
{
	v->refused = what;
	sqlite3_snprintf((int)sizeof v->name, v->name, "%s", name != NULL ? name : "");
	return SQLITE_DENY;
}

static void note_column(struct validator *v, const char *name)
{
	const struct schema *s = &v->table->schema;
	for (int i = 0; i < s->n; i++) {
		if (sqlite3_stricmp(s->columns[i].name, name) == 0) {
			v->reads_aux |= s->columns[i].kind == COLUMN_AUXILIARY;
		}
	}
}

static int authorize(
    void *data, int action, const char *a, const char *b, const char *db, const char *trigger)
{
	struct validator *v = data;
	(void)db;
	(void)trigger;
	switch (action) {
	case SQLITE_SELECT:
		return v->selects++ == 0 ? SQLITE_OK : refuse(v, "a subquery", NULL);
	case SQLITE_READ:
		if (a == NULL || sqlite3_stricmp(a, v->table->name) != 0) {
			return refuse(v, "the table", a);
		}
		if (b != NULL) {
			note_column(v, b);
		}
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
			if (b != NULL && sqlite3_stricmp(b, allowed[i]) == 0) {
				return SQLITE_OK;
			}
		}
		return refuse(v, "the function", b);
	default:
		return refuse(v, "anything but an expression", NULL);
	}
}

static int compare_bytes(void *data, int na, const void *a, int nb, const void *b)
{
	(void)data;
	int order = memcmp(a, b, (size_t)(na < nb ? na : nb));
	return order != 0 ? order : na - nb;
}

/* Columns may have collations that the host defined. Nothing is compared here, so any function will do. */
static void make_collation(void *data, sqlite3 *db, int encoding, const char *name)
{
	(void)data;
	(void)encoding;
	sqlite3_create_collation(db, name, SQLITE_UTF8, NULL, compare_bytes);
}

static char *copy_of_table(const struct table *t)
{
	sqlite3_str *out = sqlite3_str_new(NULL);
	sqlite3_str_appendf(out, "CREATE TABLE \"%w\"(", t->name);
	int n = 0;
	for (int i = 0; i < t->schema.n; i++) {
		const struct column *c = &t->schema.columns[i];
		if (c->kind != COLUMN_VECTOR) {
			sqlite3_str_appendf(out, "%s\"%w\"%s", n++ > 0 ? ", " : "", c->name, c->declared);
		}
	}
	sqlite3_str_appendall(out, n > 0 ? ")" : "kith_none)");
	return sqlite3_str_finish(out);
}

void validator_free(struct validator *v)
{
	if (v != NULL) {
		sqlite3_close(v->db);
		sqlite3_free(v);
	}
}

static int make_validator(struct table *t, struct validator **out)
{
	struct validator *v = zeroed(sizeof *v);
	if (v == NULL) {
		return SQLITE_NOMEM;
	}
	v->table = t;
	int rc = sqlite3_open_v2(
	    ":memory:", &v->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_db_config(
		    v->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL); /* "x" is always a column, never a string */
		sqlite3_db_config(v->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
		rc = sqlite3_collation_needed(v->db, NULL, make_collation);
	}
	if (rc == SQLITE_OK) {
		rc = functions_register(v->db);
	}
	if (rc == SQLITE_OK) {
		char *sql = copy_of_table(t);
		rc = sql != NULL ? sqlite3_exec(v->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
		sqlite3_free(sql);
	}
	if (rc == SQLITE_OK) {
		rc = sqlite3_set_authorizer(v->db, authorize, v);
	}
	if (rc != SQLITE_OK) {
		validator_free(v);
		return rc == SQLITE_NOMEM ? rc : table_error(t, rc, "filter: no database to check it in");
	}
	*out = v;
	return SQLITE_OK;
}

static int fail(struct table *t, struct validator *v)
{
	if (sqlite3_errcode(v->db) == SQLITE_NOMEM) {
		return SQLITE_NOMEM;
	}
	if (v->refused != NULL) {
		return table_error(t, SQLITE_ERROR, "filter: %s%s%s is not allowed", v->refused,
		    v->name[0] != '\0' ? " " : "", v->name);
	}
	return table_error(t, SQLITE_ERROR, "filter: %s", sqlite3_errmsg(v->db));
}

/* Compile a statement that contains the expression, and count its parameters. Frees the statement's text. */
static int try_one(struct table *t, struct validator *v, char *sql, int *parameters)
{
	sqlite3_stmt *s = NULL;
	const char *tail = NULL;
	if (sql == NULL) {
		return SQLITE_NOMEM;
	}
	v->selects = 0;
	v->refused = NULL;
	int rc = sqlite3_prepare_v2(v->db, sql, -1, &s, &tail);
	if (rc != SQLITE_OK || s == NULL) {
		rc = fail(t, v);
	} else if (*tail != '\0' || sqlite3_column_count(s) != 1) {
		rc = table_error(t, SQLITE_ERROR, "filter: it must be one expression");
	}
	*parameters = sqlite3_bind_parameter_count(s);
	for (int i = 1; rc == SQLITE_OK && i <= *parameters; i++) {
		const char *name = sqlite3_bind_parameter_name(s, i);
		if (name != NULL && name[0] != '?') {
			rc = table_error(t, SQLITE_ERROR, "filter: parameters are ?1, ?2, …, not %s", name);
		}
	}
	sqlite3_finalize(s);
	sqlite3_free(sql);
	return rc;
}

int filter_check(struct table *t, const struct query *q, struct filter *f)
{
	*f = (struct filter){0};
	if (q->filter == NULL) {
		return SQLITE_OK;
	}
	if (strlen(q->filter) != (size_t)sqlite3_value_bytes(q->filter_value)) {
		return table_error(t, SQLITE_ERROR, "filter: a zero byte is not allowed");
	}
	if (t->validator == NULL) {
		int rc = make_validator(t, &t->validator);
		if (rc != SQLITE_OK) {
			return rc;
		}
	}
	struct validator *v = t->validator;
	v->reads_aux = 0;
	int rc = try_one(
	    t, v, sqlite3_mprintf("SELECT 1 FROM \"%w\" WHERE (%s\n)", t->name, q->filter), &f->parameters);
	if (rc == SQLITE_OK) {
		rc = try_one(
		    t, v, sqlite3_mprintf("SELECT %s\n FROM \"%w\"", q->filter, t->name), &f->parameters);
	}
	f->expression = q->filter;
	f->reads_aux = v->reads_aux;
	return rc;
}

int filter_bind(struct table *t, const struct query *q, const struct filter *f, sqlite3_stmt *s)
{
	int given = 0;
	int rc = SQLITE_OK;
	if (q->filter == NULL) {
		return SQLITE_OK;
	}
	if (q->filter_args != NULL && sqlite3_value_type(q->filter_args) != SQLITE_NULL) {
		sqlite3_stmt *each;
		sqlite3_set_authorizer(t->validator->db, NULL, NULL);
		rc = sqlite3_prepare_v2(t->validator->db,
		    "SELECT e.value, e.type, json_type(?1) FROM json_each(?1) AS e", -1, &each, NULL);
		if (rc == SQLITE_OK) {
			rc = sqlite3_bind_value(each, 1, q->filter_args);
		}
		while (rc == SQLITE_OK && sqlite3_step(each) == SQLITE_ROW) {
			const char *type = (const char *)sqlite3_column_text(each, 1);
			const char *whole = (const char *)sqlite3_column_text(each, 2);
			if (type == NULL || whole == NULL) {
				rc = SQLITE_NOMEM;
			} else if (strcmp(whole, "array") != 0 || strcmp(type, "array") == 0 ||
			           strcmp(type, "object") == 0) {
				rc = table_error(t, SQLITE_ERROR,
				    "filter_args must be a JSON array of numbers, texts and nulls");
			} else if (++given <= f->parameters) {
				rc = sqlite3_bind_value(s, given, sqlite3_column_value(each, 0));
			}
		}
		int end = sqlite3_finalize(each);
		if (rc == SQLITE_OK && end != SQLITE_OK) {
			rc = end == SQLITE_NOMEM
			         ? end
			         : table_error(t, SQLITE_ERROR, "filter_args must be a JSON array");
		}
		sqlite3_set_authorizer(t->validator->db, authorize, t->validator);
	}
	if (rc == SQLITE_OK && given != f->parameters) {
		return table_error(
		    t, SQLITE_ERROR, "filter takes %d values, filter_args has %d", f->parameters, given);
	}
	return rc;
}
