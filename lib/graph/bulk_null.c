/* Zero vectors under cosine. They are copies of one another (bulk_copies.c) and have no direction. Edges are
 * chosen by squared L2 between unit vectors, and by that a zero vector is in the middle: nearer to all others
 * than most of these are to one another, so that it would cover every candidate. So zero vectors are linked
 * as if they had a direction, but searches find them differently, since their key is that of a right angle to
 * every query (space.c). The nodes of the upper levels, where every search of level 0 begins, get an edge to
 * one of the zero vectors, and that one leads to the others.
 */
#include "lib/graph/bulk.h"

#include "lib/base/random.h"
#include "lib/base/status.h"

#include <math.h>

void bulk_set_direction(float *x, int64_t dim)
{
	struct random random = random_begin(0, 0);
	float length = (float)(1 / sqrt((double)dim));
	for (int64_t j = 0; j < dim; j++)
		x[j] = random_next(&random) >> 63 ? length : -length;
}

/* The first point that is a zero vector; −1: there is none. x [dim]: scratch. */
static int64_t find_null(struct bulk *b, float *x)
{
	for (int64_t i = 0; i < b->n && !bulk_stopped(b); i++)
		if (graph_space_is_null(b->space, bulk_node(b, i), x))
			return i;
	return -1;
}

/* Add an edge from `node` to `null`, behind the others or, if the list is full, in the place of the last. */
static void lead_to(const struct bulk *b, uint32_t node, uint32_t null)
{
	uint32_t *list = graph_links(b->graph, node, 0);
	int64_t n = graph_list_length(list, b->degree);
	if (node != null && !graph_list_has(list, n, null))
		list[n < b->degree ? n : n - 1] = null;
}

kith_status bulk_link_null(struct bulk *b)
{
	if (!b->space->unit || b->level > 0)
		return KITH_OK;
	float *x = mem_alloc((size_t)b->dim, sizeof *x);
	if (!x)
		return fail_nomem("a vector", (size_t)b->dim * sizeof *x);
	int64_t null = find_null(b, x);
	mem_free(x);
	for (int64_t i = 0; null >= 0 && i < b->n; i++) {
		uint32_t node = bulk_node(b, i);
		if (graph_level(b->graph, node) > 0 || node == b->graph->entry)
			lead_to(b, node, bulk_node(b, null));
	}
	return bulk_status(b);
}
