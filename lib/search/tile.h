/* The tile pass: what tile.c and its two halves, rows (panel.c) and queries (block.c), share. */
#ifndef KITH_SEARCH_TILE_H
#define KITH_SEARCH_TILE_H

#include "lib/search/search.h"
#include "lib/tile/form.h"

/* A panel of rows, in groups of 64 with their dwords interleaved. */
struct panel {
	int64_t n;
	uint32_t *data;        /* [groups × depth × 64] */
	uint32_t *row;         /* [rows] the number of each in the task's base */
	struct tile_vectors v; /* [rows] norms, errors and scales; c = x − mean */
	float *low;            /* [rows] the part of the key that does not depend on the query */
	char *temp;            /* [64 rows] in the tile's form */
	float *products;       /* with a BLAS: [TILE_QUERIES × rows] */
};

/* The queries of the task in the form of tiles; y is the query minus its centre. */
struct query_block {
	struct tile_vectors v; /* [block] */
	float *unit;           /* [block] the number by which keys of inner products are divided */
	double *offset;        /* [block] ⟨mean, query⟩ */
	float *thr;            /* [block] threshold of the tile keys */
};

struct tile {
	enum tile_kind kind;
	struct tile_form form, query_form; /* of rows and queries, which differ in the centre */
	const float *mean;                 /* [dim]; NULL: zero */
	float shift;                       /* inner product: y = query − shift */
	float *shifts;                     /* [dim] shift for every component */
	int64_t rows;                      /* the most rows in a panel */
	double gamma; /* the error of the tile's sums is at most gamma · ‖ĉ‖ · ‖ŷ‖ */
	bool stale;   /* a query got its first threshold after panel_lows, which did not include it */
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

/* panel.c: fill the panel with passing rows from *row on, before `end`, and advance *row. False: failed. */
bool panel_fill(struct task *t, int64_t *row, int64_t end);

/* panel.c: compute `low` of all rows for those of queries from … to − 1 of the task that have a bound. */
void panel_lows(struct task *t, int64_t from, int64_t to);

/* block.c: bring the task's queries into the form of tile->kind; set the threshold of a query from its
 * pool. */
void block_fill(struct task *t);
void block_threshold(struct task *t, int64_t q);

/* tile.c: set up the tile for a kind, without queries; compare the task's rows with its queries, which
 * returns false if the search was stopped. */
void tile_prepare(struct task *t, enum tile_kind kind);
bool tile_pass(struct task *t);

#endif
