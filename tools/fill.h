/* Training and filling an index from vector files, piece by piece, with bars. */
#ifndef KITH_TOOLS_FILL_H
#define KITH_TOOLS_FILL_H

#include "bar.h"
#include "files.h"

struct fill {
	/* What is asked for. */
	struct input *base, *train; /* train may be the base */
	int64_t train_size;         /* number of training vectors; 0: all, or as many as 1 GB holds */
	kith_add_options options;   /* fill_index sets its progress */
	const char *after;          /* what a message about an interruption ends with; NULL: nothing */
	/* Set by fill_index. */
	int64_t sample, added;
	double train_seconds, add_seconds;

	struct bar bar;
	const char *stage; /* that the bar shows */
};

/* Train the index if it needs that, and add all vectors of the base, whose ids are their row numbers. Returns
 * an exit code. */
int fill_index(struct fill *f, kith_index *index);

#endif
