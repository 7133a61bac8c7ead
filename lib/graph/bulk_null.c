/* Zero vectors under cosine. All have the same place, as copies of one another (bulk_copies.c), and
 * no direction. By squared L2 between unit vectors, which edges are chosen by, that place is the middle:
 * nearer to all than most are to one another, so that one zero vector stands in the way of every edge. So
 * they are linked as if they had a direction, and found by other ways: their key is that of a right angle
 * to every query (space.c), wherever it begins. Nodes of upper levels, one of which every search of
 * level 0 begins at, lead to one of them, and that one to the others.
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

/* The first point that is a zero vector, −1: none is. x [dim]: scratch. */
static int64_t find_null(struct bulk *b, float *x)
{
	for (int64_t i = 0; i < b->n && !bulk_stopped(b); i++)
		if (graph_space_is_null(b->space, bulk_node(b, i), x))
			return i;
	return -1;
}

/* Behind the others in the list, or in the place of the last. */
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
