/* Metrics: what it means for two vectors to be near. Each metric has a file; metric.c has the list of them.
 *
 * Inside the library vectors are compared by keys, of which smaller is nearer. The key of a distance is the
 * distance itself (for L2 its square), and that of a similarity is minus the similarity. Keys become scores
 * at the API. A search looks up the kernels once (metric_kernels) and calls them for blocks of rows.
 *
 * Product form. If a key follows from an inner product, many vectors are compared with many by tiles
 * (lib/tile, lib/search/tile.c), and codes are compared without being decoded. A metric without product form
 * is scanned by kernels of its own, and needs vectors that are kept as floats. Of these, L1 and Linf can be
 * bounded by the upper halves of floats. The others (`whole`) cannot, or are dominated by arithmetic, and
 * have one kernel, for rows of whole floats.
 */
#ifndef KITH_METRIC_METRIC_H
#define KITH_METRIC_METRIC_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/library.h>

#include "kernels/kernels.h"

/* The error of a key of low precision: the true key is within key ± (abs + rel · |key|). For L2, its root may
 * then differ by `root`, the distance between the vector that was compared and the one that is meant. */
struct error_bound {
	double abs, rel, root;
};

/* Which vectors a metric compares: finite ones; those without negative elements; or those in which NaN stands
 * for a missing value. */
enum metric_domain { DOMAIN_FINITE, DOMAIN_NOT_NEGATIVE, DOMAIN_MISSING };

/* How a key follows from ⟨q, x⟩: not at all, as ‖q‖² − 2⟨q, x⟩ + ‖x‖², or as −⟨q, x⟩. */
enum metric_product { PRODUCT_NONE, PRODUCT_L2, PRODUCT_IP };

/* A metric's kernels for the instruction set in use. For a similarity they give the similarity itself, and
 * the key is minus that (negate). Metrics without product form have only the kernels up to split_gather. */
struct metric_kernels {
	bool negate;
	kernel_exact_fn *exact;
	kernel_f32_fn *f32, *bf16;
	kernel_f32_gather_fn *f32_gather, *bf16_gather;
	kernel_split_gather_fn *split_gather;

	kernel_f32_fn *f16;
	kernel_f32_gather_fn *f16_gather;
	kernel_i32_fn *u8, *i8;
	kernel_i32_gather_fn *u8_gather, *i8_gather;

	/* Lp instead of exact and f32, with its exponent. */
	kernel_lp_exact_fn *lp_exact;
	kernel_lp_fn *lp;
	float p;
};

struct metric {
	kith_metric id;
	const char *name; /* in the API and on the command line */
	int faiss;        /* its number in FAISS's files */
	float p;          /* the exponent of Lp */
	bool similarity;  /* larger is nearer, and the key is minus the score */
	bool one_minus;   /* larger is nearer, and the key is 1 − the score */
	bool unit;        /* vectors are compared at unit length */
	bool whole;       /* only exact, f32 and their like of Lp are there */
	enum metric_product product;
	enum metric_domain domain;

	void (*kernels)(const struct kernels *kern, struct metric_kernels *m);

	/* The error of a float key that a kernel gives for q and x̂ instead of x, with ‖q‖ <= qnorm,
	 * ‖x − x̂‖ <= err and ‖x̂‖ <= norm. Only similarities use qnorm and norm. */
	struct error_bound (*error_bound)(int64_t dim, double qnorm, double err, double norm);

	/* Instead, if whole: the error of a finite key. */
	struct error_bound (*whole_bound)(const struct metric *metric, int64_t dim);

	/* The largest Euclidean distance that two vectors with this key can have; ∞: any. */
	double (*radius)(double key, int64_t dim);
};

extern const struct metric metric_l2, metric_ip, metric_cosine, metric_l1, metric_linf;
extern const struct metric metric_canberra, metric_bray_curtis, metric_jensen_shannon, metric_jaccard,
    metric_nan_euclidean;

/* Lp with the exponent p. NULL: p is not a positive finite number, or the table of exponents is full. */
const struct metric *metric_lp(float p);

/* The metric with this number in the API, or in FAISS, where Lp has an argument. NULL: there is none. */
const struct metric *metric_of(kith_metric id);
const struct metric *metric_of_faiss(int number, float argument);

/* The names of all metrics, for messages: "l2, ip, …". */
#define METRIC_NAMES 128
void metric_names(char names[METRIC_NAMES]);

/* The metric for vectors that have unit length already. */
static inline const struct metric *metric_of_unit(const struct metric *metric)
{
	return metric->unit ? &metric_ip : metric;
}

static inline struct metric_kernels metric_kernels(const struct metric *metric)
{
	struct metric_kernels m = {.negate = metric->similarity, .p = metric->p};
	metric->kernels(kernels(), &m);
	return m;
}

/* Whether larger scores are nearer; the score of a key, and the key of a score. */
static inline bool metric_favours_large(const struct metric *metric)
{
	return metric->similarity || metric->one_minus;
}

static inline double metric_convert(const struct metric *metric, double key_or_score)
{
	return metric->similarity ? -key_or_score : metric->one_minus ? 1 - key_or_score : key_or_score;
}

/* The first of n elements that vectors may not have; −1: there is none. What they must be: "finite", … */
int64_t metric_find_bad(enum metric_domain domain, const float *x, int64_t n);
const char *metric_wanted(enum metric_domain domain);

/* The exact key of two vectors: double precision, the same bits on every instruction set. */
static inline double metric_exact(const struct metric_kernels *m, const float *q, const float *x, int64_t dim)
{
	if (m->lp_exact)
		return m->lp_exact(q, x, dim, m->p);
	double score = m->exact(q, x, dim);
	return m->negate ? -score : score;
}

/* Scores of a query and n rows of whole floats. */
static inline void metric_f32(const struct metric_kernels *m, const float *q, const void *rows, size_t stride,
    int64_t n, int64_t dim, float *score)
{
	if (m->lp)
		m->lp(q, rows, stride, n, dim, m->p, score);
	else
		m->f32(q, rows, stride, n, dim, score);
}

/* Turn n scores that kernels gave into keys. */
static inline void metric_keys(const struct metric_kernels *m, float *score, int64_t n)
{
	for (int64_t i = 0; m->negate && i < n; i++)
		score[i] = -score[i];
}

/* A float that stands for a key in double, and the key again. Both functions are monotone. The float is the
 * fourth root, which does not overflow for any squared distance or inner product of floats, with 24 bits. */
float wide_key(double key);
double wide_value(float key);

/* For the files of metrics: set the kernels of an operation by its name in kernels.def. */
#define METRIC_FLOAT_KERNELS(m, kern, op)                                                                    \
	do {                                                                                                 \
		(m)->exact = (kern)->op##_exact;                                                             \
		(m)->f32 = (kern)->op##_f32;                                                                 \
		(m)->bf16 = (kern)->op##_bf16;                                                               \
		(m)->f32_gather = (kern)->op##_f32_gather;                                                   \
		(m)->bf16_gather = (kern)->op##_bf16_gather;                                                 \
		(m)->split_gather = (kern)->op##_split_gather;                                               \
	} while (0)

/* The same for a metric that reads whole floats only. */
#define METRIC_WHOLE_KERNELS(m, kern, op)                                                                    \
	do {                                                                                                 \
		(m)->exact = (kern)->op##_exact;                                                             \
		(m)->f32 = (kern)->op##_f32;                                                                 \
	} while (0)

#define METRIC_PRODUCT_KERNELS(m, kern, op)                                                                  \
	do {                                                                                                 \
		METRIC_FLOAT_KERNELS(m, kern, op);                                                           \
		(m)->f16 = (kern)->op##_f16;                                                                 \
		(m)->f16_gather = (kern)->op##_f16_gather;                                                   \
		(m)->u8 = (kern)->op##_u8;                                                                   \
		(m)->i8 = (kern)->op##_i8;                                                                   \
		(m)->u8_gather = (kern)->op##_u8_gather;                                                     \
		(m)->i8_gather = (kern)->op##_i8_gather;                                                     \
	} while (0)

/* The relative error of a float kernel's sum over dim elements (kernels.h). */
static inline double metric_rounding(int64_t dim)
{
	return (double)(dim + 8) * 0x1p-24;
}

#endif
