/* kith plot: draw recall against queries per second, as ann-benchmarks does. Up and to the right is better.
 *
 * Of each index only the Pareto front is drawn: the points that no other point beats in both. The picture is
 * drawn into a temporary file, which gets its name at the end.
 */
#include "plot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "cli.h"
#include "compare.h"
#include "series.h"
#include "stream.h"

enum { MAX_REPORTS = 16, MIN_SIZE = 200, MAX_SIZE = 10000 };

const struct plot_options plot_defaults = {.xlim = {NAN, NAN}, .ylim = {NAN, NAN}};

/* The formats that can be drawn. */
static const char *const extensions[] = {".svg", ".png", ".pdf", ".eps", ".html"};
enum { EXTENSIONS = sizeof extensions / sizeof *extensions };

/* The extension of a picture's name; NULL: it is none that can be drawn. That of a stream is the format in
 * its name, or .svg. */
static const char *extension_of(const char *path)
{
	char stream[20];
	if (is_stream(path)) {
		size_t n = stream_format(path);
		snprintf(stream, sizeof stream, "x.%.*s", n ? (int)n : 3, n ? path : "svg");
		path = stream;
	}
	for (int i = 0; i < EXTENSIONS; i++) {
		size_t n = strlen(path), m = strlen(extensions[i]);
		if (n > m && strcmp(path + n - m, extensions[i]) == 0)
			return extensions[i];
	}
	return NULL;
}

static bool is_page(const char *path)
{
	const char *extension = extension_of(path);
	return extension && strcmp(extension, ".html") == 0;
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
	if (!extension_of(path))
		return cli_error(
		    EXIT_USAGE, "a plot must be named .svg, .png, .pdf, .eps or .html, not '%s'", path);
	if (!is_page(path) && !on_path("gnuplot"))
		return cli_error(EXIT_FAILED,
		    "'%s' cannot be drawn: gnuplot is not installed (Debian, Ubuntu: "
		    "apt-get install gnuplot-nox); leave the plot out, and draw it "
		    "later from the JSON file with 'kith plot', or name it .html",
		    path);
	return EXIT_OK;
}

void plot_title(const json_t *report, char *out, size_t size)
{
	const char *file, *metric, *slash;
	json_int_t n, dim, k, threads, batch;
	char calls[60] = "all queries in one call";
	json_unpack((json_t *)report, "{s:{s:{s:s, s:I, s:I}, s:s}, s:{s:I, s:I, s:I}}", "data", "base",
	    "file", &file, "n", &n, "dim", &dim, "metric", &metric, "protocol", "k", &k, "threads", &threads,
	    "batch", &batch);
	slash = strrchr(file, '/');
	if (batch)
		snprintf(calls, sizeof calls, "%" JSON_INTEGER_FORMAT " %s a call",
		    CLI_COUNT_AS(batch, "query", "queries"));
	snprintf(out, size,
	    "%s: %" JSON_INTEGER_FORMAT " %s of dimension %" JSON_INTEGER_FORMAT
	    ", %s;  %" JSON_INTEGER_FORMAT " %s, %s",
	    slash ? slash + 1 : file, CLI_COUNT(n, "vector"), dim, metric, CLI_COUNT(threads, "thread"),
	    calls);
}

/* Whether a picture ends as its format does. gnuplot does not notice that the disk is full. */
static bool is_whole(const char *file, const char *extension)
{
	enum { TAIL = 64 };
	char tail[TAIL + 1] = "";
	const char *end = strcmp(extension, ".svg") == 0   ? "</svg>"
	                  : strcmp(extension, ".png") == 0 ? "IEND"
	                                                   : "%%EOF";
	FILE *opened = fopen(file, "rbe");
	size_t n = 0;
	if (opened && fseek(opened, 0, SEEK_END) == 0) {
		long size = ftell(opened);
		(void)fseek(opened, size > TAIL ? size - TAIL : 0, SEEK_SET);
		n = fread(tail, 1, TAIL, opened);
	}
	if (opened)
		fclose(opened);
	return memmem(tail, n, end, strlen(end)) != NULL;
}

/* Draw into a temporary file beside `path`, which then gets that name; shown: the name that the user gave. */
static int draw(const struct series *series, int n, const char *path, const char *shown,
    const char *extension, const struct plot_options *options)
{
	char *temporary = NULL;
	if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
		return cli_error(EXIT_FAILED, "out of memory");
	/* If it could not create the file, gnuplot would write to standard output. */
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		free(temporary);
		return cli_error(EXIT_FAILED, "cannot write '%s': %s", shown, strerror(errno));
	}
	close(fd);
	int code = strcmp(extension, ".html") == 0
	               ? page_write(series, n, temporary, shown, options)
	               : plot_draw(series, n, temporary, shown, extension, options);
	if (code == EXIT_OK && strcmp(extension, ".html") != 0 && !is_whole(temporary, extension))
		code = cli_error(EXIT_FAILED, "cannot write '%s': it was cut off; is the disk full?", shown);
	if (code == EXIT_OK && rename(temporary, path) != 0)
		code = cli_error(EXIT_FAILED, "cannot write '%s': %s", path, strerror(errno));
	if (code != EXIT_OK)
		unlink(temporary);
	free(temporary);
	return code;
}

static bool is_within(double value, const double limits[2])
{
	return (isnan(limits[0]) || value >= limits[0]) && (isnan(limits[1]) || value <= limits[1]);
}

/* Whether any point lies within the limits: without one, gnuplot would draw an empty picture. */
static bool any_within(const struct series *series, int n, const struct plot_options *o)
{
	size_t i;
	json_t *point;
	for (int s = 0; o && s < n; s++)
		json_array_foreach(series[s].points, i, point)
		{
			if (is_within(json_number_value(json_object_get(point, "recall")), o->xlim) &&
			    is_within(json_number_value(json_object_get(point, "qps")), o->ylim))
				return true;
		}
	return !o;
}

int plot_reports(json_t *const *reports, const char *const *files, int n, const char *path,
    const struct plot_options *options)
{
	struct series *series = NULL;
	const char *extension = extension_of(path), *file = path;
	int count = 0, code = plot_check(path);
	if (code == EXIT_OK)
		code = series_collect(reports, files, n, &series, &count);
	if (code == EXIT_OK && count == 0)
		code = cli_error(EXIT_FAILED, "nothing was measured that could be drawn as '%s'", path);
	if (code == EXIT_OK && !is_page(path) && !any_within(series, count, options))
		code = cli_error(
		    EXIT_FAILED, "no point lies within --xlim and --ylim; widen them, or leave them out");
	if (code == EXIT_OK)
		compare_warn(reports, files, n);
	if (code == EXIT_OK && is_stream(path))
		code = stream_output("--out", path, "svg", &file);
	if (code == EXIT_OK)
		code = draw(series, count, file, path, extension, options ? options : &plot_defaults);
	free(series);
	return code;
}

/* ---- the command ---- */

enum { OPT_OUT, OPT_TITLE, OPT_SCALE, OPT_XLIM, OPT_YLIM, OPT_SIZE };

static const struct cli_option options[] = {
    [OPT_OUT] = {"out", 'o', "FILE",
        "the picture to draw: .svg, .png, .pdf, .eps, or .html for\n"
        "a page (required)"},
    [OPT_TITLE] = {"title", 0, "TEXT", "what is written above it (default: what was measured)"},
    [OPT_SCALE] = {"scale", 0, "SCALE",
        "axis of recalls: linear; logit, which spreads both ends;\n"
        "error, a logarithmic one of 1 - recall (default linear)",
        "linear|logit|error"},
    [OPT_XLIM] = {"xlim", 0, "MIN:MAX",
        "of a picture: recalls at the ends of its axis (default:\n"
        "of the points)"},
    [OPT_YLIM] = {"ylim", 0, "MIN:MAX",
        "of a picture: queries per second at the ends of their\n"
        "axis (default: of the points)"},
    [OPT_SIZE] = {"size", 0, "WxH",
        "of a picture, in pixels; of .pdf and .eps in hundredths\n"
        "of an inch (default: 1000x640, and 1500x960 for .png)"},
    {0},
};

struct plot {
	const char *out;
	struct plot_options options;
};

/* Read "0.9:1", "0.9:" or ":1", of numbers from `min` to `max`. False: an error was printed. */
static bool read_limits(const struct cli *cli, int option, double min, double max, double limits[2])
{
	const char *at = cli->value;
	char *end;
	limits[0] = limits[1] = NAN;
	if (*at != ':') {
		limits[0] = strtod(at, &end);
		at = end;
	}
	bool ok = *at == ':' && (!isnan(limits[0]) || at == cli->value);
	if (ok && *++at) {
		limits[1] = strtod(at, &end);
		ok = end != at && !*end;
	}
	for (int i = 0; i < 2; i++)
		ok = ok && (isnan(limits[i]) || (limits[i] >= min && limits[i] <= max));
	if (ok && !(limits[0] >= limits[1]))
		return true;
	cli_error(EXIT_USAGE,
	    "--%s must be MIN:MAX with %g <= MIN < MAX%s (either may be left out), not '%s'",
	    cli->command->options[option].name, min, max < HUGE_VAL ? " <= 1" : "", cli->value);
	return false;
}

static bool read_size(const struct cli *cli, struct plot_options *o)
{
	int used = 0;
	if (sscanf(cli->value, "%5dx%5d%n", &o->width, &o->height, &used) == 2 && !cli->value[used] &&
	    o->width >= MIN_SIZE && o->width <= MAX_SIZE && o->height >= MIN_SIZE && o->height <= MAX_SIZE)
		return true;
	cli_error(EXIT_USAGE, "--size must be WIDTHxHEIGHT, each from %d to %d, not '%s'", MIN_SIZE, MAX_SIZE,
	    cli->value);
	return false;
}

static bool parse_option(struct plot *p, const struct cli *cli, int option)
{
	int choice = 0;
	switch (option) {
	case OPT_OUT:
		p->out = cli->value;
		return true;
	case OPT_TITLE:
		p->options.title = cli->value;
		return true;
	case OPT_SCALE:
		if (!cli_choice(cli, option, &choice))
			return false;
		p->options.scale = (enum plot_scale)choice;
		return true;
	case OPT_XLIM:
		return read_limits(cli, option, 0, 1, p->options.xlim);
	case OPT_YLIM:
		return read_limits(cli, option, 1e-6, HUGE_VAL, p->options.ylim);
	default:
		return read_size(cli, &p->options);
	}
}

static bool has_limits(const struct plot_options *o)
{
	return !isnan(o->xlim[0]) || !isnan(o->xlim[1]) || !isnan(o->ylim[0]) || !isnan(o->ylim[1]);
}

static int parse(struct plot *p, struct cli *cli)
{
	for (int option; (option = cli_next(cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli->exit_code;
		if (!parse_option(p, cli, option))
			return EXIT_USAGE;
	}
	for (int i = 0; i < cli->operand_count; i++)
		if (extension_of(cli->operands[i]) && !is_stream(cli->operands[i]))
			return cli_error(EXIT_USAGE, "'%s' is no report but a picture's name: write --out %s",
			    cli->operands[i], cli->operands[i]);
	if (!p->out)
		return cli_error(EXIT_USAGE, "--out is needed: the picture to draw, e.g. -o recall.svg");
	if (is_page(p->out) && p->options.width)
		return cli_error(
		    EXIT_USAGE, "--size is for pictures, and a page fits its window; leave it out");
	if (is_page(p->out) && has_limits(&p->options))
		return cli_error(EXIT_USAGE,
		    "--xlim and --ylim are for pictures, and a page's axes fit the lines that its reader "
		    "chooses; leave them out");
	return plot_check(p->out);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	struct plot p = {.options = plot_defaults};
	json_t *reports[MAX_REPORTS] = {NULL};
	int code = parse(&p, &cli);
	if (code != EXIT_OK || !cli.operands || !p.out)
		return code;
	for (int i = 0; code == EXIT_OK && i < cli.operand_count; i++) {
		const char *file = cli.operands[i];
		if (is_incoming(file))
			code = stream_input(file, "json", &file);
		if (code == EXIT_OK)
			code = bench_read_report(file, &reports[i]);
	}
	if (code == EXIT_OK)
		code = plot_reports(
		    reports, (const char *const *)cli.operands, cli.operand_count, p.out, &p.options);
	if (code == EXIT_OK)
		printf("wrote    %s\n", p.out);
	for (int i = 0; i < MAX_REPORTS; i++)
		json_decref(reports[i]);
	return code;
}

const struct command command_plot = {
    .name = "plot",
    .operands = "REPORT...",
    .summary = "Draw benchmarks: recall against queries per second",
    .notes = "REPORT is a file that 'kith bench --json=FILE' wrote, or benchmarks/peers for other\n"
             "libraries. Each index is a line through its Pareto front, the points that no other\n"
             "beats in both recall and speed. With several reports lines are called after\n"
             "them, too: by what 'kith bench --name' said, else by the library. Drawing needs\n"
             "gnuplot; a page does not. REPORT and --out can be -, standard input and output\n"
             "(.svg; pdf:- and the like name another format).\n",
    .example = "  kith plot kith.json faiss.json -o recall.svg\n"
               "  kith plot kith.json -o recall.pdf --scale error --xlim 0.8: --title 'SIFT, 1 thread'\n"
               "  kith plot kith.json faiss.json -o recall.html\n",
    .options = options,
    .min_operands = 1,
    .max_operands = MAX_REPORTS,
    .run = run,
};
