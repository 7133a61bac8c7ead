/* Threads: one place that knows OpenMP.
 *
 * A forked child has OpenMP's bookkeeping but not its threads, and would wait for them for ever; there
 * everything runs on one thread, which never enters OpenMP.
 *
 * Workers share the progress of their caller (progress.h) and check it after each task, so that the callback
 * is called. They do not skip tasks after a cancel: only the task knows whether it may be left out.
 */
#include "lib/base/threads.h"

#include "lib/base/progress.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

static _Atomic bool pool_used, forked;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
	if (atomic_load(&pool_used))
		atomic_store(&forked, true);
}

static void watch_fork(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

int threads_resolve(int wanted)
{
	if (atomic_load(&forked) || omp_in_parallel())
		return 1;
	int threads = wanted > 0 ? wanted : omp_get_max_threads();
	return threads < 1 ? 1 : threads;
}

void threads_run(int threads, int64_t n, task_fn *fn, void *arg)
{
	if (threads > n)
		threads = (int)n;
	struct progress *progress = progress_current();
	if (threads <= 1) {
		for (int64_t i = 0; i < n; i++) {
			fn(arg, i, 0);
			progress_stopped();
		}
		return;
	}
	pthread_once(&watch_once, watch_fork);
	atomic_store(&pool_used, true);
#pragma omp parallel num_threads(threads)
	{
		struct progress *before = progress_enter(progress);
#pragma omp for schedule(dynamic, 1)
		for (int64_t i = 0; i < n; i++) {
			fn(arg, i, omp_get_thread_num());
			progress_stopped();
		}
		progress_enter(before);
	}
}
