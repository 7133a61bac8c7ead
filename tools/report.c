/* Helpers for output. jansson builds and prints JSON; here are the values that JSON cannot hold as they are:
 * infinities, and file names that are not UTF-8. */
#include "report.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

double now_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int threads_used(int threads)
{
	return threads > 0 ? threads : omp_get_max_threads();
}

/* The number behind `key` in a file of /proc; 0: there is none. */
static long long proc_number(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char line[160];
	long long value = 0;
	while (file && !value && fgets(line, sizeof line, file)) {
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtoll(line + strlen(key), NULL, 10);
	}
	if (file)
		fclose(file);
	return value;
}

int64_t resident_memory(void)
{
	return proc_number("/proc/self/status", "VmRSS:") * 1024;
}

void peak_memory_reset(void)
{
	malloc_trim(0);
	FILE *file = fopen("/proc/self/clear_refs", "we");
	if (file) {
		fputs("5", file);
		fclose(file);
	}
}

int64_t peak_memory(void)
{
	/* Not ru_maxrss, which a program inherits from the one that started it. */
	long long kb = proc_number("/proc/self/status", "VmHWM:");
	struct rusage usage;
	if (!kb && getrusage(RUSAGE_SELF, &usage) == 0)
		kb = usage.ru_maxrss;
	return kb * 1024;
}

void format_si(double value, char *out, size_t size)
{
	static const char prefixes[] = " kMGTPE";
	int i = 0;
	for (; value >= 999.5 && prefixes[i + 1]; i++)
		value /= 1000;
	int digits = i == 0 && value == floor(value) ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	if (i == 0)
		snprintf(out, size, "%.*f ", digits, value);
	else
		snprintf(out, size, "%.*f %c", digits, value, prefixes[i]);
}

int print_json(json_t *object)
{
	if (!object)
		return cli_error(EXIT_FAILED, "out of memory while preparing the JSON output");
	/* A failed write is noticed when stdout is flushed at the end of the program. */
	json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(object);
	return EXIT_OK;
}

json_t *json_finite(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_element(kith_type type, double value)
{
	return type == KITH_F32 ? json_finite(value) : json_integer((json_int_t)value);
}

json_t *json_text(const char *text)
{
	json_t *json = json_string(text);
	char *copy = json ? NULL : strdup(text);
	if (!copy)
		return json;
	for (char *c = copy; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	json = json_string(copy);
	free(copy);
	return json;
}

json_t *json_words(const char *words)
{
	json_t *array = json_array();
	while (*(words += strspn(words, " "))) {
		size_t n = strcspn(words, " ");
		if (json_array_append_new(array, json_stringn(words, n)) != 0)
			break;
		words += n;
	}
	return array;
}

json_t *machine_json(void)
{
	char line[256], cpu[200] = "unknown";
	FILE *file = fopen("/proc/cpuinfo", "re");
	while (file && fgets(line, sizeof line, file)) {
		const char *colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) == 0 && colon) {
			snprintf(cpu, sizeof cpu, "%s", colon + 1 + strspn(colon + 1, " "));
			cpu[strcspn(cpu, "\n")] = '\0';
			break;
		}
	}
	if (file)
		fclose(file);
	json_int_t memory = proc_number("/proc/meminfo", "MemTotal:") * 1024;
	return json_pack("{s:o, s:I, s:I, s:s, s:s}", "cpu", json_text(cpu), "cores",
	    (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "memory_bytes", memory, "isa", kith_isa(), "blas",
	    kith_blas());
}

int write_json(const json_t *object, const char *path)
{
	char *name = NULL;
	if (asprintf(&name, "%s.%ld.tmp", path, (long)getpid()) < 0)
		return cli_error(EXIT_FAILED, "out of memory");
	FILE *file = fopen(name, "we");
	int failed = file ? 0 : errno;
	if (file) {
		errno = 0;
		bool ok = json_dumpf(object, file, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) == 0;
		ok = fputc('\n', file) != EOF && ok;
		ok = fflush(file) == 0 && fsync(fileno(file)) == 0 && ok;
		ok = fclose(file) == 0 && ok;
		if (!ok || rename(name, path) != 0)
			failed = errno ? errno : EIO;
		if (failed)
			unlink(name);
	}
	free(name);
	if (failed)
		return cli_error(EXIT_FAILED, "cannot write '%s': %s", path, strerror(failed));
	return EXIT_OK;
}
