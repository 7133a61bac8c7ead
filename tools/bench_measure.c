/* Measuring one index at one combination of settings.
 *
 * For the throughput, all queries are searched `runs` times, in calls of `batch` queries, and the median
 * counts. A run before them warms the caches and gives the recall; if it took longer than LONG_RUN, it counts
 * as the first. For the latency, some of the queries, evenly spread, are searched one by one, as a service
 * would answer them. Only the search calls are timed. Recall is the mean share of the true k nearest that are
 * among the k found.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "fill.h"
#include "recall.h"
#include "report.h"

#define LONG_RUN 5.0 /* seconds */

/* One point while it is measured. */
struct measuring {
	struct bench *b;
	const kith_index *index;
	kith_search_options options;
	kith_search_stats stats;
	float *dist;
	int64_t *ids, *scratch;
	double *runs, *latencies;
	int64_t run_count, latency_count;
	double recall;
	double share; /* of the work for this point that is done, 0 … 1 */
};

const char *bench_after(const struct bench *b)
{
	return b->report_path ? "what was measured is kept: run it again to go on" : NULL;
}

static int on_progress(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	(void)done;
	(void)total;
	struct measuring *m = data;
	return bar_at(&m->b->bar, (double)m->b->points_done + m->share);
}

static const char *query_at(const struct bench *b, int64_t i)
{
	return (const char *)b->q + (size_t)(i * b->query.info.dim) * kith_type_size(b->type);
}

/* One call of n queries from number `first` on; its time is added to *seconds. */
static int search_some(struct measuring *m, int64_t first, int64_t n, double *seconds)
{
	struct bench *b = m->b;
	kith_search_stats stats = {.size = sizeof stats};
	kith_search_options o = m->options;
	o.stats = &stats;
	double start = now_seconds();
	kith_status status = kith_index_search_as(m->index, b->type, n, query_at(b, first), b->k,
	    m->dist + first * b->k, m->ids + first * b->k, &o);
	*seconds += now_seconds() - start;
	m->stats.pairs += stats.pairs;
	m->stats.exact += stats.exact;
	if (status != KITH_OK)
		return fail_status(status, kith_index_describe(m->index), bench_after(b));
	return bar_at(&b->bar, (double)b->points_done + m->share) ? fail_stopped(bench_after(b)) : EXIT_OK;
}

static int one_run(struct measuring *m, double *seconds)
{
	int64_t nq = m->b->query.info.n, step = m->b->batch && m->b->batch < nq ? m->b->batch : nq;
	int code = EXIT_OK;
	*seconds = 0;
	m->stats = (kith_search_stats){.size = sizeof m->stats};
	for (int64_t i = 0; code == EXIT_OK && i < nq; i += step)
		code = search_some(m, i, step < nq - i ? step : nq - i, seconds);
	return code;
}

static int measure_throughput(struct measuring *m)
{
	struct bench *b = m->b;
	double seconds;
	int code = one_run(m, &seconds);
	if (code != EXIT_OK)
		return code;
	for (int64_t i = 0; i < b->query.info.n; i++)
		m->recall += recall_row(m->ids + i * b->k, b->truth.ids + i * b->k, b->k, m->scratch);
	m->recall /= (double)b->query.info.n;
	if (seconds > LONG_RUN)
		m->runs[m->run_count++] = seconds;
	while (code == EXIT_OK && m->run_count < b->runs) {
		m->share = (double)(m->run_count + 1) / (double)(b->runs + 2);
		code = one_run(m, &m->runs[m->run_count++]);
	}
	return code;
}

static int measure_latency(struct measuring *m)
{
	struct bench *b = m->b;
	int64_t nq = b->query.info.n, n = b->latency_queries < nq ? b->latency_queries : nq;
	kith_search_stats stats = m->stats;
	int code = EXIT_OK;
	m->share = (double)(b->runs + 1) / (double)(b->runs + 2);
	for (int64_t i = 0; code == EXIT_OK && i < n; i++) {
		m->latencies[i] = 0;
		code = search_some(m, (int64_t)((double)i * ((double)nq / (double)n)), 1, &m->latencies[i]);
	}
	m->latency_count = n;
	m->stats = stats;
	return code;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The value below which this share of n sorted values lies. */
static double quantile(const double *sorted, int64_t n, double share)
{
	int64_t i = (int64_t)(share * (double)n);
	return sorted[i < n ? i : n - 1];
}

static json_t *latency_json(struct measuring *m)
{
	int64_t n = m->latency_count;
	if (n == 0 || !m->latencies)
		return json_null();
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += m->latencies[i];
	qsort(m->latencies, (size_t)n, sizeof *m->latencies, compare);
	return json_pack("{s:I, s:f, s:f, s:f, s:f}", "queries", (json_int_t)n, "mean", sum / (double)n,
	    "p50", quantile(m->latencies, n, 0.5), "p95", quantile(m->latencies, n, 0.95), "p99",
	    quantile(m->latencies, n, 0.99));
}

static json_t *point_json(struct measuring *m, const struct setting *settings)
{
	double nq = (double)m->b->query.info.n;
	json_t *runs = json_array();
	for (int64_t i = 0; i < m->run_count; i++)
		json_array_append_new(runs, json_real(nq / m->runs[i]));
	qsort(m->runs, (size_t)m->run_count, sizeof *m->runs, compare);
	double half = m->runs[m->run_count / 2], low = m->runs[(m->run_count - 1) / 2];
	return json_pack("{s:o, s:f, s:f, s:f, s:f, s:o, s:o, s:f, s:f}", "settings", settings_json(settings),
	    "recall", m->recall, "qps", 2 * nq / (half + low), "qps_min", nq / m->runs[m->run_count - 1],
	    "qps_max", nq / m->runs[0], "qps_runs", runs, "latency_seconds", latency_json(m),
	    "codes_per_query", (double)m->stats.pairs / nq, "exact_per_query", (double)m->stats.exact / nq);
}

int bench_point(struct bench *b, const kith_index *index, const struct setting *settings, json_t **point)
{
	int64_t cells = b->query.info.n * b->k;
	struct measuring m = {.b = b,
	    .index = index,
	    .options = KITH_SEARCH_OPTIONS,
	    .dist = calloc((size_t)cells, sizeof *m.dist),
	    .ids = calloc((size_t)cells, sizeof *m.ids),
	    .scratch = calloc((size_t)(2 * b->k), sizeof *m.scratch),
	    .runs = calloc((size_t)b->runs, sizeof *m.runs),
	    .latencies = calloc((size_t)b->query.info.n, sizeof *m.latencies)};
	m.options.threads = b->threads;
	m.options.progress = on_progress;
	m.options.progress_data = &m;
	settings_apply(settings, &m.options);
	int code;
	*point = NULL;
	if (m.dist && m.ids && m.scratch && m.runs && m.latencies)
		code = measure_throughput(&m);
	else
		code = fail_memory(cells * 12, "results");
	if (code == EXIT_OK && m.latencies)
		code = measure_latency(&m);
	if (code == EXIT_OK && m.runs && !(*point = point_json(&m, settings)))
		code = cli_error(EXIT_FAILED, "out of memory");
	free(m.dist);
	free(m.ids);
	free(m.scratch);
	free(m.runs);
	free(m.latencies);
	return code;
}

/* ---- building ---- */

static int fill(struct bench *b, kith_index *index, json_t *entry)
{
	struct fill fill = {
	    .base = &b->base, .train = &b->base, .options = KITH_ADD_OPTIONS, .after = bench_after(b)};
	fill.options.threads = b->threads;
	settings_apply(b->build, &fill.options);
	int code = fill_index(&fill, index);
	json_object_set_new(entry, "train_vectors", json_integer((json_int_t)fill.sample));
	json_object_set_new(entry, "train_seconds", json_real(fill.train_seconds));
	json_object_set_new(entry, "add_seconds", json_real(fill.add_seconds));
	json_object_set_new(entry, "build_seconds", json_real(fill.train_seconds + fill.add_seconds));
	return code;
}

static int load(struct bench *b, const char *path, kith_index **out, json_t *entry)
{
	double start = now_seconds();
	kith_status status = index_read(out, path, 0);
	if (status != KITH_OK)
		return fail_status(status, path, NULL);
	json_object_set_new(entry, "open_seconds", json_real(now_seconds() - start));
	if (kith_index_dim(*out) == b->query.info.dim && kith_index_size(*out) == b->base.info.n &&
	    kith_index_metric(*out) == b->metric)
		return EXIT_OK;
	return cli_error(EXIT_FAILED,
	    "'%s' is no index of '%s' under %s: it holds %lld %s of dimension %lld, metric %s", path,
	    b->base.path, kith_metric_name(b->metric), CLI_COUNT((long long)kith_index_size(*out), "vector"),
	    (long long)kith_index_dim(*out), kith_metric_name(kith_index_metric(*out)));
}

int bench_build(struct bench *b, struct bench_index *index, kith_index **out)
{
	json_t *entry = index->entry;
	peak_memory_reset();
	int64_t before = resident_memory();
	int code = EXIT_OK;
	*out = NULL;
	if (index->file) {
		code = load(b, index->file, out, entry);
	} else {
		kith_status status = kith_index_new(out, b->base.info.dim, b->metric, index->spec);
		code = status == KITH_OK ? fill(b, *out, entry) : fail_status(status, "--index", NULL);
	}
	if (code == EXIT_OK) {
		int64_t peak = peak_memory();
		peak_memory_reset();
		int64_t memory = (int64_t)kith_index_memory(*out), grown = resident_memory() - before;
		json_object_set_new(entry, "memory_bytes", json_integer((json_int_t)memory));
		json_object_set_new(
		    entry, "bytes_per_vector", json_real((double)memory / (double)kith_index_size(*out)));
		json_object_set_new(entry, "rss_bytes", json_integer((json_int_t)(grown > 0 ? grown : 0)));
		json_object_set_new(entry, "peak_rss_bytes", json_integer((json_int_t)peak));
	} else {
		kith_index_free(*out);
		*out = NULL;
	}
	return code;
}
