/* The terms of a query that the table evaluates, which xBestIndex passes to xFilter in idxStr.
 *
 * The text has one line for each value that xFilter gets, in the same order: kind, column, operator and
 * collation, separated by blanks. */
#ifndef KITH_SQLITE_PLAN_H
#define KITH_SQLITE_PLAN_H

#include "table.h"

enum term_kind {
	TERM_MATCH = 'M',      /* the query vector; column: the vector column's number */
	TERM_K = 'K',          /* k, the number of neighbours */
	TERM_DISTANCE = 'D',   /* a bound on the distance */
	TERM_SIMILARITY = 'S', /* a bound on the similarity */
	TERM_OPTION = 'O',     /* ef, nprobe, recall, filter or filter_args; column: its enum hidden */
	TERM_WHERE = 'W',      /* a condition on a column; −1: on the rowid */
	TERM_IN = 'I'          /* a condition IN with a list of values */
};

struct term {
	enum term_kind kind;
	int column; /* for columns of T_rows and T_aux an index into schema.columns */
	int op;     /* SQLITE_INDEX_CONSTRAINT_… */
	char collation[64];
};

enum { MAX_TERMS = 64 };

struct plan {
	int n;
	struct term terms[MAX_TERMS];
};

/* Bits of idxNum: the order of rows in a query without MATCH. */
enum { ORDER_ROWID = 1, ORDER_DESCENDING = 2 };

int plan_best_index(sqlite3_vtab *base, sqlite3_index_info *info);

/* Parse idxStr. */
int plan_parse(struct plan *p, const char *text);

#endif
