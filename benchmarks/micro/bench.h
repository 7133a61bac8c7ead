/* What the parts of bench_micro share: settings, buffers, a stopwatch and the table of results. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stddef.h>
#include <stdio.h>

#include "kernels/kernels.h"

/* What bounds a kernel: a memory level's read bandwidth, or the arithmetic of an instruction set. */
enum limit { LIMIT_DRAM, LIMIT_L2, LIMIT_F32, LIMIT_F64, LIMIT_I8, LIMITS };

struct limits {
	const char *isa;
	double rate[LIMITS]; /* bytes/s, bytes/s, FLOP/s, FLOP/s, OP/s */
};

struct settings {
	const char *only;  /* part of a kernel's name; NULL: all */
	double repetition; /* seconds that one repetition takes at least */
	int repetitions;
	int threads; /* for the bandwidth of all threads */
};

struct buffers {
	char *big; /* every 16 bits of it are a bf16 in [0.5, 2), every 32 bits a float in [0.5, 2) */
	size_t big_bytes;
	size_t l2_bytes; /* so much of `big` stays in the L2 cache */
};

struct result {
	const char *kernel, *isa, *data, *per; /* data: where the input lies; per: what `seconds` is for */
	int64_t d;
	double seconds;
	double amount; /* bytes or operations in that time */
	enum limit limit;
};

struct bench {
	struct settings settings;
	struct buffers buffers;
	struct limits limits; /* of the instruction set that is being measured */
	FILE *json;           /* NULL: none */
	int json_rows;
};

/* One call does a fixed amount of work; `round` counts all calls, so that a large buffer can be walked. */
typedef void work_fn(void *context, int64_t round);

double now(void);

/* Seconds of one call: the median over the repetitions, after a warm-up. */
double measure(const struct settings *settings, work_fn *work, void *context);

/* The least of more repetitions: for limits, which nothing but disturbance can make look worse. */
double measure_best(const struct settings *settings, work_fn *work, void *context);

/* Whether the settings ask for this kernel. */
int wanted(const struct bench *bench, const char *kernel);

void report(struct bench *bench, const struct result *result);

/* Bandwidths (threads = 1 or more) and arithmetic peaks, measured. */
double read_bandwidth(const struct settings *settings, const void *data, size_t bytes, int threads);
void measure_peaks(const struct settings *settings, const char *isa, struct limits *limits);

/* Measure all kernels of one instruction set at dimension d. */
void bench_kernels(struct bench *bench, const struct kernels *k, int64_t d);

#endif
