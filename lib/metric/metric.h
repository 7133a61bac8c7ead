/* Metrics: what it means for two vectors to be near. Each metric has a file; metric.c has the list of them.
 *
 * Inside the library vectors are compared by keys, of which smaller is nearer. The key of a distance is the
 * distance itself (for L2 its square), and that of a similarity is minus the similarity. Keys become scores
 * at the API. A search looks up the kernels once (metric_kernels) and calls them for blocks of rows.
 *
 * Product form. If a key follows from an inner product, many vectors are compared with many by tiles
 * (lib/tile, lib/search/tile.c), and codes are compared without being decoded. A metric without product form
 * is scanned by kernels of its own, and needs vectors that are kept as floats.
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
};

struct metric {
	kith_metric id;
	const char *name; /* in the API and on the command line */
	int faiss;        /* its number in FAISS's files */
	bool similarity;  /* larger is nearer */
	bool unit;        /* vectors are compared at unit length */
	enum metric_product product;

	void (*kernels)(const struct kernels *kern, struct metric_kernels *m);

	/* The error of a float key that a kernel gives for q and x̂ instead of x, with ‖q‖ <= qnorm,
	 * ‖x − x̂‖ <= err and ‖x̂‖ <= norm. Only similarities use qnorm and norm. */
	struct error_bound (*error_bound)(int64_t dim, double qnorm, double err, double norm);

	/* The largest Euclidean distance that two vectors with this key can have; ∞: any. */
	double (*radius)(double key, int64_t dim);
};

extern const struct metric metric_l2, metric_ip, metric_cosine, metric_l1, metric_linf;

/* The metric with this number in the API, or in FAISS. NULL: there is none. */
const struct metric *metric_of(kith_metric id);
const struct metric *metric_of_faiss(int number);

/* The names of all metrics, for messages: "l2, ip, …". */
#define METRIC_NAMES 64
void metric_names(char names[METRIC_NAMES]);

/* The metric for vectors that have unit length already. */
static inline const struct metric *metric_of_unit(const struct metric *metric)
{
	return metric->unit ? &metric_ip : metric;
}

static inline struct metric_kernels metric_kernels(const struct metric *metric)
{
	struct metric_kernels m = {.negate = metric->similarity};
	metric->kernels(kernels(), &m);
	return m;
}

/* The exact key of two vectors: double precision, the same bits on every instruction set. */
static inline double metric_exact(const struct metric_kernels *m, const float *q, const float *x, int64_t dim)
{
	double score = m->exact(q, x, dim);
	return m->negate ? -score : score;
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
