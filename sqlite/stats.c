/* kith_explain describes a table's last search on this connection, as JSON. kith_stats returns counters of
 * its searches since the connection opened it, as text for Prometheus. kith_tune returns the recall that
 * was measured for each effort when the indexes used by this connection were built, as JSON. */
#include "stats.h"

#include <string.h>

#include "refresh.h"
#include "registry.h"

static struct table *find_table(sqlite3_context *context, sqlite3_value *value)
{
	struct connection *c = sqlite3_user_data(context);
	const char *name = (const char *)sqlite3_value_text(value);
	for (struct table *t = c->tables; name != NULL && t != NULL; t = t->next) {
		if (sqlite3_stricmp(t->name, name) == 0) {
			return t;
		}
	}
	sqlite3_result_error(context, "no kith table with that name has been used on this connection", -1);
	return NULL;
}

static void return_text(sqlite3_context *context, sqlite3_str *text)
{
	char *out = sqlite3_str_finish(text);
	if (out == NULL) {
		sqlite3_result_error_nomem(context);
	} else {
		sqlite3_result_text(context, out, -1, sqlite3_free);
	}
}

static void call_explain(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct table *t = find_table(context, argv[0]);
	(void)argc;
	if (t == NULL || t->stats.strategy == NULL) {
		return;
	}
	const struct search_stats *s = &t->stats;
	sqlite3_str *out = sqlite3_str_new(NULL);
	sqlite3_str_appendf(out,
	    "{\"strategy\":\"%s\",\"compared\":%lld,\"candidates\":%lld,\"effort\":%lld,\"pending\":%lld",
	    s->strategy, s->rows, s->candidates, s->effort, s->pending);
	if (s->passing >= 0) {
		sqlite3_str_appendf(out, ",\"passing\":%.3f", s->passing);
	}
	sqlite3_str_appendall(out, "}");
	return_text(context, out);
}

static void append_counter(sqlite3_str *out, const char *table, const char *name, const char *type,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

static void append_counter(
    sqlite3_str *out, const char *table, const char *name, const char *type, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	sqlite3_str_appendf(
	    out, "# TYPE kith_sql_%s %s\nkith_sql_%s{table=\"%s\"} ", name, type, name, table);
	sqlite3_str_vappendf(out, format, list);
	sqlite3_str_appendall(out, "\n");
	va_end(list);
}

static void call_stats(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct table *t = find_table(context, argv[0]);
	(void)argc;
	if (t == NULL) {
		return;
	}
	const struct search_stats *s = &t->stats;
	sqlite3_str *out = sqlite3_str_new(NULL);
	append_counter(out, t->name, "searches_total", "counter", "%lld", (long long)s->searches);
	append_counter(out, t->name, "exact_searches_total", "counter", "%lld", (long long)s->exact_searches);
	append_counter(out, t->name, "index_memory_bytes", "gauge", "%lld", (long long)registry_memory(t));
	int64_t limit;
	if (index_memory_limit(t, &limit) == SQLITE_OK && limit >= 0) {
		append_counter(out, t->name, "index_memory_limit_bytes", "gauge", "%lld", (long long)limit);
	}
	sqlite3_str_appendall(out, "# TYPE kith_sql_search_seconds histogram\n");
	int64_t sum = 0;
	for (int i = 0; i < 27; i++) {
		sum += s->latency[i];
		sqlite3_str_appendf(out, "kith_sql_search_seconds_bucket{table=\"%s\",le=\"%.6g\"} %lld\n",
		    t->name, 1e-6 * (double)((int64_t)1 << i), sum);
	}
	sqlite3_str_appendf(
	    out, "kith_sql_search_seconds_bucket{table=\"%s\",le=\"+Inf\"} %lld\n", t->name, s->searches);
	sqlite3_str_appendf(out, "kith_sql_search_seconds_sum{table=\"%s\"} %.9g\n", t->name, s->seconds);
	sqlite3_str_appendf(out, "kith_sql_search_seconds_count{table=\"%s\"} %lld\n", t->name, s->searches);
	return_text(context, out);
}

/* Append the measurements of one index, whose lock is held. */
static void append_sweep(sqlite3_str *out, const struct table *t, const struct holding *h)
{
	const struct live *l = h->shared->live;
	for (int i = 0; l != NULL && i < l->points; i++) {
		sqlite3_str_appendf(out, "%s{\"column\":\"%w\",\"part\":%lld,\"%s\":%lld,\"recall\":%.4f}",
		    sqlite3_str_length(out) > 1 ? "," : "", t->schema.columns[h->column].name, h->part,
		    l->uses_nprobe ? "nprobe" : "ef", l->sweep[i].effort, l->sweep[i].recall);
	}
}

static void call_tune(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct table *t = find_table(context, argv[0]);
	(void)argc;
	if (t == NULL) {
		return;
	}
	sqlite3_str *out = sqlite3_str_new(NULL);
	sqlite3_str_appendall(out, "[");
	for (const struct holding *h = t->holdings; h != NULL; h = h->next) {
		pthread_rwlock_rdlock(&h->shared->lock);
		append_sweep(out, t, h);
		pthread_rwlock_unlock(&h->shared->lock);
	}
	sqlite3_str_appendall(out, "]");
	return_text(context, out);
}

int stats_register(sqlite3 *db, struct connection *connection)
{
	int rc = sqlite3_create_function_v2(
	    db, "kith_explain", 1, SQLITE_UTF8, connection, call_explain, NULL, NULL, NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_create_function_v2(
		    db, "kith_tune", 1, SQLITE_UTF8, connection, call_tune, NULL, NULL, NULL);
	}
	return rc != SQLITE_OK ? rc
	                       : sqlite3_create_function_v2(db, "kith_stats", 1, SQLITE_UTF8, connection,
	                             call_stats, NULL, NULL, NULL);
}
