/* Stand-in while the bulk build is not there. */
#include "lib/structure/graph.h"
bool graph_bulk_pays(int64_t n)
{
	(void)n;
	return false;
}
kith_status graph_bulk(struct graph *graph, const struct graph_space *space, const struct graph_building *how)
{
	(void)graph, (void)space, (void)how;
	return KITH_INTERNAL;
}
