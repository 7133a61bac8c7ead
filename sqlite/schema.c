/* Parsing of column declarations:
 *
 *   embedding FLOAT[384] COSINE INDEX 'HNSW32'    a vector: FLOAT, FLOAT16, INT8 or UINT8
 *   tenant TEXT PARTITION KEY                     rows with the same value are stored and searched together
 *   id TEXT PRIMARY KEY                           a unique key in addition to the rowid
 *   id INTEGER PRIMARY KEY                        another name of the rowid
 *   price REAL NOT NULL INDEXED                   metadata, of any type that SQLite has
 *   +body TEXT                                    auxiliary: stored in a table of its own
 */
#include "schema.h"

#include <string.h>

#include <kith/kith.h>

#include "sqlite.h"
#include "words.h"

const char *const hidden_names[HIDDEN_COUNT] = {
    NULL, "k", "distance", "similarity", "rank", "ef", "nprobe", "recall", "filter", "filter_args"};

enum { MAX_COLUMNS = 500 };

static const struct {
	const char *name;
	enum element element;
	int bytes;
} elements[] = {
    {"FLOAT", ELEMENT_F32, 4},
    {"FLOAT16", ELEMENT_F16, 2},
    {"INT8", ELEMENT_I8, 1},
    {"UINT8", ELEMENT_U8, 1},
    {"FLOAT32", ELEMENT_F32, 4},
};

static const struct {
	const char *name;
	kith_metric metric;
} metrics[] = {
    {"L2", KITH_L2}, {"IP", KITH_IP}, {"COSINE", KITH_COSINE}, {"L1", KITH_L1}, {"LINF", KITH_LINF}};

const char *element_name(enum element element)
{
	return elements[element].name;
}

int64_t column_width(const struct column *c)
{
	return c->dim * elements[c->element].bytes;
}

const struct column *schema_column(const struct schema *s, enum column_kind kind, int number)
{
	for (int i = 0; i < s->n; i++) {
		if (s->columns[i].kind == kind && s->columns[i].number == number) {
			return &s->columns[i];
		}
	}
	return NULL;
}

void schema_free(struct schema *s)
{
	for (int i = 0; i < s->n; i++) {
		sqlite3_free(s->columns[i].name);
		sqlite3_free(s->columns[i].declared);
		sqlite3_free(s->columns[i].index);
	}
	sqlite3_free(s->columns);
	*s = (struct schema){0};
}

static int fail(char **error, char *message)
{
	*error = message;
	return message != NULL ? SQLITE_ERROR : SQLITE_NOMEM;
}

/* Parse the number in "[384]". */
static int parse_dim(const struct word *w, int64_t *dim)
{
	*dim = 0;
	size_t i = 1;
	for (; i + 1 < w->length && w->text[i] >= '0' && w->text[i] <= '9' && *dim <= KITH_MAX_DIM; i++) {
		*dim = *dim * 10 + (w->text[i] - '0');
	}
	return i > 1 && i + 1 == w->length && w->text[i] == ']' && *dim >= 1 && *dim <= KITH_MAX_DIM;
}

/* Parse what follows "name FLOAT[384]". */
static int parse_vector(struct column *c, const char *p, char **error)
{
	c->kind = COLUMN_VECTOR;
	c->metric = KITH_L2;
	int has_metric = 0;
	for (struct word w = word_next(&p); w.kind != WORD_END; w = word_next(&p)) {
		size_t m = 0;
		size_t n = sizeof metrics / sizeof *metrics;
		while (m < n && !word_is(&w, metrics[m].name)) {
			m++;
		}
		if (m < n && !has_metric) {
			c->metric = metrics[m].metric;
			has_metric = 1;
		} else if (word_is(&w, "INDEX") && c->index == NULL) {
			w = word_next(&p);
			if (w.kind != WORD_STRING) {
				return fail(error,
				    sqlite3_mprintf("%s: INDEX takes a factory string in quotes", c->name));
			}
			if ((c->index = word_value(&w)) == NULL) {
				return SQLITE_NOMEM;
			}
		} else {
			return fail(error,
			    sqlite3_mprintf(
			        "%s: unexpected '%.*s': a vector column takes a metric (L2, IP, COSINE, L1, "
			        "LINF) and INDEX '…'",
			        c->name, (int)w.length, w.text));
		}
	}
	return SQLITE_OK;
}

/* Parse a scalar column: a type, then constraints. */
static int parse_scalar(struct column *c, const char *p, char **error)
{
	sqlite3_str *declared = sqlite3_str_new(NULL);
	int rc = SQLITE_OK;
	enum column_kind kind = c->kind;
	for (struct word w = word_next(&p); w.kind != WORD_END && rc == SQLITE_OK; w = word_next(&p)) {
		int partition = word_is(&w, "PARTITION");
		if (partition || word_is(&w, "PRIMARY")) {
			w = word_next(&p);
			if (!word_is(&w, "KEY") || c->kind != COLUMN_METADATA) {
				rc = fail(
				    error, sqlite3_mprintf(
				               "%s: expected KEY after %s, once, and no + before the name",
				               c->name, partition ? "PARTITION" : "PRIMARY"));
			}
			c->kind = partition ? COLUMN_PARTITION : COLUMN_KEY;
		} else if (word_is(&w, "INDEXED")) {
			c->indexed = 1;
		} else if (word_is(&w, "COLLATE")) {
			w = word_next(&p);
			sqlite3_str_appendf(declared, " COLLATE %.*s", (int)w.length, w.text);
			if (w.kind != WORD_NAME && w.kind != WORD_QUOTED) {
				rc = fail(error, sqlite3_mprintf("%s: COLLATE takes a name", c->name));
			}
		} else if (word_is(&w, "NOT")) {
			w = word_next(&p);
			sqlite3_str_appendall(declared, " NOT NULL");
			if (!word_is(&w, "NULL")) {
				rc = fail(error, sqlite3_mprintf("%s: expected NULL after NOT", c->name));
			}
		} else if (word_is(&w, "DEFAULT") || word_is(&w, "UNIQUE") || word_is(&w, "CHECK") ||
		           word_is(&w, "REFERENCES") || word_is(&w, "GENERATED") || word_is(&w, "AS") ||
		           word_is(&w, "INDEX") || (w.kind != WORD_NAME && w.kind != WORD_PARENTHESES)) {
			rc = fail(error, sqlite3_mprintf("%s: '%.*s' is not supported in a kith table",
			                     c->name, (int)w.length, w.text));
		} else {
			sqlite3_str_appendf(declared, " %.*s", (int)w.length, w.text);
		}
	}
	if (rc == SQLITE_OK && c->indexed && (kind == COLUMN_AUXILIARY || c->kind != COLUMN_METADATA)) {
		rc = fail(error, sqlite3_mprintf("%s: INDEXED is for metadata columns", c->name));
	}
	int broken = sqlite3_str_errcode(declared);
	c->declared = sqlite3_str_finish(declared);
	if (rc == SQLITE_OK && c->declared == NULL && !broken) {
		c->declared = sqlite3_mprintf("");
	}
	return rc != SQLITE_OK ? rc : c->declared != NULL ? SQLITE_OK : SQLITE_NOMEM;
}

/* A key must be TEXT or INTEGER, because other types compare in surprising ways. */
static int check_key(struct column *c, char **error)
{
	if (c->kind != COLUMN_KEY || sqlite3_strnicmp(c->declared, " TEXT", 5) == 0) {
		return SQLITE_OK;
	}
	if (sqlite3_stricmp(c->declared, " INTEGER") == 0 ||
	    sqlite3_stricmp(c->declared, " INTEGER NOT NULL") == 0) {
		c->kind = COLUMN_ROWID;
		return SQLITE_OK;
	}
	return fail(error,
	    sqlite3_mprintf("%s: a primary key must be TEXT, or INTEGER, which is the rowid", c->name));
}

static int parse_column(struct column *c, const char *text, char **error)
{
	const char *p = text;
	struct word w = word_next(&p);
	c->kind = COLUMN_METADATA;
	if (w.kind == WORD_SIGN && w.text[0] == '+') {
		c->kind = COLUMN_AUXILIARY;
		w = word_next(&p);
	}
	if (w.kind != WORD_NAME && w.kind != WORD_QUOTED && w.kind != WORD_BRACKETS) {
		return fail(error, sqlite3_mprintf("expected the name of a column in '%s'", text));
	}
	if ((c->name = word_value(&w)) == NULL) {
		return SQLITE_NOMEM;
	}
	const char *rest = p;
	struct word type = word_next(&p);
	struct word brackets = word_next(&p);
	if (type.kind != WORD_NAME || brackets.kind != WORD_BRACKETS) {
		int rc = parse_scalar(c, rest, error);
		return rc == SQLITE_OK ? check_key(c, error) : rc;
	}
	for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
		if (!word_is(&type, elements[i].name)) {
			continue;
		}
		c->element = elements[i].element;
		if (!parse_dim(&brackets, &c->dim)) {
			return fail(error, sqlite3_mprintf("%s: %.*s is not a dimension; it must be 1 … %d",
			                       c->name, (int)brackets.length, brackets.text, KITH_MAX_DIM));
		}
		if (c->kind == COLUMN_AUXILIARY) {
			return fail(error, sqlite3_mprintf("%s: a vector cannot be auxiliary", c->name));
		}
		return parse_vector(c, p, error);
	}
	return fail(error,
	    sqlite3_mprintf("%s: unknown vector type %.*s; the types are FLOAT, FLOAT16, INT8 and UINT8",
	        c->name, (int)type.length, type.text));
}

/* Check that a name is not already used: by SQLite, by hidden columns, by columns of shadow tables, or by
 * another column. */
static int check_name(const struct schema *s, const char *table, int i, char **error)
{
	static const char *const taken[] = {"rowid", "oid", "_rowid_"};
	const char *name = s->columns[i].name;
	int bad =
	    name[0] == '\0' || sqlite3_stricmp(name, table) == 0 || sqlite3_strnicmp(name, "kith_", 5) == 0;
	for (size_t t = 0; t < sizeof taken / sizeof *taken; t++) {
		bad |= sqlite3_stricmp(name, taken[t]) == 0;
	}
	for (int h = 1; h < HIDDEN_COUNT; h++) {
		bad |= sqlite3_stricmp(name, hidden_names[h]) == 0;
	}
	if (bad) {
		return fail(
		    error, sqlite3_mprintf("a column cannot be called '%s': the name is reserved", name));
	}
	for (int j = 0; j < i; j++) {
		if (sqlite3_stricmp(name, s->columns[j].name) == 0) {
			return fail(error, sqlite3_mprintf("two columns are called '%s'", name));
		}
	}
	return SQLITE_OK;
}

/* Check a factory string by creating an index with it. */
static int check_index(const struct column *c, char **error)
{
	if (c->index == NULL) {
		return SQLITE_OK;
	}
	kith_index *index;
	if (kith_index_new(&index, c->dim, c->metric, c->index) != KITH_OK) {
		return fail(error, sqlite3_mprintf("%s: %s", c->name, kith_last_error()));
	}
	kith_index_free(index);
	return SQLITE_OK;
}

static int check_counts(const struct schema *s, char **error)
{
	if (s->count[COLUMN_VECTOR] == 0) {
		return fail(
		    error, sqlite3_mprintf("a table needs a vector column, such as embedding FLOAT[384]"));
	}
	if (s->count[COLUMN_KEY] + s->count[COLUMN_ROWID] > 1) {
		return fail(error, sqlite3_mprintf("a table can have only one primary key"));
	}
	return SQLITE_OK;
}

int schema_parse(struct schema *s, const char *table, int argc, const char *const *argv, char **error)
{
	*s = (struct schema){0};
	if (argc > MAX_COLUMNS) {
		return fail(error, sqlite3_mprintf("%d columns are too many: at most %d", argc, MAX_COLUMNS));
	}
	s->columns = zeroed(sizeof *s->columns * (size_t)(argc + 1));
	if (s->columns == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = SQLITE_OK;
	int places = 0;
	for (int i = 0; i < argc && rc == SQLITE_OK; i++) {
		s->n = i + 1;
		rc = parse_column(&s->columns[i], argv[i], error);
		if (rc == SQLITE_OK) {
			enum column_kind kind = s->columns[i].kind;
			s->columns[i].number = s->count[kind]++;
			s->columns[i].place = kind == COLUMN_AUXILIARY ? s->columns[i].number
			                      : kind == COLUMN_VECTOR || kind == COLUMN_ROWID ? 0
			                                                                      : places++;
			rc = check_name(s, table, i, error);
		}
		if (rc == SQLITE_OK) {
			rc = check_index(&s->columns[i], error);
		}
	}
	if (rc == SQLITE_OK) {
		rc = check_counts(s, error);
	}
	if (rc != SQLITE_OK) {
		schema_free(s);
	}
	return rc;
}

char *schema_declaration(const struct schema *s, const char *table)
{
	sqlite3_str *out = sqlite3_str_new(NULL);
	sqlite3_str_appendall(out, "CREATE TABLE x(");
	for (int i = 0; i < s->n; i++) {
		const struct column *c = &s->columns[i];
		sqlite3_str_appendf(
		    out, "\"%w\"%s, ", c->name, c->kind == COLUMN_VECTOR ? " BLOB" : c->declared);
	}
	sqlite3_str_appendf(out, "\"%w\" HIDDEN", table);
	for (int h = 1; h < HIDDEN_COUNT; h++) {
		const char *type =
		    h == HIDDEN_DISTANCE || h == HIDDEN_SIMILARITY || h == HIDDEN_RANK ? "REAL" : "";
		sqlite3_str_appendf(out, ", %s %s HIDDEN", hidden_names[h], type);
	}
	sqlite3_str_appendchar(out, 1, ')');
	return sqlite3_str_finish(out);
}
