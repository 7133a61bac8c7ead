/* The report of a benchmark: one JSON object, which is written to the file, and printed as a table.
 *
 * The file is replaced atomically after every point. A run that finds a report of the same benchmark (same
 * data, protocol, machine, version of kith) measures only what is missing in it, so that a benchmark can be
 * interrupted and continued.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <unistd.h>

#include "cli.h"
#include "info_index.h"
#include "report.h"

static json_t *data_json(const struct bench *b)
{
	return json_pack("{s:o, s:o, s:s}", "base", input_json(&b->base), "query", input_json(&b->query),
	    "metric", kith_metric_name(b->metric));
}

static json_t *protocol_json(const struct bench *b)
{
	return json_pack("{s:I, s:i, s:I, s:I, s:I}", "k", (json_int_t)b->k, "threads",
	    threads_used(b->threads), "batch", (json_int_t)b->batch, "runs", (json_int_t)b->runs,
	    "latency_queries", (json_int_t)b->latency_queries);
}

static json_t *new_report(const struct bench *b)
{
	return json_pack("{s:s, s:i, s:s, s:s, s:o, s:o, s:o, s:[]}", "format", "kith-bench", "version",
	    BENCH_VERSION, "library", "kith", "library_version", kith_version(), "machine", machine_json(),
	    "data", data_json(b), "protocol", protocol_json(b), "indexes");
}

int bench_read_report(const char *path, json_t **report)
{
	json_error_t error;
	json_t *protocol;
	const char *format = "", *library, *file, *metric;
	int version = 0;

	json_int_t n, dim, k, threads, batch;
	*report = NULL;
	if (is_index_file(path))
		return cli_error(EXIT_FAILED, "'%s' is an index file; 'kith bench --load' measures it", path);
	int code = file_check(path);
	if (code != EXIT_OK)
		return code;
	if (access(path, R_OK) != 0)
		return cli_error(EXIT_FAILED, "'%s': %s", path, strerror(errno));
	json_t *read = json_load_file(path, 0, &error);
	if (!read)
		return cli_error(EXIT_FAILED, "'%s' is not JSON: line %d: %s", path, error.line, error.text);
	json_unpack(read, "{s:s, s:i}", "format", &format, "version", &version);
	if (strcmp(format, "kith-bench") != 0)
		code = cli_error(EXIT_FAILED, "'%s' is not a report of 'kith bench'", path);
	else if (version != BENCH_VERSION)
		code = cli_error(EXIT_FAILED, "'%s' is version %d of the format; this kith reads version %d",
		    path, version, BENCH_VERSION);
	else if (json_unpack_ex(read, &error, 0, "{s:s, s:{s:{s:s, s:I, s:I}, s:s}, s:o, s:{s:I, s:I, s:I}}",
	             "library", &library, "data", "base", "file", &file, "n", &n, "dim", &dim, "metric",
	             &metric, "protocol", &protocol, "protocol", "k", &k, "threads", &threads, "batch",
	             &batch) != 0)
		code = cli_error(EXIT_FAILED, "'%s' is damaged: %s", path, error.text);
	size_t i;
	json_t *index;
	json_array_foreach(json_object_get(read, "indexes"), i,
	    index) if (code == EXIT_OK && (!json_is_string(json_object_get(index, "index")) ||
	                                      !json_is_array(json_object_get(index, "points")))) code =
	    cli_error(EXIT_FAILED, "'%s' is damaged: an index lacks its name or points", path);
	if (code == EXIT_OK)
		*report = read;
	else
		json_decref(read);
	return code;
}

/* Whether a part of two reports is the same. File names do not matter: two may name the same data. */
static bool same_part(const json_t *a, const json_t *b, const char *name)
{
	static const char *const files[] = {"base", "query"};
	json_t *x = json_deep_copy(json_object_get(a, name)), *y = json_deep_copy(json_object_get(b, name));
	for (int i = 0; i < 2; i++) {
		json_object_del(json_object_get(x, files[i]), "file");
		json_object_del(json_object_get(y, files[i]), "file");
	}
	bool same = json_equal(x, y);
	json_decref(x);
	json_decref(y);
	return same;
}

int bench_begin_report(struct bench *b)
{
	static const char *const parts[] = {"library", "library_version", "machine", "data", "protocol"};
	json_t *fresh = new_report(b), *old;
	if (!fresh)
		return cli_error(EXIT_FAILED, "out of memory");
	if (b->name)
		json_object_set_new(fresh, "name", json_text(b->name));
	if (!b->report_path || access(b->report_path, F_OK) != 0) {
		b->report = fresh;
		return bench_save(b);
	}
	int code = bench_read_report(b->report_path, &old);
	for (size_t i = 0; code == EXIT_OK && i < sizeof parts / sizeof *parts; i++)
		if (!same_part(old, fresh, parts[i]))
			code = cli_error(EXIT_FAILED,
			    "--json '%s' holds another benchmark: its %s differs; give another name, or "
			    "remove it",
			    b->report_path, parts[i]);
	json_decref(fresh);
	if (code == EXIT_OK)
		b->report = old;
	else
		json_decref(old);
	if (code == EXIT_OK && b->name)
		json_object_set_new(b->report, "name", json_text(b->name));
	return code == EXIT_OK && b->name ? bench_save(b) : code;
}

/* The settings that building the index uses, given or by default; none for an index that was read from a
 * file, of which they are not known. */
static json_t *build_json(const struct bench *b, const kith_index *index, const char *file)
{
	struct setting table[SETTINGS_MAX];
	memcpy(table, b->build, sizeof table);
	for (struct setting *s = table; s->name; s++)
		s->given = s->given && !file && setting_used(s, index);
	if (!file)
		settings_complete(table, index, 0);
	return settings_json(table);
}

json_t *bench_entry(struct bench *b, const kith_index *made, const char *file)
{
	json_t *indexes = json_object_get(b->report, "indexes"), *index, *build = build_json(b, made, file);
	const char *name = kith_index_describe(made);
	size_t i;
	json_array_foreach(indexes, i, index)
	{
		const char *other = json_string_value(json_object_get(index, "file"));
		if (strcmp(json_string_value(json_object_get(index, "index")), name) == 0 &&
		    json_equal(json_object_get(index, "build"), build) &&
		    (file && other ? strcmp(file, other) == 0 : !file && !other)) {
			json_decref(build);
			return index;
		}
	}
	index = json_pack("{s:o, s:o, s:[]}", "index", json_text(name), "build", build, "points");
	if (index && file)
		json_object_set_new(index, "file", json_text(file));
	return json_array_append_new(indexes, index) == 0 ? index : NULL;
}

bool bench_has_point(const json_t *entry, const json_t *settings)
{
	size_t i;
	json_t *point;
	json_array_foreach(json_object_get(entry, "points"), i,
	    point) if (json_equal(json_object_get(point, "settings"), settings)) return true;
	return false;
}

int bench_save(const struct bench *b)
{
	return b->report_path ? write_json(b->report, b->report_path) : EXIT_OK;
}

/* ---- the table ---- */

static double number(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

static void print_point(const json_t *point)
{
	char text[100] = "", rate[40], codes[40];
	const char *name;
	json_t *value, *latency = json_object_get(point, "latency_seconds");
	size_t used = 0;
	json_object_foreach(json_object_get(point, "settings"), name, value)
	{
		if (json_is_number(value) && used < sizeof text)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=%.9g",
			    used ? " " : "", name, json_number_value(value));
	}
	double qps = number(point, "qps"), spread = number(point, "qps_max") - number(point, "qps_min");
	format_si(qps, rate, sizeof rate);
	format_si(number(point, "codes_per_query"), codes, sizeof codes);
	printf("  %-24s %9.4f %9s %5.1f", used ? text : "-", number(point, "recall"), rate,
	    qps > 0 ? 50 * spread / qps : 0);
	if (json_is_object(latency))
		printf(" %9.3f %9.3f %9.3f", 1e3 * number(latency, "p50"), 1e3 * number(latency, "p95"),
		    1e3 * number(latency, "p99"));
	else
		printf(" %9s %9s %9s", "-", "-", "-");
	printf(" %9s\n", codes);
}

static void print_index(const json_t *index, int64_t k)
{
	char memory[40], peak[40];
	const char *file = json_string_value(json_object_get(index, "file"));
	size_t i;
	json_t *point;
	format_si(number(index, "memory_bytes"), memory, sizeof memory);
	format_si(number(index, "peak_rss_bytes"), peak, sizeof peak);
	printf("\n%s: ", json_string_value(json_object_get(index, "index")));
	if (file)
		printf("opened '%s' in %.3f s", file, number(index, "open_seconds"));
	else
		printf("built in %.2f s (train %.2f, add %.2f)", number(index, "build_seconds"),
		    number(index, "train_seconds"), number(index, "add_seconds"));
	printf(", %sB, %.1f bytes per vector, peak %sB\n", memory, number(index, "bytes_per_vector"), peak);
	printf("  %-24s recall@%-3" PRId64 "       QPS    ±%%    p50 ms    p95 ms    p99 ms   codes/q\n",
	    "settings", k);
	json_array_foreach(json_object_get(index, "points"), i, point) print_point(point);
}

void bench_print(const struct bench *b)
{
	const struct input *base = &b->base, *query = &b->query;
	size_t i;
	json_t *index;
	const char *name = json_string_value(json_object_get(b->report, "name"));
	if (name)
		printf("name     %s\n", name);
	printf("base     %s: %" PRId64 " x %" PRId64 " %s\n", base->path, base->info.n, base->info.dim,
	    kith_type_name(base->info.type));
	printf("queries  %s: %" PRId64 " x %" PRId64 " %s\n", query->path, query->info.n, query->info.dim,
	    kith_type_name(query->info.type));
	if (b->truth.computed)
		printf("truth    computed in %.3f s, %s%s\n", b->truth.seconds,
		    b->truth.path ? "kept in " : "not kept", b->truth.path ? b->truth.path : "");
	else
		printf("truth    %s\n", b->truth.path);
	printf("search   k = %" PRId64 ", metric %s, %d %s, %s, ", b->k, kith_metric_name(b->metric),
	    CLI_COUNT(threads_used(b->threads), "thread"), kith_isa());
	if (b->batch)
		printf("%" PRId64 " a call", b->batch);
	else
		printf("all queries in one call");
	printf(", median of %" PRId64 " %s; latency of single queries\n", CLI_COUNT(b->runs, "run"));
	json_array_foreach(json_object_get(b->report, "indexes"), i, index) print_index(index, b->k);
}
