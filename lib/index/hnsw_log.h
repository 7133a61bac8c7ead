/* What a graph index notes of its changes for a log, hnsw_note.c, and writes to one and takes from it:
 * hnsw_log.c. */
#ifndef KITH_INDEX_HNSW_LOG_H
#define KITH_INDEX_HNSW_LOG_H

#include "lib/index/hnsw.h"

/* What an index decided by itself while vectors were placed: in this order before they were, the last when
 * they had been. */
enum hnsw_event {
	EVENT_REPAIR = 'R',  /* ways were led around dead nodes, which became free */
	EVENT_COMPACT = 'S', /* nodes moved up into the places of free ones */
	EVENT_RELINK = 'G',  /* all nodes were linked anew, on new levels */
	EVENT_INSERT = 'A',  /* they were inserted */
	EVENT_BULK = 'B'     /* all were linked anew, with them */
};

struct hnsw_log {
	struct buffer bits; /* uint64_t: a bit for each of `room` nodes */
	int64_t room;
	struct buffer events;
	size_t n_events, told; /* up to the last one that placed vectors */
	bool all;              /* every list changed, or must come */
	const char *untold;

	bool replays;
	size_t next_event;
};

static inline uint64_t *hnsw_log_words(const struct hnsw_log *log)
{
	return (uint64_t *)(void *)log->bits.data;
}

/* Of an index that notes, or takes, nothing: nothing happens. */
void hnsw_log_event(struct hnsw *hnsw, enum hnsw_event event);

/* The graph has more nodes by now: room to note their changes. */
void hnsw_log_grow(struct hnsw *hnsw);

/* A bit for each node whose lists change; NULL: nothing is noted. */
uint64_t *hnsw_log_bits(const struct hnsw *hnsw);

/* Placing vectors failed: what was decided before cannot be told. */
void hnsw_log_failed(struct hnsw *hnsw);

/* Whether changes are being made again, without linking; then do what was decided before the next vectors
 * were placed. *bulk: how they were linked. FORMAT, NOMEM. */
bool hnsw_log_replays(const struct hnsw *hnsw);
kith_status hnsw_log_decided(struct hnsw *hnsw, bool *bulk);

void hnsw_log_free(struct hnsw *hnsw);

/* hnsw_remove.c: only live nodes, in their order; none is dead. NOMEM. */
kith_status hnsw_compact_nodes(struct hnsw *hnsw);

/* hnsw_file.c: whether something leads to or from free nodes. */
struct graph_fault;
bool hnsw_check_free(const struct hnsw *hnsw, struct graph_fault *fault);

extern const struct graph_log_ops hnsw_log_ops;

#endif
