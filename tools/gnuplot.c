/* gnuplot is started without a shell, with a pipe for its script and a temporary file for what it prints. Its
 * messages are about lines of a script that the user has not written. Those that a user can do something
 * about are put in other words; of the others the last line is printed.
 */
#include "gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bar.h"
#include "cli.h"
#include "files.h"

extern char **environ;

int gnuplot_begin(struct gnuplot *g)
{
	char *const arguments[] = {"gnuplot", NULL};
	posix_spawn_file_actions_t actions;
	pid_t process;
	int ends[2];
	*g = (struct gnuplot){.said = tmpfile()};
	if (!g->said || pipe2(ends, O_CLOEXEC) != 0) {
		int failed = errno;
		if (g->said)
			fclose(g->said);
		return cli_error(EXIT_FAILED, "cannot start gnuplot: %s", strerror(failed));
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fileno(g->said), STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fileno(g->said), STDERR_FILENO);
	int failed = posix_spawnp(&process, arguments[0], &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[0]);
	g->script = failed ? NULL : fdopen(ends[1], "w");
	if (!g->script) {
		close(ends[1]);
		fclose(g->said);
		return cli_error(
		    EXIT_FAILED, "cannot start gnuplot: %s", failed ? strerror(failed) : "out of memory");
	}
	g->process = process;
	return EXIT_OK;
}

/* Words in gnuplot's messages, of any version, and what to tell the user instead. */
static const struct {
	const char *said, *means;
} meanings[] = {
    {"terminal type", "it was built without what draws this format; name the picture .svg or .html"},
    {"undefined!", "no point lies within --xlim and --ylim"},
    {"font",
        "it finds no font (Debian, Ubuntu: apt-get install fonts-dejavu-core); or name the picture .html"},
    {"No space left", "the disk is full"},
};

/* What to tell the user when gnuplot failed: a meaning from the table, or else the last line that it printed
 * and that does not only mark a place. */
static void meaning_of(FILE *said, char *out, size_t size)
{
	char line[400];
	snprintf(out, size, "it said nothing; name the picture .html, which needs no gnuplot");
	rewind(said);
	while (fgets(line, sizeof line, said)) {
		const char *text = line + strspn(line, " \t\n^\"");
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
			if (strstr(text, meanings[i].said)) {
				snprintf(out, size, "%s", meanings[i].means);
				return;
			}
		if (*text)
			snprintf(out, size, "'%.160s'; name the picture .html, which needs no gnuplot", text);
	}
}

int gnuplot_end(struct gnuplot *g, const char *path)
{
	char meaning[300];
	int status = -1;
	fclose(g->script); /* an error here is seen in gnuplot's exit status */
	while (waitpid(g->process, &status, 0) < 0 && errno == EINTR)
		continue;
	bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!ok)
		meaning_of(g->said, meaning, sizeof meaning);
	fclose(g->said);
	if (!ok && stop_signal())
		return fail_stopped(NULL);
	return ok ? EXIT_OK
	          : cli_error(EXIT_FAILED, "'%s' cannot be drawn: gnuplot failed: %s", path, meaning);
}
