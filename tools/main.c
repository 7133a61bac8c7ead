/* The `kith` program: it finds and runs the command, and makes sure that all output was written. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bar.h"
#include "cli.h"
#include "stream.h"

const struct command *const cli_commands[] = {&command_knn, &command_build, &command_search, &command_eval,
    &command_gen, &command_info, &command_verify, &command_convert, &command_import, &command_export,
    &command_bench, &command_plot, &command_tune, &command_completion, &command_version, NULL};
enum { COMMANDS = sizeof cli_commands / sizeof *cli_commands - 1 };

static const struct command *find_command(const char *name)
{
	for (int i = 0; i < COMMANDS; i++) {
		if (strcmp(cli_commands[i]->name, name) == 0)
			return cli_commands[i];
	}
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[COMMANDS + 1];
	for (int i = 0; i < COMMANDS; i++)
		names[i] = cli_commands[i]->name;
	names[COMMANDS] = "help";
	const char *nearest = cli_nearest(name, names, COMMANDS + 1);
	if (nearest)
		return cli_error(EXIT_USAGE, "unknown command '%s'; did you mean 'kith %s'?", name, nearest);
	if (access(name, F_OK) == 0)
		return cli_error(EXIT_USAGE,
		    "'%s' is a file, not a command; 'kith info %s' shows what is in it", name, name);
	return cli_error(EXIT_USAGE, "unknown command '%s'; 'kith --help' lists all commands", name);
}

static int print_overview(void)
{
	printf("Usage: kith COMMAND [OPTION]... [FILE]...\n"
	       "Nearest neighbours of vectors, from the command line.\n\nCommands:\n");
	for (int i = 0; i < COMMANDS; i++)
		printf("  %-11s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
	printf("\n'kith help COMMAND' or 'kith COMMAND --help' explains one of them.\n"
	       "'kith --version' prints the version.\n\n"
	       "Vector files: %s (by extension; hdf5 as FILE:SET).\n"
	       "Where a command takes -, standard input, it takes pipes, too, as <(COMMAND) makes them.\n"
	       "KITH_ISA=NAME forces an instruction set: %s.\n\n"
	       "Example:\n"
	       "  kith gen --n 100000 --dim 64 --out demo\n"
	       "  kith knn demo/base.fvecs demo/query.fvecs -k 10\n",
	    kith_vecs_formats(), kith_isa_available());
	return EXIT_OK;
}

static int help(int argc, char **argv)
{
	static const char *const own[] = {"help", "-h", "--help"};
	bool all = argc < 2;
	for (int i = 0; i < 3 && !all; i++)
		all = strcmp(argv[1], own[i]) == 0;
	if (all)
		return print_overview();
	const struct command *command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	if (argc > 2)
		return cli_error(
		    EXIT_USAGE, "help: unexpected argument '%s'; it explains one command", argv[2]);
	cli_print_help(command);
	return EXIT_OK;
}

/* Use the instruction set that KITH_ISA names. A wrong name is an error: without one, a measurement would be
 * of something else. */
static int choose_isa(void)
{
	const char *isa = getenv("KITH_ISA");
	if (!isa || !*isa || kith_set_isa(isa) == KITH_OK)
		return EXIT_OK;
	return cli_error(
	    EXIT_USAGE, "KITH_ISA=%s cannot be used; this machine offers: %s", isa, kith_isa_available());
}

static int run_command(const struct command *command, int argc, char **argv)
{
	char name[40];
	snprintf(name, sizeof name, "kith %s", command->name);
	cli_set_command(name);
	int code = choose_isa();
	if (code == EXIT_OK) {
		stop_on_signals();
		code = command->run(command, argc, argv);
		if (code == EXIT_OK)
			code = stream_send();
	}
	cli_set_command("kith");
	return code;
}

static int dispatch(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "--help";
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		printf("kith %s\n", kith_version());
		return EXIT_OK;
	}
	const struct command *command = find_command(word);
	if (command)
		return run_command(command, argc - 1, argv + 1);
	if (*word == '-')
		return cli_error(EXIT_USAGE, "unknown option '%s'; 'kith --help' shows the usage", word);
	return unknown_command(word);
}

/* Open descriptors 0 … 2 that are closed as something that cannot be written. Otherwise the next file that is
 * opened would get one of them, and messages would be written into it. */
static void hold_standard_files(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != fd)
			_exit(EXIT_FAILED);
	}
}

/* The signal for a mapped file that became shorter, or a disk that failed, while it was read. */
static void on_bus_error(int signal)
{
	static const char text[] =
	    "kith: an input file became shorter, or unreadable, while it was searched\n";
	(void)signal;
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(EXIT_FAILED);
}

/* Whether the program that reads standard output has ended, as head does. That is no error. */
static bool reader_is_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};
	return poll(&out, 1, 0) == 1 && out.revents & POLLERR;
}

int main(int argc, char **argv)
{
	hold_standard_files();
	/* With these signals ignored, a write fails instead, and unfinished files are removed. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGBUS, on_bus_error);
	int code = dispatch(argc, argv);
	errno = 0;
	if ((fflush(stdout) == 0 && !ferror(stdout)) || code != EXIT_OK)
		return code;
	int failed = errno;
	return failed == EPIPE || reader_is_gone()
	           ? 128 + SIGPIPE
	           : cli_error(EXIT_FAILED, "cannot write to standard output: %s",
	                 failed ? strerror(failed) : "some of it was lost");
}
