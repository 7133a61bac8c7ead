/* How near stored vectors are to one another and to queries: the codec's way of scoring gathered rows, put
 * into the geometry of the graph. */
#include "lib/structure/graph.h"

#include "lib/codec/codec.h"

#include <string.h>

void graph_space_load(const struct graph_space *space, int64_t node, float *x)
{
	const float *row = rows_load(&space->rows, node, x);
	if (row != x)
		memcpy(x, row, (size_t)space->rows.dim * sizeof *x);
}

static size_t walk_bytes(const struct graph_space *space)
{
	return (codec_walk(space->rows.codec)->bytes(space->rows.codec) + 63) / 64 * 64;
}

/* An origin is what the codec makes of a vector; for ip_edges there is room for it, decoded, behind that. */
size_t graph_origin_bytes(const struct graph_space *space)
{
	size_t bytes = walk_bytes(space);
	if (space->ip_edges)
		bytes += (size_t)space->rows.dim * sizeof(float);
	return (bytes + 63) / 64 * 64;
}

void graph_origin_node(const struct graph_space *space, int64_t node, void *state)
{
	const struct codec *codec = space->rows.codec;
	if (!space->ip_edges) {
		codec_walk(codec)->begin_row(codec, &space->rows, node, state);
		return;
	}
	float *x = (float *)(void *)((char *)state + walk_bytes(space));
	codec_walk(codec)->begin(codec, rows_load(&space->rows, node, x), true, state);
}

void graph_origin_query(const struct graph_space *space, const float *q, void *state)
{
	codec_walk(space->rows.codec)->begin(space->rows.codec, q, space->ip, state);
}

void graph_keys(const struct graph_space *space, void *state, const uint32_t *nodes, int64_t n, float *key)
{
	codec_walk(space->rows.codec)->keys(space->rows.codec, state, &space->rows, nodes, n, key);
}
