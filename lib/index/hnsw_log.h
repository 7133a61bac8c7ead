/* Changes of a graph index for a log: noting them (hnsw_note.c), writing and reading the log (hnsw_log.c). */
#ifndef KITH_INDEX_HNSW_LOG_H
#define KITH_INDEX_HNSW_LOG_H

#include "lib/index/hnsw.h"

/* Decisions of an index during an add. The first three come before vectors get nodes, one of the last two
 * after. */
enum hnsw_event {
	EVENT_REPAIR = 'R',  /* edges to dead nodes were replaced; these became free */
	EVENT_COMPACT = 'S', /* nodes moved up into the places of free ones */
	EVENT_RELINK = 'G',  /* all nodes were linked anew, on new levels */
	EVENT_INSERT = 'A',  /* the new vectors were inserted */
	EVENT_BULK = 'B'     /* all nodes were linked anew, with the new ones */
};

struct hnsw_log {
	struct buffer bits; /* uint64_t: a bit for each of `room` nodes */
	int64_t room;
	struct buffer events;
	size_t n_events, added; /* all events, and those up to the last that added vectors */
	bool all;               /* every list has changed, or must be read */
	const char *lost;       /* why changes cannot be logged; NULL: they can */

	bool replays;
	size_t next_event;
};

static inline uint64_t *hnsw_log_words(const struct hnsw_log *log)
{
	return (uint64_t *)(void *)log->bits.data;
}

/* Note a decision, if changes are noted. */
void hnsw_log_event(struct hnsw *hnsw, enum hnsw_event event);

/* Make room to note changes of the nodes that the graph has by now. */
void hnsw_log_grow(struct hnsw *hnsw);

/* A bit for each node whose lists change; NULL: nothing is noted. */
uint64_t *hnsw_log_bits(const struct hnsw *hnsw);

/* An add failed: decisions made before cannot be logged. */
void hnsw_log_failed(struct hnsw *hnsw);

/* Whether changes are being made again, without linking. If so, hnsw_log_decided carries out the decisions
 * made before the next add; *bulk: how its vectors were linked. FORMAT, NOMEM. */
bool hnsw_log_replays(const struct hnsw *hnsw);
kith_status hnsw_log_decided(struct hnsw *hnsw, bool *bulk);

void hnsw_log_free(struct hnsw *hnsw);

/* hnsw_remove.c: remove all nodes that are not live, none of which is dead; the order stays. NOMEM. */
kith_status hnsw_compact_nodes(struct hnsw *hnsw);

/* hnsw_file.c: whether a free node has edges, to or from. */
struct graph_fault;
bool hnsw_check_free(const struct hnsw *hnsw, struct graph_fault *fault);

extern const struct graph_log_ops hnsw_log_ops;

#endif
