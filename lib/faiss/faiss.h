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

/* INVALID and UNTRAINED were excluded. */
kith_status faiss_export(const kith_index *index, struct blob_sink sink);

/* transform.c: the map of a transform and its inverse, and what kith calls it; m: parts of the product
 * quantizer that follows, 0: none does. */
kith_status faiss_import_map(const struct blob_source *source, const struct faiss_transform *transform,
    int64_t m, struct mapping *mapping, struct linear *forward, struct linear *inverse);

/* graph.c: the graph of a node, to be freed also after a failure, and a graph to a file. number
 * [graph->n]: of each node; order: the reverse; NULL: as they are. preset: its efSearch and efConstruction,
 * 0: kith's and FAISS's defaults. */
kith_status faiss_import_graph(
    const struct blob_source *source, const struct faiss_node *node, struct graph *graph);
void faiss_put_graph(struct faiss_writer *w, const struct graph *graph, const uint32_t *number,
    const uint32_t *order, const kith_preset *preset);

#endif
