/* Declarations shared by the files of bench_micro: settings, buffers, timing, and the table of results. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stddef.h>
#include <stdio.h>

#include "kernels/kernels.h"

/* What limits the speed of a kernel: the read bandwidth of a level of memory, or the peak arithmetic rate of
 * an instruction set. */
enum limit { LIMIT_DRAM, LIMIT_L2, LIMIT_F32, LIMIT_F64, LIMIT_I8, LIMITS };

struct limits {
	const char *isa;
	double rate[LIMITS]; /* bytes/s, bytes/s, FLOP/s, FLOP/s, OP/s */
};

struct settings {
	const char *only;  /* measure only kernels whose name contains this; NULL: all */
	double repetition; /* the minimum seconds of a repetition */
	int repetitions;
	int threads; /* for the bandwidth of several threads */
};

struct buffers {
	char *big; /* all 16-bit words are bf16 numbers in [0.5, 2), all 32-bit words floats in [0.5, 2) */
	size_t big_bytes;
	size_t l2_bytes; /* how much of `big` fits into the L2 cache */
};

struct result {
	const char *kernel, *isa, *data,
	    *per; /* data: where the input is; per: the unit of work of `seconds` */
	int64_t d;
	double seconds;
	double amount; /* the bytes or operations of a unit of work */
	enum limit limit;
};

struct bench {
	struct settings settings;
	struct buffers buffers;
	struct limits limits; /* of the instruction set that is being measured */
	FILE *json;           /* the report; NULL: none */
	int json_rows;
};

/* A call that does a fixed amount of work. `round` counts calls, so that they can use successive parts of a
 * large buffer. */
typedef void work_fn(void *context, int64_t round);

double now(void);

/* The seconds of one call: the median of the repetitions, after a warm-up. */
double measure(const struct settings *settings, work_fn *work, void *context);

/* The minimum of more repetitions, for limits: disturbances can only make them appear lower. */
double measure_best(const struct settings *settings, work_fn *work, void *context);

/* Whether the settings ask for this kernel. */
int wanted(const struct bench *bench, const char *kernel);

void report(struct bench *bench, const struct result *result);

/* Measure the read bandwidth of some threads, and the peak arithmetic rates of an instruction set. */
double read_bandwidth(const struct settings *settings, const void *data, size_t bytes, int threads);
void measure_peaks(const struct settings *settings, const char *isa, struct limits *limits);

/* Measure all kernels of one instruction set at dimension d. */
void bench_kernels(struct bench *bench, const struct kernels *k, int64_t d);

#endif
