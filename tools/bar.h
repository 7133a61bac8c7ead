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

/* Begin a bar. Nothing is drawn unless stderr is a terminal. */
void bar_begin(struct bar *bar, const char *label, const char *unit, double total);

/* Show that `done` units of the total are done. True: a signal has asked to stop. Cheap enough to call
 * often. */
bool bar_at(struct bar *bar, double done);

/* The same as a kith_progress, for work that is counted in the bar's units; data: the bar. */
int bar_progress(void *data, const char *stage, int64_t done, int64_t total);

/* Remove the bar, if there is one, before other output. */
void bar_wipe(void);

/* Let SIGINT, SIGTERM and SIGHUP ask for a stop instead of killing the program, so that temporary files
 * are removed. A second signal of the same kind kills it. */
void stop_on_signals(void);

/* Whether such a signal ends the program at once. This is for a call that cannot be stopped in another way,
 * at a time when no unfinished file would be left behind. */
void stop_at_once(bool on);

/* The signal that asked to stop; 0: there was none. */
int stop_signal(void);

#endif
