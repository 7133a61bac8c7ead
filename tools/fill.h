/* Training and filling an index from vector files, piece by piece, with bars. */
#ifndef KITH_TOOLS_FILL_H
#define KITH_TOOLS_FILL_H

#include "bar.h"
#include "files.h"

struct fill {
	/* What to do. */
	struct input *base, *train; /* train may be the base */
	int64_t train_size;         /* vectors to learn from; 0: all, or as many as 1 GB holds */
	kith_add_options options;   /* progress is set here */
	const char *after;          /* message after an interruption */

	/* Out. */
	int64_t sample, added;
	double train_seconds, add_seconds;

	struct bar bar;
	const char *stage; /* that the bar shows */
};

/* Train the index if it must be, and add all vectors of the base, numbered in order; an exit code. */
int fill_index(struct fill *f, kith_index *index);

#endif
