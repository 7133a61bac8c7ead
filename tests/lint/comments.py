"""Block comments of C that a formatter has run together, or that a reader would have to take apart.

A comment is prose at the margin (one space behind the star), and entries of lists and tables, which are indented:

     * Prose, which may be as long as it likes.
     *
     *   entry   what it is, and on the next line
     *           the rest of it
     *
     * Errors:  a label, whose rest
     *          may be indented

What tells that one was filled into the other: a line at the margin right behind an indented one that begins no label,
and a gap in the middle of prose, where the columns of an entry were. clang-format is told to leave comments alone
(ReflowComments), so a line that is too long is told here, too.
"""
import re
import unicodedata

WIDTH = 110
LABEL = re.compile(r"[A-Z][\w ]{0,24}:(\s|$)")
GAP = re.compile(r"[^\s.:;!?…,—] {3,}\S")


def block_comments(lines):
    """(number of the first line, whether code precedes it, its lines without stars) of comments of several lines"""
    start, text = None, []
    for number, line in enumerate(lines, 1):
        if start is None:
            opened = re.search(r"/\*(?!.*\*/)(.*)$", line)
            if opened and line.count('"', 0, opened.start()) % 2 == 0:
                start, code, text = number, bool(line[:opened.start()].strip()), [opened[1]]
            continue
        body = re.sub(r"\*/.*$", "", line)
        text.append(body if code else re.sub(r"^\s*\*", "", body))
        if "*/" in line:
            yield start, code, text
            start = None


def columns(line):
    """How wide a line is; a combining accent takes no column of its own."""
    return sum(not unicodedata.combining(char) for char in line.expandtabs(8))


def indent(line):
    return len(line) - len(line.lstrip(" "))


def check_comments(path, lines):
    for number, line in enumerate(lines, 1):
        if columns(line) > WIDTH and re.match(r"\s*(/\*|\*)", line):
            yield f"{path}:{number}: a comment of more than {WIDTH} columns"
    for start, code, text in block_comments(lines):
        if code:
            if not text[-1].strip():
                yield f"{path}:{start + len(text) - 1}: the end of a comment stands alone on its line"
            continue
        before = ""
        for number, line in enumerate(text, start):
            if line.strip() and indent(line) <= 1:
                if before.strip() and indent(before) > 1 and not LABEL.match(line.strip()):
                    yield f"{path}:{number}: a comment goes on at the margin behind an indented entry"
                if GAP.search(line.strip()):
                    yield f"{path}:{number}: a gap in prose: was an entry run into it?"
            before = line
