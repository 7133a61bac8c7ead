/* A report as one page for a browser, with curves, a slider and tables.
 *
 * The page is tools/page.html, which the build turns into a string. It has a place for the title and one for
 * the data, which is JSON that its script draws. The page loads nothing and forbids the browser to load
 * anything for it, so that it can be mailed, or opened without a network.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "compare.h"
#include "plot.h"
#include "report.h"
#include "series.h"

extern const unsigned char page_html[]; /* ends with a 0 */

static json_t *copy(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);
	return value ? json_incref(value) : json_null();
}

static json_t *point_json(const json_t *point)
{
	json_t *latency = json_object_get(point, "latency_seconds");
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "settings", copy(point, "settings"),
	    "recall", copy(point, "recall"), "qps", copy(point, "qps"), "qps_min", copy(point, "qps_min"),
	    "qps_max", copy(point, "qps_max"), "p50", copy(latency, "p50"), "p95", copy(latency, "p95"),
	    "p99", copy(latency, "p99"), "codes", copy(point, "codes_per_query"));
}

static json_t *series_json(const struct series *s)
{
	json_t *points = json_array(), *point;
	size_t i;
	json_array_foreach(s->points, i, point) json_array_append_new(points, point_json(point));
	return json_pack("{s:o, s:i, s:i, s:o, s:o, s:o}", "label", json_text(s->label), "color", s->color,
	    "report", s->number, "bytes", copy(s->index, "bytes_per_vector"), "build",
	    copy(s->index, "build_seconds"), "points", points);
}

/* The machine of a report: "Intel(R) Xeon(R) …, 2 cores, avx512". */
static void machine_text(const json_t *report, char *out, size_t size)
{
	const json_t *machine = json_object_get(report, "machine");
	const char *cpu = json_string_value(json_object_get(machine, "cpu"));
	const char *isa = json_string_value(json_object_get(machine, "isa"));
	int cores = (int)json_integer_value(json_object_get(machine, "cores"));
	snprintf(out, size, "%s, %d %s%s%s", cpu ? cpu : "an unknown machine", CLI_COUNT(cores, "core"),
	    isa ? ", " : "", isa ? isa : "");
}

/* The libraries that were measured: "kith 0.1.0, faiss 1.15". */
static void libraries_text(const struct series *series, int n, char *out, size_t size)
{
	size_t used = 0;
	for (int i = 0, last = -1; i < n; i++) {
		const char *library = json_string_value(json_object_get(series[i].report, "library"));
		const char *version = json_string_value(json_object_get(series[i].report, "library_version"));
		if (series[i].number == last || used >= size)
			continue;
		last = series[i].number;
		used += (size_t)snprintf(out + used, size - used, "%s%s %s", used ? ", " : "",
		    library ? library : "?", version ? version : "");
	}
}

/* A sentence that says why the reports cannot be compared; "" if they can. */
static void alike_text(const struct series *series, int n, char *out, size_t size)
{
	char differs[600];
	*out = '\0';
	for (int i = 1; i < n; i++)
		if (!compare_reports(series[0].report, series[i].report, differs, sizeof differs)) {
			snprintf(out, size, " Not all of it was measured alike: %s.", differs);
			return;
		}
}

static json_t *page_json(const struct series *series, int n, const struct plot_options *o)
{
	static const char *const scales[] = {
	    [PLOT_LINEAR] = "linear", [PLOT_LOGIT] = "logit", [PLOT_ERROR] = "error"};
	char measured[400], machine[300], libraries[300] = "", alike[700], facts[1800];
	const json_t *protocol = json_object_get(series[0].report, "protocol");
	json_t *all = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(all, series_json(&series[i]));
	plot_title(series[0].report, measured, sizeof measured);
	machine_text(series[0].report, machine, sizeof machine);
	libraries_text(series, n, libraries, sizeof libraries);
	alike_text(series, n, alike, sizeof alike);
	snprintf(facts, sizeof facts, "%s. Measured on %s; %s.%s", measured, machine, libraries, alike);
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "scale", scales[o->scale], "k", copy(protocol, "k"),
	    "facts", json_text(facts), "foot",
	    json_text("Written by kith. Times are good for comparison within one run on an idle machine."),
	    "series", all);
}

static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("&<>\"", *text))
			fprintf(out, "&#%d;", *text);
		else
			fputc(*text, out);
	}
}

/* Write JSON inside of a script. Every '<' is escaped, as "</script>" in a name would end the script. */
static bool put_json(FILE *out, const json_t *data)
{
	char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(9));
	for (const char *c = text; c && *c; c++) {
		if (*c == '<')
			fputs("\\u003c", out);
		else
			fputc(*c, out);
	}
	bool ok = text != NULL;
	free(text);
	return ok;
}

static bool put_page(FILE *out, const char *title, const json_t *data)
{
	bool ok = true;
	for (const char *at = (const char *)page_html; *at;) {
		size_t n = strcspn(at, "@");
		fwrite(at, 1, n, out);
		at += n;
		if (strncmp(at, "@TITLE@", 7) == 0) {
			put_escaped(out, title);
			at += 7;
		} else if (strncmp(at, "@DATA@", 6) == 0) {
			ok = put_json(out, data) && ok;
			at += 6;
		} else if (*at) {
			fputc(*at++, out);
		}
	}
	return ok;
}

/* The title of the page: the one that the user gave, or the name of the report, or that of its vectors. */
static void page_title(const json_t *report, const struct plot_options *options, char *out, size_t size)
{
	const char *name = json_string_value(json_object_get(report, "name"));
	const json_t *base = json_object_get(json_object_get(report, "data"), "base");
	const char *file = json_string_value(json_object_get(base, "file"));
	const char *slash = file ? strrchr(file, '/') : NULL;
	if (options->title || name)
		snprintf(out, size, "%s", options->title ? options->title : name);
	else
		snprintf(out, size, "%s: recall against speed", slash ? slash + 1 : file ? file : "kith");
}

int page_write(const struct series *series, int n, const char *file, const char *path,
    const struct plot_options *options)
{
	char title[400];
	json_t *data = page_json(series, n, options);
	if (!data)
		return cli_error(EXIT_FAILED, "out of memory while preparing the page");
	page_title(series[0].report, options, title, sizeof title);
	FILE *out = fopen(file, "we");
	errno = out ? 0 : errno;
	bool ok = out && put_page(out, title, data);
	if (out) {
		ok = !ferror(out) && ok;
		ok = fclose(out) == 0 && ok;
	}
	int failed = errno ? errno : EIO;
	json_decref(data);
	return ok ? EXIT_OK : cli_error(EXIT_FAILED, "cannot write '%s': %s", path, strerror(failed));
}
