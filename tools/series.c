/* The lines of a picture and their labels.
 *
 * The label of an index is its factory string. With several reports, the name of the report comes first: the
 * one that 'kith bench --name' gave it, or that of the library. To labels that are the same, the first of
 * these that differs is added: the settings or the file of the index, the report's file, how many times that
 * file was given before, the order.
 */
#include "series.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static double number(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

static int by_recall(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double dr = number(y, "recall") - number(x, "recall"), dq = number(y, "qps") - number(x, "qps");
	double d = dr != 0 ? dr : dq;
	return (d > 0) - (d < 0);
}

json_t **series_front(const json_t *points, size_t *count)
{
	size_t n = json_array_size(points), kept = 0;
	json_t **front = calloc(n ? n : 1, sizeof(json_t *));
	double best = 0;
	for (size_t i = 0; front && i < n; i++)
		front[i] = json_array_get(points, i);
	if (front)
		qsort(front, n, sizeof *front, by_recall);
	for (size_t i = 0; front && i < n; i++)
		if (number(front[i], "qps") > best) {
			best = number(front[i], "qps");
			front[kept++] = front[i];
		}
	*count = kept;
	return front;
}

/* The length of a factory string without a ",Flat" that means nothing: HNSW32,Flat is HNSW32. */
static int telling_length(const char *name)
{
	size_t n = strlen(name), structure = strcspn(name, ",");
	return (int)(strncmp(name, "HNSW", 4) == 0 && strcmp(name + structure, ",Flat") == 0 ? structure : n);
}

static bool same_index(const char *a, const char *b)
{
	int n = telling_length(a);
	return n == telling_length(b) && strncmp(a, b, (size_t)n) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Append " (text)" to a label. Of a long text only the end is taken, so that there is always room. */
static void append(struct series *s, const char *text)
{
	enum { LONGEST = 80 };
	size_t used = strlen(s->label), n = strlen(text), room = sizeof s->label - LONGEST - 4;
	used = used < room ? used : room;
	if (n)
		snprintf(s->label + used, sizeof s->label - used, " (%s)",
		    n > LONGEST ? text + n - LONGEST : text);
}

/* What can tell lines with the same label apart, in this order. */
enum difference { BUILD, REPORT, TIME, PLACE, DIFFERENCES };

enum { TEXT = 4200 }; /* bytes of a text, enough for a path */

/* The settings of building, "efConstruction=100", or the file of an index that was loaded. */
static void build_text(const struct series *s, char *out)
{
	size_t used = 0;
	const char *name, *file = json_string_value(json_object_get(s->index, "file"));
	json_t *value;
	if (file)
		snprintf(out, TEXT, "%s", base_name(file));
	json_object_foreach(json_object_get(s->index, "build"), name, value)
	{
		if (!file && used < TEXT)
			used += (size_t)snprintf(out + used, TEXT - used, "%s%s=%.9g", used ? ", " : "", name,
			    json_number_value(value));
	}
}

/* The name of a report's file, with its folders if another report's file has the same name. */
static const char *file_name(const char *const *files, int reports, int r)
{
	for (int other = 0; other < reports; other++)
		if (strcmp(base_name(files[other]), base_name(files[r])) == 0 &&
		    strcmp(files[other], files[r]) != 0)
			return files[r];
	return base_name(files[r]);
}

/* "2nd time" for a report whose file was given before. */
static void time_text(const struct series *s, const char *const *files, char *out)
{
	static const char *const ends[] = {"th", "st", "nd", "rd"};
	int n = 1;
	for (int r = 0; r < s->number; r++)
		n += strcmp(files[r], files[s->number]) == 0;
	if (n > 1)
		snprintf(out, TEXT, "%d%s time", n, ends[n > 3 ? 0 : n]);
}

/* "line 2": its place among the lines with the same label. */
static void place_text(const int *twins, int i, char *out)
{
	int n = 1;
	for (int other = 0; other < i; other++)
		n += twins[other] == twins[i];
	snprintf(out, TEXT, "line %d", n);
}

static void describe(enum difference difference, const struct series *all, const int *twins, int i,
    const char *const *files, int reports, char *out)
{
	*out = '\0';
	if (difference == BUILD)
		build_text(&all[i], out);
	else if (difference == REPORT)
		snprintf(out, TEXT, "%s", file_name(files, reports, all[i].number));
	else if (difference == TIME)
		time_text(&all[i], files, out);
	else
		place_text(twins, i, out);
}

/* twins [count]: for each line, the number of the first one with the same label. */
static void find_twins(const struct series *all, int count, int *twins)
{
	for (int i = 0; i < count; i++) {
		twins[i] = 0;
		while (strcmp(all[twins[i]].label, all[i].label) != 0)
			twins[i]++;
	}
}

/* Make labels that are the same different, by the first thing in which their lines differ. */
static void tell_apart(struct series *all, int count, const char *const *files, int reports)
{
	int *twins = calloc((size_t)count + 1, sizeof *twins);
	char(*texts)[TEXT] = calloc((size_t)count + 1, sizeof *texts);
	for (int d = 0; d < DIFFERENCES && twins && texts; d++) {
		find_twins(all, count, twins);
		for (int i = 0; i < count; i++)
			describe((enum difference)d, all, twins, i, files, reports, texts[i]);
		for (int i = 0; i < count; i++) {
			bool differs = false;
			for (int other = 0; other < count && !differs; other++)
				differs = twins[other] == twins[i] && strcmp(texts[other], texts[i]) != 0;
			if (differs)
				append(&all[i], texts[i]);
		}
	}
	free(twins);
	free(texts);
}

static const char *report_name(const json_t *report, int reports)
{
	const char *name = json_string_value(json_object_get(report, "name"));
	const char *library = json_string_value(json_object_get(report, "library"));
	return name ? name : reports > 1 ? library : "";
}

static void label(struct series *s, int reports)
{
	const char *of = report_name(s->report, reports);
	snprintf(s->label, sizeof s->label, "%.100s%s%.100s", of, *of ? " " : "", s->name);
}

/* Whether another index of the same report has that colour already. */
static bool has_color(const struct series *all, int i, int color)
{
	for (int other = 0; other < i; other++)
		if (all[other].number == all[i].number && all[other].color == color)
			return true;
	return false;
}

static void color(struct series *all, int i, int reports, int *hues)
{
	all[i].color = -1;
	for (int other = 0; other < i && reports > 1 && all[i].color < 0; other++)
		if (all[other].number != all[i].number && same_index(all[other].name, all[i].name) &&
		    !has_color(all, i, all[other].color))
			all[i].color = all[other].color;
	if (all[i].color < 0)
		all[i].color = (*hues)++;
}

int series_collect(json_t *const *reports, const char *const *files, int n, struct series **out, int *count)
{
	size_t room = 1, i;
	int hues = 0, used = 0;
	json_t *index;
	for (int r = 0; r < n; r++)
		room += json_array_size(json_object_get(reports[r], "indexes"));
	struct series *all = calloc(room, sizeof *all);
	*out = all;
	*count = 0;
	if (!all)
		return cli_error(EXIT_FAILED, "out of memory");
	for (int r = 0; r < n; r++) {
		json_array_foreach(json_object_get(reports[r], "indexes"), i, index)
		{
			json_t *points = json_object_get(index, "points");
			if (json_array_size(points) == 0)
				continue;
			all[used] = (struct series){.report = reports[r],
			    .index = index,
			    .points = points,
			    .name = json_string_value(json_object_get(index, "index")),
			    .number = r};
			label(&all[used], n);
			color(all, used, n, &hues);
			used++;
		}
	}
	tell_apart(all, used, files, n);
	*count = used;
	return EXIT_OK;
}
