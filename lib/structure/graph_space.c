/* How near stored vectors are to one another and to queries: the codec's way of scoring gathered rows, put
 * into the geometry of the graph.
 *
 * Inner products. −⟨x, y⟩ is no distance between stored vectors: the nearest of x need not be x, and no
 * triangle holds, so edges chosen by it lead everywhere to the few longest vectors. With R the length of the
 * longest, one component √(R² − ‖x‖²) more puts all vectors on a sphere (Bachrach et al. 2014), where
 * ‖x − y‖² = 2 R² − 2 ⟨x, y⟩ orders by inner product, and a query, whose component more is 0, has the order
 * of its own metric among them. So edges are chosen by a real distance and the walk descends on what is asked
 * for.
 */
#include "lib/structure/graph.h"

#include "lib/codec/codec.h"

#include <math.h>
#include <string.h>

/* An origin: this, then what the codec makes of the vector. */
struct origin {
	bool node;
	float lift; /* of a node */
	_Alignas(64) char state[];
};

void graph_space_load(const struct graph_space *space, int64_t node, float *x)
{
	const float *row = rows_load(&space->rows, node, x);
	if (row != x)
		memcpy(x, row, (size_t)space->rows.dim * sizeof *x);
	if (space->lift)
		x[space->rows.dim] = space->lift[node];
}

size_t graph_origin_bytes(const struct graph_space *space)
{
	size_t bytes = sizeof(struct origin) + codec_walk(space->rows.codec)->bytes(space->rows.codec);
	return (bytes + 63) / 64 * 64;
}

void graph_origin_node(const struct graph_space *space, int64_t node, void *state)
{
	struct origin *origin = state;
	origin->node = true;
	origin->lift = space->lift ? space->lift[node] : 0;
	codec_walk(space->rows.codec)->begin_row(space->rows.codec, &space->rows, node, origin->state);
}

void graph_origin_query(const struct graph_space *space, const float *q, void *state)
{
	struct origin *origin = state;
	origin->node = false;
	codec_walk(space->rows.codec)->begin(space->rows.codec, q, space->ip, origin->state);
}

void graph_keys(const struct graph_space *space, void *state, const uint32_t *nodes, int64_t n, float *key)
{
	struct origin *origin = state;
	codec_walk(space->rows.codec)->keys(space->rows.codec, origin->state, &space->rows, nodes, n, key);
	if (!origin->node || !space->lift)
		return;
	for (int64_t i = 0; i < n; i++) {
		float t = origin->lift - space->lift[nodes[i]];
		key[i] += t * t;
	}
}
