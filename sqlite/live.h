/* An index in memory ("live", in contrast to a snapshot), with the mapping between its ids and rowids. */
#ifndef KITH_SQLITE_LIVE_H
#define KITH_SQLITE_LIVE_H

#include <stdint.h>

#include <kith/kith.h>

#include "cells.h"
#include "delta.h"

/* The recall at an effort (efSearch or nprobe), measured on the table's vectors. */
struct sweep_point {
	int64_t effort;
	double recall;
};

enum { MAX_SWEEP = 16 };

struct live {
	kith_index *index;
	int64_t n, room; /* the ids in use are 0 … n − 1 */
	int64_t *rowids; /* [n] the rowid of each id */
	uint8_t *dead;   /* [n bits] 1: the row has changed or was deleted after the id was given */
	int64_t dead_count;
	int64_t *slots; /* a hash table from rowids to ids + 1; 0: a free slot */
	int64_t slot_count;
	kith_filter *alive;   /* passes the ids that are not dead; NULL: all are alive */
	struct delta pending; /* rows whose present vectors are not in the index yet */
	struct cells *cells;  /* the columns on which queries had conditions */
	int exact;            /* kith_index_get returns the stored vectors, bit by bit */

	/* The state of the part that the index represents, with `pending` (refresh.h). */
	int64_t seq, mark;

	/* How to search it (live_tune.c). */
	int uses_ef, uses_nprobe;
	double multiplier; /* candidates for each wanted neighbour */
	int points;
	struct sweep_point sweep[MAX_SWEEP];
};

/* Functions return a kith_status. If one fails, the index is unchanged, except for live_add, after whose
 * failure the index must be freed. */
kith_status live_new(struct live **out, int64_t dim, kith_metric metric, const char *spec);
struct live *live_empty(void); /* NULL: out of memory */
kith_status live_clone(struct live **out, const struct live *from);
void live_free(struct live *l);

/* Add vectors [n × dim] of rows. The older ids of these rows become dead. */
kith_status live_add(struct live *l, int64_t n, const float *x, const int64_t *rowids, int threads);
void live_remove(struct live *l, int64_t rowid);

/* Update the filter `alive`. Call it after changes, before searches. */
kith_status live_prepare(struct live *l);

/* The id of a row; −1 if it has none. */
int64_t live_find(const struct live *l, int64_t rowid);
int live_is_dead(const struct live *l, int64_t id);

/* Set the ids of an empty index to those with which it was written. */
kith_status live_load_ids(struct live *l, int64_t n, const int64_t *rowids, const uint8_t *dead);

/* Whether an index with this factory string stores vectors bit by bit. */
int live_is_exact(const char *spec, kith_metric metric);

/* The bytes of memory that it holds. */
int64_t live_memory(const struct live *l);

/* Write the index as bytes (live_file.c), and read it. */
kith_status live_write(const struct live *l, kith_write_fn write, void *data);
kith_status live_read(
    struct live **out, int64_t dim, kith_metric metric, kith_read_fn read, void *data, int64_t size);

/* Measure `sweep` and `multiplier` with queries [nq × dim], whose true neighbours are the ids truth [nq ×
 * k]. */
kith_status live_tune(struct live *l, int64_t nq, const float *q, int64_t k, const int64_t *truth);

/* The number of candidates for k neighbours. */
int64_t live_candidates(const struct live *l, int64_t k);

/* Set the options of a search for k neighbours with a recall. ef and nprobe replace the measured effort
 * unless they are 0. */
void live_options(
    const struct live *l, double recall, int64_t k, int64_t ef, int64_t nprobe, kith_search_options *o);

#endif
