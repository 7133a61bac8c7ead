/* Progress. Workers add to an atomic counter; whoever finds the callback due and the lock free calls it,
 * so callbacks never overlap and nobody waits for one. While it runs its thread has no current progress, so
 * functions of kith that it calls are calls of their own. */
#include "lib/base/progress.h"
#include "lib/base/clock.h"

#include "lib/base/status.h"

static _Atomic int64_t period_ns = 30 * 1000 * 1000;
static _Thread_local struct progress *current;

void progress_set_period(int64_t ns)
{
	atomic_store(&period_ns, ns);
}

struct progress *progress_current(void)
{
	return current;
}

struct progress *progress_enter(struct progress *p)
{
	struct progress *before = current;
	current = p;
	return before;
}

/* Calls the callback. Some totals are estimates that come out too low, so `done` is limited to the total. */
static void tell(struct progress *p)
{
	struct progress *before = progress_enter(NULL);
	int64_t done = atomic_load(&p->done);
	if (p->fn(p->data, p->stage, done < p->total ? done : p->total, p->total))
		atomic_store(&p->cancelled, true);
	progress_enter(before);
}

/* Whether p's own caller has cancelled, after calling the callback if it is due. */
static bool look(struct progress *p)
{
	if (p->fn && clock_ns() >= atomic_load(&p->next_ns) && pthread_mutex_trylock(&p->lock) == 0) {
		if (!atomic_load(&p->cancelled))
			tell(p);
		atomic_store(&p->next_ns, clock_ns() + atomic_load(&period_ns));
		pthread_mutex_unlock(&p->lock);
	}
	return atomic_load(&p->cancelled);
}

/* Whether p's caller, or that of a call around it, has cancelled. */
static bool look_outwards(struct progress *p)
{
	for (; p; p = p->outer)
		if (look(p))
			return true;
	return false;
}

void progress_begin(struct progress *p, kith_progress fn, void *data, const char *stage, int64_t total)
{
	p->fn = fn;
	p->data = data;
	p->stage = stage;
	p->total = total;
	atomic_init(&p->done, 0);
	atomic_init(&p->next_ns, clock_ns() + atomic_load(&period_ns));
	atomic_init(&p->cancelled, false);
	pthread_mutex_init(&p->lock, NULL);
	p->outer = progress_enter(p);
	if (fn)
		tell(p);
}

bool progress_add(struct progress *p, int64_t steps)
{
	if (p->fn)
		atomic_fetch_add(&p->done, steps);
	return !look_outwards(p);
}

bool progress_cancelled(const struct progress *p)
{
	for (; p; p = p->outer)
		if (atomic_load(&p->cancelled))
			return true;
	return false;
}

bool progress_stopped(void)
{
	return look_outwards(current);
}

kith_status fail_cancelled(void)
{
	return fail(KITH_CANCELLED, "cancelled by the progress callback");
}

kith_status progress_status(void)
{
	return progress_stopped() ? fail_cancelled() : KITH_OK;
}

kith_status progress_end_with(struct progress *p, kith_status status)
{
	kith_status ended = progress_end(p);
	return status == KITH_OK || status == KITH_CANCELLED ? ended : status;
}

kith_status progress_end(struct progress *p)
{
	pthread_mutex_destroy(&p->lock);
	progress_enter(p->outer);
	if (p->fn && !progress_cancelled(p)) {
		atomic_store(&p->done, p->total);
		tell(p);
	}
	if (progress_cancelled(p))
		return fail(KITH_CANCELLED, "cancelled by the progress callback during %s", p->stage);
	return KITH_OK;
}
