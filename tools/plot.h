/* Pictures of benchmarks, which gnuplot draws, and pages for a browser. */
#ifndef KITH_TOOLS_PLOT_H
#define KITH_TOOLS_PLOT_H

#include <jansson.h>

/* Where a recall r lies on its axis: at r, at log(r / (1 − r)), or at −log(1 − r). */
enum plot_scale { PLOT_LINEAR, PLOT_LOGIT, PLOT_ERROR };

struct plot_options {
	const char *title;       /* NULL: one that says what was measured */
	double xlim[2], ylim[2]; /* ends of the axes; NAN: those of the points */
	enum plot_scale scale;
	int width, height; /* 0: 1000 x 640 */
};
extern const struct plot_options plot_defaults;

/* An error if a picture with this name cannot be drawn, because its format is unknown or gnuplot, which all
 * but pages need, is not installed. Returns an exit code. */
int plot_check(const char *path);

/* Draw the Pareto fronts of n benchmark reports; files: their names; options NULL: the defaults. Returns an
 * exit code. */
int plot_reports(json_t *const *reports, const char *const *files, int n, const char *path,
    const struct plot_options *options);

/* What a report measured: "base.fvecs: 1000000 vectors of dimension 128, l2; 1 thread, …". */
void plot_title(const json_t *report, char *out, size_t size);

/* ---- drawing (plot_draw.c) ---- */

struct series;

/* Draw into `file` in the format of an extension; path: the name that the user gave. Returns an exit code. */
int plot_draw(const struct series *series, int n, const char *file, const char *path, const char *extension,
    const struct plot_options *options);

/* ---- pages (page.c) ---- */

/* Write a page that needs no other file into `file`; path: the name that the user gave. Returns an exit
 * code. */
int page_write(const struct series *series, int n, const char *file, const char *path,
    const struct plot_options *options);

#endif
