/* A graph as sections of the present node of a file. */
#ifndef KITH_GRAPH_FILE_H
#define KITH_GRAPH_FILE_H

#include "lib/base/blob.h"
#include "lib/graph/graph.h"

struct graph_head {
	int64_t nodes, rows; /* rows of upper levels */
	int64_t unconnected; /* nodes linked since all were last seen to be reachable */
	uint64_t seed;
	uint32_t M, entry;
	uint32_t mapped, zero; /* whether nodes are others than what is stored, in its order */
};
_Static_assert(sizeof(struct graph_head) == 48, "no padding");

void graph_save(const struct graph *graph, int64_t unconnected, bool mapped, struct blob_writer *w);
void graph_save_head(const struct graph *graph, int64_t unconnected, bool mapped, struct blob_writer *w);

/* Into an empty graph of the right M: the head, then the rest, in place where that is possible. A search
 * may go over it then if `unvalidated` is set; for anything else it must be checked. FORMAT, NOMEM. */
kith_status graph_load_head(const struct graph *graph, struct graph_head *head, struct blob_reader *r);
kith_status graph_take(struct graph *graph, const struct graph_head *head, struct blob_reader *r);

/* One section, of so many bytes, into an empty buffer. */
kith_status graph_take_section(struct blob_reader *r, const char *tag, struct buffer *buffer, size_t bytes);

/* What is wrong, and in which section. */
struct graph_fault {
	const char *tag;
	char what[100];
};

/* Whether something is wrong with levels or lists. */
bool graph_check(const struct graph *graph, struct graph_fault *fault);

/* Whether the list of a node on a level that it has can be one: nodes of this level, none of them the node
 * itself and none twice, then nothing. */
bool graph_list_is_good(const struct graph *graph, int64_t node, int level);

/* Note what is; returns true. */
bool graph_found(struct graph_fault *fault, const char *tag, const char *what, int64_t number);

#endif
