/* The calls that take an index and return a status, each with arguments that are right. */
#ifndef KITH_TESTS_GUARDS_H
#define KITH_TESTS_GUARDS_H

#include <kith/kith.h>

#include "tests/support/support.h"

enum { DIM = 16, N = 2500, K = 5, CALLS = 44 };

struct scene {
	kith_index *index, *like; /* like: the same, for merging */
	const float *x;
	const char *file, *other; /* what index was opened from; a name for what is written */
	kith_filter *few;
};

struct call {
	const char *name;
	kith_status (*make)(struct scene *s);
	bool reads;
};

extern const struct call calls[CALLS];

#endif
