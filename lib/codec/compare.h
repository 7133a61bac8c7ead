/* Comparing a query with rows. The query is bound once, which gives a state,
 *
 *   bind(rows, query, metric) → state
 *
 * with which it is then compared many times: keys and scan are for adjacent rows, gather is for rows in any
 * places, and bound gives the error of these keys. Each codec has such functions for scans and for graphs. A
 * search gets them from compare_in_scan or compare_in_graph, and need not know how rows are stored. A state
 * has bytes(rows) bytes, aligned to 64 bytes, and is valid for all rows of the same codec, as those of all
 * lists of an inverted file. Keys are those of the metric, smaller for nearer rows. The functions are safe to
 * call from several threads.
 */
#ifndef KITH_CODEC_COMPARE_H
#define KITH_CODEC_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/metric/metric.h"
#include "lib/tile/rows.h"

/* Codes that are scanned together. */
struct scan_part {
	const uint8_t *codes; /* from the begin of a block on, if they are in blocks */
	int64_t n;
	const float *code_norms; /* [n], of which half is added to the keys; NULL: none */
	double max_code_norm;    /* >= their absolute values */
	float limit;             /* for keys with half of the code norms added; ∞: all keys are wanted */
};

struct comparison {
	size_t (*bytes)(const struct rows *rows);
	void (*bind)(const struct rows *rows, const float *q, const struct metric *metric, void *state);

	/* The keys [n] of rows pos [n], which the caller has prefetched. */
	void (*gather)(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key);

	/* Graphs: bind a row for its distances from other rows; the metric must not be a similarity. */
	void (*bind_row)(const struct rows *rows, int64_t row, const struct metric *metric, void *state);

	/* Scans: keys [n] of rows first … first + n − 1 of one block. */
	void (*keys)(const struct rows *rows, const void *state, int64_t first, int64_t n, float *key);

	/* Scans: the error of keys of rows first … first + n − 1 of one block, without the rounding of code
	 * norms. */
	struct error_bound (*bound)(const struct rows *rows, const void *state, int64_t first, int64_t n);

	/* The probability that the error of a key is greater than `bound`. 0: it never is, and no neighbour
	 * is lost. */
	double miss;

	/* Instead of keys, if that is faster: find the rows of a part whose keys are within the limit. Writes
	 * their numbers, ascending, to hit [part->n] and their keys to key [part->n], and returns how many
	 * there are. It reads only the first kept_bytes of the state, which may be a copy of them. */
	int64_t (*scan)(const struct rows *rows, const void *state, const struct scan_part *part,
	    uint32_t *hit, float *key);
	size_t (*kept_bytes)(const struct rows *rows);

	/* With scan: whether lists are scanned for any number of queries, because decoding takes longer. If
	 * not set, it depends on the bytes of a code. */
	bool scan_always;

	/* With scan: find quickly a key that at least k >= 1 rows of the part do not exceed; ∞: none was
	 * found. */
	float (*first_limit)(
	    const struct rows *rows, const void *state, const struct scan_part *part, int64_t k);
};

/* The precision of the keys of a graph search. */
enum key_precision {
	KEYS_CODED, /* the codec's comparison, which for floats reads only their upper halves */
	KEYS_FLOAT, /* all bits of floats, in float arithmetic; for other codecs the same as KEYS_CODED */
	KEYS_WIDE   /* decoded vectors in double, for values whose squares do not fit a float: see wide_key */
};

/* The comparison of queries with rows in a scan; NULL: rows must be loaded one by one. */
const struct comparison *compare_in_scan(
    const struct rows *rows, const struct rows *query, const struct metric *metric);

/* The comparison with rows of a codec in a graph search; the rows must not be in blocks. */
const struct comparison *compare_in_graph(
    const struct rows *rows, const struct metric *metric, enum key_precision precision);

/* Whether rows and queries are bytes of one type that the metric compares as integers. */
bool compare_as_bytes(const struct rows *rows, const struct rows *query, const struct metric *metric);

/* ---- for codecs ---- */

/* A query in floats, which is the state of many comparisons. */
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

/* The largest of n norms, rounded up, from their squares as a float kernel gives them. */
double largest_norm(const float *normsq, int64_t n, int64_t dim);

/* The comparison with arrays of bytes, and that by decoding rows one by one. */
extern const struct comparison compare_bytes, compare_decoding;

#endif
