/* Running tasks on several threads. */
#ifndef KITH_BASE_THREADS_H
#define KITH_BASE_THREADS_H

#include <stdint.h>

/* Threads that a call with options.threads = wanted uses: wanted, or OpenMP's default for 0; 1 inside
 * somebody's parallel region and in the child of a fork (OpenMP's pool does not survive one). */
int threads_resolve(int wanted);

/* Number of the worker that runs a task: 0 … threads − 1. */
typedef void task_fn(void *arg, int64_t task, int worker);

/* Run fn for tasks 0 … n − 1, handed out one by one in ascending order. With threads = 1 they run in
 * the calling thread, in order, without OpenMP. */
void threads_run(int threads, int64_t n, task_fn *fn, void *arg);

#endif
