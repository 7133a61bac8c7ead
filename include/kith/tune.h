/* Tuning: the search options that reach a recall at the least cost.
 *
 * How many lists, candidates or neighbours a search should look at depends on the data, so it is measured: on
 * sample queries whose true neighbours are known. (FAISS's ParameterSpace and OperatingPoints are the model.)
 */
#ifndef KITH_TUNE_H
#define KITH_TUNE_H

#include <stddef.h>
#include <stdint.h>

#include <kith/index.h>
#include <kith/library.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What tuning found. */
typedef struct kith_tune_result {
	size_t size;      /* sizeof(kith_tune_result) */
	double recall;    /* mean over the queries, of the options chosen, or the best that was reached */
	double seconds;   /* of a query with them: the median of several runs */
	double codes;     /* vectors that a query looks at with them */
	int64_t settings; /* combinations that were tried */
} kith_tune_result;

/* Options of tuning. Start from KITH_TUNE_OPTIONS. */
typedef struct kith_tune_options {
	size_t size;     /* sizeof(kith_tune_options) */
	int64_t batch;   /* queries of a call, as they will come: 0: all together, 1: one by one, … */
	int runs;        /* timed runs of each finalist, >= 1 */
	float certainty; /* standard errors that the mean recall must lie above the target, >= 0 */
	kith_progress progress; /* NULL: none; total is a guess */
	void *progress_data;
	kith_tune_result *result; /* out; NULL: none */
} kith_tune_options;
#define KITH_TUNE_OPTIONS                                                                                    \
	{                                                                                                    \
		sizeof(kith_tune_options), 0, 3, 1.645F, NULL, NULL, NULL                                    \
	}

/* 1 if searches of this index depend on the member of kith_search_options with that name ("nprobe",
 * "max_codes", "efSearch", "k_factor"), else 0; also if only the coarse quantizer of an inverted file does.
 * NULL: 0. Threads: as a const call. */
KITH_API int kith_index_uses(const kith_index *index, const char *option);

/* Find the cheapest search options that reach a recall.
 *
 *   q        [nq × dim] sample queries like those to come, finite; not vectors of the index itself. Recall of
 *            200 is known to two digits, of 2,000 to three
 *   k        neighbours that searches will ask for
 *   truth    [nq × k] ids of the true neighbours (kith_knn finds them), −1 for none
 *   recall   target, 0 … 1: mean share of the true k among the k found. By default the mean must be above it
 *            by 1.645 standard errors, so that other queries reach it too, in 19 cases of 20
 *   search   in and out: begin with KITH_SEARCH_OPTIONS, set threads, filter and what is to stay as it is;
 *            gets nprobe, efSearch and k_factor, as far as the index uses them; otherwise untouched
 *   options  NULL: defaults
 *
 * Recall grows with each option, so the least nprobe (of a graph, efSearch) that suffices is bisected for
 * each k_factor of a doubling series, and the fastest of those pairs wins. Time decides, so two runs may
 * choose differently where two choices cost the same.
 *
 * Errors: INVALID (arguments; k larger than the index), UNTRAINED, NOMEM, CANCELLED; NOTFOUND: no options
 *         reach that recall, because the codes are too coarse: options->result tells how near it came
 * Threads: as a const call; other work on the machine disturbs the times
 * Cost:    some 10 to 50 searches of all queries */
KITH_API kith_status kith_index_tune(const kith_index *index, int64_t nq, const float *q, int64_t k,
    const int64_t *truth, double recall, kith_search_options *search, const kith_tune_options *options);

#ifdef __cplusplus
}
#endif
#endif
