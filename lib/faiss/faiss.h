/* Files of FAISS, wherever their bytes are. */
#ifndef KITH_FAISS_FAISS_H
#define KITH_FAISS_FAISS_H

#include <kith/faiss.h>
#include <kith/preset.h>

#include "lib/faiss/format.h"
#include "lib/graph/graph.h"
#include "lib/index/parts.h"
#include "lib/index/structure.h"
#include "lib/learn/linear.h"

/* options as of kith_index_import_faiss, checked; labelled: as of kith_index_import_faiss_labels. */
kith_status faiss_import(
    kith_index **out, const struct blob_source *source, bool labelled, kith_search_options *options);

/* index is trained. Errors as kith_index_export_faiss. */
kith_status faiss_export(const kith_index *index, struct blob_sink sink);

/* transform.c: the linear map of a transform, its inverse, and which of kith's transforms it is; m:
 * sub-vectors of the product quantizer that follows, 0: none does. */
kith_status faiss_import_map(const struct blob_source *source, const struct faiss_transform *transform,
    int64_t m, struct mapping *mapping, struct linear *forward, struct linear *inverse);

/* graph.c: read the graph of a node, which is to be freed also after a failure, and write one. number
 * [graph->n]: the number of each node; order: the node of each number; NULL: nodes keep their numbers. Of
 * preset efSearch and efConstruction are written; 0: kith's default of the one, FAISS's of the other. */
kith_status faiss_import_graph(
    const struct blob_source *source, const struct faiss_node *node, struct graph *graph);
void faiss_put_graph(struct faiss_writer *w, const struct graph *graph, const uint32_t *number,
    const uint32_t *order, const kith_preset *preset);

#endif
