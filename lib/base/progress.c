/* Progress. Workers add to an atomic counter; whoever finds the callback due and the lock free calls it,
 * so callbacks never overlap and nobody waits for one. */
#include "lib/base/progress.h"

#include "lib/base/status.h"

#include <time.h>

enum { PERIOD_NS = 30 * 1000 * 1000 };

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void tell(struct progress *p)
{
	if (p->fn(p->data, p->stage, atomic_load(&p->done), p->total))
		atomic_store(&p->cancelled, true);
}

void progress_begin(struct progress *p, kith_progress fn, void *data, const char *stage, int64_t total)
{
	p->fn = fn;
	p->data = data;
	p->stage = stage;
	p->total = total;
	atomic_init(&p->done, 0);
	atomic_init(&p->next_ns, now_ns() + PERIOD_NS);
	atomic_init(&p->cancelled, false);
	pthread_mutex_init(&p->lock, NULL);
	if (fn)
		tell(p);
}

bool progress_add(struct progress *p, int64_t steps)
{
	if (!p->fn)
		return true;
	atomic_fetch_add(&p->done, steps);
	if (now_ns() >= atomic_load(&p->next_ns) && pthread_mutex_trylock(&p->lock) == 0) {
		if (!atomic_load(&p->cancelled))
			tell(p);
		atomic_store(&p->next_ns, now_ns() + PERIOD_NS);
		pthread_mutex_unlock(&p->lock);
	}
	return !atomic_load(&p->cancelled);
}

bool progress_cancelled(struct progress *p)
{
	return atomic_load(&p->cancelled);
}

kith_status progress_end(struct progress *p)
{
	pthread_mutex_destroy(&p->lock);
	if (!p->fn)
		return KITH_OK;
	if (!atomic_load(&p->cancelled)) {
		atomic_store(&p->done, p->total);
		tell(p);
	}
	if (atomic_load(&p->cancelled))
		return fail(KITH_CANCELLED, "cancelled by the progress callback during %s", p->stage);
	return KITH_OK;
}
