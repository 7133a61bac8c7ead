/* How near stored vectors are to one another and to queries: the codec's way of scoring gathered rows, put
 * into the geometry of the graph. */
#include "lib/graph/graph.h"

#include "kernels/kernels.h"
#include "lib/base/arena.h"
#include "lib/codec/codec.h"

#include <string.h>

/* Key of a zero vector under cosine: that of a right angle. */
static const double RIGHT_ANGLE = 2;

void graph_space_load(const struct graph_space *space, int64_t node, float *x)
{
	const float *row = rows_load(&space->rows, node, x);
	if (row != x)
		memcpy(x, row, (size_t)space->rows.dim * sizeof *x);
}

/* What codes make of a zero vector is not quite zero. */
bool graph_space_is_null(const struct graph_space *space, int64_t node, float *x)
{
	graph_space_load(space, node, x);
	return space->unit && kernels()->ip_exact(x, x, space->rows.dim) < 0.25;
}

static size_t walk_bytes(const struct graph_space *space)
{
	return align64(codec_walk(space->rows.codec, space->precision)->bytes(space->rows.codec));
}

/* An origin is what the codec makes of a vector; for edges by
 * a similarity there is room for it, decoded, behind that. */
size_t graph_origin_bytes(const struct graph_space *space)
{
	size_t bytes = walk_bytes(space);
	if (space->edges->similarity)
		bytes += (size_t)space->rows.dim * sizeof(float);
	if (space->zero)
		bytes += sizeof(float);
	return align64(bytes);
}

void graph_origin_node(const struct graph_space *space, int64_t node, void *state)
{
	const struct codec *codec = space->rows.codec;
	if (!space->edges->similarity) {
		codec_walk(codec, space->precision)
		    ->begin_row(codec, &space->rows, node, space->edges, state);
		return;
	}
	float *x = (float *)(void *)((char *)state + walk_bytes(space));
	codec_walk(codec, space->precision)
	    ->begin(codec, rows_load(&space->rows, node, x), space->edges, state);
}

/* Behind the codec's state: the key that it gives zero vectors. */
static float *zero_key(const struct graph_space *space, void *state)
{
	return (float *)(void *)((char *)state + walk_bytes(space));
}

void graph_origin_query(const struct graph_space *space, const float *q, void *state)
{
	const struct codec *codec = space->rows.codec;
	codec_walk(codec, space->precision)->begin(codec, q, space->metric, state);
	if (!space->zero)
		return;
	struct rows row = space->rows;
	uint32_t first = 0;
	row.a = row.b = space->zero;
	row.n = 1;
	codec_walk(codec, space->precision)->keys(codec, state, &row, &first, 1, zero_key(space, state));
}

/* Few vectors that are not zero have the key of one, to the last bit. */
static void mend_zeros(
    const struct graph_space *space, void *state, const uint32_t *nodes, int64_t n, float *key)
{
	float zero = *zero_key(space, state);
	for (int64_t i = 0; i < n; i++)
		if (key[i] == zero &&
		    memcmp(rows_at(&space->rows, nodes[i]), space->zero, space->rows.stride) == 0)
			key[i] = graph_key_of(space, RIGHT_ANGLE);
}

void graph_keys(const struct graph_space *space, void *state, const uint32_t *nodes, int64_t n, float *key)
{
	codec_walk(space->rows.codec, space->precision)
	    ->keys(space->rows.codec, state, &space->rows, nodes, n, key);
	if (space->zero)
		mend_zeros(space, state, nodes, n, key);
}
