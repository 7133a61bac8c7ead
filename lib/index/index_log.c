/* Graphs in a log of changes: visits all of them, wherever in the tree of an index they are. Nodes are
 * numbered as in the file of the whole index, a parent before its children. */
#include "lib/index/index_log.h"

/* Child number i of an index; NULL: there are no more. */
static kith_index *child_of(const kith_index *index, int64_t i)
{
	return index->ops->child ? index->ops->child(index, i) : NULL;
}

/* Count the nodes of a quantizer, in which nothing changes, and those below it; index NULL: there is none. */
static void skip(const kith_index *index, uint32_t *node, uint32_t *nodes)
{
	kith_index *child;
	if (!index)
		return;
	uint32_t parent = blob_enter(node, nodes);
	skip(structure_quantizer(index), node, nodes);
	for (int64_t i = 0; (child = child_of(index, i)); i++)
		skip(child, node, nodes);
	*node = parent;
}

kith_status structure_log_begin(kith_index *index)
{
	kith_status status = index->ops->log ? index->ops->log->begin(index) : KITH_OK;
	kith_index *child;
	for (int64_t i = 0; status == KITH_OK && (child = child_of(index, i)); i++)
		status = structure_log_begin(child);
	return status;
}

bool structure_log_changed(const kith_index *index)
{
	bool changed = index->ops->log && index->ops->log->changed(index);
	kith_index *child;
	for (int64_t i = 0; !changed && (child = child_of(index, i)); i++)
		changed = structure_log_changed(child);
	return changed;
}

const char *structure_log_lost(const kith_index *index)
{
	const char *lost = index->ops->log ? index->ops->log->lost(index) : NULL;
	kith_index *child;
	for (int64_t i = 0; !lost && (child = child_of(index, i)); i++)
		lost = structure_log_lost(child);
	return lost;
}

void structure_log_save(const kith_index *index, struct blob_writer *w)
{
	kith_index *child;
	if (index->ops->log && index->ops->log->changed(index))
		index->ops->log->save(index, w);
	skip(structure_quantizer(index), &w->node, &w->nodes);
	for (int64_t i = 0; (child = child_of(index, i)); i++) {
		uint32_t parent = blob_enter(&w->node, &w->nodes);
		structure_log_save(child, w);
		w->node = parent;
	}
}

/* load_begin or load_end for each graph, in its node. */
static kith_status load(kith_index *index, struct blob_reader *r, bool begin)
{
	const struct graph_log_ops *ops = index->ops->log;
	kith_index *child;
	kith_status status = KITH_OK;
	if (ops)
		status = begin ? ops->load_begin(index, r) : ops->load_end(index, r);
	skip(structure_quantizer(index), &r->node, &r->nodes);
	for (int64_t i = 0; status == KITH_OK && (child = child_of(index, i)); i++) {
		uint32_t parent = blob_enter(&r->node, &r->nodes);
		status = load(child, r, begin);
		r->node = parent;
	}
	return status;
}

kith_status structure_log_load_begin(kith_index *index, struct blob_reader *r)
{
	r->node = r->nodes = 0;
	return load(index, r, true);
}

kith_status structure_log_load_end(kith_index *index, struct blob_reader *r)
{
	r->node = r->nodes = 0;
	return load(index, r, false);
}
