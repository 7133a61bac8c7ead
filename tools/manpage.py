#!/usr/bin/env python3
"""Write kith.1 from what `kith --help` and `kith help COMMAND` print: one text, two forms.

    usage: manpage.py KITH OUT
"""
import re
import subprocess
import sys

HELP_COLUMN = 26  # where the help texts of options begin
OPTION = re.compile(r"  (?:-(?P<letter>\w), |    )--(?P<name>[\w-]+)(?:(?: |(?=\[))(?P<value>\S+))?(?:  +(?P<help>.*))?$")

HEAD = """.TH KITH 1 "" "kith {version}" "User Commands"
.SH NAME
kith \\- nearest neighbours of vectors, from the command line
.SH SYNOPSIS
.B kith
.I COMMAND
.RI [ OPTION ]...
.RI [ FILE ]...
.br
.B kith help
.RI [ COMMAND ]
.br
.B kith \\-\\-version
.SH DESCRIPTION
.B kith
finds exact nearest neighbours, builds, searches, checks and converts indexes, measures them, and chooses one for a
recall that is asked for.
.PP
A letter stands for the same option in all commands. Letters that once meant something else are errors that name the long
option.
.PP
{formats}
Where it says so, a file can be
.BR \- ,
standard input or output, with a format before it if need be:
.BR npy:\- .
.SH COMMANDS
"""
TAIL = """.SH EXIT STATUS
{status}
.SH ENVIRONMENT
.TP
.B KITH_ISA
The instruction set to use;
.B kith info
lists those that there are.
.TP
.B OMP_NUM_THREADS
How many threads OpenMP offers.
.TP
.B TMPDIR
Where standard input is kept while it is read, and what goes to standard output until it is whole.
.TP
.BR XDG_CACHE_HOME ", " HOME
Where true neighbours are kept that
.B kith bench
has computed.
"""


def said(kith, *args):
    return subprocess.run([kith, *args], stdout=subprocess.PIPE, check=True).stdout.decode()


def escape(text):
    """Text that roff shows as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = "".join(c if ord(c) < 127 else f"\\[u{ord(c):04X}]" for c in text)
    return "\\&" + text if text.startswith(".") else text


def verbatim(lines):
    return ".nf\n" + "".join(escape(line) + "\n" for line in lines) + ".fi\n"


def options(lines):
    """[(letter or None, name, value or None, text)] of the help's table."""
    found = []
    for line in lines:
        option = OPTION.match(line)
        if option:
            found.append([option["letter"], option["name"], option["value"], option["help"] or ""])
        elif line.startswith(" " * HELP_COLUMN) and found:
            found[-1][3] = f"{found[-1][3]} {line.strip()}".strip()
        else:
            raise SystemExit(f"manpage.py: not a line of a table of options: {line!r}")
    return found


def sections(text):
    """A help text as usage, summary, notes, options, exit status and example."""
    usage, rest = text.split("\n", 1)
    summary, rest = rest.split("\n\n", 1)
    notes, rest = rest.split("\nOptions:\n", 1)
    table, rest = rest.split("\n\nExit status: ", 1)
    status, example = rest.split("\n\nExample:\n", 1)
    return usage.removeprefix("Usage: "), summary, notes, table.split("\n"), status, example


def command(text):
    usage, summary, notes, table, _, example = sections(text)
    out = [f".SS {escape(usage)}\n{escape(summary)}\n.PP\n", verbatim(notes.rstrip("\n").split("\n"))]
    for letter, name, value, text in options(table):
        short = f"\\-{letter}, " if letter else ""
        argument = f"{'' if value.startswith('[') else ' '}\\fI{escape(value)}\\fP" if value else ""
        out.append(f".TP\n\\fB{short}\\-\\-{escape(name)}\\fP{argument}\n{escape(text)}\n")
    return "".join([*out, ".PP\nFor example:\n.PP\n", verbatim(example.rstrip("\n").split("\n"))])


def page(kith):
    overview = said(kith, "--help")
    names = re.findall(r"^  ([a-z]+) +[A-Z]", overview.split("Commands:")[1].split("\n\n")[0], re.M)
    formats = next(line for line in overview.split("\n") if line.startswith("Vector files:"))
    texts = [said(kith, "help", name) for name in names]
    version = said(kith, "--version").split()[1]
    return (HEAD.format(version=version, formats=escape(formats)) + "".join(command(text) for text in texts)
            + TAIL.format(status=escape(sections(texts[0])[4])))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write(page(sys.argv[1]))


if __name__ == "__main__":
    main()
