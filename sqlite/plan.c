/* xBestIndex: which conditions the table evaluates, and the costs of a plan.
 *
 * Conditions on columns become a statement about T_rows (conditions.c), so the table takes all conditions
 * that SQLite offers, except those that need a function of the host (REGEXP). SQLite checks them once more on
 * the resulting rows.
 *
 * A plan in which the query vector of MATCH is not known yet is refused. A plan that has an equality with
 * something other than a constant gets a high cost, because in a join it would search for the k nearest
 * for each row of the other table. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct planning {
	struct table *table;
	sqlite3_index_info *info;
	sqlite3_str *text;
	int arguments;
	int match, k, distance;
	int unknown; /* equalities with something other than a constant */
	int rowid, key, partition, others;
	int failed; /* an SQLite code */
};

static int is_equality(int op)
{
	return op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_IS;
}

static void use(
    struct planning *p, int i, enum term_kind kind, int column, int op, const char *collation, int omit)
{
	if (p->arguments == MAX_TERMS) {
		return; /* SQLite checks further conditions by itself */
	}
	p->info->aConstraintUsage[i].argvIndex = ++p->arguments;
	p->info->aConstraintUsage[i].omit = (unsigned char)omit;
	sqlite3_str_appendf(p->text, "%c %d %d %s\n", kind, column, op, collation != NULL ? collation : "");
}

/* MATCH on a vector column, or a value for the column that has the table's name. */
static void plan_match(struct planning *p, int i, int number)
{
	if (p->match > 0) {
		p->failed = table_error(p->table, SQLITE_ERROR, "a query can have only one MATCH");
		return;
	}
	p->match = 1;
	use(p, i, TERM_MATCH, number, SQLITE_INDEX_CONSTRAINT_MATCH, NULL, 1);
}

static void plan_hidden(struct planning *p, int i, int hidden, int op)
{
	switch (hidden) {
	case HIDDEN_TABLE:
		if (op == SQLITE_INDEX_CONSTRAINT_MATCH || op == SQLITE_INDEX_CONSTRAINT_EQ) {
			plan_match(p, i, 0);
		}
		break;
	case HIDDEN_K:
		if (op == SQLITE_INDEX_CONSTRAINT_EQ && !p->k) {
			p->k = 1;
			use(p, i, TERM_K, 0, op, NULL, 1);
		}
		break;
	case HIDDEN_DISTANCE:
	case HIDDEN_RANK:
	case HIDDEN_SIMILARITY:
		if (op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_GT ||
		    op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_LT ||
		    op == SQLITE_INDEX_CONSTRAINT_LE) {
			p->distance = 1;
			use(p, i, hidden == HIDDEN_SIMILARITY ? TERM_SIMILARITY : TERM_DISTANCE, 0, op, NULL,
			    0);
		}
		break;
	default:
		if (op == SQLITE_INDEX_CONSTRAINT_EQ) {
			use(p, i, TERM_OPTION, hidden, op, NULL, 1);
		}
	}
}

static int is_condition(int op)
{
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
	case SQLITE_INDEX_CONSTRAINT_GT:
	case SQLITE_INDEX_CONSTRAINT_LE:
	case SQLITE_INDEX_CONSTRAINT_LT:
	case SQLITE_INDEX_CONSTRAINT_GE:
	case SQLITE_INDEX_CONSTRAINT_LIKE:
	case SQLITE_INDEX_CONSTRAINT_GLOB:
	case SQLITE_INDEX_CONSTRAINT_NE:
	case SQLITE_INDEX_CONSTRAINT_IS:
	case SQLITE_INDEX_CONSTRAINT_ISNOT:
	case SQLITE_INDEX_CONSTRAINT_ISNULL:
	case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
	case SQLITE_INDEX_CONSTRAINT_FUNCTION: /* kith_contains, the only one that xFindFunction names */
		return 1;
	default:
		return 0;
	}
}

static void plan_condition(struct planning *p, int i, int column, int op)
{
	const struct column *c = column >= 0 ? &p->table->schema.columns[column] : NULL;
	if (c != NULL && c->kind == COLUMN_VECTOR) {
		if (op == SQLITE_INDEX_CONSTRAINT_MATCH) {
			plan_match(p, i, c->number);
		}
		return;
	}
	if (c != NULL && c->kind == COLUMN_ROWID) {
		c = NULL;
		column = -1;
	}
	/* SQLite does not tell the collation of <> and IS NOT, so the column's own is used. */
	int collated = op != SQLITE_INDEX_CONSTRAINT_NE && op != SQLITE_INDEX_CONSTRAINT_ISNOT;
	const char *collation = c != NULL && collated ? sqlite3_vtab_collation(p->info, i) : NULL;
	if (!is_condition(op) ||
	    (collation != NULL && strlen(collation) >= sizeof((struct term *)0)->collation)) {
		return;
	}
	int in = op == SQLITE_INDEX_CONSTRAINT_EQ && sqlite3_vtab_in(p->info, i, -1);
	if (in && p->arguments < MAX_TERMS) {
		sqlite3_vtab_in(p->info, i, 1);
	}
	sqlite3_value *value;
	if (is_equality(op) && !in) {
		p->unknown += sqlite3_vtab_rhs_value(p->info, i, &value) != SQLITE_OK;
	}
	if (is_equality(op)) {
		p->rowid += c == NULL;
		p->key += c != NULL && c->kind == COLUMN_KEY;
		p->partition += c != NULL && c->kind == COLUMN_PARTITION;
	}
	p->others++;
	use(p, i, in ? TERM_IN : TERM_WHERE, column, op, collation, 0);
}

static int is_rowid(const struct planning *p, int column)
{
	const struct schema *s = &p->table->schema;
	return column < 0 || (column < s->n && s->columns[column].kind == COLUMN_ROWID);
}

/* Tell SQLite when rows come in the order of ORDER BY, so that it need not sort them. */
static void plan_order(struct planning *p)
{
	sqlite3_index_info *info = p->info;
	int columns = p->table->schema.n;
	if (info->nOrderBy == 0) {
		return;
	}
	int first = info->aOrderBy[0].iColumn;
	int descending = info->aOrderBy[0].desc;
	if (p->match) {
		int by_distance = first == columns + HIDDEN_DISTANCE || first == columns + HIDDEN_RANK;
		if (by_distance && descending && !p->k && !p->distance) {
			p->failed = table_error(p->table, SQLITE_ERROR,
			    "ORDER BY distance DESC needs k = …, because there is no limit to the farthest "
			    "rows");
		}
		int by_rowid =
		    info->nOrderBy == 2 && is_rowid(p, info->aOrderBy[1].iColumn) && !info->aOrderBy[1].desc;
		info->orderByConsumed = by_distance && !descending && (info->nOrderBy == 1 || by_rowid);
	} else if (is_rowid(p, first) && info->nOrderBy == 1) {
		info->idxNum = ORDER_ROWID | (descending ? ORDER_DESCENDING : 0);
		info->orderByConsumed = 1;
	}
}

/* Costs keep SQLite from plans that would give other rows. A plan with MATCH costs less than any plan
 * without it; otherwise SQLite might plan the branches of an OR separately, where it cannot evaluate
 * MATCH. An equality with an unknown value makes a plan more expensive than to start with this table and
 * to look up rows of the other one, but still cheaper than a plan without MATCH. */
static void plan_cost(struct planning *p)
{
	sqlite3_index_info *info = p->info;
	if (p->match) {
		info->estimatedCost = 0.1 + 200 * p->unknown;
		info->estimatedRows = p->k ? 10 : 100;
	} else if (p->rowid || p->key) {
		info->estimatedCost = 2000;
		info->estimatedRows = 1;
	} else {
		info->estimatedCost = p->partition ? 1e5 : p->others ? 2e6 : 4e6;
		info->estimatedRows = p->partition ? 1000 : p->others ? 100000 : 1000000;
	}
}

int plan_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	struct planning p = {.table = (struct table *)base, .info = info, .text = sqlite3_str_new(NULL)};
	int columns = p.table->schema.n;
	int unusable = 0; /* the value of MATCH, k or an option is not known yet in this plan */
	for (int i = 0; i < info->nConstraint && p.failed == SQLITE_OK; i++) {
		int column = info->aConstraint[i].iColumn;
		int op = info->aConstraint[i].op;
		int vector =
		    column >= 0 && column < columns && p.table->schema.columns[column].kind == COLUMN_VECTOR;
		if (op == SQLITE_INDEX_CONSTRAINT_LIMIT || op == SQLITE_INDEX_CONSTRAINT_OFFSET) {
			continue;
		}
		if (!info->aConstraint[i].usable) {
			int hidden = column - columns;
			int computed =
			    hidden == HIDDEN_DISTANCE || hidden == HIDDEN_RANK || hidden == HIDDEN_SIMILARITY;
			unusable |=
			    (hidden >= 0 && !computed) || (vector && op == SQLITE_INDEX_CONSTRAINT_MATCH);
		} else if (column >= columns) {
			plan_hidden(&p, i, column - columns, op);
		} else {
			plan_condition(&p, i, column, op);
		}
	}
	if (p.failed == SQLITE_OK) {
		plan_order(&p);
		plan_cost(&p);
	}
	info->idxStr = sqlite3_str_finish(p.text);
	info->needToFreeIdxStr = info->idxStr != NULL;
	if (p.failed != SQLITE_OK) {
		return p.failed;
	}
	if (info->idxStr == NULL && p.arguments > 0) {
		return SQLITE_NOMEM;
	}
	return unusable || (p.k && !p.match) ? SQLITE_CONSTRAINT : SQLITE_OK;
}

int plan_parse(struct plan *p, const char *text)
{
	p->n = 0;
	for (const char *at = text; at != NULL && *at != '\0'; p->n++) {
		struct term *term = &p->terms[p->n];
		const char *end = strchr(at, '\n');
		char *next;
		if (end == NULL || p->n == MAX_TERMS) {
			return SQLITE_INTERNAL;
		}
		term->kind = (enum term_kind)at[0];
		term->column = (int)strtol(at + 1, &next, 10);
		term->op = (int)strtol(next, &next, 10);
		size_t length = (size_t)(end - next - 1);
		if (length >= sizeof term->collation) {
			return SQLITE_INTERNAL;
		}
		memcpy(term->collation, next + 1, length);
		term->collation[length] = '\0';
		at = end + 1;
	}
	return SQLITE_OK;
}
