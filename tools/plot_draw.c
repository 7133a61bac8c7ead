/* Drawing with gnuplot, which gets its script and data through a pipe and writes the picture.
 *
 * The places of recalls on their axis are computed here, and gnuplot gets tics that are labelled with
 * recalls. On the logarithmic scales a recall of 1 is infinitely far away. It is drawn where half the
 * smallest error of all points would be, and the tic there says 1.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "gnuplot.h"
#include "plot.h"
#include "series.h"

enum { COLORS = 8, WIDTH = 1000, HEIGHT = 640 };

/* The colours of Okabe and Ito, which colour-blind people can tell apart. */
static const char *const colors[COLORS] = {
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#000000"};

/* The marks and dashes of the reports. Indexes beyond the number of colours get other ones. */
enum { MARKS = 6 };
static const int marks[MARKS] = {7, 4, 8, 12, 10, 2};
static const char *const dashes[] = {"1", "(12,6)", "(4,4)", "(12,4,3,4)"};
enum { DASHES = sizeof dashes / sizeof *dashes };

static double number(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

/* Write a text in gnuplot's single quotes. */
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

/* ---- the axis of recalls ---- */

struct axis {
	enum plot_scale scale;
	double min, max; /* the recalls at its ends */
	double perfect;  /* the recall at whose place a recall of 1 is drawn */
};

static double place(const struct axis *axis, double recall)
{
	double r = fmin(recall, axis->perfect);
	if (axis->scale == PLOT_LINEAR)
		return recall;
	r = fmax(r, 1e-9);
	return axis->scale == PLOT_ERROR ? -log10(1 - r) : log10(r / (1 - r));
}

static struct axis make_axis(const struct series *series, int n, const struct plot_options *o)
{
	struct axis axis = {.scale = o->scale, .min = 1, .max = 0};
	double error = 1;
	for (int s = 0; s < n; s++) {
		size_t i;
		json_t *point;
		json_array_foreach(series[s].points, i, point)
		{
			double recall = number(point, "recall");
			axis.min = fmin(axis.min, recall);
			axis.max = fmax(axis.max, recall);
			error = recall < 1 ? fmin(error, 1 - recall) : error;
		}
	}
	axis.perfect = 1 - fmin(error / 2, 0.005);
	if (axis.scale == PLOT_LINEAR) {
		axis.min = fmin(floor(axis.min * 10) / 10, 0.9);
		axis.max = 1;
	} else {
		axis.min = fmin(fmax(axis.min, axis.scale == PLOT_ERROR ? 0 : 0.01), 0.9);
	}
	axis.min = isnan(o->xlim[0]) ? axis.min : o->xlim[0];
	axis.max = isnan(o->xlim[1]) ? axis.max : o->xlim[1];
	return axis;
}

static void put_tic(FILE *out, const struct axis *axis, double recall, bool *first)
{
	if (recall < axis->min || recall > axis->max)
		return;
	fprintf(out, "%s'%.10g' %.9g", *first ? "" : ", ", recall, place(axis, recall));
	*first = false;
}

static void put_axis(FILE *out, const struct axis *axis)
{
	static const double tics[] = {
	    0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999};
	double from = place(axis, axis->min), to = place(axis, axis->max);
	if (axis->scale == PLOT_LINEAR) {
		fprintf(out, "set xrange [%.9g:%.9g]\n", from, to + (to - from) * 0.02);
		return;
	}
	bool first = true;
	fprintf(out, "set xtics (");
	put_tic(out, axis, 0, &first);
	for (size_t i = 0; i < sizeof tics / sizeof *tics; i++)
		if (tics[i] < axis->perfect)
			put_tic(out, axis, tics[i], &first);
	for (double error = 1e-4; error > 1e-9 && 1 - error < axis->perfect; error /= 10)
		put_tic(out, axis, 1 - error, &first);
	put_tic(out, axis, 1, &first);
	fprintf(out, ")\nset xrange [%.9g:%.9g]\n", from, to + (to - from) * 0.03);
}

/* ---- the script ---- */

static void put_terminal(FILE *out, const char *extension, const struct plot_options *o)
{
	int width = o->width ? o->width : WIDTH, height = o->height ? o->height : HEIGHT;
	double more = o->width ? 1 : 1.5; /* a png is larger by default, so that its lines look smooth */
	if (strcmp(extension, ".svg") == 0)
		fprintf(out, "set terminal svg size %d,%d dynamic font 'Helvetica,15' background '#ffffff'\n",
		    width, height);
	else if (strcmp(extension, ".png") == 0)
		fprintf(out,
		    "set terminal pngcairo size %.0f,%.0f font 'Sans,%.1f' background '#ffffff' linewidth "
		    "%g\n",
		    more * width, more * height, 11 * more, more);
	else
		fprintf(out, "set terminal %s size %.3fin,%.3fin font 'Sans,11' linewidth 1.2\n",
		    strcmp(extension, ".pdf") == 0 ? "pdfcairo" : "epscairo", width / 100.0, height / 100.0);
}

static void put_frame(FILE *out, const struct series *series, const struct axis *axis, const char *file,
    const char *extension, const struct plot_options *o)
{
	char title[400];
	json_t *protocol = json_object_get(series[0].report, "protocol");
	plot_title(series[0].report, title, sizeof title);
	put_terminal(out, extension, o);
	fprintf(out, "set output ");
	put_text(out, file);
	fprintf(out,
	    "\nset logscale y 10\nset format y '%%.0s%%c'\nset grid xtics ytics mytics lc rgb '#a8a8a8' "
	    "dt 1 lw 0.6, lc rgb '#d8d8d8' dt 1 lw 0.5\n"
	    "set mytics 10\nset border 3 lc rgb '#505050'\nset tics nomirror\n"
	    "set key outside right top vertical Left reverse samplen 2.5 noenhanced\nset title ");
	put_text(out, o->title ? o->title : title);
	fprintf(out, " noenhanced\nset xlabel 'recall\\@%" JSON_INTEGER_FORMAT "%s'\n",
	    json_integer_value(json_object_get(protocol, "k")),
	    axis->scale == PLOT_ERROR   ? " (errors on a logarithmic scale)"
	    : axis->scale == PLOT_LOGIT ? " (logit scale)"
	                                : "");
	fprintf(out, "set ylabel 'queries per second'\n");
	put_axis(out, axis);
	fprintf(out, "set yrange [");
	if (!isnan(o->ylim[0]))
		fprintf(out, "%.9g", o->ylim[0]);
	fputc(':', out);
	if (!isnan(o->ylim[1]))
		fprintf(out, "%.9g", o->ylim[1]);
	fprintf(out, "]\n");
}

static void put_series(FILE *out, const struct series *series, int n, const struct axis *axis)
{
	for (int i = 0; i < n; i++) {
		size_t count;
		json_t **front = series_front(series[i].points, &count);
		fprintf(out, "$front%d << END\n", i);
		for (size_t p = 0; front && p < count; p++)
			fprintf(out, "%.9g %.9g\n", place(axis, number(front[p], "recall")),
			    number(front[p], "qps"));
		fprintf(out, "END\n");
		free(front);
	}
	for (int i = 0; i < n; i++) {
		int look = series[i].number + series[i].color / COLORS;
		fprintf(out,
		    "%s $front%d using 1:2 with linespoints lw 2 ps 1 pt %d dt %s lc rgb '%s' title ",
		    i ? ", \\\n    " : "plot", i, marks[look % MARKS], dashes[look % DASHES],
		    colors[series[i].color % COLORS]);
		put_text(out, series[i].label);
	}
	fprintf(out, "\n");
}

int plot_draw(const struct series *series, int n, const char *file, const char *path, const char *extension,
    const struct plot_options *options)
{
	struct axis axis = make_axis(series, n, options);
	struct gnuplot gnuplot;
	int code = gnuplot_begin(&gnuplot);
	if (code != EXIT_OK)
		return code;
	put_frame(gnuplot.script, series, &axis, file, extension, options);
	put_series(gnuplot.script, series, n, &axis);
	return gnuplot_end(&gnuplot, path);
}
