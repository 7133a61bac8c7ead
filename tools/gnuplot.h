/* Running gnuplot: a script in, what it complained of out. */
#ifndef KITH_TOOLS_GNUPLOT_H
#define KITH_TOOLS_GNUPLOT_H

#include <stdio.h>

/* A gnuplot that waits for its script. */
struct gnuplot {
	FILE *script;
	FILE *said; /* what it prints */
	int process;
};

/* Start it. Returns an exit code. */
int gnuplot_begin(struct gnuplot *g);

/* The script is over: wait for the picture, which is called `path`. What gnuplot prints never reaches the
 * user as it is; if it failed, an error says what to do. Returns an exit code. */
int gnuplot_end(struct gnuplot *g, const char *path);

#endif
