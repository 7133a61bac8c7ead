/* Small helpers for output. JSON is built and printed by jansson; here are only the values that JSON
 * cannot hold as they are: infinities and file names that are no UTF-8. */
#include "report.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

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

int64_t peak_memory(void)
{
	/* VmHWM, not ru_maxrss: the latter is inherited from whoever started this program. */
	FILE *file = fopen("/proc/self/status", "re");
	char line[160];
	long long kb = 0;
	while (file && !kb && fgets(line, sizeof line, file)) {
		if (strncmp(line, "VmHWM:", 6) == 0)
			kb = strtoll(line + 6, NULL, 10);
	}
	if (file)
		fclose(file);
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
