/* A virtual table that a connection has opened, and the shadow tables that store its rows:
 *
 *   T_config (key, value)                     the format's version, rows of a chunk, settings
 *   T_rows   (rowid, kith_pos, columns …)     key, partition keys, metadata, and the positions of the vectors
 *   T_aux    (rowid, columns …)               auxiliary columns, if there are any
 *   T_parts  (kith_part, kith_n, … columns …) each combination of partition keys, and its number of rows
 *   T_chunks (chunk, ids)                     the rowids of a chunk's slots
 *   T_v0 …   (chunk, data)                    the vectors of a chunk's slots; a table for each vector column
 *   T_idx    (piece, data)                    snapshots of indexes, in pieces (snapshot.h)
 *   T_changes (part, seq, id, mark, vector)   rows that have changed since their part's snapshot (refresh.h)
 *
 * The vectors of a part are stored without gaps in slots 0 … n − 1 of its chunks: when a row is deleted, the
 * last one moves to its slot. A position combines part, chunk within the part, and slot in one number, so the
 * chunks of a part are consecutive rows in every table.
 *
 * Each vector is stored once. No rows are cached between statements, so a rollback by SQLite is complete.
 * Indexes in memory, with the columns that they hold, are shared by connections and check which state they
 * represent (refresh.h). */
#ifndef KITH_SQLITE_TABLE_H
#define KITH_SQLITE_TABLE_H

#include <stdint.h>

#include "schema.h"
#include "sqlite.h"
#include "vector.h"

enum {
	SLOT_BITS = 8,
	SEQ_BITS = 24,
	PART_BITS = 31,
	MAX_CHUNK_ROWS = 1 << SLOT_BITS,
	MIN_CHUNK_ROWS = 8,
	CHUNK_BYTES =
	    16384, /* intended size of a chunk: SQLite reads its pages one by one to get to a vector */
	FORMAT_VERSION = 2
};

/* Statements about shadow tables, which are prepared when they are first needed. */
enum statement {
	ROW_INSERT,
	ROW_GET,
	ROW_UPDATE,
	ROW_DELETE,
	ROW_MOVE,
	ROW_BY_KEY,
	AUX_INSERT,
	AUX_GET,
	AUX_UPDATE,
	AUX_DELETE,
	PART_FIND,
	PART_SIZE,
	PART_NEXT,
	PART_INSERT,
	PART_CHANGE,
	PART_DELETE,
	PART_STATE,
	CHANGE_NOTE,
	CHANGE_FIND,
	CHANGE_LIST,
	CONFIG_GET,
	STATEMENTS
};

/* Statements that are made of a query's conditions (conditions.h), by their results. */
enum selection {
	SELECT_POSITIONS, /* rowid, kith_pos of the rows that pass */
	SELECT_ROWS,      /* rowid, kith_pos, the columns of T_rows */
	SELECT_PARTS,     /* kith_part, kith_n, whether there is an index: the parts whose rows may pass */
	SELECT_TEST,      /* rowid, kith_pos of one row if it passes; its rowid is the last parameter */
	SELECTIONS
};

/* A blob handle of one shadow table, which is moved from chunk to chunk. All zero: closed. */
struct chunk_blob {
	sqlite3_blob *blob;
	int64_t chunk;
};

/* Statistics of the last search, and of all searches. */
struct search_stats {
	const char *strategy;
	int64_t rows;       /* rows compared exactly */
	int64_t candidates; /* candidates from indexes */
	int64_t effort;     /* efSearch or nprobe */
	int64_t pending;    /* changed rows that were not in an index */
	double passing;     /* the estimated fraction of rows that pass; −1: not estimated */
	/* Of all searches: */
	int64_t searches, exact_searches;
	double seconds;
	int64_t latency[28]; /* searches that took at most 2^i microseconds, and more than 2^(i − 1) */
};

/* The tables of a connection, for SQL functions that take a table's name. */
struct connection {
	int references; /* from the module and each table, because SQLite may free the module first */
	struct table *tables;
};

void connection_release(void *connection);

struct table {
	sqlite3_vtab base; /* must be first: SQLite's pointers are to this */
	sqlite3 *db;
	char *db_name; /* "main", "temp", or the name of an attached database */
	char *name;
	struct schema schema;
	int chunk_rows;     /* rows of a chunk; 0: not read from T_config yet */
	int utf8;           /* the database encodes texts as UTF-8 */
	int configured;     /* `indexed` and `index_from` have been read in this transaction */
	int indexed;        /* a column has a factory string other than Flat */
	int64_t index_from; /* the number of rows from which a part gets an index */
	sqlite3_stmt *statements[STATEMENTS];
	sqlite3_stmt *conditions[SELECTIONS]; /* the last statement of each kind */
	struct vector *given;                 /* [vectors] the vectors of the running INSERT or UPDATE */
	unsigned char **bytes;                /* [vectors][width] the same vectors as they are stored */
	struct validator *validator;          /* of filter expressions (filter.c); NULL: not created yet */
	struct holding *holdings;             /* the shared indexes that it has used (registry.h) */
	struct new_index *new_indexes; /* built by this transaction, shared when it commits (commit.c) */
	int changed;                   /* this transaction has changed rows or factory strings */
	int64_t changed_part;          /* the only part that it has changed; −1: there are several */
	struct search_stats stats;
	struct connection *connection;
	struct table *next; /* the connection's next table */
};

/* Set the table's error message; returns code. */
int table_error(struct table *t, int code, const char *format, ...);

/* Set a message that the table is damaged, and why; returns SQLITE_CORRUPT_VTAB. */
int table_corrupt(struct table *t, const char *format, ...);

/* Copy the connection's error message to the table; returns code. */
int table_forward(struct table *t, int code);

/* Get a prepared statement, reset and without values. A borrowed statement must be reset before it is
 * borrowed again; one that is taken belongs to the caller until statement_give, so several of a kind can
 * be in use. */
int statement_borrow(struct table *t, enum statement which, sqlite3_stmt **out);
int statement_take(struct table *t, enum statement which, sqlite3_stmt **out);
void statement_give(struct table *t, enum statement which, sqlite3_stmt *s);
void statements_free(struct table *t);

/* Run a statement without rows, whose values are bound, and reset it. */
int statement_run(struct table *t, sqlite3_stmt *s);

/* Prepare a statement about shadow tables. sql NULL: out of memory. Freed with sqlite3_finalize. */
int table_prepare(struct table *t, const char *sql, sqlite3_stmt **out);

/* Run SQL without rows and values. take_sql comes from sqlite3_mprintf and is freed; NULL: out of memory. */
int table_run(struct table *t, char *take_sql);

/* The same for SQL that returns one number; *out is −1 if it returns no row. */
int table_number(struct table *t, char *take_sql, int64_t *out);

/* Create, drop and rename the shadow tables; read the format from T_config. */
int shadow_create(struct table *t);
int shadow_drop(struct table *t);
int shadow_rename(struct table *t, const char *name);
int shadow_load(struct table *t);
int shadow_is_name(const char *suffix);

/* Check that a part's number and its number of rows, at least 1, are possible. */
int part_check(struct table *t, int64_t part, int64_t n);

/* Whether a column is stored in T_rows. */
int column_in_rows(const struct column *c);

static inline int64_t position_of(int64_t part, int64_t seq, int64_t slot)
{
	return (
	    int64_t)((uint64_t)part << (SEQ_BITS + SLOT_BITS) | (uint64_t)seq << SLOT_BITS | (uint64_t)slot);
}

static inline int64_t position_part(int64_t position)
{
	return position >> (SEQ_BITS + SLOT_BITS);
}

static inline int64_t position_chunk(int64_t position)
{
	return position >> SLOT_BITS;
}

static inline int position_slot(int64_t position)
{
	return (int)(position & (MAX_CHUNK_ROWS - 1));
}

/* The position of a part's i-th vector. */
static inline int64_t position_at(const struct table *t, int64_t part, int64_t i)
{
	return position_of(part, i / t->chunk_rows, i % t->chunk_rows);
}

#endif
