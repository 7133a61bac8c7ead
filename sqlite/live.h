/* An index in memory, with what turns its ids into rowids and back. */
#ifndef KITH_SQLITE_LIVE_H
#define KITH_SQLITE_LIVE_H

#include <stdint.h>

#include <kith/kith.h>

#include "cells.h"
#include "delta.h"

/* Recall of the k nearest at an effort (efSearch, or nprobe), measured on the table's own vectors. */
struct sweep_point {
	int64_t effort;
	double recall;
};

enum { MAX_SWEEP = 16 };

struct live {
	kith_index *index;
	int64_t n, room; /* ids that were given: 0 … n − 1 */
	int64_t *rowids; /* [n] */
	uint8_t *dead;   /* [n bits] of rows that have changed or gone since */
	int64_t dead_count;
	int64_t *slots; /* a hash table of ids + 1 by rowid; 0: free */
	int64_t slot_count;
	kith_filter *alive;   /* NULL: all are */
	struct delta waiting; /* rows that the index is still to get: dead, or not there yet */
	struct cells *cells;  /* of the columns that conditions have asked about */
	int exact;            /* it keeps vectors as they are: kith_index_get gives them back bit by bit */

	/* The state of the part that it shows. */
	int64_t seq, mark;

	/* How to search it. */
	int uses_ef, uses_nprobe;
	double multiplier; /* candidates for each neighbour that is wanted */
	int points;
	struct sweep_point sweep[MAX_SWEEP];
};

/* All return a kith_status; what fails leaves the index as it was, but for live_add, behind which it must be
 * dropped. */
kith_status live_new(struct live **out, int64_t dim, kith_metric metric, const char *spec);
struct live *live_empty(void); /* NULL: out of memory */
kith_status live_clone(struct live **out, const struct live *from);
void live_free(struct live *l);

/* Add vectors [n × dim] of rows that it does not show yet, or shows as they were: the older ones are dead
 * then. */
kith_status live_add(struct live *l, int64_t n, const float *x, const int64_t *rowids, int threads);
void live_remove(struct live *l, int64_t rowid);

/* To be called after changes, before searches. */
kith_status live_prepare(struct live *l);

/* The id of a row, or −1. */
int64_t live_find(const struct live *l, int64_t rowid);
int live_is_dead(const struct live *l, int64_t id);

/* Give an empty one the ids that it had when it was written. */
kith_status live_load_ids(struct live *l, int64_t n, const int64_t *rowids, const uint8_t *dead);

/* Whether an index of that factory string keeps floats bit by bit. */
int live_is_exact(const char *spec, kith_metric metric);

/* Bytes that it holds. */
int64_t live_memory(const struct live *l);

/* Its bytes, to be read again with live_read. */
kith_status live_write(const struct live *l, kith_write_fn write, void *data);
kith_status live_read(
    struct live **out, int64_t dim, kith_metric metric, kith_read_fn read, void *data, int64_t size);

/* Measure `sweep` and `multiplier` on queries [nq × dim] whose true neighbours are the ids truth [nq × k]. */
kith_status live_tune(struct live *l, int64_t nq, const float *q, int64_t k, const int64_t *truth);

/* Candidates for k neighbours. */
int64_t live_candidates(const struct live *l, int64_t k);

/* Options for a search of k with that recall. */
void live_options(
    const struct live *l, double recall, int64_t k, int64_t ef, int64_t nprobe, kith_search_options *o);

#endif
