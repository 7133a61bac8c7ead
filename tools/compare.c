/* Whether reports can be compared.
 *
 * Curves in one picture say that one index is faster than another. This is true only if both were measured
 * alike: with the same vectors and queries, the same protocol and machine. Library, version and folders may
 * differ. */
#include "compare.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

struct list {
	char *out;
	size_t size, used;
};

static void put(struct list *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct list *list, const char *format, ...)
{
	va_list args;
	if (list->used >= list->size)
		return;
	if (list->used)
		list->used += (size_t)snprintf(list->out + list->used, list->size - list->used, "; ");
	va_start(args, format);
	if (list->used < list->size)
		list->used +=
		    (size_t)vsnprintf(list->out + list->used, list->size - list->used, format, args);
	va_end(args);
}

/* report[part][member], or report[part][inner][member]. */
static const json_t *at(const json_t *report, const char *part, const char *inner, const char *member)
{
	const json_t *object = json_object_get(report, part);
	return json_object_get(inner ? json_object_get(object, inner) : object, member);
}

static int64_t number(const json_t *report, const char *part, const char *inner, const char *member)
{
	return (int64_t)json_integer_value(at(report, part, inner, member));
}

/* The name of the base file without its folder; *length: its length without the extension. */
static const char *base_name(const json_t *report, int *length)
{
	const char *file = json_string_value(at(report, "data", "base", "file"));
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	*length = (int)strcspn(name, ".");
	return name;
}

static void compare_vectors(struct list *list, const json_t *a, const json_t *b)
{
	int length[2];
	const char *name[2] = {base_name(a, &length[0]), base_name(b, &length[1])};
	int64_t n[2] = {number(a, "data", "base", "n"), number(b, "data", "base", "n")};
	int64_t dim[2] = {number(a, "data", "base", "dim"), number(b, "data", "base", "dim")};
	int64_t queries[2] = {number(a, "data", "query", "n"), number(b, "data", "query", "n")};
	const char *metric[2] = {json_string_value(at(a, "data", NULL, "metric")),
	    json_string_value(at(b, "data", NULL, "metric"))};
	if (n[0] != n[1] || dim[0] != dim[1])
		put(list, "%" PRId64 " x %" PRId64 " as base, and %" PRId64 " x %" PRId64, n[0], dim[0], n[1],
		    dim[1]);
	else if (length[0] != length[1] || strncmp(name[0], name[1], (size_t)length[0]) != 0)
		put(list, "vectors of '%.60s', and of '%.60s'", name[0], name[1]);
	if (queries[0] != queries[1])
		put(list, "%" PRId64 " %s, and %" PRId64, CLI_COUNT_AS(queries[0], "query", "queries"),
		    queries[1]);
	if (strcmp(metric[0], metric[1]) != 0)
		put(list, "metric %s, and %s", metric[0], metric[1]);
}

static void compare_protocols(struct list *list, const json_t *a, const json_t *b)
{
	int64_t batch[2] = {number(a, "protocol", NULL, "batch"), number(b, "protocol", NULL, "batch")};
	static const char *const members[] = {"k", "threads"};
	for (int i = 0; i < 2; i++) {
		int64_t x = number(a, "protocol", NULL, members[i]);
		int64_t y = number(b, "protocol", NULL, members[i]);
		if (x != y)
			put(list, "%s %" PRId64 ", and %" PRId64, members[i], x, y);
	}
	/* A report may name a call of all queries by 0 or by their number. */
	for (int i = 0; i < 2; i++) {
		int64_t queries = number(i ? b : a, "data", "query", "n");
		if (queries && batch[i] >= queries)
			batch[i] = 0;
	}
	if (batch[0] != batch[1] && (!batch[0] || !batch[1]))
		put(list, "%" PRId64 " a call, and all queries in one", batch[0] + batch[1]);
	else if (batch[0] != batch[1])
		put(list, "%" PRId64 " a call, and %" PRId64, batch[0], batch[1]);
}

static void compare_machines(struct list *list, const json_t *a, const json_t *b)
{
	const char *x = json_string_value(at(a, "machine", NULL, "cpu"));
	const char *y = json_string_value(at(b, "machine", NULL, "cpu"));
	int64_t cores[2] = {number(a, "machine", NULL, "cores"), number(b, "machine", NULL, "cores")};
	if (x && y && strcmp(x, y) != 0)
		put(list, "machine '%.60s', and '%.60s'", x, y);
	else if (cores[0] && cores[1] && cores[0] != cores[1])
		put(list, "a machine of %" PRId64 " %s, and one of %" PRId64, CLI_COUNT(cores[0], "core"),
		    cores[1]);
}

bool compare_reports(const json_t *a, const json_t *b, char *out, size_t size)
{
	struct list list = {out, size, 0};
	*out = '\0';
	compare_vectors(&list, a, b);
	compare_protocols(&list, a, b);
	compare_machines(&list, a, b);
	return list.used == 0;
}

void compare_warn(json_t *const *reports, const char *const *files, int n)
{
	char text[600];
	for (int i = 1; i < n; i++)
		if (!compare_reports(reports[0], reports[i], text, sizeof text))
			cli_warn("'%s' and '%s' were not measured alike: %s", files[0], files[i], text);
}
