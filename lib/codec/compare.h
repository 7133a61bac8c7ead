/* Comparing a query with rows: it is bound once and asked many times.
 *
 *   bind(rows, query, metric) → state
 *
 * The state is asked for keys or scan (rows that lie together), for gather (rows from all over), and for
 * bound, what these keys may be off by. Every way of storing vectors brings a table of this, for scans and
 * for graphs; who searches asks for the table (compare_in_scan, compare_in_graph) and never how rows are
 * stored. A state has bytes(rows) bytes, 64-byte aligned, and is good for all rows of the same codec: those
 * of every list of an inverted file. Keys are the metric's, smaller is nearer. Threads: safe.
 */
#ifndef KITH_CODEC_COMPARE_H
#define KITH_CODEC_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/metric/metric.h"
#include "lib/tile/rows.h"

/* Codes that a scan looks at together. */
struct scan_part {
	const uint8_t *codes; /* from the start of a block on, where blocked */
	int64_t n;
	const float *code_norms; /* [n] half of which comes to the keys; NULL: nothing does */
	double max_code_norm;    /* >= any of their magnitudes */
	float limit;             /* on keys with their norms; ∞: all */
};

struct comparison {
	size_t (*bytes)(const struct rows *rows);
	void (*bind)(const struct rows *rows, const float *q, const struct metric *metric, void *state);

	/* Keys [n] of rows pos [n], which the caller has prefetched. */
	void (*gather)(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key);

	/* Graphs: bind a row, whose distances to other rows are wanted: the metric is no similarity then. */
	void (*bind_row)(const struct rows *rows, int64_t row, const struct metric *metric, void *state);

	/* Scans: keys [n] of rows first … first + n − 1 of one block. */
	void (*keys)(const struct rows *rows, const void *state, int64_t first, int64_t n, float *key);

	/* Scans: what keys of rows first … first + n − 1, of one block, may be off by; and rounding where
	 * there are code norms. */
	struct error_bound (*bound)(const struct rows *rows, const void *state, int64_t first, int64_t n);

	/* The chance that a key is off by more than bound says, which then holds with a probability. 0: it is
	 * certain, and no neighbour is lost. */
	double miss;

	/* In the stead of keys, where that is faster than to look at every key: of many rows those that are
	 * within the limit, how many, ascending: hit and key [part->n]. Of the state the first kept_bytes are
	 * read, which may have been copied elsewhere. */
	int64_t (*scan)(const struct rows *rows, const void *state, const struct scan_part *part,
	    uint32_t *hit, float *key);
	size_t (*kept_bytes)(const struct rows *rows);

	/* With scan: lists are scanned however many queries want them, since decoding takes longer. Else it
	 * depends on the bytes of a code. */
	bool scan_always;

	/* With scan: a key that k >= 1 of the part's rows do not exceed, found faster than these k; ∞: none
	 * is known. */
	float (*first_limit)(
	    const struct rows *rows, const void *state, const struct scan_part *part, int64_t k);
};

/* How closely the keys of a graph search tell rows apart. */
enum key_precision {
	KEYS_CODED, /* the codec's own way of comparing rows; floats are compared by their upper halves */
	KEYS_FLOAT, /* all bits of floats, in float arithmetic; for other codecs the same as KEYS_CODED */
	KEYS_WIDE /* decoded, in double, for values whose squares are no floats: keys are fourth roots of what
	             they are else, with the sign (wide_key) */
};

/* How a scan compares such queries with rows; NULL: rows must be loaded one by one. */
const struct comparison *compare_in_scan(
    const struct rows *rows, const struct rows *query, const struct metric *metric);

/* How a graph search compares rows of a codec, which are not in blocks. */
const struct comparison *compare_in_graph(const struct rows *rows, enum key_precision precision);

/* Whether both are bytes of one type that are compared in integers under the metric. */
bool compare_as_bytes(const struct rows *rows, const struct rows *query, const struct metric *metric);

/* ---- for codecs ---- */

/* A query in floats, as many tables keep it. */
struct float_query {
	const struct metric *metric;
	struct metric_kernels score;
	double norm; /* >= ‖q‖; scans only */
	_Alignas(64) float q[];
};

size_t float_query_bytes(const struct rows *rows);
void float_query_bind(const struct rows *rows, const float *q, const struct metric *metric, void *state);
void float_query_bind_scan(const struct rows *rows, const float *q, const struct metric *metric, void *state);
void float_query_bind_row(const struct rows *rows, int64_t row, const struct metric *metric, void *state);

/* The largest of n norms, rounded up, from what a float kernel makes of their squares. */
double largest_norm(const float *normsq, int64_t n, int64_t dim);

/* Tables: rows as they lie in arrays of bytes; rows that are decoded one by one. */
extern const struct comparison compare_bytes, compare_decoding;

#endif
