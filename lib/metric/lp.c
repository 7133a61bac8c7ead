/* Lp: Σ |x − y|^p, without the root, as L2 is.
 *
 * Each exponent is a metric of its own. Its number in the API is that of the bits of the float −p, so that
 * files and callers need no second argument, and its object is made when it is asked for the first time. The
 * table of them only grows, and an entry never changes once it is ready.
 */
#include "lib/metric/metric.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { EXPONENTS = 256, NAME = 20 };

struct entry {
	_Atomic int32_t id; /* 0: the entry is free */
	_Atomic bool ready;
	char name[NAME];
	struct metric metric;
};

static struct entry entries[EXPONENTS];

kith_metric kith_metric_lp(float p)
{
	float minus = -p;
	int32_t id;
	if (!(p > 0) || isinf(p))
		return KITH_LP;
	memcpy(&id, &minus, sizeof id);
	return (kith_metric)id;
}

float kith_metric_p(kith_metric metric)
{
	int32_t id = (int32_t)metric;
	float minus;
	memcpy(&minus, &id, sizeof minus);
	return minus < 0 && isfinite(minus) ? -minus : 0;
}

static void lp_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	m->lp_exact = kern->lp_exact;
	m->lp = kern->lp_f32;
}

/* A power is 2 to p · log2 |x − y|. The logarithm is within ±150, and is off by 2^-16 at most; differences
 * below 2^-126 may count as 0. */
static struct error_bound lp_bound(const struct metric *metric, int64_t dim)
{
	double p = (double)metric->p;
	return (struct error_bound){
	    .rel = metric_rounding(dim) + (p + 1) * 0x1p-16, .abs = (double)dim * exp2(-126 * p)};
}

static double lp_radius(double key, int64_t dim)
{
	(void)key, (void)dim;
	return INFINITY;
}

static void make(struct entry *e, float p)
{
	snprintf(e->name, NAME, "lp%.9g", (double)p);
	for (char *c = e->name; *c; c++) /* whatever the locale writes */
		*c = *c == ',' ? '.' : *c;
	e->metric = (struct metric){
	    .id = kith_metric_lp(p),
	    .name = e->name,
	    .faiss = 4,
	    .p = p,
	    .whole = true,
	    .kernels = lp_kernels,
	    .whole_bound = lp_bound,
	    .radius = lp_radius,
	};
}

const struct metric *metric_lp(float p)
{
	if (!(p > 0) || isinf(p))
		return NULL;
	int32_t id = (int32_t)kith_metric_lp(p);
	for (int i = 0; i < EXPONENTS; i++) {
		struct entry *e = &entries[i];
		int32_t found = 0;
		if (atomic_compare_exchange_strong(&e->id, &found, id)) {
			make(e, p);
			atomic_store(&e->ready, true);
			return &e->metric;
		}
		if (found != id)
			continue;
		while (!atomic_load(&e->ready)) /* another thread is making it */
			sched_yield();
		return &e->metric;
	}
	return NULL;
}
