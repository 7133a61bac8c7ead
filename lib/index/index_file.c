/* Indexes in files: what is the same for every structure. A node begins with the number of its vectors and
 * whether it was trained; from there on the structure knows how big everything has to be. */
#include "lib/index/structure.h"

#include "lib/base/status.h"
#include "lib/index/ids.h"

/* The section "NODE". */
struct node {
	int64_t n;
	uint32_t trained;
	uint32_t zero;
};

void structure_save(const kith_index *index, struct blob_writer *w)
{
	if (w->status)
		return;
	if (!index->ops->save) {
		w->status = fail(KITH_UNSUPPORTED, "an index '%s' cannot be saved yet", index->spec);
		return;
	}
	struct node node = {.n = index->ops->size(index), .trained = index->trained};
	blob_write(w, "NODE", &node, sizeof node);
	index->ops->save(index, w);
}

kith_status structure_load(kith_index *index, struct blob_reader *r)
{
	struct node node;
	if (!index->ops->load)
		return fail(KITH_UNSUPPORTED, "an index '%s' cannot be read yet", index->spec);
	kith_status status = blob_read(r, "NODE", &node, sizeof node);
	if (status)
		return status;
	if (node.n < 0 || node.n > IDS_MAX || node.trained > 1 || node.zero || (node.n > 0 && !node.trained))
		return blob_fail(r, "NODE", "contradicts itself");
	uint32_t here = r->node;
	status = index->ops->load(index, node.n, node.trained, r);
	r->node = here;
	if (status == KITH_OK && (index->trained != node.trained || index->ops->size(index) != node.n))
		status = blob_fail(r, "NODE", "contradicts what follows it");
	return status;
}

void structure_save_child(const kith_index *child, struct blob_writer *w)
{
	uint32_t parent = blob_enter(&w->node, &w->nodes);
	structure_save(child, w);
	w->node = parent;
}

kith_status structure_load_child(kith_index *child, struct blob_reader *r)
{
	uint32_t parent = blob_enter(&r->node, &r->nodes);
	kith_status status = structure_load(child, r);
	if (status == KITH_OK)
		r->node = parent;
	return status;
}
