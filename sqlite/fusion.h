/* One ranking out of two: a text search's and a vector search's. */
#ifndef KITH_SQLITE_FUSION_H
#define KITH_SQLITE_FUSION_H

#include <stdint.h>

enum fusion { FUSION_RRF, FUSION_RELATIVE, FUSION_DBSF };

/* A row of one side; larger scores are better. */
struct ranked {
	int64_t rowid;
	double score;
	double value; /* what it counts after normalisation */
};

struct side {
	int64_t n, room;
	struct ranked *items;
};

/* A row of the fused ranking. */
struct fused {
	int64_t rowid;
	double score;
	double text, vector; /* scores as they came; NaN: the side does not have the row */
};

int side_push(struct side *s, int64_t rowid, double score);
void side_free(struct side *s);

/* Fuse them, the best first, ties by rowid; rows of which both sides count 0 are left out. alpha: weight of
 * the vector side, NaN: both count in full. *out is freed with sqlite3_free. 0: out of memory. */
int fusion_run(enum fusion how, double alpha, double rrf_k, struct side *text, struct side *vector,
    struct fused **out, int64_t *n);

#endif
