/* Progress of a long call: counts work, tells the caller's callback now and then, remembers a cancel.
 *
 * Each thread knows the progress of the call that it works for, from progress_begin to progress_end, and
 * threads_run hands that on to its workers. So code far below the call, which is given no struct progress,
 * can ask progress_stopped(). A progress that begins inside another one's time ends with it: when the outer
 * call is cancelled, so is the inner one. */
#ifndef KITH_BASE_PROGRESS_H
#define KITH_BASE_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kith/library.h>

struct progress {
	kith_progress fn; /* NULL: none */
	void *data;
	struct progress *outer; /* of the call that this one is a part of; NULL: none */
	const char *stage;
	int64_t total;
	_Atomic int64_t done;
	_Atomic int64_t next_ns; /* when the callback is due */
	_Atomic bool cancelled;
	pthread_mutex_t lock;
};

/* fn may be NULL. Tells the start. The same thread must call progress_end. */
void progress_begin(struct progress *p, kith_progress fn, void *data, const char *stage, int64_t total);

/* Add `steps` of work; false once the caller has cancelled. Threads: safe. */
bool progress_add(struct progress *p, int64_t steps);

/* True once the caller has cancelled. */
bool progress_cancelled(const struct progress *p);

/* Whether the call that this thread works for was cancelled; its callback is called if it is due. False where
 * nobody can cancel. It costs a clock read: call it every ten microseconds or so, and at least a few times a
 * second. After true the call will fail in progress_end, so code that stops must leave things so that the
 * call can be undone. */
bool progress_stopped(void);

/* fail(KITH_CANCELLED, …); the second only if progress_stopped(), else KITH_OK. */
kith_status fail_cancelled(void);
kith_status progress_status(void);

/* The progress that this thread works for, NULL: none; progress_enter sets it and returns the one before. */
struct progress *progress_current(void);
struct progress *progress_enter(struct progress *p);

/* For tests: nanoseconds between calls of a callback. At 0 every look calls it. */
void progress_set_period(int64_t ns);

/* Tells the end (unless cancelled); KITH_OK or KITH_CANCELLED, with its message. Called once. */
kith_status progress_end(struct progress *p);

/* progress_end after work that ended with `status`: that status if the work failed for another reason than a
 * cancel. */
kith_status progress_end_with(struct progress *p, kith_status status);

#endif
