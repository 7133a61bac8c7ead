/* Fusing the rankings of a text search and a vector search into one. */
#ifndef KITH_SQLITE_FUSION_H
#define KITH_SQLITE_FUSION_H

#include <stdint.h>

enum fusion { FUSION_RRF, FUSION_RELATIVE, FUSION_DBSF };

/* A row of one ranking; larger scores are better. */
struct ranked {
	int64_t rowid;
	double score;
	double value; /* the normalised score */
};

struct side {
	int64_t n, room;
	struct ranked *items;
};

/* A row of the fused ranking. */
struct fused {
	int64_t rowid;
	double score;
	double text, vector; /* the original scores; NaN: the side does not have the row */
};

int side_push(struct side *s, int64_t rowid, double score);
void side_free(struct side *s);

/* Fuse two rankings, best row first, equal scores by rowid. Rows whose fused score is 0 are dropped.
 * alpha: the weight of the vector side; NaN: both weights are 1. Free *out with sqlite3_free. Returns 0 if
 * out of memory. */
int fusion_run(enum fusion how, double alpha, double rrf_k, struct side *text, struct side *vector,
    struct fused **out, int64_t *n);

#endif
