/* The command line: options, operands, numbers, messages, exit codes. */
#ifndef KITH_TOOLS_CLI_H
#define KITH_TOOLS_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/kith.h>

/* Exit codes; a run stopped by signal s ends with 128 + s. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* One option. letter: its short name or 0, which is the same in all commands that have the option, and no
 * other option's. value: what follows it, for the help text; NULL for a switch; "[=FILE]" if it may be left
 * out. A table of options ends with an empty one. Help, manual page and shell completions are made from
 * it. */
struct cli_option {
	const char *name;
	char letter;
	const char *value;
	const char *help;
	const char *words;      /* what the value can be, separated by '|'; NULL: anything */
	const char *old_letter; /* a letter it had once, for which an error names the option; NULL: none */
};

/* The words that --metric takes, in the order of the numbers of kith_metric; the last stands for Lp with any
 * exponent. Tables (kith import) have the first five. */
#define CLI_METRICS       "l2|ip|cosine|l1|linf|canberra|braycurtis|jensenshannon|jaccard|naneuclidean|lp3"
#define CLI_TABLE_METRICS "l2|ip|cosine|l1|linf"

/* One sub-command. Every command understands -h and --help. */
struct command {
	const char *name;
	const char *operands; /* "BASE QUERY" */
	const char *summary;  /* one line for `kith --help` */
	const char *notes;    /* what a user has to know, in lines of at most 80 columns */
	const char *example;
	const struct cli_option *options;
	int min_operands, max_operands;
	int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_knn, command_build, command_search, command_eval, command_gen,
    command_info, command_verify, command_convert, command_import, command_export, command_bench,
    command_plot, command_tune, command_completion, command_version;

/* All of them, ended by NULL. */
extern const struct command *const cli_commands[];

/* A command line being read. */
struct cli {
	const struct command *command;
	int argc;
	char **argv;       /* argv[0] is the command's name */
	const char *value; /* of the option that cli_next returned */
	bool short_form;   /* whether that option was given as a letter */
	char **operands;   /* after CLI_DONE; NULL-terminated like argv */
	int operand_count;
	int exit_code; /* after CLI_EXIT */
};

/* The next option: its index in the command's table; CLI_DONE if there are no more and the number of operands
 * is right; CLI_EXIT if help was shown or an error was printed: end with cli->exit_code. */
enum { CLI_DONE = -1, CLI_EXIT = -2 };
int cli_next(struct cli *cli);

/* Print `kith COMMAND: message` as one line on stderr and return `code`. Control characters, which file
 * names may hold, are shown as '?'. */
int cli_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a warning or a note, "kith COMMAND: warning: message", after which the command goes on. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Set the name that messages begin with, such as "kith knn". The text must stay. */
void cli_set_command(const char *command);

void cli_print_help(const struct command *command);

/* The edit distance of two short words, in which upper and lower case are the same; INT_MAX of longer
 * ones. */
int cli_distance(const char *a, const char *b);

/* The name of table [n] nearest to `word`; NULL: none is near. */
const char *cli_nearest(const char *word, const char *const *table, int n);

/* Read the value of the option that cli_next returned. False: an error was printed; end with EXIT_USAGE. */
bool cli_number(const struct cli *cli, int option, int64_t min, int64_t max, int64_t *out);
bool cli_numbers(
    const struct cli *cli, int option, int64_t min, int64_t max, int limit, int64_t *out, int *n);
bool cli_range(const struct cli *cli, int option, int64_t *min, int64_t *max);
bool cli_threads(const struct cli *cli, int option, int *threads);
bool cli_metric(const struct cli *cli, int option, kith_metric *metric);

/* Whether a metric's scores are similarities, which are larger for what is nearer; and their name in
 * words. */
bool cli_similarity(kith_metric metric);
const char *cli_score(kith_metric metric);
bool cli_batch(const struct cli *cli, int option, int64_t *batch); /* 0: all */
/* *choice: which of the option's words it is. */
bool cli_choice(const struct cli *cli, int option, int *choice);

#define CLI_HELP_METRIC  "l2, ip, cosine, l1, linf, lp3, … (default l2)"
#define CLI_HELP_THREADS "number of threads (default: all that OpenMP offers)"
#define CLI_HELP_BATCH   "queries of one call, 1 … or all (default all)"
#define CLI_HELP_JSON    "print one JSON object instead of text"

/* The arguments for "%d %s" that print "1 thread" or "2 threads". */
#define CLI_COUNT(n, word)         CLI_COUNT_AS(n, word, word "s")
#define CLI_COUNT_AS(n, one, many) (n), (n) == 1 ? one : many

#endif
