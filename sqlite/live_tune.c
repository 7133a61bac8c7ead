/* How thoroughly an index must be searched is measured once, when it is made: for an effort that doubles,
 * how many of the true neighbours are among the candidates that are then compared exactly. Each query takes
 * the first effort that gives the recall it asks for. */
#include <string.h>

#include "live.h"
#include "sqlite.h"

enum { MIN_EFFORT = 8, MAX_EFFORT = 4096, MAX_MULTIPLIER = 64 };

static void set_effort(const struct live *l, int64_t effort, int64_t candidates, kith_search_options *o)
{
	o->efSearch = l->uses_ef ? (effort > candidates ? effort : candidates) : 0;
	o->nprobe = l->uses_nprobe ? effort : 0;
	if (l->uses_nprobe) {
		o->efSearch = 0;
	}
}

/* The share of the truth among the candidates. */
static kith_status measure(const struct live *l, int64_t nq, const float *q, int64_t k, const int64_t *truth,
    int64_t effort, double *recall)
{
	int64_t candidates = k * l->multiplier;
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
	/* Coarse codes need more candidates, whatever the effort. */
	for (l->multiplier = 1; status == KITH_OK && l->multiplier <= MAX_MULTIPLIER; l->multiplier *= 2) {
		status = measure(l, nq, q, k, truth, max_effort, &recall);
		if (recall >= 0.995 || recall < best + 0.002) {
			break;
		}
		best = recall;
	}
	l->multiplier = l->multiplier > MAX_MULTIPLIER ? MAX_MULTIPLIER : l->multiplier;
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

void live_options(
    const struct live *l, double recall, int64_t k, int64_t ef, int64_t nprobe, kith_search_options *o)
{
	int64_t effort = l->uses_nprobe ? 8 : 64;
	/* A little above the target, for other queries than those that were tried. */
	double target = recall + (1 - recall) * 0.25;
	for (int i = 0; i < l->points; i++) {
		effort = l->sweep[i].effort;
		if (l->sweep[i].recall >= target) {
			break;
		}
	}
	int64_t given = l->uses_nprobe ? nprobe : ef;
	if (given > 0) {
		effort = given;
	} else if (l->uses_ef && k > 10) {
		effort += k + k / 4;
	}
	set_effort(l, effort, k * l->multiplier, o);
}
