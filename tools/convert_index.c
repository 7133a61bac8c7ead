/* kith convert for index files of kith or FAISS. The name of the output says what is written: another index
 * file or, if it is the name of a vector file, the vectors that the index holds.
 *
 * Vectors are written in the order of their ids, so that those of an index that 'kith build' made keep their
 * row numbers. With a lossy codec, they are the vectors that the codes stand for.
 */
#include "convert.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "carried.h"
#include "cli.h"
#include "hint.h"
#include "info_index.h"
#include "stream.h"

enum { PIECE_BYTES = 32 << 20, IDS_AT_ONCE = 512 };

/* Print the settings with which kith searches as FAISS would. */
static void print_preset(const kith_index *index)
{
	char text[200];
	preset_text(index, text, sizeof text);
	if (*text)
		printf("  search it as FAISS would with --set %s\n", text);
}

static int open_index(const struct convert *c, const char *file, kith_index **index)
{
	kith_status status = index_read(index, file, KITH_VERIFY);
	return status == KITH_OK ? EXIT_OK : fail_status(status, c->in_path, NULL);
}

int convert_index(const struct convert *c, const char *file)
{
	kith_index *index = NULL;
	struct labels labels = {0};
	char text[80];
	if (same_file(c->in_path, c->out_path) && !is_stream(c->out_path))
		return cli_error(
		    EXIT_FAILED, "'%s' is read as input; give the output another name", c->out_path);
	int code = open_index(c, file, &index);
	if (code == EXIT_OK)
		code = labels_of(index, c->in_path, &labels);
	if (code == EXIT_OK)
		code = index_save(index, "OUT", c->out_path);
	if (code == EXIT_OK)
		printf("%s: %s, %s, %" PRId64 " x %" PRId64 "%s%s\n", c->out_path, kith_index_describe(index),
		    kith_metric_name(kith_index_metric(index)), kith_index_size(index), kith_index_dim(index),
		    labels.given ? ", with " : "",
		    labels.given ? labels_text(&labels, text, sizeof text) : "");
	size_t n = strlen(c->out_path);
	if (code == EXIT_OK && is_faiss_file(file) && (n < 6 || strcmp(c->out_path + n - 6, ".faiss") != 0))
		print_preset(index);
	kith_index_free(index);
	return code;
}

/* ---- the vectors of an index ---- */

struct stored {
	struct convert *c;
	kith_index *index;
	kith_vecs_writer *ids_out;
	int64_t n, dim;
	int64_t *ids; /* [n] ascending */
	struct labels labels;
	kith_type type, ids_type; /* of the vectors, and of --ids */
};

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int read_ids(struct stored *s)
{
	s->n = kith_index_size(s->index);
	s->dim = kith_index_dim(s->index);
	if (s->n == 0)
		return cli_error(EXIT_FAILED, "'%s' holds no vectors yet", s->c->in_path);
	s->ids = malloc((size_t)s->n * sizeof *s->ids);
	if (!s->ids)
		return fail_memory(s->n * 8, "ids");
	kith_status status = kith_index_ids(s->index, s->ids);
	if (status != KITH_OK)
		return fail_status(status, s->c->in_path, NULL);
	int code = labels_of(s->index, s->c->in_path, &s->labels);
	if (code == EXIT_OK && s->c->ids_path)
		code = labels_type(&s->labels, s->c->in_path, "--ids", s->c->ids_path, &s->ids_type);
	if (code != EXIT_OK)
		return code;
	qsort(s->ids, (size_t)s->n, sizeof *s->ids, by_value);
	return EXIT_OK;
}

/* Convert elements to bytes or integers. False: *bad is an element that the type cannot hold. */
static bool narrow(const float *x, int64_t n, kith_type type, void *out, float *bad)
{
	static const float limits[][2] = {[KITH_U8] = {0, 255},
	    [KITH_I8] = {-128, 127},
	    [KITH_I32] = {-0x1p31F, 0x1.fffffep30F},
	    [KITH_I64] = {-0x1p63F, 0x1.fffffep62F}};
	for (int64_t i = 0; i < n; i++) {
		*bad = x[i];
		if (!(x[i] >= limits[type][0] && x[i] <= limits[type][1]) || x[i] != rintf(x[i]))
			return false;
		if (type == KITH_U8)
			((uint8_t *)out)[i] = (uint8_t)x[i];
		else if (type == KITH_I8)
			((int8_t *)out)[i] = (int8_t)x[i];
		else if (type == KITH_I32)
			((int32_t *)out)[i] = (int32_t)x[i];
		else
			((int64_t *)out)[i] = (int64_t)x[i];
	}
	return true;
}

/* Write the vectors of n ids. x [n × dim] and `narrowed`, for types other than floats, are buffers. */
static int write_rows(const struct stored *s, int64_t n, const int64_t *ids, float *x, void *narrowed)
{
	float bad = 0;
	kith_status status = kith_index_get(s->index, n, ids, x);
	if (status != KITH_OK)
		return fail_status(status, s->c->in_path, NOTHING_WRITTEN);
	if (s->type != KITH_F32 && !narrow(x, n * s->dim, s->type, narrowed, &bad))
		return cli_error(EXIT_FAILED,
		    "'%s' holds %g, which is no %s; give OUT a format of floats, e.g. fvecs", s->c->in_path,
		    (double)bad, kith_type_name(s->type));
	status = kith_vecs_append(s->c->out, n, s->type == KITH_F32 ? (const void *)x : narrowed);
	return status == KITH_OK ? EXIT_OK : fail_status(status, s->c->out_path, NOTHING_WRITTEN);
}

/* Write the labels of n ids, or the ids themselves if there are no labels. */
static int write_ids(const struct stored *s, int64_t n, const int64_t *ids)
{
	int64_t named[IDS_AT_ONCE];
	int32_t narrowed[IDS_AT_ONCE];
	const bool wide = s->ids_type == KITH_I64;
	for (int64_t i = 0, m; i < n; i += m) {
		m = n - i < IDS_AT_ONCE ? n - i : IDS_AT_ONCE;
		for (int64_t j = 0; j < m; j++)
			named[j] = label_of(&s->labels, ids[i + j]);
		int code = wide ? EXIT_OK : labels_narrow(m, named, "--ids", s->c->ids_path, narrowed);
		if (code != EXIT_OK)
			return code;
		kith_status status = kith_vecs_append(s->ids_out, m, wide ? (const void *)named : narrowed);
		if (status != KITH_OK)
			return fail_status(status, s->c->ids_path, NOTHING_WRITTEN);
	}
	return EXIT_OK;
}

static int write_all(const struct stored *s)
{
	const struct convert *c = s->c;
	int64_t rows = batch_rows(c->count, s->dim * 4, PIECE_BYTES);
	float *x = malloc((size_t)(rows * s->dim) * sizeof *x);
	void *narrowed = malloc((size_t)(rows * s->dim) * kith_type_size(s->type));
	struct bar bar;
	int code = EXIT_OK;
	if (!x || !narrowed) {
		free(x);
		free(narrowed);
		return fail_memory(rows * s->dim * (4 + (int64_t)kith_type_size(s->type)), "vectors");
	}
	bar_begin(&bar, "converting", "vectors", (double)c->count);
	for (int64_t i = 0; code == EXIT_OK && i < c->count; i += rows) {
		int64_t now = rows < c->count - i ? rows : c->count - i;
		const int64_t *ids = s->ids + c->first + i;
		code = write_rows(s, now, ids, x, narrowed);
		if (code == EXIT_OK && s->ids_out)
			code = write_ids(s, now, ids);
		if (code == EXIT_OK && bar_at(&bar, (double)(i + now)))
			code = fail_stopped(NOTHING_WRITTEN);
	}
	bar_wipe();
	free(x);
	free(narrowed);
	return code;
}

static int open_stored(struct stored *s, const char *file)
{
	struct convert *c = s->c;
	struct input read[] = {{.path = c->in_path}};
	int code = output_check(c->out_path, read, 1);
	if (code == EXIT_OK && c->ids_path)
		code = output_check(c->ids_path, read, 1);
	if (code == EXIT_OK && c->ids_path && same_file(c->ids_path, c->out_path))
		code = cli_error(EXIT_USAGE, "--ids and OUT are one file, '%s'; give two names", c->out_path);
	if (code == EXIT_OK)
		code = open_index(c, file, &s->index);
	if (code == EXIT_OK)
		code = read_ids(s);
	if (code == EXIT_OK)
		code = convert_check_rows(c, s->n);
	if (code == EXIT_OK)
		code = convert_open_output(c, kith_index_type(s->index), s->dim, &s->type);
	if (code == EXIT_OK && c->ids_path)
		code = output_open(&s->ids_out, "--ids", c->ids_path, s->ids_type, 1);
	return code;
}

static void print_stored(const struct stored *s)
{
	const struct convert *c = s->c;
	printf("%s: %" PRId64 " x %" PRId64 " %s, as %s keeps them%s\n", c->out_path, c->count, s->dim,
	    kith_type_name(s->type), kith_index_describe(s->index),
	    kith_index_metric(s->index) == KITH_COSINE ? ", at unit length" : "");
	if (s->labels.values && !s->ids_out)
		printf("  rows are in the order in which they were added; --ids writes their labels\n");
	if (s->labels.values || s->ids_out || s->ids[s->n - 1] == s->n - 1)
		return;
	printf("  rows are in the order of their ids, which are %" PRId64 " ... %" PRId64
	       "; --ids writes them\n",
	    s->ids[c->first], s->ids[c->first + c->count - 1]);
}

int convert_stored(struct convert *c, const char *file)
{
	struct stored s = {.c = c};
	int code = open_stored(&s, file);
	if (code == EXIT_OK)
		code = write_all(&s);
	if (code == EXIT_OK)
		print_stored(&s);
	if (code == EXIT_OK && s.ids_out)
		code = output_finish(&s.ids_out, c->ids_path);
	if (code == EXIT_OK)
		code = output_finish(&c->out, c->out_path);
	kith_vecs_abandon(s.ids_out);
	kith_index_free(s.index);
	free(s.ids);
	return code;
}
