/* How near stored vectors are to one another and to queries: the comparisons of the codec, adapted to the
 * geometry of the graph. */
#include "lib/graph/graph.h"

#include "kernels/kernels.h"
#include "lib/base/arena.h"
#include "lib/codec/codec.h"

#include <math.h>
#include <string.h>

/* The key of a zero vector under cosine: that of a right angle. */
static const double RIGHT_ANGLE = 2;

void graph_space_load(const struct graph_space *space, int64_t node, float *x)
{
	const float *row = rows_load(&space->rows, node, x);
	if (row != x)
		memcpy(x, row, (size_t)space->rows.dim * sizeof *x);
}

/* A zero vector that was encoded and decoded may be not quite zero. */
bool graph_space_is_null(const struct graph_space *space, int64_t node, float *x)
{
	graph_space_load(space, node, x);
	return space->unit && kernels()->ip_exact(x, x, space->rows.dim) < 0.25;
}

static const struct comparison *comparison(const struct graph_space *space)
{
	return compare_in_graph(&space->rows, space->metric, space->precision);
}

/* Whether rows that are normalized when loaded are compared as they are stored, by inner products, from which
 * their inverse lengths make keys. Wide keys are computed from decoded vectors instead. */
static bool by_lengths(const struct graph_space *space)
{
	return space->inverse && space->precision != KEYS_WIDE;
}

static size_t state_bytes(const struct graph_space *space)
{
	return align64(comparison(space)->bytes(&space->rows));
}

/* An origin is the state that the codec makes of a vector; for edges by a similarity, space for the decoded
 * vector follows. */
size_t graph_origin_bytes(const struct graph_space *space)
{
	size_t bytes = state_bytes(space);
	if (space->edges->similarity)
		bytes += (size_t)space->rows.dim * sizeof(float);
	if (space->zero || by_lengths(space))
		bytes += sizeof(float);
	return align64(bytes);
}

/* The number behind the codec's state: the key that it gives zero vectors; or, if by_lengths, the inverse
 * length of the origin, −1 for a query. */
static float *extra_number(const struct graph_space *space, void *state)
{
	return (float *)(void *)((char *)state + state_bytes(space));
}

void graph_origin_node(const struct graph_space *space, int64_t node, void *state)
{
	if (by_lengths(space)) {
		struct rows raw = space->rows;
		raw.normalize = false;
		comparison(space)->bind_row(&raw, node, &metric_ip, state);
		*extra_number(space, state) = space->inverse[node];
		return;
	}
	if (!space->edges->similarity) {
		comparison(space)->bind_row(&space->rows, node, space->edges, state);
		return;
	}
	float *x = (float *)(void *)((char *)state + state_bytes(space));
	comparison(space)->bind(&space->rows, rows_load(&space->rows, node, x), space->edges, state);
}

void graph_origin_query(const struct graph_space *space, const float *q, void *state)
{
	comparison(space)->bind(&space->rows, q, space->metric, state);
	if (by_lengths(space))
		*extra_number(space, state) = -1;
	if (!space->zero)
		return;
	struct rows row = space->rows;
	uint32_t first = 0;
	row.a = row.b = space->zero;
	row.n = 1;
	comparison(space)->gather(&row, state, &first, 1, extra_number(space, state));
}

/* Give zero vectors the key of a right angle. Only for rows with the key that the codec gives zero vectors
 * are codes compared: few others have that key to the last bit. */
static void set_zero_keys(
    const struct graph_space *space, void *state, const uint32_t *nodes, int64_t n, float *key)
{
	float zero = *extra_number(space, state);
	for (int64_t i = 0; i < n; i++)
		if (key[i] == zero &&
		    memcmp(rows_at(&space->rows, nodes[i]), space->zero, space->rows.stride) == 0)
			key[i] = graph_key_of(space, RIGHT_ANGLE);
}

/* Keys of rows at unit length from inner products with the rows as they are stored. */
static void keys_by_lengths(
    const struct graph_space *space, void *state, const uint32_t *nodes, int64_t n, float *key)
{
	float origin = *extra_number(space, state);
	struct rows raw = space->rows;
	raw.normalize = false;
	comparison(space)->gather(&raw, state, nodes, n, key);
	for (int64_t i = 0; i < n; i++) {
		float inverse = space->inverse[nodes[i]];
		key[i] *= inverse;
		/* ‖x − y‖² of vectors of length 1 or 0. */
		if (origin >= 0)
			key[i] = fmaxf(0, (float)((origin > 0) + (inverse > 0)) + 2 * key[i] * origin);
	}
}

void graph_keys(const struct graph_space *space, void *state, const uint32_t *nodes, int64_t n, float *key)
{
	if (by_lengths(space))
		keys_by_lengths(space, state, nodes, n, key);
	else
		comparison(space)->gather(&space->rows, state, nodes, n, key);
	if (space->zero)
		set_zero_keys(space, state, nodes, n, key);
}
