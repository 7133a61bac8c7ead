/* Selecting edges among low-precision copies: graph_prune and graph_bulk share it. */
#ifndef KITH_GRAPH_PRUNE_H
#define KITH_GRAPH_PRUNE_H

#include "lib/graph/graph.h"
#include "lib/tile/form.h"

/* Write the low-precision copies of n candidates (n <= 64) into rows 0 … n − 1. */
typedef void pruner_fetch(
    void *arg, const struct candidate *candidates, int64_t n, const struct tile_vectors *rows);

/* The memory of one worker for selections. */
struct pruner {
	const struct tile_form *form;
	pruner_fetch *fetch;
	void *arg;
	struct tile_vectors rows; /* [64] the candidates of the present panel */
	struct tile_vectors kept; /* [degree] */
	struct tile_panel panel;
	void *temp;      /* for packing a panel */
	uint64_t *taken; /* [ceil(max / 64)] a bit per candidate */
};

/* Bytes of a pruner for up to `max` candidates and `degree` neighbours; and setting it up in such memory
 * (64-byte aligned). The caller sets fetch and arg. */
size_t pruner_bytes(const struct tile_form *form, int64_t max, int64_t degree);
void pruner_init(struct pruner *pruner, const struct tile_form *form, int64_t degree, void *memory);

/* As graph_prune. */
int64_t pruner_select(struct pruner *pruner, const struct graph_rule *rule, struct candidate *candidates,
    int64_t n, int64_t degree);

/* prune_ip.c: graph_prune by keys alone, for edges that are not chosen by squared L2. */
size_t prune_ip_bytes(const struct graph_space *space, int64_t max);
int64_t prune_ip(const struct graph_space *space, uint32_t self, struct candidate *candidates, int64_t n,
    int64_t degree, void *scratch);

#endif
