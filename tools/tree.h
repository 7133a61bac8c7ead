/* The tree of parts that a canonical factory string describes. */
#ifndef KITH_TOOLS_TREE_H
#define KITH_TOOLS_TREE_H

#include <stdint.h>

struct tree_node {
	int depth;
	char name[80]; /* "refinement Flat" */
};

/* The nodes in the order of an index file, a parent before its children; at most `room` of them are filled
 * in. Returns how many there are. */
int64_t tree_of(const char *spec, struct tree_node *nodes, int64_t room);

#endif
