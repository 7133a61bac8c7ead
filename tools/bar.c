/* A progress bar on one line of stderr: what is done, how far, how fast, and for how long still.
 *
 * It is drawn at most ten times a second and for the first time after half a second, so that short runs show
 * nothing. It is drawn only on a terminal: files and pipes get no control characters. As long work calls
 * bar_at often, this is also where a pending signal is noticed.
 */
#include "bar.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "report.h"

static volatile sig_atomic_t stop, at_once;
static bool drawn; /* whether a bar is on the terminal */

static void remember(int signal)
{
	static const char text[] = "kith: interrupted\n";
	stop = signal;
	if (!at_once)
		return;
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(128 + signal);
}

void stop_at_once(bool on)
{
	at_once = on;
}

void stop_on_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction action = {.sa_handler = remember,
		                     .sa_flags = (int)SA_RESETHAND | SA_RESTART},
		                 old;
		sigemptyset(&action.sa_mask);
		/* A program that nohup started ignores SIGHUP, and must go on doing so. */
		if (signals[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaction(signals[i], &action, NULL);
	}
}

int stop_signal(void)
{
	return stop;
}

void bar_begin(struct bar *bar, const char *label, const char *unit, double total)
{
	double now = now_seconds();
	*bar = (struct bar){.label = label,
	    .unit = unit,
	    .total = total,
	    .start = now,
	    .shown = now + 0.4,
	    .visible = isatty(STDERR_FILENO)};
}

static void format_duration(double seconds, char *out, size_t size)
{
	long s = seconds < 3.6e8 ? (long)(seconds + 0.5) : 360000000;
	if (s >= 3600)
		snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

static void draw(struct bar *bar, double now)
{
	struct winsize window = {0};
	int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col ? window.ws_col : 80;
	double share = bar->total > 0 ? bar->done / bar->total : 0, elapsed = now - bar->start;
	if (share > 1)
		share = 1;
	char rate[40], eta[40] = "-", text[160];
	format_si(elapsed > 0 ? bar->done / elapsed : 0, rate, sizeof rate);
	if (share > 0)
		format_duration(elapsed * (1 - share) / share, eta, sizeof eta);
	int n =
	    snprintf(text, sizeof text, " %3d%%  %s%s/s  ETA %s", (int)(share * 100), rate, bar->unit, eta);
	int width = columns - 1 - n - (int)strlen(bar->label) - 3;
	if (width > 40)
		width = 40;
	fprintf(stderr, "\r%s", bar->label);
	if (width >= 5) {
		int full = (int)(share * width);
		fprintf(
		    stderr, " [%.*s%*s]", full, "########################################", width - full, "");
	}
	fprintf(stderr, "%s\033[K", text);
	fflush(stderr);
	drawn = true;
	bar->shown = now;
}

bool bar_at(struct bar *bar, double done)
{
	bar->done = done;
	if (bar->visible) {
		double now = now_seconds();
		if (now - bar->shown >= 0.1)
			draw(bar, now);
	}
	return stop != 0;
}

int bar_progress(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	(void)total;
	return bar_at(data, (double)done);
}

void bar_wipe(void)
{
	if (drawn)
		fprintf(stderr, "\r\033[K");
	drawn = false;
}
