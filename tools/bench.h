/* Benchmarks of indexes: what is measured, and the report of it, which docs/bench-json.md describes. */
#ifndef KITH_TOOLS_BENCH_H
#define KITH_TOOLS_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <kith/kith.h>

#include "bar.h"
#include "files.h"
#include "settings.h"
#include "truth.h"

enum { BENCH_INDEXES = 64, BENCH_VERSION = 1 };

/* An index to measure: a factory string, or a file to load. */
struct bench_index {
	const char *spec, *file;
	json_t *entry;   /* its part of the report, which owns it */
	int64_t missing; /* number of points that are to be measured */
};

struct bench {
	/* What is asked for. */
	struct input base, query;
	kith_metric metric;
	int64_t k, batch, runs, latency_queries; /* batch 0: all */
	int threads;
	struct setting build[SETTINGS_MAX], search[SETTINGS_MAX];
	struct sweep sweeps[SETTINGS_MAX];
	int sweep_count;
	bool build_used[SETTINGS_MAX], search_used[SETTINGS_MAX]; /* by at least one of the indexes */
	struct bench_index indexes[BENCH_INDEXES];
	int index_count;
	const char *report_path; /* NULL: none */
	const char *name;        /* of the report, in pictures; NULL: none */
	bool skip_unknown;       /* leave out indexes that this kith cannot build */

	/* What is loaded and measured. */
	kith_type type; /* of the queries in memory */
	void *q;
	struct truth truth;
	json_t *report;

	struct bar bar; /* over all points */
	int64_t points_done;
};

/* ---- the report (bench_report.c) ---- */

/* Read a report and check that it is one. Returns an exit code. */
int bench_read_report(const char *path, json_t **report);

/* Begin b->report, or go on with the one in b->report_path, which must be of the same benchmark. Returns an
 * exit code. */
int bench_begin_report(struct bench *b);

/* The entry of an index in the report, made if it is not there yet; file: where the index was read from, NULL
 * if it is to be built. NULL: no memory. */
json_t *bench_entry(struct bench *b, const kith_index *index, const char *file);

/* Whether a point with these settings was measured. */
bool bench_has_point(const json_t *entry, const json_t *settings);

/* Write what was measured so far to b->report_path, if there is one. Returns an exit code. */
int bench_save(const struct bench *b);

void bench_print(const struct bench *b);

/* ---- measuring (bench_measure.c) ---- */

/* Build or load an index, and put the time and memory that this took into its entry. Returns an exit code. */
int bench_build(struct bench *b, struct bench_index *index, kith_index **out);

/* Measure one combination of settings; *point gets a new JSON object. Returns an exit code. */
int bench_point(struct bench *b, const kith_index *index, const struct setting *settings, json_t **point);

/* What a message about an interruption ends with: whether the report has what was measured; NULL: no
 * report. */
const char *bench_after(const struct bench *b);

#endif
