/* The parts of kith tune: the candidates, the state of a run, the report. */
#ifndef KITH_TOOLS_TUNE_H
#define KITH_TOOLS_TUNE_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/kith.h>

#include "bar.h"
#include "files.h"

enum { CANDIDATES = 128, SPEC_SIZE = 96 };

/* How the time of a query grows with the number of vectors. */
enum growth { GROW_LINEAR, GROW_ROOT, GROW_LOG };

/* An index that may be the best, and what was measured on the largest sample that it was tried on. */
struct candidate {
	char codec[64]; /* what follows the structure in the factory string: "SQ8", "PQ32,RFlat" */
	double lists;   /* inverted files: their number of lists / the root of the number of vectors */
	int links;      /* graphs: M */
	enum growth growth;
	bool given; /* whether `codec` is a whole factory string that the user gave */

	int64_t n;    /* number of vectors that it was tried on; 0: none */
	bool reaches; /* whether it reaches the recall within all limits */
	const char *why_not;
	double recall, seconds, codes; /* of one query, on average */
	double memory, fixed;          /* bytes of the index, and of it before vectors were added */
	double build_seconds;
	/* Estimates for the whole base; bytes: of one vector. */
	double expected_seconds, expected_build, bytes;
	kith_search_options search; /* the settings that reach the recall */
	double held_out;            /* recall of the queries that were not tuned on; < 0: not measured */
};

/* Fill in all candidates for vectors of this dimension, type and metric. Returns how many there are. */
int tune_space(struct candidate *all, int64_t dim, kith_type type, kith_metric metric);

/* Fill in the candidate for a factory string that the user gave. */
void tune_given(struct candidate *c, const char *spec);

/* The factory string of a candidate over n vectors. */
void tune_spec(const struct candidate *c, int64_t n, char spec[SPEC_SIZE]);

/* Estimate time, build time and memory for n vectors from what was measured on c->n. */
void tune_expect(struct candidate *c, int64_t n);

/* The state of a run. */
struct tune {
	struct input base, query;
	const char *base_path, *query_path;
	kith_metric metric;
	int64_t k, batch, max_bytes, max_seconds;
	double recall;
	int threads;
	bool json;
	struct candidate candidates[CANDIDATES];
	int count;

	int64_t nq;     /* number of queries in each half: those tuned on, and those held out */
	int64_t tuned;  /* number of queries of the first half that are used on the present sample */
	float *q;       /* [2 × nq × dim] */
	int64_t n;      /* number of vectors of the present sample */
	float *x;       /* [n × dim]; NULL: the whole base, which is read from its file */
	int64_t *truth; /* [2 × nq × k] */
	float *dist;    /* [2 × nq × k] */
	int64_t *found; /* [2 × nq × k] */

	struct bar bar;
	double done;
	double seconds;
};

/* ---- the report (tune_report.c) ---- */

/* Print what was found; the candidates are sorted, and the best, which reaches the recall, comes first. */
void tune_print(const struct tune *t);
int tune_print_json(const struct tune *t);

/* Print the error that no candidate reaches the recall, and which one came nearest. Returns the exit code. */
int tune_fail_none(const struct tune *t);

#endif
