/* True neighbours of queries: read, or computed and kept for the next time. */
#ifndef KITH_TOOLS_TRUTH_H
#define KITH_TOOLS_TRUTH_H

#include <stdbool.h>

#include "files.h"

struct truth {
	int64_t n, k;
	int32_t *ids;   /* [n × k] */
	char *path;     /* where they are kept; NULL: nowhere */
	bool computed;  /* in this run */
	double seconds; /* that it took */
};

/* The k nearest rows of base for every query, exactly. path: a file that is read if it is there and written
 * if it is not; NULL: a file of the user's cache ($XDG_CACHE_HOME/kith), named after both files, their sizes
 * and times. What cannot be kept in the cache is only kept in memory. Returns an exit code. */
int truth_get(struct truth *truth, const char *path, struct input *base, struct input *query,
    kith_metric metric, int64_t k, int threads);

void truth_free(struct truth *truth);

#endif
