/* How thoroughly an index must be searched is measured once, when it is built: for efforts that double,
 * the fraction of true neighbours among the candidates, which are then compared exactly. Between two
 * measured efforts, the fraction of missed neighbours is interpolated as a power of the effort. Each query
 * uses the effort that gives the recall it asks for. */
#include "live.h"

#include <math.h>
#include <string.h>

#include "sqlite.h"

enum { MIN_EFFORT = 8, MAX_EFFORT = 4096 };

/* The numbers of candidates for each neighbour that are tried. Coarse codes need more, whatever the
 * effort. */
static const double multipliers[] = {1, 1.2, 1.5, 2, 3, 4, 8, 16, 32, 64};

enum { MULTIPLIERS = sizeof multipliers / sizeof *multipliers };

static void set_effort(const struct live *l, int64_t effort, int64_t candidates, kith_search_options *o)
{
	o->efSearch = l->uses_ef ? (effort > candidates ? effort : candidates) : 0;
	o->nprobe = l->uses_nprobe ? effort : 0;
	if (l->uses_nprobe) {
		o->efSearch = 0;
	}
}

/* Measure the fraction of the true neighbours that are among the candidates. */
static kith_status measure(const struct live *l, int64_t nq, const float *q, int64_t k, const int64_t *truth,
    int64_t effort, double *recall)
{
	int64_t candidates = live_candidates(l, k);
	kith_search_options o = KITH_SEARCH_OPTIONS;
	o.filter = l->alive;
	set_effort(l, effort, candidates, &o);
	float *scores = sqlite3_malloc64((sqlite3_uint64)(nq * candidates) * sizeof *scores);
	int64_t *ids = sqlite3_malloc64((sqlite3_uint64)(nq * candidates) * sizeof *ids);
	kith_status status = scores != NULL && ids != NULL ? KITH_OK : KITH_NOMEM;
	if (status == KITH_OK) {
		status = kith_index_search(l->index, nq, q, candidates, scores, ids, &o);
	}
	int64_t found = 0;
	int64_t all = 0;
	for (int64_t i = 0; i < nq && status == KITH_OK; i++) {
		for (int64_t j = 0; j < k && truth[i * k + j] >= 0; j++) {
			all++;
			for (int64_t c = 0; c < candidates; c++) {
				found += ids[i * candidates + c] == truth[i * k + j];
			}
		}
	}
	*recall = all > 0 ? (double)found / (double)all : 1;
	sqlite3_free(scores);
	sqlite3_free(ids);
	return status;
}

kith_status live_tune(struct live *l, int64_t nq, const float *q, int64_t k, const int64_t *truth)
{
	double recall = 0;
	double best = -1;
	int64_t max_effort = l->uses_nprobe ? 256 : 512;
	l->points = 0;
	kith_status status = KITH_OK;
	for (int i = 0; status == KITH_OK && i < MULTIPLIERS; i++) {
		l->multiplier = multipliers[i];
		status = measure(l, nq, q, k, truth, max_effort, &recall);
		if (recall >= 0.995 || (recall < best + 0.002 && i > 2)) {
			break;
		}
		best = recall;
	}
	int searches = l->uses_ef || l->uses_nprobe;
	for (int64_t effort = l->uses_nprobe ? 1 : MIN_EFFORT;
	     status == KITH_OK && l->points < MAX_SWEEP && effort <= MAX_EFFORT; effort *= 2) {
		status = measure(l, nq, q, k, truth, effort, &recall);
		l->sweep[l->points++] = (struct sweep_point){effort, recall};
		if (recall >= 0.999 || !searches) {
			break;
		}
	}
	return status;
}

int64_t live_candidates(const struct live *l, int64_t k)
{
	return (int64_t)ceil((double)k * l->multiplier);
}

/* The interpolated effort for a recall between those of two points. */
static int64_t between(const struct sweep_point *a, const struct sweep_point *b, double recall)
{
	double missed_a = 1 - a->recall;
	double missed_b = fmax(1 - b->recall, 0.001);
	double missed = 1 - recall;
	if (missed_a <= missed_b || missed <= missed_b) {
		return b->effort;
	}
	double share = log(missed_a / missed) / log(missed_a / missed_b);
	return (int64_t)ceil((double)a->effort * pow((double)b->effort / (double)a->effort, share));
}

void live_options(
    const struct live *l, double recall, int64_t k, int64_t ef, int64_t nprobe, kith_search_options *o)
{
	int64_t effort = l->uses_nprobe ? 8 : 64;
	/* Aim a little higher, because other queries may be harder than the measured ones. */
	double target = recall + (1 - recall) * 0.25;
	for (int i = 0; i < l->points; i++) {
		effort = l->sweep[i].effort;
		if (l->sweep[i].recall >= target) {
			effort = i > 0 ? between(&l->sweep[i - 1], &l->sweep[i], target) : effort;
			break;
		}
	}
	int64_t given = l->uses_nprobe ? nprobe : ef;
	if (given > 0) {
		effort = given;
	} else if (l->uses_ef && k > 10) {
		effort += k + k / 4;
	}
	set_effort(l, effort, live_candidates(l, k), o);
}
