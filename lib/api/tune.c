/* Tuning search options by measurement.
 *
 * An index has at most two knobs: an inner one (nprobe; k_factor where there is no other) and, around it,
 * k_factor. Recall never falls as a knob grows, up to noise. So for each value of the outer knob, in powers
 * of two, the least inner value that reaches the target is found by doubling and then halving the gap; values
 * that differ by less than a sixteenth count as equal. A sweep ends early when it is already slower than the
 * best pair so far, or when doubling has stopped helping; the outer loop ends when two values in a row gave
 * nothing better. The finalists, one for each outer value, are timed several times; the best median wins.
 */
#include <kith/tune.h>

#include "lib/api/check.h"
#include "lib/api/guard.h"
#include "lib/api/words.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/status.h"
#include "lib/index/structure.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { FINALISTS = 8, MAX_RUNS = 100, GUESSED_SETTINGS = 30, IDLE = 2 };

/* Of the tuned ones that an index uses, the first of the table is swept for each value of the second. */
enum role { TUNED, LEFT_ALONE };

/* An option, and the words of factory strings that make an index depend on it. */
struct knob {
	const char *name, *words[2];
	size_t offset; /* in the options; an int64_t, or a float where it is a factor */
	bool factor;
	enum role role;
	double first; /* where doubling begins */
};

static const struct knob knobs[] = {
    {"nprobe", {"IVF", NULL}, offsetof(kith_search_options, nprobe), false, TUNED, 1},
    {"max_codes", {"IVF", NULL}, offsetof(kith_search_options, max_codes), false, LEFT_ALONE, 0},
    {"efSearch", {"HNSW", "_HNSW"}, offsetof(kith_search_options, efSearch), false, TUNED, 8},
    {"k_factor", {"RFlat", "Refine("}, offsetof(kith_search_options, k_factor), true, TUNED, 1},
};
enum { KNOBS = sizeof knobs / sizeof *knobs };

/* Where the quantizer of an inverted file ends that begins at `at`, "(" in "IVF64(SQ8)"; NULL: none does. */
static const char *quantizer_end(const char *spec, const char *at)
{
	const char *number = at;
	while (number > spec && isdigit((unsigned char)number[-1]))
		number--;
	if (*at != '(' || number == at || number - spec < 3 || strncmp(number - 3, "IVF", 3) != 0)
		return NULL;
	size_t n = word_parentheses(at);
	return n ? at + n - 1 : NULL;
}

/* Whether a word of spec begins with `word`. Words begin at the start, after commas and after parentheses, in
 * coarse quantizers also with '_'. quantizers: whether words in coarse quantizers count. */
static bool has_word(const char *spec, const char *word, bool quantizers)
{
	size_t n = strlen(word);
	for (const char *at = spec; *at; at++) {
		bool begins = at == spec || at[-1] == ',' || at[-1] == '(' || (quantizers && *at == '_');
		if (begins && strncmp(at, word, n) == 0)
			return true;
		const char *end = quantizers ? NULL : quantizer_end(spec, at);
		at = end ? end : at;
	}
	return false;
}

/* Whether searches depend on a knob; quantizers: also those in which only a coarse quantizer does. */
static bool uses(const kith_index *index, int knob, bool quantizers)
{
	for (int i = 0; i < 2; i++)
		if (knobs[knob].words[i] && has_word(index->spec, knobs[knob].words[i], quantizers))
			return true;
	return false;
}

int kith_index_uses(const kith_index *index, const char *option)
{
	for (int i = 0; index && option && i < KNOBS; i++)
		if (strcmp(knobs[i].name, option) == 0)
			return uses(index, i, true);
	return 0;
}

/* A pair of knobs' values and what it gave. */
struct point {
	double inner, outer;
	double recall, low;    /* mean, and its lower bound at the certainty asked for */
	double seconds, codes; /* of a query */
};

struct tuning {
	const kith_index *index;
	int64_t nq, k;
	const float *q;
	const int64_t *truth;
	double target;
	kith_search_options search;
	kith_tune_options options;
	int inner, outer; /* knobs; −1: none */
	double inner_max, outer_max;

	float *dist;
	int64_t *ids, *sorted; /* [nq × k] each: found, and the truth in order */
	double *times;         /* [runs] */
	int64_t tried;
	double best_recall, best_seconds;
};

static int compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int compare_times(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void set_knob(kith_search_options *o, int knob, double value)
{
	int64_t whole = (int64_t)value;
	float factor = (float)value;
	if (knob < 0)
		return;
	if (knobs[knob].factor)
		memcpy((char *)o + knobs[knob].offset, &factor, sizeof factor);
	else
		memcpy((char *)o + knobs[knob].offset, &whole, sizeof whole);
}

static kith_search_options options_at(const struct tuning *t, double inner, double outer)
{
	kith_search_options o = t->search;
	set_knob(&o, t->inner, inner);
	set_knob(&o, t->outer, outer);
	return o;
}

/* Mean recall of what is in t->ids, and its lower bound. */
static void measure(const struct tuning *t, struct point *p)
{
	double sum = 0, squares = 0, n = (double)t->nq;
	for (int64_t i = 0; i < t->nq; i++) {
		int64_t hits = 0, known = 0, *found = t->ids + i * t->k;
		const int64_t *truth = t->sorted + i * t->k;
		qsort(found, (size_t)t->k, sizeof *found, compare_ids);
		for (int64_t j = 0; j < t->k; j++)
			known += truth[j] >= 0;
		for (int64_t a = 0, b = 0; a < t->k && b < t->k;) {
			hits += found[a] == truth[b] && found[a] >= 0;
			int64_t x = found[a], y = truth[b];
			a += x <= y;
			b += y <= x;
		}
		double recall = known ? (double)hits / (double)known : 1;
		sum += recall;
		squares += recall * recall;
	}
	p->recall = sum / n;
	double variance = n > 1 ? fmax(0, squares - sum * sum / n) / (n - 1) : 0;
	p->low = p->recall - (double)t->options.certainty * sqrt(variance / n);
}

static bool reaches(const struct tuning *t, const struct point *p)
{
	return p->low >= t->target;
}

/* Search all queries once, in calls as they will come. */
static kith_status search_all(struct tuning *t, const kith_search_options *o, double *seconds, double *codes)
{
	kith_search_options options = *o;
	int64_t step = t->options.batch && t->options.batch < t->nq ? t->options.batch : t->nq, pairs = 0;
	int64_t began = clock_ns();
	kith_status status = KITH_OK;
	for (int64_t i = 0; status == KITH_OK && i < t->nq; i += step) {
		kith_search_stats stats = {.size = sizeof stats};
		int64_t n = step < t->nq - i ? step : t->nq - i;
		options.stats = &stats;
		status = kith_index_search(t->index, n, t->q + i * t->index->dim, t->k, t->dist + i * t->k,
		    t->ids + i * t->k, &options);
		pairs += stats.pairs;
	}
	*seconds = 1e-9 * (double)(clock_ns() - began) / (double)t->nq;
	*codes = (double)pairs / (double)t->nq;
	return status;
}

static kith_status try(struct tuning *t, double inner, double outer, struct point *p)
{
	*p = (struct point){.inner = inner, .outer = outer};
	kith_search_options o = options_at(t, inner, outer);
	kith_status status = search_all(t, &o, &p->seconds, &p->codes);
	if (status)
		return status;
	measure(t, p);
	t->tried++;
	t->best_recall = fmax(t->best_recall, p->recall);
	int64_t total = t->tried < GUESSED_SETTINGS ? GUESSED_SETTINGS : t->tried + 1;
	if (t->options.progress && t->options.progress(t->options.progress_data, "tuning", t->tried, total))
		return fail(KITH_CANCELLED, "tuning was cancelled");
	return KITH_OK;
}

/* Halve the gap between an inner value that fails and one, *good, that does not. */
static kith_status bisect(struct tuning *t, double bad, struct point *good)
{
	while (good->inner - bad > fmax(1, good->inner / 16)) {
		struct point p;
		kith_status status = try(t, floor((bad + good->inner) / 2), good->outer, &p);
		if (status)
			return status;
		if (reaches(t, &p))
			*good = p;
		else
			bad = p.inner;
	}
	return KITH_OK;
}

/* The least inner value that reaches the target with this outer one; *found: there is one worth timing. */
static kith_status sweep(struct tuning *t, double outer, struct point *p, bool *found)
{
	enum { SLOWER = 2, HOPELESS = 20 };
	double bad = 0, before = 0;
	*found = false;
	for (double inner = knobs[t->inner].first;;) {
		kith_status status = try(t, inner, outer, p);
		if (status)
			return status;
		if (reaches(t, p)) {
			*found = true;
			return bisect(t, bad, p);
		}
		bool stuck = bad > 0 && p->recall - before < (t->target - p->recall) / HOPELESS;
		if (inner >= t->inner_max || stuck || p->seconds > SLOWER * t->best_seconds)
			return KITH_OK;
		bad = inner;
		before = p->recall;
		inner = fmin(2 * inner, t->inner_max);
	}
}

/* Let p->seconds be the median of several runs. */
static kith_status time_finalist(struct tuning *t, struct point *p)
{
	kith_search_options o = options_at(t, p->inner, p->outer);
	kith_status status = KITH_OK;
	for (int i = 0; status == KITH_OK && i < t->options.runs; i++)
		status = search_all(t, &o, &t->times[i], &p->codes);
	if (status)
		return status;
	qsort(t->times, (size_t)t->options.runs, sizeof *t->times, compare_times);
	p->seconds = t->times[t->options.runs / 2];
	return KITH_OK;
}

static kith_status tune_knobs(struct tuning *t, struct point *best, bool *found)
{
	*found = false;
	if (t->inner < 0) {
		kith_status status = try(t, 0, 0, best);
		*found = status == KITH_OK && reaches(t, best);
		return status ? status : time_finalist(t, best);
	}
	int idle = 0; /* outer values in a row that gave nothing better */
	for (double outer = t->outer < 0 ? 0 : 1;; outer *= 2) {
		struct point p;
		bool worth;
		kith_status status = sweep(t, outer, &p, &worth);
		if (status == KITH_OK && worth)
			status = time_finalist(t, &p);
		if (status)
			return status;
		if (worth && (!*found || p.seconds < best->seconds)) {
			*best = p;
			*found = true;
			t->best_seconds = p.seconds;
			idle = 0;
		} else if (*found) {
			idle++;
		}
		if (t->outer < 0 || outer * 2 > t->outer_max || idle == IDLE)
			return KITH_OK;
	}
}

static kith_status check_tuning(const struct tuning *t, const kith_search_options *search)
{
	const kith_tune_options *o = &t->options;
	if (!search)
		return fail(KITH_INVALID, "search is NULL");
	if (t->nq < 1)
		return fail(KITH_INVALID, "nq is %lld; tuning needs queries", (long long)t->nq);
	kith_status status = check_queries(t->nq, t->index->dim, KITH_F32, t->q, t->index->metric);
	if (status == KITH_OK)
		status = check_k(t->k);
	if (status)
		return status;
	if (!t->truth)
		return fail(KITH_INVALID, "truth is NULL");
	if (t->k > kith_index_size(t->index))
		return fail(KITH_INVALID, "k is %lld, more than the %lld vector%s of the index",
		    (long long)t->k, (long long)kith_index_size(t->index), PLURAL(kith_index_size(t->index)));
	if (!(t->target >= 0 && t->target <= 1))
		return fail(KITH_INVALID, "recall is %g; it must be 0 … 1", t->target);
	if (o->batch < 0 || o->runs < 1 || o->runs > MAX_RUNS || !(o->certainty >= 0 && o->certainty < 100))
		return fail(KITH_INVALID,
		    "options: batch is %lld, runs %d, certainty %g; they must be at least 0, 1 … %d, 0 … 100",
		    (long long)o->batch, o->runs, (double)o->certainty, MAX_RUNS);
	return KITH_OK;
}

static kith_status read_options(const kith_tune_options *options, kith_tune_options *full)
{
	*full = (kith_tune_options)KITH_TUNE_OPTIONS;
	if (options && options->size != sizeof *full)
		return fail(KITH_INVALID, "options: size is %zu; set it to sizeof", options->size);
	if (options)
		*full = *options;
	if (full->result && full->result->size != sizeof *full->result)
		return fail(
		    KITH_INVALID, "options: result->size is %zu; set it to sizeof", full->result->size);
	return KITH_OK;
}

/* A value from which on nothing changes: the number of lists of an inverted file, or as many candidates as
 * there are vectors (but no more than an option may ask for). */
static double max_of(const kith_index *index, int knob, int64_t k)
{
	int64_t n = kith_index_size(index), all = (n + k - 1) / k, factors = KITH_MAX_K / k;
	const char *lists = strstr(index->spec, "IVF");
	if (knobs[knob].factor)
		return (double)(all < factors ? all : factors);
	if (strcmp(knobs[knob].name, "nprobe") == 0 && lists && strtod(lists + 3, NULL) >= 1)
		return strtod(lists + 3, NULL);
	return fmin((double)n, KITH_MAX_K);
}

static void choose_knobs(struct tuning *t)
{
	t->inner = t->outer = -1;
	for (int i = 0; i < KNOBS; i++) {
		if (!uses(t->index, i, false) || knobs[i].role == LEFT_ALONE)
			continue;
		if (t->inner < 0)
			t->inner = i;
		else
			t->outer = i;
	}
	t->inner_max = t->inner < 0 ? 0 : max_of(t->index, t->inner, t->k);
	t->outer_max = t->outer < 0 ? 0 : fmin(max_of(t->index, t->outer, t->k), 1 << (FINALISTS - 1));
}

static kith_status prepare(struct tuning *t)
{
	size_t cells;
	if (!size_mul((size_t)t->nq, (size_t)t->k, &cells))
		return fail(KITH_INVALID, "nq is %lld and k %lld: more results than memory can hold",
		    (long long)t->nq, (long long)t->k);
	t->dist = mem_alloc(cells, sizeof *t->dist);
	t->ids = mem_alloc(cells, sizeof *t->ids);
	t->sorted = mem_alloc(cells, sizeof *t->sorted);
	t->times = mem_alloc((size_t)t->options.runs, sizeof *t->times);
	if (!t->dist || !t->ids || !t->sorted || !t->times)
		return fail_nomem("tuning", cells * (2 * sizeof *t->ids + sizeof *t->dist));
	memcpy(t->sorted, t->truth, cells * sizeof *t->sorted);
	for (int64_t i = 0; i < t->nq; i++)
		qsort(t->sorted + i * t->k, (size_t)t->k, sizeof *t->sorted, compare_ids);
	return KITH_OK;
}

static kith_status tune(struct tuning *t, kith_search_options *search)
{
	struct point best = {0};
	bool found = false;
	kith_status status = prepare(t);
	choose_knobs(t);
	if (status == KITH_OK)
		status = tune_knobs(t, &best, &found);
	if (status)
		return status;
	if (t->options.result)
		*t->options.result = (kith_tune_result){.size = sizeof *t->options.result,
		    .recall = found ? best.recall : t->best_recall,
		    .seconds = best.seconds,
		    .codes = best.codes,
		    .settings = t->tried};
	if (!found)
		return fail(KITH_NOTFOUND,
		    "recall %g cannot be reached with index '%s': the best was %.4f; refine it, or take "
		    "finer codes",
		    t->target, t->index->spec, t->best_recall);
	set_knob(search, t->inner, best.inner);
	set_knob(search, t->outer, best.outer);
	return KITH_OK;
}

kith_status kith_index_tune(const kith_index *index, int64_t nq, const float *q, int64_t k,
    const int64_t *truth, double recall, kith_search_options *search, const kith_tune_options *options)
{
	struct tuning t = {.index = index,
	    .nq = nq,
	    .k = k,
	    .q = q,
	    .truth = truth,
	    .target = recall,
	    .best_seconds = INFINITY};
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	/* The index must not change while it is measured. */
	kith_status status = read_begin(index);
	if (status)
		return status;
	status = read_options(options, &t.options);
	if (status == KITH_OK)
		status = check_tuning(&t, search);
	if (status == KITH_OK)
		status = check_search_options(search, &t.search);
	if (status == KITH_OK && search->size != sizeof *search)
		status = fail(KITH_INVALID, "search: size is %zu; set it to sizeof", search->size);
	if (status == KITH_OK)
		status = tune(&t, search);
	read_end(index);
	mem_free(t.dist);
	mem_free(t.ids);
	mem_free(t.sorted);
	mem_free(t.times);
	return status;
}
