/* Hints at what the user may have meant.
 *
 * Users of other programs write "--nprobe 16" for "--set nprobe=16", "--base" for the operand BASE, or an
 * option of another command; and sometimes files are given in the wrong order. Each of these is an error
 * before any work, which says what to write instead. The hints are made from the same tables as everything
 * else about the command line.
 */
#include "hint.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "files.h"
#include "info_index.h"
#include "settings.h"
#include "stream.h"

/* Names of options in other programs, and kith's. */
static const struct {
	const char *other, *name;
} synonyms[] = {
    {"output", "out"},
    {"outfile", "out"},
    {"topk", "k"},
    {"top-k", "k"},
    {"neighbours", "k"},
    {"neighbors", "k"},
    {"distance", "metric"},
    {"space", "metric"},
    {"factory", "index"},
    {"spec", "index"},
    {"index-key", "index"},
    {"nthreads", "threads"},
    {"num-threads", "threads"},
    {"jobs", "threads"},
    {"gt", "truth"},
    {"groundtruth", "truth"},
    {"ground-truth", "truth"},
    {"batch-size", "batch"},
    {"repeat", "runs"},
    {"xb", "base"},
    {"xq", "query"},
    {"queries", "query"},
};
enum { SYNONYMS = sizeof synonyms / sizeof *synonyms };

static const struct cli_option *find_option(const struct command *command, const char *name)
{
	for (const struct cli_option *o = command->options; o->help; o++)
		if (strcasecmp(o->name, name) == 0)
			return o;
	return NULL;
}

const char *hint_meaning(char letter)
{
	for (const struct command *const *c = cli_commands; *c; c++)
		for (const struct cli_option *o = (*c)->options; o->help; o++)
			if (o->letter == letter)
				return o->name;
	return NULL;
}

/* Whether `word` in capitals is one of the operands in the command's usage. */
static bool is_operand(const struct command *command, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = command->operands; *at; at += strspn(at, " []")) {
		size_t n = strcspn(at, " []");
		if (n == length && isupper((unsigned char)*at) && strncasecmp(at, word, n) == 0)
			return true;
		at += n;
	}
	return false;
}

static bool say_operand(const struct command *command, const char *word, char *out, size_t size)
{
	char capitals[40];
	if (!is_operand(command, word))
		return false;
	snprintf(capitals, sizeof capitals, "%s", word);
	for (char *c = capitals; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	snprintf(out, size, "%s goes without one: kith %s [OPTION]... %s", capitals, command->name,
	    command->operands);
	return true;
}

/* The hint for "--nprobe 16", if that is a setting of this command or of another. */
static bool say_setting(
    const struct command *command, const char *word, const char *value, char *out, size_t size)
{
	struct setting search[SETTINGS_MAX], build[SETTINGS_MAX];
	search_settings(search);
	build_settings(build);
	bool can_set = find_option(command, "set") != NULL, builds = strcmp(command->name, "search") != 0;
	bool searches = strcmp(command->name, "build") != 0;
	const struct setting *in_search = setting_meant(search, word), *in_build = setting_meant(build, word);
	const struct setting *found = searches && in_search ? in_search
	                              : builds && in_build  ? in_build
	                                                    : NULL;
	if (found && can_set)
		snprintf(out, size, "it is a setting: --set %s=%s", found->name, value);
	else if (in_search || in_build)
		snprintf(out, size, "it is a setting of 'kith %s' and 'kith bench': --set %s=%s",
		    in_search ? "search" : "build", in_search ? in_search->name : in_build->name, value);
	return in_search || in_build;
}

static bool say_synonym(const struct command *command, const char *word, char *out, size_t size)
{
	for (int i = 0; i < SYNONYMS; i++) {
		if (strcasecmp(synonyms[i].other, word) != 0)
			continue;
		if (find_option(command, synonyms[i].name)) {
			snprintf(out, size, "did you mean '--%s'?", synonyms[i].name);
			return true;
		}
		if (say_operand(command, synonyms[i].name, out, size))
			return true;
	}
	return false;
}

static bool say_other_command(const char *word, char *out, size_t size)
{
	size_t used = 0;
	for (const struct command *const *c = cli_commands; *c && used < size; c++)
		if (find_option(*c, word))
			used += (size_t)snprintf(out + used, size - used, "%s'kith %s'",
			    used ? ", " : "it is an option of ", (*c)->name);
	return used > 0;
}

bool hint_option(const struct cli *cli, const char *word, char *out, size_t size)
{
	enum { MAX = 32 };
	const struct command *command = cli->command;
	const char *names[MAX], *equals = strchr(word, '=');
	const char *next = optind < cli->argc ? cli->argv[optind] : NULL;
	const char *value = equals ? equals + 1 : next ? next : "N";
	char bare[40];
	int n = 0;
	for (const struct cli_option *o = command->options; o->help && n < MAX; o++)
		names[n++] = o->name;
	snprintf(bare, sizeof bare, "%s", word + strspn(word, "-"));
	bare[strcspn(bare, "=")] = 0;
	if (!*value || strspn(value, "0123456789.") != strlen(value))
		value = "N";
	if (say_operand(command, bare, out, size) || say_setting(command, bare, value, out, size) ||
	    say_synonym(command, bare, out, size))
		return true;
	const char *nearest = cli_nearest(bare, names, n);
	if (say_other_command(bare, out, size))
		return true;
	if (nearest)
		snprintf(out, size, "did you mean '--%s'?", nearest);
	return nearest != NULL;
}

bool hint_candidates(const struct command *command, const char *word, char *out, size_t size)
{
	const char *bare = word + strspn(word, "-");
	size_t length = strcspn(bare, "="), used = 0;
	int n = 0;
	for (const struct cli_option *o = command->options;; o++) {
		const char *name = o->help ? o->name : "help";
		if (length && strncmp(name, bare, length) == 0 && used < size) {
			used += (size_t)snprintf(out + used, size - used, "%s'--%s'", n ? ", " : "", name);
			n++;
		}
		if (!o->help)
			return n > 1;
	}
}

bool hint_misleading(const struct command *command, const char *word)
{
	if (is_operand(command, word))
		return true;
	for (const struct command *const *c = cli_commands; *c; c++)
		if (*c != command && find_option(*c, word))
			return true;
	return false;
}

bool hint_letter(const struct command *command, char letter, char *out, size_t size)
{
	const char *name = hint_meaning(letter);
	return name && (say_operand(command, name, out, size) || say_other_command(name, out, size));
}

const char *hint_operand(const struct command *command, const char *operand, char *out, size_t size)
{
	bool takes_out = find_option(command, "out") != NULL;
	if (command->max_operands == 0 && find_option(command, "base"))
		snprintf(
		    out, size, "files are given by options: kith %s --base FILE --query FILE", command->name);
	else if (takes_out && access(operand, F_OK) != 0)
		snprintf(out, size, "the file to write is given with --out: --out %.200s", operand);
	else
		snprintf(out, size, "usage: kith %s [OPTION]... %s", command->name, command->operands);
	return out;
}

/* ---- files ---- */

static const char *extension(const char *path, size_t *length)
{
	if (is_stream(path)) {
		*length = stream_format(path);
		return path;
	}
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
	if (!dot)
		return NULL;
	*length = strcspn(dot + 1, ":");
	return dot + 1;
}

/* Whether somebody who typed `word` may have meant `name`. */
static bool is_slip(const char *word, const char *name)
{
	size_t stem = strcspn(word, "."), length = strlen(word);
	int distance = cli_distance(word, name);
	if (stem >= 3 && strncmp(word, name, stem) == 0 && (name[stem] == '.' || length == stem))
		return true;
	return distance <= 2 && 2 * (size_t)distance <= stem;
}

bool hint_file(const char *path, char *out, size_t size)
{
	const char *slash = strrchr(path, '/'), *word = slash ? slash + 1 : path;
	const char *ends = strrchr(word, '.');
	char folder[1000];
	int best = INT_MAX, length = (int)(word - path);
	if (!*word || length >= (int)sizeof folder)
		return false;
	snprintf(folder, sizeof folder, "%.*s", length, path);
	DIR *listed = opendir(length ? folder : ".");
	const struct dirent *entry;
	while (listed && (entry = readdir(listed))) {
		int distance = cli_distance(word, entry->d_name);
		const char *end = strrchr(entry->d_name, '.');
		bool one_of_ours = names_vectors(entry->d_name) || names_index(entry->d_name);
		bool same_end = ends && end && strcmp(ends, end) == 0;
		if ((one_of_ours || same_end) && distance < best && is_slip(word, entry->d_name)) {
			best = distance;
			snprintf(out, size, "%s%s", folder, entry->d_name);
		}
	}
	if (listed)
		closedir(listed);
	return best < INT_MAX;
}

static bool in_words(const char *words, const char *word, size_t length)
{
	while (*(words += strspn(words, " "))) {
		size_t n = strcspn(words, " ");
		if (n == length && strncmp(words, word, n) == 0)
			return true;
		words += n;
	}
	return false;
}

bool names_vectors(const char *path)
{
	size_t n;
	const char *end = extension(path, &n);
	return end && in_words(kith_vecs_formats(), end, n);
}

bool names_index(const char *path)
{
	size_t n;
	const char *end = extension(path, &n);
	return end && in_words("kith faiss index faissindex", end, n);
}

bool names_wide(const char *path)
{
	size_t n;
	const char *end = extension(path, &n);
	return end && in_words("npy hdf5 h5", end, n);
}

int hint_index_and_queries(const char *index, const char *query)
{
	bool first = is_index_file(index), second = is_index_file(query);
	if (!first && second)
		return cli_error(EXIT_FAILED, "'%s' is the index, and it comes first: kith search %s %s",
		    query, query, index);
	if (!first && names_vectors(index) && access(index, F_OK) == 0)
		return cli_error(EXIT_FAILED,
		    "'%s' holds vectors and is not a kith index; 'kith build' makes an index of them, 'kith "
		    "knn' searches them as they are",
		    index);
	return EXIT_OK;
}

int hint_spec(const char *option, const char *spec, bool can_load)
{
	if (is_index_file(spec))
		return cli_error(EXIT_USAGE, "%s '%s' is an index file; %s", option, spec,
		    can_load ? "--load opens it" : "a factory string is needed, e.g. IVF1024,Flat");
	if (names_vectors(spec) && access(spec, F_OK) == 0)
		return cli_error(EXIT_USAGE,
		    "%s '%s' is a file of vectors; a factory string is needed, e.g. IVF1024,Flat", option,
		    spec);
	return EXIT_OK;
}

int hint_vectors_named(const char *option, const char *path)
{
	if (!names_vectors(path))
		return EXIT_OK;
	return cli_error(EXIT_USAGE,
	    "%s '%s' is the name of a file of vectors; name the index otherwise, e.g. base.kith", option,
	    path);
}
