/* Exact search over files of any size.
 *
 * The queries stay in memory, and the base is mapped, searched and unmapped in pieces. So memory holds one
 * piece of the base, the queries and their results. If those would be large, the queries are taken in chunks,
 * and the base is read once for each.
 *
 * Bytes are searched as bytes if base and queries have the same type, and everything else as floats. A base
 * that cannot be mapped, or that must be converted, is read into a buffer.
 */
#include "search.h"

#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "cli.h"
#include "report.h"

enum {
	MAP_BYTES = 128 << 20,   /* of the base, mapped at once */
	READ_BYTES = 64 << 20,   /* of the base, read at once */
	CHUNK_BYTES = 200 << 20, /* of queries and results */
	SLICE = 1 << 16          /* number of ids converted at once */
};

/* One chunk of queries, which is searched in the whole base. */
struct pass {
	struct search *s;
	int64_t dim, first, nq; /* queries first … first + nq − 1 */
	kith_knn_stream *stream;
	void *buffer; /* for rows that are read; NULL while they can be mapped */
	struct bar *bar;
	int64_t rows_before, rows; /* number of base rows before the present piece, and in it */
};

/* Show on the bar how many pairs of query and vector have been compared. */
static int on_progress(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	struct pass *p = data;
	double n = (double)p->s->base->info.n, share = total > 0 ? (double)done / (double)total : 0;
	double rows = (double)p->rows_before + share * (double)p->rows;
	return bar_at(p->bar, (double)p->first * n + rows * (double)p->nq);
}

static int64_t element_size(const struct search *s)
{
	return (int64_t)kith_type_size(s->type);
}

/* Begin the stream, which copies the queries. */
static int begin_pass(struct pass *p)
{
	struct search *s = p->s;
	int64_t bytes = p->nq * p->dim * element_size(s);
	void *q = malloc((size_t)bytes);
	if (!q)
		return fail_memory(bytes, "queries");
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = s->threads;
	options.filter = s->filter;
	options.progress = on_progress;
	options.progress_data = p;
	kith_status status = kith_vecs_read(s->query->vecs, p->first, p->nq, s->type, q);
	if (status == KITH_OK)
		status =
		    kith_knn_stream_new(&p->stream, p->dim, s->metric, s->type, p->nq, q, s->k, &options);
	free(q);
	kith_vecs_drop(s->query->vecs);
	return status == KITH_OK ? EXIT_OK : fail_status(status, s->query->path, s->after);
}

/* Read base rows first … first + n − 1 into the buffer and search them. */
static int feed_read(struct pass *p, int64_t first, int64_t n)
{
	struct search *s = p->s;
	kith_status status = kith_vecs_read(s->base->vecs, first, n, s->type, p->buffer);
	if (status == KITH_OK)
		status = kith_knn_stream_feed(p->stream, n, p->buffer, 0);
	return status == KITH_OK ? EXIT_OK : fail_status(status, s->base->path, s->after);
}

/* Map these rows and search them; *unsupported: whether the file cannot be mapped. */
static int feed_mapped(struct pass *p, int64_t first, int64_t n, bool *unsupported)
{
	struct search *s = p->s;
	const void *rows;
	size_t stride;
	kith_status status = kith_vecs_map(s->base->vecs, first, n, &rows, &stride);
	*unsupported = status == KITH_UNSUPPORTED;
	if (*unsupported)
		return EXIT_OK;
	if (status == KITH_OK)
		status = kith_knn_stream_feed(p->stream, n, rows, stride);
	return status == KITH_OK ? EXIT_OK : fail_status(status, s->base->path, s->after);
}

static int feed_base(struct pass *p)
{
	struct search *s = p->s;
	int64_t n = s->base->info.n, row_bytes = p->dim * element_size(s);
	int64_t read_rows = batch_rows(n, row_bytes, READ_BYTES);
	int64_t map_rows = batch_rows(n, row_bytes + 4, MAP_BYTES);
	bool reading = s->type != s->base->info.type;
	for (int64_t i = 0; i < n; i += p->rows) {
		if (reading && !p->buffer && !(p->buffer = malloc((size_t)(read_rows * row_bytes))))
			return fail_memory(read_rows * row_bytes, "a piece of the base");
		int64_t step = reading ? read_rows : map_rows;
		p->rows_before = i;
		p->rows = step < n - i ? step : n - i;
		bool unsupported = false;
		int code = reading ? feed_read(p, i, p->rows) : feed_mapped(p, i, p->rows, &unsupported);
		kith_vecs_drop(s->base->vecs);
		if (code != EXIT_OK)
			return code;
		if (unsupported) {
			reading = true;
			p->rows = 0;
			continue;
		}
		if (bar_at(p->bar, (double)p->first * (double)n + (double)(i + p->rows) * (double)p->nq))
			return fail_stopped(s->after);
	}
	return EXIT_OK;
}

/* Append ids [nq × k] as 32-bit numbers. */
static kith_status append_ids(
    kith_vecs_writer *out, int64_t nq, int64_t k, const int64_t *ids, int32_t *slice)
{
	int64_t step = batch_rows(nq, k, SLICE);
	for (int64_t i = 0; i < nq; i += step) {
		int64_t rows = step < nq - i ? step : nq - i;
		for (int64_t j = 0; j < rows * k; j++)
			slice[j] = (int32_t)ids[i * k + j];
		kith_status status = kith_vecs_append(out, rows, slice);
		if (status != KITH_OK)
			return status;
	}
	return KITH_OK;
}

/* Write the results of the stream to the files, and copy those that the caller wants. */
static int end_pass(struct pass *p)
{
	struct search *s = p->s;
	int64_t k = s->k, slice_size = k > SLICE ? k : SLICE;
	float *dist = calloc((size_t)(p->nq * k), sizeof *dist);
	int64_t *ids = calloc((size_t)(p->nq * k), sizeof *ids);
	int32_t *slice = calloc((size_t)slice_size, sizeof *slice);
	int code = EXIT_OK;
	kith_status status = KITH_OK;
	if (!dist || !ids || !slice) {
		code = fail_memory(p->nq * k * 12 + slice_size * 4, "results");
		goto done;
	}
	status = kith_knn_stream_get(p->stream, dist, ids);
	for (int64_t i = 0; status == KITH_OK && i < p->nq && p->first + i < s->keep; i++) {
		memcpy(s->dist + (p->first + i) * k, dist + i * k, (size_t)k * sizeof *dist);
		memcpy(s->ids + (p->first + i) * k, ids + i * k, (size_t)k * sizeof *ids);
	}
	if (status == KITH_OK && s->ids_out)
		status = append_ids(s->ids_out, p->nq, k, ids, slice);
	if (status == KITH_OK && s->dist_out)
		status = kith_vecs_append(s->dist_out, p->nq, dist);
	if (status != KITH_OK)
		code = fail_status(status, NULL, s->after);
done:
	free(dist);
	free(ids);
	free(slice);
	return code;
}

int search_run(struct search *s)
{
	const kith_vecs_info *base = &s->base->info, *query = &s->query->info;
	bool bytes = base->type == query->type && (base->type == KITH_U8 || base->type == KITH_I8);
	s->type = bytes ? base->type : KITH_F32;
	/* At first the queries are in a buffer and in the stream, and at the end the results are. */
	int64_t each = 2 * (query->dim * element_size(s) + s->k * (int64_t)(sizeof(float) + sizeof(int64_t)));
	int64_t chunk = batch_rows(query->n, each, CHUNK_BYTES);
	struct bar bar;
	struct pass pass = {.s = s, .dim = query->dim, .bar = &bar};
	double start = now_seconds();
	int code = EXIT_OK;
	bar_begin(&bar, "searching", "pairs", (double)base->n * (double)query->n);
	for (pass.first = 0; code == EXIT_OK && pass.first < query->n; pass.first += pass.nq) {
		pass.nq = chunk < query->n - pass.first ? chunk : query->n - pass.first;
		code = begin_pass(&pass);
		if (code == EXIT_OK)
			code = feed_base(&pass);
		if (code == EXIT_OK)
			code = end_pass(&pass);
		kith_knn_stream_free(pass.stream);
		pass.stream = NULL;
	}
	bar_wipe();
	free(pass.buffer);
	s->seconds = now_seconds() - start;
	return code;
}
