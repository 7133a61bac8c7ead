/* The tile pass: what tile.c and its two halves, rows (panel.c) and queries (block.c), share. */
#ifndef KITH_SEARCH_TILE_H
#define KITH_SEARCH_TILE_H

#include "lib/search/search.h"
#include "lib/tile/form.h"

/* Rows of the panel in work: up to `rows` of them, in groups of 64 with their dwords interleaved. */
struct panel {
	int64_t n;
	uint32_t *data;        /* [groups × depth × 64] */
	uint32_t *row;         /* [rows] where each comes from */
	struct tile_vectors v; /* [rows] what is known of them; c = x − mean */
	float *low;            /* the part of the key that does not depend on the query */
	char *temp;            /* [64 rows], in floats */
	float *products;       /* BLAS only: [TILE_QUERIES × rows] */
};

/* Queries of the task, as the tile sees them. y is the query less its centre. */
struct query_block {
	struct tile_vectors v; /* [block] */
	float *unit;           /* keys of inner products are divided by it */
	double *offset;        /* ⟨mean, query⟩ */
	float *thr;            /* threshold of the tile keys */
};

struct tile {
	enum tile_kind kind;
	struct tile_form form, query_form; /* they differ in the centre */
	const float *mean;                 /* [dim] or NULL: zero */
	float shift;                       /* inner product: y = query − shift */
	float *shifts;                     /* [dim] of it */
	int64_t rows;                      /* in a panel at most */
	double gamma; /* the tile's sums are off by at most gamma · ‖ĉ‖ · ‖ŷ‖ */
	bool stale;   /* a query got its first threshold since panel_lows, which left it out */
	float *keys;  /* [TILE_QUERIES × TILE_ROWS] */
	struct panel panel;
	struct query_block q;
};

/* Σ ĉ of a row of bytes. */
static inline float panel_sum(const struct panel *p, int64_t row)
{
	int32_t sum = p->v.bias[row] / -128;
	return p->v.scale[row] * (float)sum;
}

/* panel.c: fill the panel with passing rows from *row on, before `end`; advances *row. False: failed. */
bool panel_fill(struct task *t, int64_t *row, int64_t end);

/* panel.c: `low` of all rows for queries from … to − 1 of the task, as far as they are bounded. */
void panel_lows(struct task *t, int64_t from, int64_t to);

/* block.c: the task's queries in the form that tile->kind wants, thresholds from the pools. */
void block_fill(struct task *t);
void block_threshold(struct task *t, int64_t q);

/* tile.c: set the tile up for a kind, without queries; pass all of base over the task's queries. The latter
 * returns false when the search was stopped. */
void tile_prepare(struct task *t, enum tile_kind kind);
bool tile_pass(struct task *t);

#endif
