/* Progress of a wrapper: the child's calls, one after another, as parts of one. */
#ifndef KITH_STRUCTURE_RELAY_H
#define KITH_STRUCTURE_RELAY_H

#include <kith/library.h>

struct relay {
	kith_progress fn; /* of the caller; NULL: none */
	void *data;
	int64_t done, part, total; /* steps before this part, of this part, of all */
};

/* A kith_progress with a struct relay as its data. */
static inline int relay_progress(void *data, const char *stage, int64_t done, int64_t total)
{
	const struct relay *relay = data;
	double share = total > 0 ? (double)done / (double)total : 1;
	return relay->fn(
	    relay->data, stage, relay->done + (int64_t)(share * (double)relay->part), relay->total);
}

#endif
