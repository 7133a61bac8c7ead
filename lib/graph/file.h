/* A graph as sections of the current node of an index file. */
#ifndef KITH_GRAPH_FILE_H
#define KITH_GRAPH_FILE_H

#include "lib/base/blob.h"
#include "lib/graph/graph.h"

struct graph_head {
	int64_t nodes, rows; /* number of rows of upper levels */
	int64_t unconnected; /* nodes linked since it was last checked that all are reachable */
	uint64_t seed;
	uint32_t M, entry;
	uint32_t mapped, zero; /* mapped: whether nodes are not the stored vectors in their order */
};
_Static_assert(sizeof(struct graph_head) == 48, "no padding");

void graph_save(const struct graph *graph, int64_t unconnected, bool mapped, struct blob_writer *w);
void graph_save_head(const struct graph *graph, int64_t unconnected, bool mapped, struct blob_writer *w);

/* Load an empty graph with the right M: first the head, then the rest, without copying if that is possible.
 * Then the graph can be searched if `unvalidated` is set; for anything else it must be checked. Errors:
 * FORMAT, NOMEM. */
kith_status graph_load_head(const struct graph *graph, struct graph_head *head, struct blob_reader *r);
kith_status graph_take(struct graph *graph, const struct graph_head *head, struct blob_reader *r);

/* Load one section, which must have so many bytes, into an empty buffer. */
kith_status graph_take_section(struct blob_reader *r, const char *tag, struct buffer *buffer, size_t bytes);

/* What is wrong with a graph, and in which section. */
struct graph_fault {
	const char *tag;
	char what[100];
};

/* Whether something is wrong with levels or lists: then *fault says what. */
bool graph_check(const struct graph *graph, struct graph_fault *fault);

/* Whether the list of a node, on a level that it has, is valid: nodes of this level, without the node itself
 * and without repeats, and then only GRAPH_NONE. */
bool graph_list_is_good(const struct graph *graph, int64_t node, int level);

/* Record what is wrong in *fault; returns true. */
bool graph_found(struct graph_fault *fault, const char *tag, const char *what, int64_t number);

#endif
