/* Counters of an index, and their text for Prometheus. The index is const to searches; its counters are the
 * one thing about it that searches may change (count.c), which is why they are atomic and found through
 * monitor_of. */
#include "lib/api/monitor.h"

#include "lib/api/guard.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int64_t get(const _Atomic int64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

kith_status kith_index_stats(const kith_index *index, kith_index_counters *counters)
{
	if (!index || !counters)
		return fail(KITH_INVALID, "%s is NULL", index ? "counters" : "index");
	if (counters->size != sizeof *counters)
		return fail(KITH_INVALID, "counters: size is %zu; set it to sizeof", counters->size);
	kith_status status = read_begin(index);
	if (status)
		return status;
	const struct monitor *m = &index->monitor;
	*counters = (kith_index_counters){.size = sizeof *counters,
	    .searches = get(&m->searches),
	    .queries = get(&m->queries),
	    .failures = get(&m->failures),
	    .codes = get(&m->codes),
	    .exact = get(&m->exact),
	    .filter_tests = get(&m->filter_tests),
	    .filter_hits = get(&m->filter_hits),
	    .seconds = 1e-9 * (double)get(&m->nanoseconds),
	    .vectors = kith_index_size(index),
	    .memory = (int64_t)kith_index_memory(index)};
	read_end(index);
	for (int i = 0; i < KITH_LATENCY_BUCKETS; i++)
		counters->latency[i] = get(&m->latency[i]);
	return KITH_OK;
}

kith_status kith_index_stats_reset(const kith_index *index)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	struct monitor *m = monitor_of(index);
	_Atomic int64_t *const counters[] = {&m->searches, &m->queries, &m->failures, &m->codes, &m->exact,
	    &m->filter_tests, &m->filter_hits, &m->nanoseconds};
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		atomic_store_explicit(counters[i], 0, memory_order_relaxed);
	for (int i = 0; i < KITH_LATENCY_BUCKETS; i++)
		atomic_store_explicit(&m->latency[i], 0, memory_order_relaxed);
	return KITH_OK;
}

double kith_latency_quantile(const kith_index_counters *counters, double share)
{
	if (!counters || counters->size != sizeof *counters || !(share >= 0 && share <= 1))
		return NAN;
	int64_t total = 0, below = 0;
	for (int i = 0; i < KITH_LATENCY_BUCKETS; i++)
		total += counters->latency[i];
	double rank = share * (double)total;
	for (int i = 0; i < KITH_LATENCY_BUCKETS; i++) {
		int64_t here = counters->latency[i];
		if (here > 0 && (double)(below + here) >= rank) {
			double upper = ldexp(1e-6, i), lower = i ? upper / 2 : 0;
			return lower + (upper - lower) * fmax(rank - (double)below, 0) / (double)here;
		}
		below += here;
	}
	return NAN;
}

/* ---- text ---- */

struct text {
	char *at;
	size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(t->length < t->size ? t->at + t->length : NULL,
	    t->length < t->size ? t->size - t->length : 0, format, args);
	va_end(args);
	t->length += n > 0 ? (size_t)n : 0;
}

/* A label's value: backslash, quote and newline are escaped, as the format wants it. */
static void put_label(struct text *t, const char *name)
{
	put(t, "index=\"");
	for (const char *c = name; *c; c++) {
		if (*c == '\n')
			put(t, "\\n");
		else if (*c == '"' || *c == '\\')
			put(t, "\\%c", *c);
		else
			put(t, "%c", *c);
	}
	put(t, "\"");
}

static void put_metric(
    struct text *t, const char *name, const char *metric, const char *type, const char *help, double value)
{
	put(t, "# HELP kith_%s %s\n# TYPE kith_%s %s\nkith_%s{", metric, help, metric, type, metric);
	put_label(t, name);
	put(t, "} %.17g\n", value);
}

static void put_histogram(struct text *t, const char *name, const kith_index_counters *c)
{
	int64_t below = 0;
	put(t, "# HELP kith_search_seconds Duration of search calls.\n"
	       "# TYPE kith_search_seconds histogram\n");
	for (int i = 0; i < KITH_LATENCY_BUCKETS; i++) {
		below += c->latency[i];
		put(t, "kith_search_seconds_bucket{");
		put_label(t, name);
		if (i < KITH_LATENCY_BUCKETS - 1)
			put(t, ",le=\"%.9g\"} %lld\n", ldexp(1e-6, i), (long long)below);
		else
			put(t, ",le=\"+Inf\"} %lld\n", (long long)below);
	}
	put(t, "kith_search_seconds_sum{");
	put_label(t, name);
	put(t, "} %.9f\nkith_search_seconds_count{", c->seconds);
	put_label(t, name);
	put(t, "} %lld\n", (long long)below);
}

kith_status kith_index_stats_text(
    const kith_index *index, const char *name, char *text, size_t size, size_t *length)
{
	kith_index_counters c = {.size = sizeof c};
	if (length)
		*length = 0;
	if (!name || (!text && size))
		return fail(KITH_INVALID, "%s is NULL", name ? "text" : "name");
	kith_status status = kith_index_stats(index, &c);
	if (status)
		return status;
	struct text t = {.at = text, .size = size};
	put_metric(&t, name, "queries_total", "counter", "Queries searched.", (double)c.queries);
	put_metric(&t, name, "failures_total", "counter", "Search calls that failed.", (double)c.failures);
	put_metric(&t, name, "codes_total", "counter", "Vectors looked at.", (double)c.codes);
	put_metric(&t, name, "exact_total", "counter", "Distances computed exactly.", (double)c.exact);
	put_metric(&t, name, "filter_tests_total", "counter", "Vectors that filters were asked about.",
	    (double)c.filter_tests);
	put_metric(&t, name, "filter_hits_total", "counter", "Vectors that filters let pass.",
	    (double)c.filter_hits);
	put_metric(&t, name, "vectors", "gauge", "Vectors in the index.", (double)c.vectors);
	put_metric(&t, name, "memory_bytes", "gauge", "Memory of the index.", (double)c.memory);
	put_histogram(&t, name, &c);
	if (length)
		*length = t.length;
	if (text && t.length >= size) {
		*text = '\0';
		return fail(KITH_INVALID, "size is %zu; the text needs %zu", size, t.length + 1);
	}
	return KITH_OK;
}
