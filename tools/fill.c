/* Training and filling an index from vector files: first a training sample, evenly spread over its file, then
 * the base in pieces. Beside the index, memory holds the sample, and later one piece. A graph gets all
 * vectors in one call, since it is built several times as fast in this way as by adding to it.
 */
#include "fill.h"

#include <stdlib.h>

#include "cli.h"
#include "report.h"

enum {
	PIECE_BYTES = 64 << 20, /* of vectors that are read and added at once */
	PART_BYTES = 8 << 20,   /* of vectors that are read between two checks for a signal */
	SAMPLE_BYTES = 1 << 30  /* of training vectors, if their number is not given */
};

/* Show a new bar for every stage of training. */
static int on_training(void *data, const char *stage, int64_t done, int64_t total)
{
	struct fill *f = data;
	if (f->stage != stage || f->bar.total != (double)total) {
		f->stage = stage;
		bar_wipe();
		bar_begin(&f->bar, stage, "steps", (double)total);
	}
	return bar_at(&f->bar, (double)done);
}

static int on_adding(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	(void)total;
	struct fill *f = data;
	return bar_at(&f->bar, (double)(f->added + done));
}

static kith_add_options add_options(struct fill *f, kith_progress progress)
{
	kith_add_options o = f->options;
	o.progress = progress;
	o.progress_data = f;
	return o;
}

/* Read `count` of the file's n vectors, evenly spread, as floats. */
static int read_sample(const struct fill *f, int64_t count, float *x)
{
	struct input *in = f->train;
	int64_t n = in->info.n, dim = in->info.dim,
	        step = count == n ? batch_rows(n, dim * 4, PART_BYTES) : 1;
	for (int64_t i = 0; i < count; i += step) {
		int64_t rows = step < count - i ? step : count - i;
		int64_t from = (int64_t)((double)i * ((double)n / (double)count));
		from = from <= n - rows ? from : n - rows;
		kith_status status = kith_vecs_read(in->vecs, from, rows, KITH_F32, x + i * dim);
		if (status != KITH_OK)
			return fail_status(status, in->path, f->after);
		if (stop_signal())
			return fail_stopped(f->after);
	}
	kith_vecs_drop(in->vecs);
	return EXIT_OK;
}

static int train(struct fill *f, kith_index *index)
{
	struct input *in = f->train;
	int64_t row = in->info.dim * (int64_t)sizeof(float);
	if (kith_index_trained(index))
		return EXIT_OK;
	f->sample = f->train_size ? f->train_size : batch_rows(in->info.n, row, SAMPLE_BYTES);
	float *x = malloc((size_t)(f->sample * row));
	if (!x)
		return fail_memory(f->sample * row, "training vectors; give a smaller --train-size");
	double start = now_seconds();
	int code = read_sample(f, f->sample, x);
	if (code == EXIT_OK) {
		kith_add_options o = add_options(f, on_training);
		kith_status status = kith_index_train(index, f->sample, x, &o);
		bar_wipe();
		if (status != KITH_OK)
			code = fail_status(status, in->path, f->after);
	}
	f->train_seconds = now_seconds() - start;
	free(x);
	return code;
}

/* Read a piece in parts, and check for a signal between them, since the piece for a graph is the whole
 * file. */
static kith_status read_piece(struct input *in, int64_t first, int64_t n, kith_type type, char *out)
{
	size_t row = (size_t)in->info.dim * kith_type_size(type);
	int64_t step = batch_rows(n, (int64_t)row, PART_BYTES);
	kith_status status = KITH_OK;
	for (int64_t i = 0; status == KITH_OK && i < n; i += step) {
		int64_t rows = step < n - i ? step : n - i;
		status = stop_signal()
		             ? KITH_CANCELLED
		             : kith_vecs_read(in->vecs, first + i, rows, type, out + (size_t)i * row);
		kith_vecs_drop(in->vecs);
	}
	return status;
}

static int add(struct fill *f, kith_index *index)
{
	struct input *in = f->base;
	bool bytes = in->info.type == KITH_U8 || in->info.type == KITH_I8;
	kith_type type = bytes ? in->info.type : KITH_F32;
	int64_t row = in->info.dim * (int64_t)kith_type_size(type), n = in->info.n;
	bool graph = kith_index_uses(index, "efSearch") && !kith_index_uses(index, "nprobe");
	int64_t rows = graph ? n : batch_rows(n, row, PIECE_BYTES);
	void *piece = malloc((size_t)(rows * row));
	if (!piece)
		return fail_memory(rows * row, "the vectors to add");
	kith_add_options o = add_options(f, on_adding);
	double start = now_seconds();
	kith_status status = kith_index_reserve(index, n);
	bar_begin(&f->bar, "adding", "vectors", (double)n);
	for (; status == KITH_OK && f->added < n; f->added += rows) {
		rows = rows < n - f->added ? rows : n - f->added;
		status = read_piece(in, f->added, rows, type, piece);
		if (status == KITH_OK)
			status = kith_index_add_as(index, type, rows, piece, NULL, &o);
		if (status == KITH_OK && bar_at(&f->bar, (double)(f->added + rows)))
			status = KITH_CANCELLED;
	}
	bar_wipe();
	f->add_seconds = now_seconds() - start;
	free(piece);
	return status == KITH_OK ? EXIT_OK : fail_status(status, in->path, f->after);
}

int fill_index(struct fill *f, kith_index *index)
{
	f->added = f->sample = 0;
	f->train_seconds = f->add_seconds = 0;
	f->stage = NULL;
	int code = train(f, index);
	return code == EXIT_OK ? add(f, index) : code;
}
