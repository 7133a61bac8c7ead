/* What commands print: JSON, sizes, times, memory. */
#ifndef KITH_TOOLS_REPORT_H
#define KITH_TOOLS_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <kith/kith.h>

/* Seconds since some fixed moment. */
double now_seconds(void);

/* The number of threads that a call with options.threads = threads uses. */
int threads_used(int threads);

/* The peak of this process's resident memory in bytes, and what is resident now. */
int64_t peak_memory(void);
int64_t resident_memory(void);

/* Give free memory back and reset the peak, if the system can do that. */
void peak_memory_reset(void);

/* This machine, for the readers of measurements: cpu, cores, memory, instruction set, BLAS. */
json_t *machine_json(void);

/* Write an object to a file, which gets its name when it is complete. Returns an exit code. */
int write_json(const json_t *object, const char *path);

/* Write a number with three digits and a decimal prefix, 1234567 as "1.23 M". It ends in the prefix or a
 * space, so that a unit can follow. */
void format_si(double value, char *out, size_t size);

/* Print `object` on stdout and release it; NULL, for which memory was short, is an error. Returns an exit
 * code. */
int print_json(json_t *object);

/* A number, or null if it is not finite. */
json_t *json_finite(double value);
/* An element of a vector: bytes and ids as integers. */
json_t *json_element(kith_type type, double value);
/* A text of any bytes; if it is not UTF-8, bytes other than ASCII become '?'. */
json_t *json_text(const char *text);
/* Words that are separated by spaces, as an array. */
json_t *json_words(const char *words);

#endif
