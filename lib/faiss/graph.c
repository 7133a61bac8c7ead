/* HNSW graphs of FAISS's files. FAISS keeps all lists of all nodes in one array: those of a node one after
 * another, level 0 first, each as wide as its level allows, with −1 behind the last neighbour. FAISS counts
 * levels from 1, kith from 0. */
#include "lib/faiss/faiss.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/index/hnsw.h"

#include <math.h>

/* Neighbours of the widest list; FAISS's default efConstruction; kith's default efSearch. */
enum { WIDEST = 4 * GRAPH_MAX_M, EF_CONSTRUCTION = 40, EF_SEARCH = 64 };

struct shape {
	int32_t widths[GRAPH_MAX_LEVEL + 2]; /* neighbours below each level */
	int levels, M;
};

/* Read the widths of levels 0 … top, and find the M whose lists hold so many neighbours. */
static kith_status load_shape(
    const struct blob_source *source, const struct faiss_node *node, int top, struct shape *shape)
{
	*shape = (struct shape){.levels = top + 1, .M = GRAPH_MIN_M};
	if (node->widths.n < shape->levels + 1)
		return faiss_fail(source, "'%s' has nodes of level %d, but widths of %lld", node->fourcc, top,
		    (long long)node->widths.n - 1);
	kith_status status = faiss_load(
	    source, node->widths.offset, 0, shape->levels + 1, sizeof *shape->widths, shape->widths);
	for (int l = 0; status == KITH_OK && l <= top; l++) {
		int64_t width = (int64_t)shape->widths[l + 1] - shape->widths[l];
		if (width < 0 || (l == 0 && shape->widths[0] != 0))
			return faiss_fail(source, "'%s' has %lld neighbour%s on level %d", node->fourcc,
			    (long long)width, PLURAL(width), l);
		int64_t M = l == 0 ? (width + 1) / 2 : width;
		if (M > GRAPH_MAX_M)
			return fail(KITH_UNSUPPORTED,
			    "%s: '%s' has %lld neighbour%s on level %d; kith's M goes to %d", source->name,
			    node->fourcc, (long long)width, PLURAL(width), l, GRAPH_MAX_M);
		shape->M = M > shape->M ? (int)M : shape->M;
	}
	return status;
}

/* Read the level of each node into a new array; *top: the highest, −1: there are no nodes. */
static kith_status load_levels(
    const struct blob_source *source, const struct faiss_node *node, uint8_t **levels, int *top)
{
	enum { CHUNK = 1024 };
	int32_t some[CHUNK];
	kith_status status = KITH_OK;
	*top = -1;
	*levels = mem_alloc((size_t)node->n, 1);
	if (!*levels)
		return fail_nomem("levels", (size_t)node->n);
	for (int64_t from = 0, n; status == KITH_OK && from < node->n; from += n) {
		n = node->n - from < CHUNK ? node->n - from : CHUNK;
		status = faiss_load(source, node->levels.offset, from, n, sizeof *some, some);
		for (int64_t i = 0; status == KITH_OK && i < n; i++) {
			if (some[i] < 1)
				return faiss_fail(source, "node %lld of '%s' has %d levels",
				    (long long)(from + i), node->fourcc, some[i]);
			if (some[i] > GRAPH_MAX_LEVEL + 1)
				return fail(KITH_UNSUPPORTED,
				    "%s: node %lld of '%s' has %d levels; kith's have %d", source->name,
				    (long long)(from + i), node->fourcc, some[i], GRAPH_MAX_LEVEL + 1);
			(*levels)[from + i] = (uint8_t)(some[i] - 1);
			*top = some[i] - 1 > *top ? some[i] - 1 : *top;
		}
	}
	return status;
}

/* Copy one of FAISS's lists. Repeated edges and edges of a node to itself are left out. False: it references
 * a node that does not exist on this level. */
static bool copy_list(const struct graph *graph, int64_t node, int level, const int32_t *from, int64_t width)
{
	uint32_t *to = graph_links(graph, node, level);
	int count = 0;
	for (int64_t i = 0; i < width && from[i] >= 0; i++) {
		bool new = from[i] != node;
		if (from[i] >= graph->n || graph_level(graph, from[i]) < level)
			return false;
		for (int j = 0; new &&j < count; j++)
			new = to[j] != (uint32_t)from[i];
		if (new)
			to[count++] = (uint32_t)from[i];
	}
	return true;
}

/* Copy the lists of one node. */
static kith_status copy_lists(const struct blob_source *source, const struct faiss_node *node,
    const struct shape *shape, const struct graph *graph, int64_t i)
{
	int32_t list[WIDEST];
	uint64_t offset;
	int top = graph_level(graph, i);
	kith_status status = faiss_load(source, node->offsets.offset, i, 1, sizeof offset, &offset);
	if (status == KITH_OK && (offset > (uint64_t)node->neighbors.n ||
	                             (uint64_t)shape->widths[top + 1] > (uint64_t)node->neighbors.n - offset))
		return faiss_fail(source, "node %lld of '%s' has its neighbours at %llu, of %lld",
		    (long long)i, node->fourcc, (unsigned long long)offset, (long long)node->neighbors.n);
	for (int l = 0; status == KITH_OK && l <= top; l++) {
		int64_t width = shape->widths[l + 1] - shape->widths[l];
		status = faiss_load(source, node->neighbors.offset, (int64_t)offset + shape->widths[l], width,
		    sizeof *list, list);
		if (status == KITH_OK && !copy_list(graph, i, l, list, width))
			return faiss_fail(source,
			    "node %lld of '%s' has a neighbour on level %d that does not exist", (long long)i,
			    node->fourcc, l);
	}
	return status;
}

kith_status faiss_import_graph(
    const struct blob_source *source, const struct faiss_node *node, struct graph *graph)
{
	struct shape shape;
	uint8_t *levels = NULL;
	int top;
	if (node->n > GRAPH_MAX_NODES)
		return fail(KITH_UNSUPPORTED, "%s: '%s' has %lld nodes; a graph has at most %lld",
		    source->name, node->fourcc, (long long)node->n, (long long)GRAPH_MAX_NODES);
	kith_status status = load_levels(source, node, &levels, &top);
	if (status == KITH_OK)
		status = load_shape(source, node, top < 1 ? 1 : top, &shape);
	uint32_t entry = node->n == 0 ? GRAPH_NONE : (uint32_t)node->entry;
	if (status == KITH_OK && node->n > 0 &&
	    (node->entry < 0 || node->entry >= node->n || levels[entry] != top))
		status =
		    faiss_fail(source, "'%s' is entered at node %d, which is not on the highest level, %d",
		        node->fourcc, node->entry, top);
	if (status == KITH_OK) {
		graph_init(graph, shape.M);
		status = graph_begin(graph, node->n, levels, entry);
	}
	for (int64_t i = 0; status == KITH_OK && i < node->n; i++)
		status = copy_lists(source, node, &shape, graph, i);
	mem_free(levels);
	return status;
}

/* ---- writing ---- */

/* Width of the lists of levels 0 … level together. */
static int64_t lists_width(const struct graph *graph, int level)
{
	return graph->stride + level * (int64_t)graph->M;
}

/* The probability of each level, down to 1e-9, and the number of neighbours below it. */
static void put_shape(struct faiss_writer *w, const struct graph *graph)
{
	enum { MAX = 64 };
	double chances[MAX], scale = log((double)graph->M);
	int levels = 0;
	for (; levels < MAX - 1; levels++) {
		chances[levels] = exp(-levels * scale) * (1 - exp(-scale));
		if (chances[levels] < 1e-9 && levels > graph_top(graph))
			break;
	}
	faiss_put_array(w, chances, levels, sizeof *chances);
	faiss_put_i64(w, levels + 1);
	for (int l = 0; l <= levels; l++)
		faiss_put_i32(w, l == 0 ? 0 : lists_width(graph, l - 1));
}

static int64_t number_of(const uint32_t *numbers, int64_t i)
{
	return numbers ? (int64_t)numbers[i] : i;
}

static void put_list(
    struct faiss_writer *w, const struct graph *graph, int64_t node, int level, const uint32_t *number)
{
	const uint32_t *list = graph_links(graph, node, level);
	for (int i = 0; i < graph_width(graph, level); i++)
		faiss_put_i32(w, list[i] == GRAPH_NONE ? -1 : number_of(number, list[i]));
}

void faiss_put_graph(struct faiss_writer *w, const struct graph *graph, const uint32_t *number,
    const uint32_t *order, const kith_preset *preset)
{
	int64_t n = graph->n, at = 0;
	put_shape(w, graph);
	faiss_put_i64(w, n);
	for (int64_t i = 0; i < n; i++)
		faiss_put_i32(w, graph_level(graph, number_of(order, i)) + 1);
	faiss_put_i64(w, n + 1);
	faiss_put_i64(w, 0);
	for (int64_t i = 0; i < n; i++) {
		at += lists_width(graph, graph_level(graph, number_of(order, i)));
		faiss_put_i64(w, at);
	}
	faiss_put_i64(w, at);
	for (int64_t i = 0; i < n && !w->status; i++)
		for (int l = 0; l <= graph_level(graph, number_of(order, i)); l++)
			put_list(w, graph, number_of(order, i), l, number);
	faiss_put_i32(w, n ? number_of(number, graph->entry) : -1);
	faiss_put_i32(w, graph_top(graph));
	faiss_put_i32(w, preset->efConstruction ? preset->efConstruction : EF_CONSTRUCTION);
	faiss_put_i32(w, preset->efSearch ? preset->efSearch : EF_SEARCH);
	faiss_put_i32(w, 1);
}
