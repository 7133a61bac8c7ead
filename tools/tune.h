/* The parts of kith tune: candidates, the state of a run, its report. */
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

/* An index that may be the best, and what is known of it, always from the largest sample it was tried on. */
struct candidate {
	char codec[64]; /* what comes after the structure: "SQ8", "PQ32,RFlat" */
	double lists;   /* inverted files: lists per root of the number of vectors */
	int links;      /* graphs: M */
	enum growth growth;
	bool given; /* codec is a whole spec of the user's */

	int64_t n;    /* vectors it was tried on; 0: never */
	bool reaches; /* the recall, within all limits */
	const char *why_not;
	double recall, seconds, codes; /* of a query */
	double memory, fixed;          /* bytes: of the index, and of what it was before vectors came in */
	double build_seconds;
	double expected_seconds, expected_build,
	    bytes;                  /* with all vectors of the base; bytes of one vector */
	kith_search_options search; /* that reach the recall */
	double held_out;            /* recall of queries that were not tuned on; < 0: not known */
};

/* All candidates for vectors of this dimension and type that this library can build; returns how many. */
int tune_space(struct candidate *all, int64_t dim, kith_type type, kith_metric metric);

/* The user's own. */
void tune_given(struct candidate *c, const char *spec);

/* The factory string of a candidate over n vectors. */
void tune_spec(const struct candidate *c, int64_t n, char spec[SPEC_SIZE]);

/* What the measurements over c->n vectors let expect for n. */
void tune_expect(struct candidate *c, int64_t n);

/* A run. */
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

	int64_t nq;     /* queries of each half: tuned on, and held out */
	int64_t tuned;  /* of the first half, so many are used on the present sample */
	float *q;       /* [2 × nq × dim] */
	int64_t n;      /* vectors of the present sample */
	float *x;       /* [n × dim]; NULL: the whole base, from its file */
	int64_t *truth; /* [2 × nq × k] */
	float *dist;    /* the same */
	int64_t *found;

	struct bar bar;
	double done;
	double seconds;
};

/* ---- the report (tune_report.c) ---- */

/* What was found; the candidates are sorted, the best comes first and reaches the recall. */
void tune_print(const struct tune *t);
int tune_print_json(const struct tune *t);

/* None reached it: the error line says what came nearest, or what was in the way. */
int tune_fail_none(const struct tune *t);

#endif
