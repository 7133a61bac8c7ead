/* Running gnuplot, and explaining why it failed. */
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

/* End the script and wait until gnuplot has drawn the picture, which the user named `path`. If it failed, an
 * error says what to do. Returns an exit code. */
int gnuplot_end(struct gnuplot *g, const char *path);

#endif
