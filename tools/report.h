/* What commands print: JSON, sizes, times, memory. */
#ifndef KITH_TOOLS_REPORT_H
#define KITH_TOOLS_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <kith/kith.h>

/* Seconds since some fixed moment. */
double now_seconds(void);

/* Threads that a call with options.threads = threads uses. */
int threads_used(int threads);

/* Peak resident memory of this process in bytes, and what is resident now. */
int64_t peak_memory(void);
int64_t resident_memory(void);

/* Give free memory back and let the peak begin anew, where the system can do that. */
void peak_memory_reset(void);

/* What a reader of measurements must know of this machine: cpu, cores, memory, instruction set. */
json_t *machine_json(void);

/* Write an object to a file, which gets its name when it is whole. Returns an exit code. */
int write_json(const json_t *object, const char *path);

/* 1234567 → "1.23 M": three digits and a decimal prefix; a space or a prefix comes last, so that a
 * unit can follow. */
void format_si(double value, char *out, size_t size);

/* Print `object` on stdout and release it; NULL (jansson ran out of memory) is an error. Returns an
 * exit code. */
int print_json(json_t *object);

/* A number, null where it is not finite; text of any bytes (those that are no UTF-8 become '?'). */
json_t *json_finite(double value);
json_t *json_element(kith_type type, double value); /* of a vector: bytes and ids as integers */
json_t *json_text(const char *text);

/* Space-separated words as an array. */
json_t *json_words(const char *words);

#endif
