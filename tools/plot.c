/* kith plot: recall against queries per second, as ann-benchmarks draws it. Up and to the right is better.
 *
 * Of each index only the Pareto front is drawn: the points that no other point beats in both. gnuplot gets
 * its script and data through a pipe; it writes a temporary file, which gets the picture's name at the end.
 */
#include "plot.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "cli.h"

enum { COLORS = 8, MAX_REPORTS = 16 };

/* Okabe and Ito's colours, which the colour-blind can tell apart; black comes last. */
static const char *const colors[COLORS] = {
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#000000"};

/* Points and dashes of each library. */
enum { MARKS = 4 };
static const char *const marks[MARKS] = {"7 dt 1", "4 dt (12,6)", "8 dt (4,4)", "12 dt (12,4,3,4)"};

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n > m && strcmp(text + n - m, end) == 0;
}

static bool on_path(const char *program)
{
	const char *path = getenv("PATH");
	char *copy = path ? strdup(path) : NULL, *rest = NULL, *name;
	bool found = false;
	for (char *folder = copy ? strtok_r(copy, ":", &rest) : NULL; folder && !found;
	     folder = strtok_r(NULL, ":", &rest)) {
		if (asprintf(&name, "%s/%s", folder, program) < 0)
			break;
		found = access(name, X_OK) == 0;
		free(name);
	}
	free(copy);
	return found;
}

int plot_check(const char *path)
{
	if (!ends_with(path, ".svg") && !ends_with(path, ".png"))
		return cli_error(EXIT_USAGE, "a plot must be named .svg or .png, not '%s'", path);
	if (!on_path("gnuplot"))
		return cli_error(EXIT_FAILED,
		    "'%s' cannot be drawn: gnuplot is not installed (Debian, Ubuntu: "
		    "apt-get install gnuplot-nox); leave the plot out, and draw it "
		    "later from the JSON file with 'kith plot'",
		    path);
	return EXIT_OK;
}

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

json_t **plot_front(const json_t *points, size_t *count)
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

/* Text in gnuplot's single quotes. */
static void put_text(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputc('\'', out);
		fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
	}
	fputc('\'', out);
}

/* "base.fvecs: 1,000,000 x 128, l2", of the first report. */
static void put_title(FILE *out, const json_t *report)
{
	const char *file, *metric, *slash;
	json_int_t n, dim, k, threads, batch;
	char title[400], calls[60] = "all queries in one call";
	json_unpack((json_t *)report, "{s:{s:{s:s, s:I, s:I}, s:s}, s:{s:I, s:I, s:I}}", "data", "base",
	    "file", &file, "n", &n, "dim", &dim, "metric", &metric, "protocol", "k", &k, "threads", &threads,
	    "batch", &batch);
	slash = strrchr(file, '/');
	if (batch)
		snprintf(calls, sizeof calls, "%" JSON_INTEGER_FORMAT " %s a call", batch,
		    batch == 1 ? "query" : "queries");
	snprintf(title, sizeof title,
	    "%s: %" JSON_INTEGER_FORMAT " vectors of dimension %" JSON_INTEGER_FORMAT
	    ", %s;  %" JSON_INTEGER_FORMAT " %s, %s",
	    slash ? slash + 1 : file, n, dim, metric, threads, threads == 1 ? "thread" : "threads", calls);
	fprintf(out, "set title ");
	put_text(out, title);
	fprintf(out, " noenhanced\nset xlabel 'recall\\@%" JSON_INTEGER_FORMAT "'\n", k);
	fprintf(out, "set ylabel 'queries per second'\n");
}

static void put_frame(FILE *out, const json_t *report, const char *path, bool svg, double least)
{
	fprintf(out,
	    svg ? "set terminal svg size 1000,640 dynamic font 'Helvetica,15' background '#ffffff'\n"
	        : "set terminal pngcairo size 1500,960 font 'Sans,16' background '#ffffff' linewidth 1.5\n");
	fprintf(out, "set output ");
	put_text(out, path);
	fprintf(out,
	    "\nset logscale y 10\nset format y '%%.0s%%c'\nset grid xtics ytics mytics lc rgb '#a8a8a8' "
	    "dt 1 lw 0.6, lc rgb '#d8d8d8' dt 1 lw 0.5\n"
	    "set mytics 10\nset border 3 lc rgb '#505050'\nset tics nomirror\n"
	    "set key outside right top vertical Left reverse samplen 2.5 noenhanced\n"
	    "set xrange [%.6g:%.6g]\n",
	    least, 1 + (1 - least) * 0.02);
	put_title(out, report);
}

/* One line of the picture. */
struct series {
	const json_t *points;
	const char *name; /* of the index */
	char label[200];
	int color, dash;
};

static void put_series(FILE *out, const struct series *series, int n)
{
	for (int i = 0; i < n; i++) {
		size_t count;
		json_t **front = plot_front(series[i].points, &count);
		fprintf(out, "$front%d << END\n", i);
		for (size_t p = 0; front && p < count; p++)
			fprintf(out, "%.9g %.9g\n", number(front[p], "recall"), number(front[p], "qps"));
		fprintf(out, "END\n");
		free(front);
	}
	for (int i = 0; i < n; i++) {
		int mark = (series[i].dash - 1) % MARKS;
		fprintf(out, "%s $front%d using 1:2 with linespoints lw 2 ps 1 pt %s lc rgb '%s' title ",
		    i ? ", \\\n    " : "plot", i, marks[mark], colors[series[i].color % COLORS]);
		put_text(out, series[i].label);
	}
	fprintf(out, "\n");
}

/* Characters of a factory string that tell indexes apart: HNSW32,Flat is HNSW32. */
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

/* Indexes with one factory string share a colour, those of one library a dash. */
static int collect(json_t *const *reports, int n, struct series *series, int room, double *least)
{
	int count = 0, hues = 0;
	*least = 1;
	for (int r = 0; r < n; r++) {
		const char *library = json_string_value(json_object_get(reports[r], "library"));
		size_t i, p;
		json_t *index, *point;
		json_array_foreach(json_object_get(reports[r], "indexes"), i, index)
		{
			json_t *points = json_object_get(index, "points");
			const char *name = json_string_value(json_object_get(index, "index"));
			if (count == room || json_array_size(points) == 0)
				continue;
			struct series *s = &series[count];
			*s = (struct series){.points = points, .name = name, .color = -1, .dash = r + 1};
			snprintf(s->label, sizeof s->label, "%s%s%s", n > 1 ? library : "", n > 1 ? " " : "",
			    name);
			for (int other = 0; other < count && s->color < 0; other++)
				if (same_index(series[other].name, name) && n > 1)
					s->color = series[other].color;
			if (s->color < 0)
				s->color = hues++;
			json_array_foreach(points, p, point) *least = fmin(*least, number(point, "recall"));
			count++;
		}
	}
	*least = fmin(floor(*least * 10) / 10, 0.9);
	return count;
}

static int run_gnuplot(json_t *const *reports, const struct series *series, int n, const char *path,
    const char *temporary, double least)
{
	errno = 0;
	FILE *pipe = popen("gnuplot", "we");
	if (!pipe)
		return cli_error(EXIT_FAILED, "cannot start gnuplot: %s", strerror(errno));
	put_frame(pipe, reports[0], temporary, ends_with(path, ".svg"), least);
	put_series(pipe, series, n);
	int status = pclose(pipe);
	if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return cli_error(EXIT_FAILED, "gnuplot failed; '%s' was not drawn", path);
	if (rename(temporary, path) != 0)
		return cli_error(EXIT_FAILED, "cannot write '%s': %s", path, strerror(errno));
	return EXIT_OK;
}

int plot_reports(json_t *const *reports, int n, const char *path)
{
	enum { SERIES = 64 };
	int code = plot_check(path);
	struct series *series = code == EXIT_OK ? calloc(SERIES, sizeof *series) : NULL;
	char *temporary = NULL;
	double least;
	if (code != EXIT_OK)
		return code;
	if (!series || asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0) {
		free(series);
		return cli_error(EXIT_FAILED, "out of memory");
	}
	int count = collect(reports, n, series, SERIES, &least);
	if (count == 0)
		code = cli_error(EXIT_FAILED, "nothing was measured that could be drawn as '%s'", path);
	else
		code = run_gnuplot(reports, series, count, path, temporary, least);
	if (code != EXIT_OK)
		unlink(temporary);
	free(temporary);
	free(series);
	return code;
}

/* ---- the command ---- */

enum { OPT_OUT };

static const struct cli_option options[] = {
    [OPT_OUT] = {"out", 'o', "FILE", "the picture to draw: .svg or .png (required)"},
    {0},
};

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	json_t *reports[MAX_REPORTS] = {NULL};
	const char *out = NULL;
	for (int option; (option = cli_next(&cli)) != CLI_DONE;) {
		if (option != OPT_OUT)
			return cli.exit_code;
		out = cli.value;
	}
	if (!out)
		return cli_error(EXIT_USAGE, "--out is needed: the picture to draw, e.g. -o recall.svg");
	int code = plot_check(out);
	for (int i = 0; code == EXIT_OK && i < cli.operand_count; i++)
		code = bench_read_report(cli.operands[i], &reports[i]);
	if (code == EXIT_OK)
		code = plot_reports(reports, cli.operand_count, out);
	if (code == EXIT_OK)
		printf("wrote    %s\n", out);
	for (int i = 0; i < MAX_REPORTS; i++)
		json_decref(reports[i]);
	return code;
}

const struct command command_plot = {
    .name = "plot",
    .operands = "REPORT...",
    .summary = "Draw benchmarks: recall against queries per second",
    .notes = "REPORT is a file that 'kith bench --json' wrote, or benchmarks/peers for other\n"
             "libraries. Each index is a line through its Pareto front, the points that no other\n"
             "beats in both recall and speed. Drawing needs gnuplot.\n",
    .example = "  kith plot kith.json faiss.json -o recall.svg\n",
    .options = options,
    .min_operands = 1,
    .max_operands = MAX_REPORTS,
    .run = run,
};
