/* Progress of a long call: counts work, tells the caller's callback now and then, remembers a cancel. */
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
	const char *stage;
	int64_t total;
	_Atomic int64_t done;
	_Atomic int64_t next_ns; /* when the callback is due */
	_Atomic bool cancelled;
	pthread_mutex_t lock;
};

/* fn may be NULL. Tells the start. */
void progress_begin(struct progress *p, kith_progress fn, void *data, const char *stage, int64_t total);

/* Add `steps` of work; false once the caller has cancelled. Threads: safe. */
bool progress_add(struct progress *p, int64_t steps);

/* True once the caller has cancelled. */
bool progress_cancelled(struct progress *p);

/* Tells the end (unless cancelled); KITH_OK or KITH_CANCELLED. Called once. */
kith_status progress_end(struct progress *p);

#endif
