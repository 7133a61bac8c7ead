/* Edges to near vectors in a graph whose edges are chosen by inner product; index/hnsw_keys.c says why there
 * are any.
 *
 * Near nodes get places of a list that are free. In a full list they replace a few others, but only if they
 * are close: if the two vectors are nearer to each other than either is to the origin. Where none are, as
 * among sparse binary vectors, the nearest are merely short, and no query looks for those. Measured recall@10
 * with a sixteenth of every list for near nodes of any kind, and for close ones only: HNSW32, efSearch 16,
 * 8,000 vectors of 256 bits, one in ten set, .874 and .881; one in twenty .940 and .948.
 */
#include "lib/graph/build.h"

#include "kernels/kernels.h"

/* The square of ‖x − y‖ is less than that of ‖x‖ if 2⟨x, y⟩ > ‖y‖². y [dim]: scratch. */
static bool is_close(const struct graph_space *space, const float *x, uint32_t other, float *y)
{
	const struct kernels *kern = kernels();
	int64_t dim = space->rows.dim;
	graph_space_load(space, other, y);
	double both = 2 * kern->ip_exact(x, y, dim);
	return both > kern->ip_exact(x, x, dim) && both > kern->ip_exact(y, y, dim);
}

int64_t graph_append_near(const struct graph_space *space, uint32_t node, uint32_t *list, int64_t n,
    int64_t width, const uint32_t *near, int64_t count, int64_t max, float *scratch)
{
	uint32_t more[2 * GRAPH_MAX_M];
	int64_t found = 0, close = 0, share = width / NEAR_KEPT;
	for (int64_t i = 0; i < count && found < max; i++)
		if (!graph_list_has(list, n, near[i]))
			more[found++] = near[i];
	if (width - n < share) {
		graph_space_load(space, node, scratch);
		while (close < share && close < found &&
		       is_close(space, scratch, more[close], scratch + space->rows.dim))
			close++;
		n = n < width - close ? n : width - close;
	}
	for (int64_t i = 0; i < found && n < width; i++)
		list[n++] = more[i];
	return n;
}
