/* Reading a command line.
 *
 * Every command describes its options in one table, from which the arguments of getopt_long, the help text
 * and the names in messages are made, so that a message names an option as the user typed it. Numbers are
 * read strictly: the whole word, in base ten, within the option's range.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "bar.h"
#include "hint.h"
#include "stream.h"

enum { MAX_OPTIONS = 24, FIRST_LONG = 256, HELP_LONG = 255, HELP_COLUMN = 24 };

static const char *command_name = "kith";

void cli_set_command(const char *command)
{
	command_name = command;
}

enum { LINE = 16384, MAX_SHOWN = 2000 };

/* Cut out the middle of a line that has a very long name in it. */
static void shorten(char *line)
{
	static const char dots[] = " ... ";
	size_t n = strlen(line), half = MAX_SHOWN / 2;
	if (n <= MAX_SHOWN)
		return;
	memcpy(line + half, dots, sizeof dots - 1);
	memmove(line + half + sizeof dots - 1, line + n - half, half + 1);
}

static void print_line(const char *kind, const char *format, va_list args)
{
	char line[LINE];
	vsnprintf(line, sizeof line, format, args);
	for (char *c = line; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	stream_rename(line, LINE);
	shorten(line);
	bar_wipe();
	fprintf(stderr, "%s: %s%s\n", command_name, kind, line);
}

int cli_error(int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	print_line("", format, args);
	va_end(args);
	return code;
}

void cli_warn(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	print_line("warning: ", format, args);
	va_end(args);
}

void cli_note(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	print_line("note: ", format, args);
	va_end(args);
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

int cli_distance(const char *a, const char *b)
{
	enum { MAX_WORD = 63 };
	size_t n = strlen(a), m = strlen(b);
	int row[MAX_WORD + 1];
	if (n > MAX_WORD || m > MAX_WORD)
		return INT_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = (int)j;
	for (size_t i = 1; i <= n; i++) {
		int diagonal = row[0];
		row[0] = (int)i;
		for (size_t j = 1; j <= m; j++) {
			int best = diagonal + !same_letter(a[i - 1], b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

const char *cli_nearest(const char *word, const char *const *table, int n)
{
	const char *nearest = NULL;
	size_t length = strlen(word);
	int min = INT_MAX;
	for (int i = 0; i < n; i++) {
		size_t other = strlen(table[i]), common = length < other ? length : other;
		int distance = cli_distance(word, table[i]);
		/* One is the begin of the other: "conv" means convert, "evaluate" means eval. */
		if (common >= 3 && strncmp(word, table[i], common) == 0)
			distance = 1;
		/* A word with less than half in common is no suggestion. */
		if (distance < min && distance <= (int)(length < 6 ? (length + 1) / 2 : 3)) {
			min = distance;
			nearest = table[i];
		}
	}
	return nearest;
}

/* The number of bytes of UTF-8 text that take no column of their own. */
static int hidden_bytes(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) == 0x80;
	return n;
}

static bool value_is_optional(const struct cli_option *option)
{
	return option->value && *option->value == '[';
}

/* Print the help of an option, which begins like "  -k, --k K" or "      --json". */
static void print_option(const struct cli_option *option)
{
	char letter[8] = "    ", left[80];
	if (option->letter)
		snprintf(letter, sizeof letter, "-%c, ", option->letter);
	int n = snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name,
	    option->value && !value_is_optional(option) ? " " : "", option->value ? option->value : "");
	int hidden = hidden_bytes(left);
	/* A long name has a line for itself. */
	if (n - hidden > HELP_COLUMN)
		printf("%s\n%*s  ", left, HELP_COLUMN, "");
	else
		printf("%-*s  ", HELP_COLUMN + hidden, left);
	for (const char *c = option->help; *c; c++) {
		putchar(*c);
		if (*c == '\n')
			printf("%*s  ", HELP_COLUMN, "");
	}
	putchar('\n');
}

void cli_print_help(const struct command *command)
{
	printf("Usage: kith %s [OPTION]...%s%s\n", command->name, *command->operands ? " " : "",
	    command->operands);
	printf("%s.\n\n%s\nOptions:\n", command->summary, command->notes);
	for (const struct cli_option *o = command->options; o->help; o++)
		print_option(o);
	print_option(&(struct cli_option){.name = "help", .letter = 'h', .help = "show this text"});
	printf("\nExit status: 0 done, 1 failed, 2 wrong usage, 128 + n stopped by signal n.\n");
	printf("\nExample:\n%s", command->example);
}

/* The option as the user typed it: "-m" or "--metric". */
static const char *option_name(const struct cli *cli, int option, char name[40])
{
	const struct cli_option *o = &cli->command->options[option];
	if (cli->short_form)
		snprintf(name, 40, "-%c", o->letter);
	else
		snprintf(name, 40, "--%s", o->name);
	return name;
}

/* The error for an option that getopt_long does not know; word: the argument in which it is. */
static int unknown_option(const struct cli *cli, const char *word)
{
	const char *command = cli->command->name;
	char hint[300];
	if (word && *word == '-' && access(word, F_OK) == 0)
		return cli_error(
		    EXIT_USAGE, "'%s' is taken for an option; the file of that name is './%s'", word, word);
	if (optopt > 0 && optopt < HELP_LONG) {
		if (hint_letter(cli->command, (char)optopt, hint, sizeof hint))
			return cli_error(EXIT_USAGE, "unknown option '-%c'; %s", optopt, hint);
		return cli_error(EXIT_USAGE, "unknown option '-%c'; see 'kith %s --help'", optopt, command);
	}
	if (optopt >= HELP_LONG || !word)
		return cli_error(EXIT_USAGE, "option '%s' takes no value; see 'kith %s --help'",
		    word ? word : "", command);
	if (hint_candidates(cli->command, word, hint, sizeof hint))
		return cli_error(EXIT_USAGE, "'%s' is short for more than one option: %s", word, hint);
	if (hint_option(cli, word, hint, sizeof hint))
		return cli_error(EXIT_USAGE, "unknown option '%s'; %s", word, hint);
	return cli_error(EXIT_USAGE, "unknown option '%s'; see 'kith %s --help'", word, command);
}

/* Whether an abbreviation that getopt_long took for the option `name` is the name of something else in kith,
 * and so was not meant as an abbreviation: in 'kith eval', --truth is the operand TRUTH, and not short for
 * --truth-distances. `word` gets what was typed. */
static bool misleads(const struct cli *cli, const char *name, char *word, size_t size)
{
	int last = optind - 1;
	bool apart = optarg && last > 0 && optarg == cli->argv[last];
	const char *typed = cli->argv[apart ? last - 1 : last];
	snprintf(word, size, "%.*s", (int)strcspn(typed, "="), typed);
	const char *bare = word + strspn(word, "-");
	return strcmp(bare, name) != 0 && hint_misleading(cli->command, bare);
}

/* The table as getopt_long wants it. With ':' in front, getopt_long returns ':' when a value is missing. */
static void getopt_tables(const struct command *command, char *shorts, struct option *longs)
{
	*shorts++ = ':';
	*shorts++ = 'h';
	*longs++ = (struct option){"help", no_argument, NULL, HELP_LONG};
	for (int i = 0; command->options[i].help && i < MAX_OPTIONS; i++) {
		const struct cli_option *o = &command->options[i];
		int argument = value_is_optional(o) ? optional_argument
		               : o->value           ? required_argument
		                                    : no_argument;
		*longs++ = (struct option){o->name, argument, NULL, FIRST_LONG + i};
		if (o->letter) {
			*shorts++ = o->letter;
			if (argument == required_argument)
				*shorts++ = ':';
		}
		if (o->old_letter)
			*shorts++ = *o->old_letter;
	}
	*shorts = 0;
	*longs = (struct option){NULL, 0, NULL, 0};
}

static int leave(struct cli *cli, int exit_code)
{
	cli->exit_code = exit_code;
	return CLI_EXIT;
}

static int check_operands(struct cli *cli)
{
	const struct command *c = cli->command;
	char hint[300];
	cli->operands = cli->argv + optind;
	cli->operand_count = cli->argc - optind;
	if (cli->operand_count < c->min_operands)
		return leave(
		    cli, cli_error(EXIT_USAGE, "%s; usage: kith %s [OPTION]... %s",
		             strcmp(c->operands, "SHELL") == 0 ? "a name is needed: bash, zsh or fish"
		             : c->min_operands == 1            ? "a file is needed"
		             : cli->operand_count              ? "files are needed, and one is given"
		                                               : "files are needed",
		             c->name, c->operands));
	if (cli->operand_count > c->max_operands)
		return leave(
		    cli, cli_error(EXIT_USAGE, "unexpected argument '%s'; %s", cli->operands[c->max_operands],
		             hint_operand(c, cli->operands[c->max_operands], hint, sizeof hint)));
	for (int i = 0; i < cli->operand_count; i++) {
		if (!*cli->operands[i])
			return leave(
			    cli, cli_error(EXIT_USAGE, "a file name is empty; usage: kith %s [OPTION]... %s",
			             c->name, c->operands));
	}
	return CLI_DONE;
}

/* The error for a letter that once stood for an option of this command. */
static int refuse_old_letter(const struct cli_option *option)
{
	char hint[300] = "";
	const char *meaning = hint_meaning(*option->old_letter);
	if (meaning)
		snprintf(hint, sizeof hint, " (-%s is --%s in all commands that have it)", option->old_letter,
		    meaning);
	return cli_error(EXIT_USAGE, "-%s no longer stands for --%s, write it out%s", option->old_letter,
	    option->name, hint);
}

/* Take the value of "--json FILE", as it was written before the value could be left out. */
static void take_old_value(struct cli *cli, const struct cli_option *option)
{
	const char *next = optind < cli->argc ? cli->argv[optind] : NULL;
	if (cli->value || !value_is_optional(option) || cli->command->max_operands > 0 || !next ||
	    (*next == '-' && next[1]))
		return;
	cli->value = next;
	optind++;
	cli_note("write --%s=%s; --%s alone is about standard output", option->name, next, option->name);
}

int cli_next(struct cli *cli)
{
	char shorts[3 * MAX_OPTIONS + 4], name[40], word[80], hint[300] = "";
	struct option longs[MAX_OPTIONS + 2];
	const struct command *command = cli->command;
	getopt_tables(command, shorts, longs);
	opterr = 0;
	int before = optind;
	int o = getopt_long(cli->argc, cli->argv, shorts, longs, NULL);
	cli->value = optarg;
	if (o == -1)
		return check_operands(cli);
	if (o == 'h' || o == HELP_LONG) {
		cli_print_help(command);
		return leave(cli, EXIT_OK);
	}
	if (o == '?')
		return leave(cli, unknown_option(cli, cli->argv[optind > before ? optind - 1 : before]));
	bool missing = o == ':';
	int key = missing ? optopt : o;
	cli->short_form = key < HELP_LONG;
	for (int i = 0; command->options[i].help; i++) {
		const struct cli_option *option = &command->options[i];
		if (option->old_letter && key == *option->old_letter)
			return leave(cli, refuse_old_letter(option));
		if (key != FIRST_LONG + i && key != option->letter)
			continue;
		if (!cli->short_form && !missing && misleads(cli, option->name, word, sizeof word)) {
			hint_option(cli, word, hint, sizeof hint);
			return leave(cli, cli_error(EXIT_USAGE, "'%s' is not taken as short for '--%s'; %s",
			                      word, option->name, hint));
		}
		take_old_value(cli, option);
		if (missing || (optarg && !*optarg))
			return leave(cli, cli_error(EXIT_USAGE, "%s needs a value (%s); see 'kith %s --help'",
			                      option_name(cli, i, name), option->value, command->name));
		return i;
	}
	return leave(cli, cli_error(EXIT_USAGE, "wrong option; see 'kith %s --help'", command->name));
}

/* Read the whole number that `text` begins with; *end gets what follows it. False: there is none, or it is
 * too large. */
static bool read_number(const char *text, const char **end, int64_t *out)
{
	size_t sign = *text == '-' || *text == '+';
	if (text[sign] < '0' || text[sign] > '9')
		return false;
	char *stop;
	errno = 0;
	long long value = strtoll(text, &stop, 10);
	*end = stop;
	*out = value;
	return errno == 0;
}

bool cli_number(const struct cli *cli, int option, int64_t min, int64_t max, int64_t *out)
{
	char name[40];
	const char *end;
	int64_t value;
	if (read_number(cli->value, &end, &value) && !*end && value >= min && value <= max) {
		*out = value;
		return true;
	}
	option_name(cli, option, name);
	if (max == INT64_MAX)
		cli_error(EXIT_USAGE, "%s must be a whole number of at least %lld, not '%s'", name,
		    (long long)min, cli->value);
	else
		cli_error(EXIT_USAGE, "%s must be a whole number from %lld to %lld, not '%s'", name,
		    (long long)min, (long long)max, cli->value);
	return false;
}

bool cli_numbers(const struct cli *cli, int option, int64_t min, int64_t max, int limit, int64_t *out, int *n)
{
	char name[40];
	const char *text = cli->value, *end;
	*n = 0;
	for (;; text = end + 1) {
		int64_t value;
		if (!read_number(text, &end, &value) || (*end && *end != ',') || value < min || value > max)
			break;
		if (*n == limit) {
			cli_error(
			    EXIT_USAGE, "%s takes at most %d numbers", option_name(cli, option, name), limit);
			return false;
		}
		out[(*n)++] = value;
		if (!*end)
			return true;
	}
	cli_error(EXIT_USAGE, "%s must be whole numbers from %lld to %lld separated by commas, not '%s'",
	    option_name(cli, option, name), (long long)min, (long long)max, cli->value);
	return false;
}

bool cli_range(const struct cli *cli, int option, int64_t *min, int64_t *max)
{
	char name[40];
	const char *end = cli->value;
	*min = 0;
	*max = INT64_MAX;
	bool ok = *end == ':' || read_number(cli->value, &end, min);
	ok = ok && *end == ':' && (!*++end || read_number(end, &end, max)) && !*end;
	if (ok && *min >= 0 && *min <= *max)
		return true;
	cli_error(EXIT_USAGE, "%s must be MIN:MAX with 0 <= MIN <= MAX (either may be left out), not '%s'",
	    option_name(cli, option, name), cli->value);
	return false;
}

bool cli_batch(const struct cli *cli, int option, int64_t *batch)
{
	char name[40];
	const char *end;
	if (strcmp(cli->value, "all") == 0) {
		*batch = 0;
		return true;
	}
	if (read_number(cli->value, &end, batch) && !*end && *batch >= 1)
		return true;
	cli_error(EXIT_USAGE, "%s must be a whole number of at least 1, or all, not '%s'",
	    option_name(cli, option, name), cli->value);
	return false;
}

bool cli_threads(const struct cli *cli, int option, int *threads)
{
	int64_t value;
	if (!cli_number(cli, option, 1, 1024, &value))
		return false;
	*threads = (int)value;
	return true;
}

/* The nearest to `word` among words that are separated by '|'; NULL: none is near. */
static const char *nearest_word(const char *words, const char *word, char *near, size_t size)
{
	enum { MAX = 8 };
	char copy[100], *rest = NULL;
	const char *table[MAX], *found;
	int n = 0;
	snprintf(copy, sizeof copy, "%s", words);
	for (char *next = strtok_r(copy, "|", &rest); next && n < MAX; next = strtok_r(NULL, "|", &rest))
		table[n++] = next;
	found = cli_nearest(word, table, n);
	snprintf(near, size, "%s", found ? found : "");
	return found ? near : NULL;
}

bool cli_choice(const struct cli *cli, int option, int *choice)
{
	char name[40], near[40];
	const char *words = cli->command->options[option].words;
	size_t n = strlen(cli->value);
	int i = 0;
	for (const char *word = words;; word++, i++) {
		size_t length = strcspn(word, "|");
		if (length == n && strncasecmp(word, cli->value, n) == 0) {
			*choice = i;
			return true;
		}
		word += length;
		if (!*word)
			break;
	}
	const char *meant = nearest_word(words, cli->value, near, sizeof near);
	cli_error(EXIT_USAGE, "%s must be one of %s, not '%s'%s%s%s", option_name(cli, option, name), words,
	    cli->value, meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
	return false;
}

bool cli_metric(const struct cli *cli, int option, kith_metric *metric)
{
	int choice = 0;
	char *end = NULL;
	if (strncasecmp(cli->value, "lp", 2) == 0) {
		*metric = kith_metric_lp(strtof(cli->value + 2, &end));
		if (cli->value[2] && !*end && kith_metric_p(*metric) > 0)
			return true;
	}
	if (!cli_choice(cli, option, &choice))
		return false;
	*metric = (kith_metric)choice; /* the names in CLI_METRICS are in the order of the enum */
	return true;
}

bool cli_similarity(kith_metric metric)
{
	return metric == KITH_IP || metric == KITH_COSINE || metric == KITH_JACCARD;
}

const char *cli_score(kith_metric metric)
{
	return cli_similarity(metric) ? "similarity" : metric == KITH_L2 ? "squared distance" : "distance";
}
