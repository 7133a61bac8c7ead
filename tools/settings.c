/* The values of --set, NAME=NUMBER, and of --sweep, NAME=VALUES. The error for an unknown name suggests the
 * nearest one.
 *
 * The tables below are all that the commands know about the options of the library: a new member of
 * kith_search_options or kith_add_options can be set, swept and reported once it has a line here.
 */
#include "settings.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST ((double)(1 << 30))

static const struct setting search_table[] = {
    {"nprobe", offsetof(kith_search_options, nprobe), 1, LARGEST, 8, "inverted files", "probe probes nprobes",
        .kind = SETTING_INT64},
    {"max_codes", offsetof(kith_search_options, max_codes), 1, LARGEST, 0, "inverted files", "maxcode",
        .kind = SETTING_INT64},
    {"k_factor", offsetof(kith_search_options, k_factor), 1, LARGEST, 4, "indexes that refine",
        "kfactorrf refinefactor", .kind = SETTING_FLOAT},
    {"efSearch", offsetof(kith_search_options, efSearch), 1, 1 << 20, 64, "graphs",
        "ef efs hnswef hnswefsearch", .kind = SETTING_INT64},
    {0},
};

static const struct setting build_table[] = {
    {"seed", offsetof(kith_add_options, seed), 0, LARGEST, 1234, "indexes that are trained, and graphs", "",
        .kind = SETTING_UINT64},
    {"efConstruction", offsetof(kith_add_options, efConstruction), 1, 1 << 20, 200, "graphs",
        "ef efc efbuild hnswef hnswefconstruction", .kind = SETTING_INT64},
    {0},
};

_Static_assert(sizeof search_table / sizeof *search_table <= SETTINGS_MAX, "room for all");
_Static_assert(sizeof build_table / sizeof *build_table <= SETTINGS_MAX, "room for all");

void search_settings(struct setting table[SETTINGS_MAX])
{
	memcpy(table, search_table, sizeof search_table);
}

void build_settings(struct setting table[SETTINGS_MAX])
{
	memcpy(table, build_table, sizeof build_table);
}

void settings_apply(const struct setting *table, void *options)
{
	for (const struct setting *s = table; s->name; s++) {
		char *member = (char *)options + s->offset;
		int64_t whole = (int64_t)s->value;
		float real = (float)s->value;
		if (!s->given)
			continue;
		/* Both integer types have eight bytes and values below 2^63. */
		if (s->kind == SETTING_FLOAT)
			memcpy(member, &real, sizeof real);
		else
			memcpy(member, &whole, sizeof whole);
	}
}

static bool fail_name(const char *option, const char *name, const struct setting *table)
{
	char list[200] = "";
	const char *names[SETTINGS_MAX];
	int n = 0;
	for (size_t used = 0; table[n].name && n < SETTINGS_MAX && used < sizeof list; n++) {
		names[n] = table[n].name;
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", n ? ", " : "", names[n]);
	}
	const struct setting *meant = setting_meant(table, name);
	const char *nearest = meant ? meant->name : cli_nearest(name, names, n);
	if (nearest)
		cli_error(EXIT_USAGE, "%s: unknown name '%s'; did you mean '%s'?", option, name, nearest);
	else
		cli_error(EXIT_USAGE, "%s: unknown name '%s'; it can be %s", option, name, list);
	return false;
}

/* The number of the setting `name` in the table, or −1 after an error. */
static int find_setting(const char *option, const char *name, const struct setting *table)
{
	int i = 0;
	while (table[i].name && strcmp(table[i].name, name) != 0)
		i++;
	if (table[i].name)
		return i;
	fail_name(option, name, table);
	return -1;
}

static bool read_value(const char *option, const struct setting *s, const char *text, double *value)
{
	char *end;
	bool whole = s->kind != SETTING_FLOAT;
	*value = strtod(text, &end);
	bool plain = strspn(text, "0123456789.eE+-") == strlen(text) && end != text;
	if (plain && !*end && *value >= s->min && *value <= s->max && (!whole || *value == floor(*value)))
		return true;
	cli_error(EXIT_USAGE, "%s %s must be a %snumber from %.16g to %.16g, not '%s'", option, s->name,
	    whole ? "whole " : "", s->min, s->max, text);
	return false;
}

/* Read one "name=number", which is changed by that. */
static bool read_pair(char *pair, struct setting *table)
{
	char *equals = strchr(pair, '=');
	if (!equals) {
		cli_error(EXIT_USAGE, "--set must be NAME=NUMBER,…, not '%s'", pair);
		return false;
	}
	*equals = '\0';
	int i = find_setting("--set", pair, table);
	if (i < 0 || !read_value("--set", &table[i], equals + 1, &table[i].value))
		return false;
	table[i].given = true;
	return true;
}

bool settings_read(const struct cli *cli, struct setting *table)
{
	char *copy = strdup(cli->value), *rest = NULL;
	bool ok = copy != NULL;
	if (!ok)
		cli_error(EXIT_FAILED, "out of memory");
	for (char *pair = ok ? strtok_r(copy, ",", &rest) : NULL; ok && pair;
	     pair = strtok_r(NULL, ",", &rest))
		ok = read_pair(pair, table);
	free(copy);
	return ok;
}

/* ---- what an index uses ---- */

/* Whether the index has a graph over the lists of an inverted file, and not over its vectors. */
static bool has_coarse_graph(const kith_index *index)
{
	return kith_index_uses(index, "efSearch") && kith_index_uses(index, "nprobe");
}

bool setting_used(const struct setting *s, const kith_index *index)
{
	bool graph = kith_index_uses(index, "efSearch");
	if (strcmp(s->name, "seed") == 0)
		return graph || !kith_index_trained(index);
	if (strcmp(s->name, "efSearch") == 0 || strcmp(s->name, "efConstruction") == 0)
		return graph;
	return kith_index_uses(index, s->name) != 0;
}

void settings_warn(const struct setting *table, const kith_index *index)
{
	char list[200] = "";
	size_t used = 0;
	for (const struct setting *s = table; s->name && used < sizeof list; s++)
		if (setting_used(s, index))
			used += (size_t)snprintf(
			    list + used, sizeof list - used, "%s%s", used ? ", " : "; it uses ", s->name);
	for (const struct setting *s = table; s->name; s++)
		if (s->given && !setting_used(s, index))
			cli_warn("--set %s has no effect: %s does not use it, only %s do%s", s->name,
			    kith_index_describe(index), s->whose, list);
}

void settings_complete(struct setting *table, const kith_index *index, int64_t k)
{
	kith_lists_info lists = {.size = sizeof lists};
	bool has_lists = kith_index_lists(index, &lists) == KITH_OK;
	double candidates = (double)k; /* the number that is refined */
	for (struct setting *s = table; s->name; s++) {
		s->given = s->given && setting_used(s, index);
		if (!setting_used(s, index) || (!s->given && s->fallback == 0))
			continue;
		bool coarse = strcmp(s->name, "efSearch") == 0 && has_coarse_graph(index);
		s->effective = !s->given;
		s->automatic = s->effective && coarse;
		s->value = s->given ? s->value : s->fallback;
		if (k > 0 && strcmp(s->name, "k_factor") == 0)
			candidates = ceil((double)k * s->value);
		if (k > 0 && strcmp(s->name, "efSearch") == 0 && !coarse)
			s->value = fmax(s->value, candidates);
		if (k > 0 && has_lists && strcmp(s->name, "nprobe") == 0)
			s->value = fmin(s->value, (double)lists.lists);
	}
}

/* Whether two words are equal, apart from case, '-' and '_'. The second one ends before its first space. */
static bool same_word(const char *word, const char *name)
{
	for (;; word++, name++) {
		word += strspn(word, "-_");
		name += strspn(name, "-_");
		bool end = !*name || *name == ' ';
		if (!*word || end)
			return !*word && end;
		if (tolower((unsigned char)*word) != tolower((unsigned char)*name))
			return false;
	}
}

const struct setting *setting_meant(const struct setting *table, const char *word)
{
	for (const struct setting *s = table; s->name; s++) {
		if (same_word(word, s->name))
			return s;
		for (const char *alias = s->aliases; *alias; alias += strspn(alias, " ")) {
			if (same_word(word, alias))
				return s;
			alias += strcspn(alias, " ");
		}
	}
	return NULL;
}

json_t *settings_json(const struct setting *table)
{
	json_t *object = json_object();
	for (; table->name; table++)
		if (table->given || table->effective)
			json_object_set_new(object, table->name,
			    table->automatic               ? json_null()
			    : table->kind == SETTING_FLOAT ? json_real(table->value)
			                                   : json_integer((json_int_t)table->value));
	return object;
}

void settings_text(const struct setting *table, char *out, size_t size)
{
	size_t used = 0;
	*out = '\0';
	for (; table->name; table++)
		if ((table->given || table->effective) && !table->automatic && used < size)
			used += (size_t)snprintf(
			    out + used, size - used, "%s%s=%.9g", used ? " " : "", table->name, table->value);
}

void settings_print(const struct setting *table)
{
	for (; table->name; table++)
		if (table->automatic)
			printf("%s = automatic, ", table->name);
		else if (table->given || table->effective)
			printf("%s = %.9g, ", table->name, table->value);
}

/* ---- sweeps ---- */

static bool append(struct sweep *sweep, double value)
{
	if (sweep->n == SWEEP_VALUES) {
		cli_error(EXIT_USAGE, "--sweep takes at most %d values of a name", SWEEP_VALUES);
		return false;
	}
	sweep->value[sweep->n++] = value;
	return true;
}

/* Read "16" or "1:256", which is changed by that. */
static bool read_part(char *part, const struct setting *s, struct sweep *sweep)
{
	char *colon = strchr(part, ':');
	double from, to;
	if (colon)
		*colon = '\0';
	if (!read_value("--sweep", s, part, &from))
		return false;
	if (!colon)
		return append(sweep, from);
	if (!read_value("--sweep", s, colon + 1, &to))
		return false;
	if (from > to || from <= 0) {
		cli_error(EXIT_USAGE, "--sweep %s: FROM:TO needs 0 < FROM <= TO, not '%s:%s'", s->name, part,
		    colon + 1);
		return false;
	}
	bool ok = true;
	for (double value = from; ok && value < to; value *= 2)
		ok = append(sweep, value);
	return ok && append(sweep, to);
}

bool sweep_read(const struct cli *cli, const struct setting *table, struct sweep *sweeps, int *n)
{
	char *copy = strdup(cli->value), *rest = NULL, *equals = copy ? strchr(copy, '=') : NULL;
	bool ok = equals && equals[1];
	if (!copy)
		cli_error(EXIT_FAILED, "out of memory");
	else if (!ok)
		cli_error(EXIT_USAGE, "--sweep must be NAME=VALUES, e.g. nprobe=1:256, not '%s'", cli->value);
	if (ok)
		*equals = '\0';
	int setting = ok ? find_setting("--sweep", copy, table) : -1, at = 0;
	ok = setting >= 0;
	while (at < *n && sweeps[at].setting != setting)
		at++;
	struct sweep sweep = {.setting = setting};
	for (char *part = ok ? strtok_r(equals + 1, ",", &rest) : NULL; ok && part;
	     part = strtok_r(NULL, ",", &rest))
		ok = read_part(part, &table[setting], &sweep);
	free(copy);
	if (ok) {
		sweeps[at] = sweep;
		*n += at == *n;
	}
	return ok;
}
