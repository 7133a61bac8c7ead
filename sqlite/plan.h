/* What a query asks of a table: planned by xBestIndex, carried in idxStr to xFilter.
 *
 * The text has an item for each value that xFilter gets, in their order, each ended by a newline:
 * kind, column, operator, collation, separated by blanks.
 */
#ifndef KITH_SQLITE_PLAN_H
#define KITH_SQLITE_PLAN_H

#include "table.h"

enum term_kind {
	TERM_MATCH = 'M',      /* the query vector; column: the vector column's number */
	TERM_K = 'K',          /* how many */
	TERM_DISTANCE = 'D',   /* a bound on the distance */
	TERM_SIMILARITY = 'S', /* or on the similarity */
	TERM_OPTION = 'O',     /* ef, nprobe, recall, filter, filter_args; column: its enum hidden */
	TERM_WHERE = 'W',      /* a condition on a column, −1: the rowid */
	TERM_IN = 'I'          /* the same, IN: all values at once */
};

struct term {
	enum term_kind kind;
	int column; /* of T_rows and T_aux: index into schema.columns */
	int op;     /* SQLITE_INDEX_CONSTRAINT_… */
	char collation[64];
};

enum { MAX_TERMS = 64 };

struct plan {
	int n;
	struct term terms[MAX_TERMS];
};

/* Bits of idxNum: the order in which rows are wanted without MATCH. */
enum { ORDER_ROWID = 1, ORDER_DESCENDING = 2 };

int plan_best_index(sqlite3_vtab *base, sqlite3_index_info *info);

/* Read idxStr back. */
int plan_parse(struct plan *p, const char *text);

#endif
