/* True neighbours of queries, which are read, or computed and kept for the next time. */
#ifndef KITH_TOOLS_TRUTH_H
#define KITH_TOOLS_TRUTH_H

#include <stdbool.h>

#include "files.h"

struct truth {
	int64_t n, k;
	int32_t *ids;   /* [n × k] */
	char *path;     /* the file that keeps them; NULL: none */
	bool computed;  /* whether this run computed them */
	double seconds; /* that computing them took */
};

/* Get the exact k nearest rows of base for every query. path: a file that is read if it exists and written if
 * not; NULL: a file in the user's cache ($XDG_CACHE_HOME/kith). If the cache cannot be written, the truth is
 * kept in memory alone. Returns an exit code. */
int truth_get(struct truth *truth, const char *path, struct input *base, struct input *query,
    kith_metric metric, int64_t k, int threads);

void truth_free(struct truth *truth);

#endif
