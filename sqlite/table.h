/* A virtual table as one connection has it open, and the shadow tables in which its rows are:
 *
 *   T_config (key, value)                     the format's version, rows of a chunk
 *   T_rows   (rowid, kith_pos, columns …)     key, partition keys, metadata, and where the vectors are
 *   T_aux    (rowid, columns …)               auxiliary columns, if there are any
 *   T_parts  (kith_part, kith_n, … columns …) each combination of partition keys, and how many rows have it
 *   T_chunks (chunk, ids)                     the rowids of a chunk's slots
 *   T_v0 …   (chunk, data)                    the vectors of a chunk's slots; a table for each vector column
 *   T_idx    (piece, data)                    snapshots of indexes, in pieces (snapshot.h)
 *   T_changes (part, seq, id, mark, vector)   rows that have changed since then (refresh.h)
 *
 * A part's vectors are packed: slots 0 … n − 1 of its chunks are used, whatever was deleted, for the last
 * one moves into a gap. A position is (part, chunk of the part, slot) in one number, so that a part's
 * chunks follow one another in every table.
 *
 * Each vector is stored once. Nothing is held in memory between statements: what SQLite rolls back is
 * rolled back. */
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
	CHUNK_BYTES = 16384, /* aimed at: to read one vector SQLite goes from page to page up to it */
	FORMAT_VERSION = 2
};

/* Statements about shadow tables, prepared when they are first needed. */
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
	CHUNK_INSERT,
	CHUNK_UPDATE,
	CHUNK_DELETE,
	STATEMENTS
};

/* Statements made of a query's conditions (conditions.h): what they are to give. */
enum selection {
	SELECT_POSITIONS, /* rowid, kith_pos of the rows that pass */
	SELECT_ROWS,      /* rowid, kith_pos, the columns of T_rows */
	SELECT_PARTS,     /* kith_part, kith_n, whether there is an index, of the parts whose rows may pass */
	SELECT_TEST,      /* rowid, kith_pos of one row, if it passes; its rowid is the last parameter */
	SELECTIONS
};

/* A blob of one shadow table, moved from chunk to chunk. Zeroed: closed. */
struct chunk_blob {
	sqlite3_blob *blob;
	int64_t chunk;
};

/* What the last search did, and all of them. */
struct search_stats {
	const char *strategy;
	int64_t rows;       /* compared exactly */
	int64_t candidates; /* that indexes gave */
	int64_t effort;     /* efSearch or nprobe */
	int64_t pending;    /* changes that no index knew */
	double passing;     /* estimated share of rows; −1: not estimated */
	int64_t searches, exact_searches;
	double seconds;
	int64_t latency[28]; /* searches that took at most 2^i microseconds, and more than 2^(i − 1) */
};

/* The tables of a connection, for the functions that speak of them. */
struct connection {
	int references; /* of the module and of each table: SQLite may free the module first */
	struct table *tables;
};

void connection_release(void *connection);

struct table {
	sqlite3_vtab base; /* first: SQLite sees this */
	sqlite3 *db;
	char *db_name; /* "main", "temp", or what it was attached as */
	char *name;
	struct schema schema;
	int chunk_rows;     /* 0: not read from T_config yet */
	int utf8;           /* the database's texts are */
	int configured;     /* this transaction knows: */
	int indexed;        /* some column has an index */
	int64_t index_from; /* rows that a part must have for one */
	sqlite3_stmt *statements[STATEMENTS];
	sqlite3_stmt *conditions[SELECTIONS]; /* the last of each kind */
	struct vector *given;                 /* [vectors] of the statement that is being carried out */
	unsigned char **bytes;                /* [vectors][width] the same, as they are stored */
	struct validator *validator;          /* of filter expressions (filter.c); NULL: there was none yet */
	struct holding *holdings;             /* indexes that it has searched (registry.h) */
	struct pending *pending; /* made by this transaction, to be shared when it is committed (refresh.h) */
	int changed;             /* rows or the kind of index, in this transaction */
	int64_t changed_part;    /* the only part that has, or −1: there are several */
	struct search_stats stats;
	struct connection *connection;
	struct table *next; /* of the connection */
};

/* Set the table's error message; returns code. */
int table_error(struct table *t, int code, const char *format, ...);

/* SQLITE_CORRUPT_VTAB, with a message that says what is wrong. */
int table_corrupt(struct table *t, const char *format, ...);

/* The message of the connection becomes the table's; returns code. */
int table_forward(struct table *t, int code);

/* Take a prepared statement, reset and without values. Of several that are wanted at the same time, `take`
 * gives each its own; a statement goes back with statement_give, a borrowed one with sqlite3_reset. */
int statement_borrow(struct table *t, enum statement which, sqlite3_stmt **out);
int statement_take(struct table *t, enum statement which, sqlite3_stmt **out);
void statement_give(struct table *t, enum statement which, sqlite3_stmt *s);
void statements_free(struct table *t);

/* Run a statement that gives no rows; the values are bound. Resets it. */
int statement_run(struct table *t, sqlite3_stmt *s);

/* Prepare a statement about shadow tables. NULL: out of memory. Freed with sqlite3_finalize. */
int table_prepare(struct table *t, const char *sql, sqlite3_stmt **out);

/* Prepare, run and finalize one that gives no rows and has no values. take_sql: of sqlite3_mprintf, which is
 * freed; NULL: out of memory. */
int table_run(struct table *t, char *take_sql);

/* The same for one that gives one number, into *out; −1 if it gives no row. */
int table_number(struct table *t, char *take_sql, int64_t *out);

/* Create, drop and rename the shadow tables; read T_config. */
int shadow_create(struct table *t);
int shadow_drop(struct table *t);
int shadow_rename(struct table *t, const char *name);
int shadow_load(struct table *t);
int shadow_is_name(const char *suffix);

/* Whether a column is one of T_rows. */
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
