/* Exact k-NN without an index: the search engine over the caller's own arrays. A stream keeps copies of
 * its queries and the best results so far, which each piece of the base improves. */
#include <kith/knn.h>

#include "lib/api/check.h"
#include "lib/base/alloc.h"
#include "lib/base/guard.h"
#include "lib/base/status.h"
#include "lib/search/search.h"

#include <string.h>

/* Rows given to the engine at a time; it counts positions in 32 bits. */
static const int64_t MAX_ROWS = INT64_C(1) << 31;

struct kith_knn_stream {
	int64_t dim, fed;
	const struct metric *metric;
	kith_type type;
	void *q;
	struct rows query;
	struct sink sink;
	kith_search_options options;
	bool failed;
	struct guard guard;
};

static kith_status search_pieces(struct rows base, const struct rows *query, const struct metric *metric,
    struct sink *sink, const kith_search_options *options)
{
	int64_t n = base.n;
	const char *first = base.a;
	base.normalize = metric->unit;
	kith_status status = KITH_OK;
	for (int64_t done = 0; done < n && status == KITH_OK; done += base.n) {
		base.n = n - done < MAX_ROWS ? n - done : MAX_ROWS;
		base.a = first + (size_t)done * base.stride;
		status = search_exact(&base, query, metric, true, sink, options);
		base.first_id += base.n;
	}
	return status;
}

static kith_status check_call(int64_t dim, kith_metric metric, kith_type type, int64_t nq, const void *q,
    int64_t k, const kith_search_options *options, kith_search_options *full)
{
	kith_status status = check_dim(dim);
	if (status == KITH_OK)
		status = check_metric(metric);
	if (status == KITH_OK)
		status = check_vector_type(type);
	if (status == KITH_OK)
		status = check_queries(nq, dim, type, q, metric_of(metric));
	if (status == KITH_OK)
		status = check_k(k);
	return status ? status : check_search_options(options, full);
}

kith_status kith_knn(int64_t dim, kith_metric metric, kith_type type, int64_t n, const void *x, int64_t nq,
    const void *q, int64_t k, float *dist, int64_t *ids, const kith_search_options *options)
{
	kith_search_options full;
	kith_status status = check_call(dim, metric, type, nq, q, k, options, &full);
	if (status == KITH_OK)
		status = check_vectors("x", n, dim, type, x);
	if (status == KITH_OK && nq > 0 && (!dist || !ids))
		status = fail(KITH_INVALID, "%s is NULL, with %lld result%s to write", dist ? "ids" : "dist",
		    (long long)nq, PLURAL(nq));
	if (status || nq == 0)
		return status;
	struct sink sink;
	status = sink_init_topk(&sink, nq, n < k ? (n ? n : 1) : k);
	if (status)
		return status;
	struct rows query = rows_of_array(type, nq, dim, q, 0);
	const struct metric *by = metric_of(metric);
	query.normalize = by->unit;
	status = search_pieces(rows_of_array(type, n, dim, x, 0), &query, by, &sink, &full);
	if (status == KITH_OK)
		sink_write_topk(&sink, k, by, dist, ids);
	sink_free(&sink);
	return status;
}

kith_status kith_knn_stream_new(kith_knn_stream **out, int64_t dim, kith_metric metric, kith_type type,
    int64_t nq, const void *q, int64_t k, const kith_search_options *options)
{
	kith_search_options full;
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	kith_status status = check_call(dim, metric, type, nq, q, k, options, &full);
	if (status)
		return status;
	kith_knn_stream *s = mem_zalloc(1, sizeof *s);
	size_t bytes = (size_t)nq * (size_t)dim * kith_type_size(type);
	void *copy = mem_alloc(bytes, 1);
	if (!s || !copy) {
		mem_free(s);
		mem_free(copy);
		return fail_nomem("queries", bytes);
	}
	if (bytes)
		memcpy(copy, q, bytes);
	s->dim = dim;
	s->metric = metric_of(metric);
	s->type = type;
	s->q = copy;
	s->options = full;
	s->query = rows_of_array(type, nq, dim, copy, 0);
	s->query.normalize = s->metric->unit;
	status = sink_init_topk(&s->sink, nq, k);
	if (status) {
		mem_free(copy);
		mem_free(s);
		return status;
	}
	*out = s;
	return KITH_OK;
}

static kith_status feed(kith_knn_stream *stream, int64_t n, const void *x, size_t stride)
{
	if (stream->failed)
		return fail(KITH_INVALID, "stream: an earlier call failed; it can only be freed");
	kith_status status = check_vectors("x", n, stream->dim, stream->type, x);
	if (status)
		return status;
	if (stride && stride < (size_t)stream->dim * kith_type_size(stream->type))
		return fail(KITH_INVALID, "stride is %zu bytes, less than one row", stride);
	struct rows base = rows_of_array(stream->type, n, stream->dim, x, stride);
	base.first_id = stream->fed;
	status = search_pieces(base, &stream->query, stream->metric, &stream->sink, &stream->options);
	stream->failed = status != KITH_OK;
	stream->fed += n;
	return status;
}

kith_status kith_knn_stream_feed(kith_knn_stream *stream, int64_t n, const void *x, size_t stride)
{
	bool fed = false;
	if (!stream)
		return fail(KITH_INVALID, "stream is NULL");
	if (!guard_write(&stream->guard, &fed))
		return fail(KITH_BUSY, "stream is being %s by another call", fed ? "fed" : "read");
	kith_status status = feed(stream, n, x, stride);
	guard_write_end(&stream->guard);
	return status;
}

static kith_status get(const kith_knn_stream *stream, float *dist, int64_t *ids)
{
	if (stream->failed)
		return fail(KITH_INVALID, "stream: an earlier call failed; it can only be freed");
	if (stream->sink.nq > 0 && (!dist || !ids))
		return fail(KITH_INVALID, "%s is NULL, with results of %lld %s to write",
		    dist ? "ids" : "dist", (long long)stream->sink.nq, QUERIES(stream->sink.nq));
	sink_write_topk(&stream->sink, stream->sink.k, stream->metric, dist, ids);
	return KITH_OK;
}

kith_status kith_knn_stream_get(const kith_knn_stream *stream, float *dist, int64_t *ids)
{
	if (!stream)
		return fail(KITH_INVALID, "stream is NULL");
	if (!guard_read(&stream->guard))
		return fail(KITH_BUSY, "stream is being fed by another call");
	kith_status status = get(stream, dist, ids);
	guard_read_end(&stream->guard);
	return status;
}

void kith_knn_stream_free(kith_knn_stream *stream)
{
	if (!stream)
		return;
	sink_free(&stream->sink);
	mem_free(stream->q);
	mem_free(stream);
}
