/* Search problems made to break error bounds, and their answers by brute force in double precision. */
#ifndef KITH_TESTS_PROBLEM_H
#define KITH_TESTS_PROBLEM_H

#include "tests/support/support.h"

/* What the vectors look like. From BYTES on the base is made of bytes. */
enum data_kind {
	GAUSSIAN,
	SIFT_LIKE,       /* small non-negative integers, most of them 0 */
	CLUSTERED,       /* tight clusters far apart */
	NEAR_DUPLICATES, /* differences of a few units in the last place at 1e4 */
	EQUAL,           /* one vector, again and again */
	OUTLIER_1E20,    /* one row that squares to infinity */
	OUTLIER_3E38,    /* one component near the end of the range */
	LIMITS,          /* 0, 1, ±FLT_MAX, ±FLT_MIN, the least denormal */
	TINY,            /* 1e-30 */
	DENORMAL,        /* 1e-42 */
	TINY_ROWS,       /* rows of 1e-25, queries of 1e8 */
	DENORMAL_ROWS,   /* rows of 1e-41, queries of 1e15 */
	TINY_QUERIES,    /* rows of 1e10, queries of 1e-35 */
	ZEROS,           /* many zero vectors, +0 and −0 */
	HETEROGENEOUS,   /* a scale per dimension, 1e-3 … 1e6 */
	HEAVY_TAILED,    /* norms over six decades */
	INTEGERS,        /* −1000 … 1000 */
	BIG_INTEGERS,    /* −2^20 … 2^20 */
	SIGNED_BYTES,    /* −128 … 127, as floats */
	CONSTANT_DIMS,   /* every other dimension is constant */
	TIES,            /* 0 and 1 */
	COPIES,          /* queries are rows of the base */
	FAR_QUERIES,     /* the base is a speck, the queries are elsewhere */
	ALMOST_BYTES,    /* bytes, but for a few rows that a sample will miss */
	APPROACHING,     /* each row is nearer than all before it */
	BYTES,           /* u8 and i8: all values */
	BYTES_EXTREME,   /* only the least and the greatest */
	BYTES_FEW,       /* 0, 1, 2: many ties */
	DATA_KINDS
};

extern const char *const data_names[];

struct problem {
	enum data_kind kind;
	kith_metric metric;
	kith_type base_type, query_type;
	int64_t n, dim, nq, k;
	void *x, *q;
	int64_t *ids;  /* [n] ids of the rows; NULL: row numbers */
	uint8_t *pass; /* [n] which rows the filter lets through; NULL: no filter */
	int64_t passing;
	bool integral; /* all keys are integers below 2^53: no rounding anywhere */
	char text[256];
	float *xf, *qf;        /* as floats, normalised for cosine */
	double *xnorm, *qnorm; /* their norms */
	int64_t (*by_id)[2];   /* [n] (id, row), sorted */
	kith_filter *filter;   /* over ids; NULL: none */
};

/* Which sizes to draw; the draws of one deck use every value before one comes again. */
struct decks;

struct decks *decks_new(uint64_t seed);
void decks_free(struct decks *decks);

/* A problem with at most `work` multiplications. */
void problem_make(struct problem *p, struct decks *decks, enum data_kind kind, int64_t work);

/* A problem of the caller's: kind, metric, n, dim, nq, k and integral are set, x and q are taken. */
void problem_take(struct problem *p, kith_type type, void *x, void *q);

void problem_free(struct problem *p);

/* An index with the problem's rows, added in two pieces. */
kith_index *problem_index(const struct problem *p);

/* Whether larger is nearer. */
static inline bool problem_similarity(const struct problem *p)
{
	return p->metric == KITH_IP || p->metric == KITH_COSINE || p->metric == KITH_JACCARD;
}

/* The key of a score, and the score of a key. */
static inline double problem_convert(const struct problem *p, double key)
{
	return p->metric == KITH_JACCARD ? 1 - key : problem_similarity(p) ? -key : key;
}

/* Key of a row, smaller is nearer, in double: the distance, minus the similarity, or 1 minus it (Jaccard). */
double problem_key(const struct problem *p, int64_t query, int64_t row);

/* How far two correct double-precision sums of this key can lie apart. */
double problem_tolerance(const struct problem *p, int64_t query, int64_t row, double key);

/* Aborts the test unless dist, ids [nq × k] are the answer. */
void problem_check_topk(const struct problem *p, const float *dist, const int64_t *ids);

/* The same for a range search. */
void problem_check_range(const struct problem *p, float radius, const kith_ranges *ranges);

#endif
