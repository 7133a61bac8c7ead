/* kith completion: print what a shell needs to complete command lines of kith.
 *
 * The scripts are made from the same tables of options as the command line is read by. So they know commands,
 * options, which of them take a file, a folder, or one of a few words, and the names of settings. They do not
 * run kith when they complete a word.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "settings.h"

enum { BASH, ZSH, FISH };

static const struct cli_option options[] = {{0}};

/* The kind of value that an option takes. */
enum what { SWITCH, FILES, FOLDERS, WORDS, SETTINGS, SPECS, ANYTHING };

/* Factory strings to suggest. */
#define SPEC_WORDS "Flat|SQ8|HNSW32|HNSW32,SQ8,RFlat|IVF1024,Flat|IVF1024,SQ8|IVF1024,PQ16|IVF1024,PQ32,RFlat"

static enum what what_follows(const struct cli_option *o)
{
	if (!o->value)
		return SWITCH;
	if (o->words)
		return WORDS;
	if (strstr(o->value, "FILE"))
		return FILES;
	if (strcmp(o->value, "DIR") == 0)
		return FOLDERS;
	if (strcmp(o->value, "SPEC") == 0)
		return SPECS;
	return strcmp(o->name, "set") == 0 || strcmp(o->name, "sweep") == 0 ? SETTINGS : ANYTHING;
}

/* Whether the option takes several settings with commas between them. --sweep takes several values of one. */
static bool takes_list(const struct cli_option *o)
{
	return strcmp(o->name, "set") == 0;
}

/* Print words that are separated by '|' with `between` in the place of each '|'. */
static void put_words(const char *words, const char *between)
{
	for (; *words; words++) {
		if (*words == '|')
			fputs(between, stdout);
		else
			putchar(*words);
	}
}

/* Print the settings that the command takes: "nprobe= max_codes=". */
static void put_settings(const struct command *command, const char *between)
{
	struct setting tables[2][SETTINGS_MAX];
	search_settings(tables[0]);
	build_settings(tables[1]);
	bool builds = strcmp(command->name, "search") != 0, searches = strcmp(command->name, "build") != 0;
	const char *before = "";
	for (int t = 0; t < 2; t++)
		for (const struct setting *s = tables[t]; s->name && (t ? builds : searches); s++) {
			printf("%s%s=", before, s->name);
			before = between;
		}
}

static void put_values(const struct command *command, const struct cli_option *o, const char *between)
{
	switch (what_follows(o)) {
	case WORDS:
		put_words(o->words, between);
		break;
	case SPECS:
		put_words(SPEC_WORDS, between);
		break;
	case SETTINGS:
		put_settings(command, between);
		break;
	default:
		break;
	}
}

/* The operands of a command that takes words and not files; NULL for the others. */
static const char *operand_words(const struct command *command)
{
	return strcmp(command->name, "completion") == 0 ? "bash|zsh|fish" : NULL;
}

/* Print the first line of a help text, without its default, in shell quotes. A backslash is put in front of
 * the characters in `also`. */
static void put_quoted(const char *text, const char *also)
{
	putchar('\'');
	for (; *text && *text != '\n' && strncmp(text, " (default", 9) != 0; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else if (strchr(also, *text))
			printf("\\%c", *text);
		else
			putchar(*text);
	}
	putchar('\'');
}

/* ---- bash ---- */

static void bash_option(const struct command *command, const struct cli_option *o)
{
	enum what what = what_follows(o);
	if (what == SWITCH || *o->value == '[')
		return;
	printf("\t\t--%s", o->name);
	if (o->letter)
		printf(" | -%c", o->letter);
	if (what == FILES || what == FOLDERS) {
		printf(") compopt -o filenames; COMPREPLY=($(compgen -%c -- \"$cur\")) ;;\n",
		    what == FILES ? 'f' : 'd');
	} else if (what == ANYTHING) {
		printf(") ;;\n");
	} else {
		printf(!takes_list(o) && what == SETTINGS ? ") [[ $whole == *=* ]] || _kith_settings '"
		       : what == SETTINGS                 ? ") _kith_settings '"
		                                          : ") COMPREPLY=($(compgen -W '");
		put_values(command, o, " ");
		printf(what == SETTINGS ? "' ;;\n" : "' -- \"$cur\")) ;;\n");
	}
}

static void bash_command(const struct command *command)
{
	printf("\t%s)\n\t\tcase $prev in\n", command->name);
	for (const struct cli_option *o = command->options; o->help; o++)
		bash_option(command, o);
	printf("\t\t*) _kith_rest '");
	for (const struct cli_option *o = command->options; o->help; o++)
		printf("--%s ", o->name);
	printf("--help' '");
	if (operand_words(command))
		put_words(operand_words(command), " ");
	else if (command->max_operands > 0)
		printf("FILES");
	printf("' ;;\n\t\tesac\n\t\t;;\n");
}

static void put_bash(void)
{
	printf("# bash completion for kith %s, written by 'kith completion bash'\n\n", kith_version());
	printf("_kith_rest()\n{\n"
	       "\tif [[ $cur == -?* ]]; then\n\t\tCOMPREPLY=($(compgen -W \"$1\" -- \"$cur\"))\n"
	       "\telif [[ $2 == FILES ]]; then\n"
	       "\t\tcompopt -o filenames\n\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
	       "\telif [[ -n $2 ]]; then\n\t\tCOMPREPLY=($(compgen -W \"$2\" -- \"$cur\"))\n\tfi\n}\n\n");
	printf("# Names of settings, of which some may have been given: nprobe=4,NAME=\n"
	       "_kith_settings()\n{\n\tlocal name last=${whole##*,}\n\t[[ $last == *=* ]] && return\n"
	       "\tcompopt -o nospace\n\tfor name in $1; do\n"
	       "\t\t[[ $name == \"$last\"* ]] && COMPREPLY+=(\"${cur%%\"$last\"}$name\")\n\tdone\n}\n\n");
	printf("_kith()\n{\n\tlocal cur prev whole i=$COMP_CWORD IFS=$' \\t\\n'\n"
	       "\tcur=${COMP_WORDS[i]} whole=$cur\n\tCOMPREPLY=()\n"
	       "\t# What bash has cut at '=' is put together again: --option=VALUE, NAME=N,NAME=N\n"
	       "\twhile ((i > 1)) && [[ ${COMP_WORDS[i]} == '=' || ${COMP_WORDS[i-1]} == '=' ]]; do\n"
	       "\t\twhole=${COMP_WORDS[i-1]}$whole\n\t\ti=$((i - 1))\n\tdone\n"
	       "\tprev=${COMP_WORDS[i-1]}\n\t[[ $cur == '=' ]] && cur=\n"
	       "\tif [[ $whole == --*=* ]]; then\n\t\tprev=${whole%%%%=*}\n\t\twhole=${whole#*=}\n\tfi\n"
	       "\tif ((COMP_CWORD == 1)) || { ((COMP_CWORD == 2)) && [[ $prev == help ]]; }; then\n"
	       "\t\tCOMPREPLY=($(compgen -W '");
	for (const struct command *const *c = cli_commands; *c; c++)
		printf("%s ", (*c)->name);
	printf("help --help --version' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n");
	for (const struct command *const *c = cli_commands; *c; c++)
		bash_command(*c);
	printf("\tesac\n}\ncomplete -F _kith kith\n");
}

/* ---- zsh ---- */

static void zsh_value(const struct command *command, const struct cli_option *o)
{
	const char *optional = *o->value == '[' ? "::" : ":";
	switch (what_follows(o)) {
	case FILES:
		printf("'%sfile:_files'", optional);
		break;
	case FOLDERS:
		printf("'%sfolder:_files -/'", optional);
		break;
	case ANYTHING:
	case SWITCH:
		printf("'%svalue:'", optional);
		break;
	default: {
		bool settings = what_follows(o) == SETTINGS;
		printf("'%svalue:%s", optional,
		    !settings       ? "("
		    : takes_list(o) ? "{compset -P \"*,\"; compadd -S \"\" -- "
		                    : "{compadd -S \"\" -- ");
		put_values(command, o, " ");
		printf("%s'", settings ? "}" : ")");
	}
	}
}

static void zsh_option(const struct command *command, const struct cli_option *o)
{
	bool repeated = strstr(o->help, "several times") || strcmp(o->name, "sweep") == 0;
	const char *end = !o->value ? "" : *o->value == '[' ? "=-" : "=";
	for (int form = o->letter ? 0 : 1; form < 2; form++) {
		printf("\t\t\t");
		if (repeated)
			printf("'*'");
		else if (o->letter)
			printf("'(-%c --%s)'", o->letter, o->name);
		if (form == 0)
			printf("-%c%s", o->letter, o->value ? "+" : "");
		else
			printf("--%s%s", o->name, end);
		printf("'['");
		put_quoted(o->help, "[]:\\");
		printf("']'");
		if (o->value)
			zsh_value(command, o);
		printf(" \\\n");
	}
}

static void put_zsh(void)
{
	printf("#compdef kith\n# zsh completion for kith %s, written by 'kith completion zsh'\n\n",
	    kith_version());
	printf("_kith() {\n\tlocal -a commands\n\tcommands=(\n");
	for (const struct command *const *c = cli_commands; *c; c++) {
		printf("\t\t%s:", (*c)->name);
		put_quoted((*c)->summary, ":\\");
		printf("\n");
	}
	printf("\t\thelp:'Explain a command'\n\t)\n"
	       "\tif ((CURRENT == 2)); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
	       "\tlocal command=$words[2]\n\tshift words\n\t((CURRENT--))\n\tcase $command in\n"
	       "\thelp)\n\t\t_describe command commands\n\t\t;;\n");
	for (const struct command *const *c = cli_commands; *c; c++) {
		printf("\t%s)\n\t\t_arguments -s \\\n", (*c)->name);
		for (const struct cli_option *o = (*c)->options; o->help; o++)
			zsh_option(*c, o);
		printf("\t\t\t'(-h --help)'{-h,--help}'[show the help text]'");
		if (operand_words(*c)) {
			printf(" \\\n\t\t\t':shell:(");
			put_words(operand_words(*c), " ");
			printf(")'");
		} else if ((*c)->max_operands > 0) {
			printf(" \\\n\t\t\t'*:file:_files'");
		}
		printf("\n\t\t;;\n");
	}
	printf("\tesac\n}\n\n_kith \"$@\"\n");
}

/* ---- fish ---- */

static void fish_option(const struct command *command, const struct cli_option *o)
{
	enum what what = what_follows(o);
	printf("complete -c kith -n '__fish_seen_subcommand_from %s' -l %s", command->name, o->name);
	if (o->letter)
		printf(" -s %c", o->letter);
	if (what == FILES && *o->value != '[')
		printf(" -r -F");
	else if (what == FOLDERS)
		printf(" -x -a '(__fish_complete_directories)'");
	else if (takes_list(o)) {
		printf(" -x -a '(__kith_settings ");
		put_values(command, o, " ");
		printf(")'");
	} else if (what == WORDS || what == SPECS || what == SETTINGS) {
		printf(" -x -a '");
		put_values(command, o, " ");
		printf("'");
	} else if (what == ANYTHING) {
		printf(" -x");
	}
	printf(" -d ");
	put_quoted(o->help, "\\");
	printf("\n");
}

static void put_fish(void)
{
	printf("# fish completion for kith %s, written by 'kith completion fish'\n\n", kith_version());
	printf("# Names of settings, of which some may have been given: nprobe=4,NAME=\n"
	       "function __kith_settings\n"
	       "    set -l given (commandline -ct | string replace -r '^--[a-z]+=' '' | string match -r "
	       "'^.*,')\n"
	       "    set -q given[1]; or set given ''\n    printf '%%s\\n' $given$argv\nend\n\n");
	for (const struct command *const *c = cli_commands; *c; c++) {
		printf("complete -c kith -f -n __fish_use_subcommand -a %s -d ", (*c)->name);
		put_quoted((*c)->summary, "\\");
		printf("\n");
	}
	printf("complete -c kith -f -n __fish_use_subcommand -a help -d 'Explain a command'\n"
	       "complete -c kith -f -n __fish_use_subcommand -l version -d 'Print the version'\n"
	       "complete -c kith -s h -l help -d 'Show a help text'\n");
	printf("complete -c kith -f -n '__fish_seen_subcommand_from help' -a '");
	for (const struct command *const *c = cli_commands; *c; c++)
		printf("%s ", (*c)->name);
	printf("'\n");
	for (const struct command *const *c = cli_commands; *c; c++) {
		if (operand_words(*c)) {
			printf("complete -c kith -f -n '__fish_seen_subcommand_from %s' -a '", (*c)->name);
			put_words(operand_words(*c), " ");
			printf("'\n");
		} else if ((*c)->max_operands == 0) {
			printf("complete -c kith -f -n '__fish_seen_subcommand_from %s'\n", (*c)->name);
		}
		for (const struct cli_option *o = (*c)->options; o->help; o++)
			fish_option(*c, o);
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cli cli = {.command = command, .argc = argc, .argv = argv, .exit_code = EXIT_OK};
	if (cli_next(&cli) == CLI_EXIT)
		return cli.exit_code;
	const char *shell = cli.operands[0];
	if (strcasecmp(shell, "bash") == 0)
		put_bash();
	else if (strcasecmp(shell, "zsh") == 0)
		put_zsh();
	else if (strcasecmp(shell, "fish") == 0)
		put_fish();
	else
		return cli_error(
		    EXIT_USAGE, "there is no completion for '%s', only for bash, zsh and fish", shell);
	return EXIT_OK;
}

const struct command command_completion = {
    .name = "completion",
    .operands = "SHELL",
    .summary = "Print what a shell needs to complete kith's command lines",
    .notes = "SHELL is bash, zsh or fish. An installed kith comes with these files in their usual\n"
             "places. The examples are for one that is not: from ~/.bashrc, into a folder of\n"
             "zsh's $fpath, and for fish.\n",
    .example = "  source <(kith completion bash)\n"
               "  kith completion zsh > ~/.zfunc/_kith\n"
               "  kith completion fish > ~/.config/fish/completions/kith.fish\n",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
