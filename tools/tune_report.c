/* The report of kith tune: the Pareto front of speed and memory, the reason for the choice, and two commands
 * to build and search the index. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "report.h"
#include "settings.h"
#include "tune.h"

static void settings_of(const struct candidate *c, struct setting table[SETTINGS_MAX])
{
	search_settings(table);
	for (struct setting *s = table; s->name; s++) {
		const char *member = (const char *)&c->search + s->offset;
		int64_t whole = 0;
		float real = 0;
		if (s->kind == SETTING_FLOAT)
			memcpy(&real, member, sizeof real);
		else
			memcpy(&whole, member, sizeof whole);
		s->value = s->kind == SETTING_FLOAT ? (double)real : (double)whole;
		s->given = s->value != 0;
	}
}

/* Whether a candidate reaches the recall, and no other that does is as fast, as small, and better in one. */
static bool on_front(const struct tune *t, const struct candidate *c)
{
	for (int i = 0; i < t->count; i++) {
		const struct candidate *o = &t->candidates[i];
		if (o != c && o->reaches && o->expected_seconds <= c->expected_seconds &&
		    o->bytes <= c->bytes &&
		    (o->expected_seconds < c->expected_seconds || o->bytes < c->bytes))
			return false;
	}
	return c->reaches;
}

static void print_candidate(const struct tune *t, const struct candidate *c)
{
	struct setting table[SETTINGS_MAX];
	char spec[SPEC_SIZE], text[100], rate[40], n[40];
	tune_spec(c, t->base.info.n, spec);
	settings_of(c, table);
	settings_text(table, text, sizeof text);
	format_si(1 / c->expected_seconds, rate, sizeof rate);
	format_si((double)c->n, n, sizeof n);
	printf("  %-28s %-24s %8.4f %s%9s %11.1f %9.2f %9s\n", spec, *text ? text : "-", c->recall,
	    c->n == t->base.info.n ? " " : "~", rate, c->bytes, c->expected_build, n);
}

static void print_reason(const struct tune *t, const struct candidate *best)
{
	char spec[SPEC_SIZE], other[SPEC_SIZE], rate[40], limits[120] = "";
	const struct candidate *next = t->count > 1 && t->candidates[1].reaches ? &t->candidates[1] : NULL;
	tune_spec(best, t->base.info.n, spec);
	format_si(1 / best->seconds, rate, sizeof rate);
	if (t->max_bytes)
		snprintf(limits, sizeof limits, " within %" PRId64 " %s per vector",
		    CLI_COUNT(t->max_bytes, "byte"));
	if (t->max_seconds)
		snprintf(limits + strlen(limits), sizeof limits - strlen(limits), "%s %" PRId64 " s to build",
		    t->max_bytes ? " and" : " within", t->max_seconds);
	if (t->count > 1)
		printf("\nOf %d indexes, %s is the fastest that reaches", t->count, spec);
	else
		printf("\n%s reaches", spec);
	printf(" recall %g%s: %squeries/s, %.1f bytes per vector.\n", t->recall, limits, rate, best->bytes);
	if (next) {
		tune_spec(next, t->base.info.n, other);
		printf("Next comes %s, %.2f times as slow with %.1f bytes per vector", other,
		    next->expected_seconds / best->expected_seconds, next->bytes);
	} else if (t->count > 1) {
		printf("No other reaches it");
	}
	printf("%s %" PRId64 " %s that it was not tuned on, the recall is %.4f.\n",
	    t->count > 1 ? "; on" : "On", CLI_COUNT_AS(t->nq, "query", "queries"), best->held_out);
}

static void print_commands(const struct tune *t, const struct candidate *best)
{
	struct setting table[SETTINGS_MAX];
	char spec[SPEC_SIZE];
	bool usual = t->metric == KITH_L2;
	tune_spec(best, t->base.info.n, spec);
	settings_of(best, table);
	printf("\n  kith build %s --index '%s'%s%s -o tuned.kith\n", t->base.path, spec,
	    usual ? "" : " --metric ", usual ? "" : kith_metric_name(t->metric));
	printf("  kith search tuned.kith %s -k %" PRId64, t->query.path, t->k);
	bool first = true;
	for (const struct setting *s = table; s->name; s++)
		if (s->given) {
			printf("%s%s=%.9g", first ? " --set " : ",", s->name, s->value);
			first = false;
		}
	printf(" --threads %d\n", threads_used(t->threads));
}

void tune_print(const struct tune *t)
{
	const struct candidate *best = &t->candidates[0];
	printf("base     %s: %" PRId64 " x %" PRId64 " %s\n", t->base.path, t->base.info.n, t->base.info.dim,
	    kith_type_name(t->base.info.type));
	printf("queries  %s: tuned on %" PRId64 ", checked on %" PRId64 " %s\n", t->query.path, t->nq,
	    CLI_COUNT(t->nq, "other"));
	printf("tuned    %d %s in %.1f s, k = %" PRId64 ", metric %s, %d %s, %s\n\n",
	    CLI_COUNT_AS(t->count, "index", "indexes"), t->seconds, t->k, kith_metric_name(t->metric),
	    CLI_COUNT(threads_used(t->threads), "thread"), kith_isa());
	printf("Pareto front (speed against memory); ~: expected, from a sample of the vectors\n");
	printf("  %-28s %-24s %8s %11s %11s %9s %9s\n", "index", "settings", "recall", "QPS", "bytes/vec",
	    "build s", "tried on");
	for (int i = 0; i < t->count; i++)
		if (on_front(t, &t->candidates[i]))
			print_candidate(t, &t->candidates[i]);
	print_reason(t, best);
	print_commands(t, best);
}

static json_t *candidate_json(const struct tune *t, const struct candidate *c)
{
	struct setting table[SETTINGS_MAX];
	char spec[SPEC_SIZE];
	tune_spec(c, t->base.info.n, spec);
	settings_of(c, table);
	return json_pack("{s:s, s:o, s:b, s:s?, s:I, s:f, s:o, s:f, s:f, s:f, s:b}", "index", spec,
	    "settings", settings_json(table), "reaches", c->reaches, "why_not", c->why_not, "tried_on",
	    (json_int_t)c->n, "recall", c->recall, "held_out_recall",
	    c->held_out >= 0 ? json_real(c->held_out) : json_null(), "qps",
	    c->expected_seconds > 0 ? 1 / c->expected_seconds : 0.0, "bytes_per_vector", c->bytes,
	    "build_seconds", c->expected_build, "front", on_front(t, c));
}

int tune_print_json(const struct tune *t)
{
	json_t *all = json_array();
	for (int i = 0; i < t->count; i++)
		json_array_append_new(all, candidate_json(t, &t->candidates[i]));
	return print_json(
	    json_pack("{s:o, s:o, s:s, s:I, s:f, s:I, s:i, s:f, s:o, s:o}", "base", input_json(&t->base),
	        "query", input_json(&t->query), "metric", kith_metric_name(t->metric), "k", (json_int_t)t->k,
	        "recall", t->recall, "queries_tuned", (json_int_t)t->nq, "threads", threads_used(t->threads),
	        "seconds", t->seconds, "best", candidate_json(t, &t->candidates[0]), "candidates", all));
}

int tune_fail_none(const struct tune *t)
{
	const struct candidate *nearest = NULL;
	for (int i = 0; i < t->count; i++)
		if (t->candidates[i].recall > (nearest ? nearest->recall : 0))
			nearest = &t->candidates[i];
	char spec[SPEC_SIZE] = "";
	const char *were = t->count == 1 ? "was" : "were";
	if (!nearest)
		return cli_error(EXIT_FAILED,
		    "no index keeps the limits (%d %s tried); allow more bytes per vector, or more time",
		    t->count, were);
	tune_spec(nearest, t->base.info.n, spec);
	return cli_error(EXIT_FAILED,
	    "no index reaches recall %g within the limits (%d %s tried); %s came to %.4f, but it %s",
	    t->recall, t->count, were, spec, nearest->recall,
	    nearest->why_not ? nearest->why_not : "is not allowed");
}
