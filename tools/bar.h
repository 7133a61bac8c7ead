/* Progress on a terminal, and stopping on a signal. */
#ifndef KITH_TOOLS_BAR_H
#define KITH_TOOLS_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct bar {
	const char *label, *unit; /* "searching", "pairs" */
	double total, done;       /* in units */
	double start, shown;      /* seconds */
	bool visible;
};

/* Begin; draws nothing unless stderr is a terminal. */
void bar_begin(struct bar *bar, const char *label, const char *unit, double total);

/* `done` units of the total are done. True: a signal asks to stop. Cheap enough to call often. */
bool bar_at(struct bar *bar, double done);

/* The same as a kith_progress, of work that is counted in the bar's units; data: the bar. */
int bar_progress(void *data, const char *stage, int64_t done, int64_t total);

/* Wipe the bar, if there is one, before other output. */
void bar_wipe(void);

/* Let SIGINT, SIGTERM and SIGHUP ask for a stop instead of killing the program, so that temporary files
 * are removed. A second signal of the same kind kills. */
void stop_on_signals(void);

/* Whether such a signal ends the program then and there: for a call that cannot be stopped otherwise, while
 * nothing has been written that would stay. */
void stop_at_once(bool on);

/* The signal that asked to stop; 0: none. */
int stop_signal(void);

#endif
