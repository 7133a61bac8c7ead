/* Pictures of benchmarks, by gnuplot; and as pages. */
#ifndef KITH_TOOLS_PLOT_H
#define KITH_TOOLS_PLOT_H

#include <jansson.h>

/* How a recall becomes a place: as it is; log(r / (1 − r)); −log(1 − r). */
enum plot_scale { PLOT_LINEAR, PLOT_LOGIT, PLOT_ERROR };

struct plot_options {
	const char *title;       /* NULL: what was measured */
	double xlim[2], ylim[2]; /* NAN: as the points need */
	enum plot_scale scale;
	int width, height; /* 0: 1000 x 640 */
};
extern const struct plot_options plot_defaults;

/* Can a picture with this name be drawn here? svg, png, pdf or eps, and gnuplot there; html needs nothing.
 * Else an error is printed that says what to do; returns an exit code. */
int plot_check(const char *path);

/* Draw the Pareto fronts of n benchmark reports: recall against queries per second. files: where they come
 * from; options NULL: defaults. Returns an exit code. */
int plot_reports(json_t *const *reports, const char *const *files, int n, const char *path,
    const struct plot_options *options);

/* What was measured, of the first report: "base.fvecs: 1000000 vectors of dimension 128, l2; 1 thread, …". */
void plot_title(const json_t *report, char *out, size_t size);

/* ---- drawing (plot_draw.c) ---- */

struct series;

/* Draw into `file`, in the format of an extension; path: what the user calls it. Returns an exit code. */
int plot_draw(const struct series *series, int n, const char *file, const char *path, const char *extension,
    const struct plot_options *options);

/* ---- pages (page.c) ---- */

/* Write one page that shows it all, with nothing outside of it, into `file`; path: what the user calls it.
 * Returns an exit code. */
int page_write(const struct series *series, int n, const char *file, const char *path,
    const struct plot_options *options);

#endif
