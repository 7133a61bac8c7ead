/* kith info: show what a vector file holds, or what this build and machine offer. Index files are shown by
 * info_index.c.
 *
 * A file is scanned in pieces and in one pass. Integers are scanned as integers, since floats are exact only
 * up to 2^24 and doubles up to 2^53.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "cli.h"
#include "files.h"
#include "info_index.h"
#include "report.h"
#include "stream.h"

enum { PIECE_BYTES = 16 << 20, SAMPLE_ROWS = 3, SAMPLE_COLUMNS = 8 };

enum { OPT_QUICK, OPT_JSON };

static const struct cli_option options[] = {
    [OPT_QUICK] = {"quick", 0, NULL,
        "do not scan FILE: no range, norms, NaN count; of an index,\n"
        "no checksums",
        .old_letter = "q"},
    [OPT_JSON] = {"json", 0, NULL, CLI_HELP_JSON},
    {0},
};

/* What a scan finds. min > max: there is no finite element. Rows with NaN or infinity have no norm. */
struct scan {
	double min, max, norms;
	int64_t nan, inf, negative, zero_rows, normed_rows;
	int64_t smallest, largest; /* of integers */
	double sample[SAMPLE_ROWS][SAMPLE_COLUMNS];
	int64_t whole[SAMPLE_ROWS][SAMPLE_COLUMNS]; /* the sample of a file of integers */
	int sample_rows, sample_columns;
	bool complete; /* whether the whole file was scanned, and not only the sample */
};

static void scan_row(struct scan *scan, const double *x, int64_t dim)
{
	double normsq = 0;
	int64_t odd = scan->nan + scan->inf;
	for (int64_t j = 0; j < dim; j++) {
		double v = x[j];
		scan->nan += isnan(v) != 0;
		scan->inf += isinf(v) != 0;
		scan->negative += v < 0;
		if (isfinite(v)) {
			scan->min = v < scan->min ? v : scan->min;
			scan->max = v > scan->max ? v : scan->max;
		}
		normsq += v * v;
	}
	scan->zero_rows += normsq == 0;
	if (odd == scan->nan + scan->inf) {
		scan->norms += sqrt(normsq);
		scan->normed_rows++;
	}
}

/* Scan a row of integers, row number `number`, for what doubles cannot hold. */
static void scan_integers(struct scan *scan, const int64_t *row, int64_t number, int64_t dim)
{
	for (int64_t j = 0; j < dim; j++) {
		scan->smallest = row[j] < scan->smallest ? row[j] : scan->smallest;
		scan->largest = row[j] > scan->largest ? row[j] : scan->largest;
	}
	if (number < scan->sample_rows)
		memcpy(scan->whole[number], row, (size_t)scan->sample_columns * sizeof *row);
}

/* Scan rows as doubles, which hold every element exactly except large integers; x [dim]: working memory. */
static void scan_rows(
    struct scan *scan, kith_type type, const void *rows, int64_t first, int64_t n, int64_t dim, double *x)
{
	for (int64_t i = 0; i < n; i++) {
		if (type == KITH_I64) {
			scan_integers(scan, (const int64_t *)rows + i * dim, first + i, dim);
			for (int64_t j = 0; j < dim; j++)
				x[j] = (double)((const int64_t *)rows)[i * dim + j];
		} else {
			for (int64_t j = 0; j < dim; j++)
				x[j] = (double)((const float *)rows)[i * dim + j];
		}
		if (first + i < scan->sample_rows)
			memcpy(scan->sample[first + i], x, (size_t)scan->sample_columns * sizeof *x);
		scan_row(scan, x, dim);
	}
}

/* Whether the elements are integers of 32 or 64 bits, which are most likely ids. */
static bool holds_integers(const struct input *in)
{
	return in->info.type == KITH_I32 || in->info.type == KITH_I64;
}

static int scan_file(struct input *in, bool quick, struct scan *scan)
{
	int64_t n = in->info.n, dim = in->info.dim, rows = batch_rows(n, dim * 8, PIECE_BYTES);
	kith_type type = holds_integers(in) ? KITH_I64 : KITH_F32;
	*scan = (struct scan){.min = INFINITY,
	    .max = -INFINITY,
	    .smallest = INT64_MAX,
	    .largest = INT64_MIN,
	    .sample_rows = n < SAMPLE_ROWS ? (int)n : SAMPLE_ROWS,
	    .sample_columns = dim < SAMPLE_COLUMNS ? (int)dim : SAMPLE_COLUMNS,
	    .complete = !quick};
	if (quick)
		rows = n = scan->sample_rows;
	void *piece = malloc((size_t)(rows * dim) * kith_type_size(type));
	double *x = malloc((size_t)dim * sizeof *x);
	struct bar bar;
	int code = EXIT_OK;
	if (!piece || !x) {
		code = fail_memory(rows * dim * 8 + dim * 8, "vectors");
		n = 0;
	}
	bar_begin(&bar, "scanning", "vectors", (double)n);
	for (int64_t i = 0; i < n && code == EXIT_OK; i += rows) {
		int64_t now = rows < n - i ? rows : n - i;
		kith_status status = kith_vecs_read(in->vecs, i, now, type, piece);
		kith_vecs_drop(in->vecs);
		if (status != KITH_OK) {
			code = fail_status(status, in->path, NULL);
			break;
		}
		scan_rows(scan, type, piece, i, now, dim, x);
		if (bar_at(&bar, (double)(i + now)))
			code = fail_stopped(NULL);
	}
	bar_wipe();
	free(piece);
	free(x);
	return code;
}

static void print_sample(const struct scan *scan, int64_t dim, bool integers)
{
	for (int i = 0; i < scan->sample_rows; i++) {
		printf("row %-8d", i);
		for (int j = 0; j < scan->sample_columns; j++)
			if (integers)
				printf(" %" PRId64, scan->whole[i][j]);
			else
				printf(" %.6g", scan->sample[i][j]);
		printf("%s\n", dim > SAMPLE_COLUMNS ? " ..." : "");
	}
}

static void print_file(const struct input *in, const struct scan *scan)
{
	const kith_vecs_info *info = &in->info;
	bool ids = holds_integers(in);
	char size[40];
	format_si((double)info->bytes, size, sizeof size);
	printf("file         %s\n", in->path);
	printf("format       %s\n", info->format);
	printf("vectors      %" PRId64 "\n", info->n);
	printf("dimension    %" PRId64 "\n", info->dim);
	printf("type         %s\n", kith_type_name(info->type));
	printf("size         %sB (%" PRId64 " bytes)\n", size, info->bytes);
	if (scan->complete) {
		if (ids)
			printf("range        %" PRId64 " to %" PRId64 "\n", scan->smallest, scan->largest);
		else if (scan->min <= scan->max)
			printf("range        %.9g to %.9g\n", scan->min, scan->max);
		if (info->type == KITH_F32)
			printf("NaN, Inf     %" PRId64 ", %" PRId64 "\n", scan->nan, scan->inf);
		if (ids)
			printf("negative     %" PRId64 " (%s)\n", scan->negative,
			    info->type == KITH_I32 ? "no neighbour" : "-1 is no neighbour");
		if (!ids && scan->normed_rows)
			printf("mean norm    %.6g\n", scan->norms / (double)scan->normed_rows);
		if (!ids)
			printf("zero vectors %" PRId64 "\n", scan->zero_rows);
	}
	print_sample(scan, info->dim, ids);
}

static int print_file_json(const struct input *in, const struct scan *scan)
{
	bool ids = holds_integers(in);
	json_t *object = input_json(in), *sample = json_array();
	for (int i = 0; i < scan->sample_rows; i++) {
		json_t *row = json_array();
		for (int j = 0; j < scan->sample_columns; j++)
			json_array_append_new(row, ids ? json_integer((json_int_t)scan->whole[i][j])
			                               : json_element(in->info.type, scan->sample[i][j]));
		json_array_append_new(sample, row);
	}
	if (scan->complete) {
		double mean = scan->normed_rows ? scan->norms / (double)scan->normed_rows : NAN;
		json_t *found = json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "min",
		    ids ? json_integer((json_int_t)scan->smallest) : json_element(in->info.type, scan->min),
		    "max",
		    ids ? json_integer((json_int_t)scan->largest) : json_element(in->info.type, scan->max),
		    "nan", (json_int_t)scan->nan, "inf", (json_int_t)scan->inf, "negative",
		    (json_int_t)scan->negative, "zero_vectors", (json_int_t)scan->zero_rows, "mean_norm",
		    json_finite(mean));
		json_object_update(object, found);
		json_decref(found);
	}
	json_object_set_new(object, "sample", sample);
	return print_json(object);
}

static int print_build(bool json)
{
	const char *formats = kith_vecs_formats();
	bool hdf5 = strstr(formats, "hdf5") != NULL;
	if (json)
		return print_json(json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:b, s:o}", "version",
		    kith_version(), "isa", kith_isa(), "tiles", kith_tiles(), "isa_available",
		    json_words(kith_isa_available()), "blas", json_text(kith_blas()), "threads",
		    threads_used(0), "hdf5", (int)hdf5, "formats", json_words(formats)));
	printf("kith         %s\n", kith_version());
	printf("isa          %s (available: %s)\n", kith_isa(), kith_isa_available());
	printf("tiles        %s\n", kith_tiles());
	printf("BLAS         %s\n", kith_blas());
	printf("threads      %d\n", threads_used(0));
	printf("HDF5         %s\n", hdf5 ? "yes" : "no");
	printf("formats      %s\n", formats);
	return EXIT_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	bool quick = false, json = false;
	for (int option; (option = cli_next(&cli)) != CLI_DONE;) {
		if (option == CLI_EXIT)
			return cli.exit_code;
		quick |= option == OPT_QUICK;
		json |= option == OPT_JSON;
	}
	if (cli.operand_count == 0 && quick)
		return cli_error(EXIT_USAGE, "--quick is about a file: kith info --quick FILE");
	if (cli.operand_count == 0)
		return print_build(json);
	const char *path = cli.operands[0], *file = path;
	int code = is_incoming(path) ? stream_input(path, "fvecs", &file) : EXIT_OK;
	if (code != EXIT_OK)
		return code;
	if (is_index_file(file))
		return info_index(path, file, quick, json);
	struct input in;
	struct scan scan;
	code = input_open(&in, file);
	in.path = path;
	if (code == EXIT_OK)
		code = scan_file(&in, quick, &scan);
	if (code == EXIT_OK && json)
		code = print_file_json(&in, &scan);
	else if (code == EXIT_OK)
		print_file(&in, &scan);
	input_close(&in);
	return code;
}

const struct command command_info = {
    .name = "info",
    .operands = "[FILE]",
    .summary = "Show what a vector or index file holds, or what this build offers",
    .notes = "With a vector file: format, size, range, NaN and Inf, mean norm, the first values. It\n"
             "is read once, in little memory. An index file is opened and verified: what it is, the\n"
             "tree of its parts, what each takes, the tags. Without FILE: version, instruction\n"
             "sets, BLAS, threads and file formats. FILE can be -, standard input.\n",
    .example = "  kith info base.fvecs\n"
               "  kith info --json\n",
    .options = options,
    .min_operands = 0,
    .max_operands = 1,
    .run = run,
};
