"""The pages of the documentation as tests see them: what a reader is shown to type, block by block.

A block is fenced (```c) or indented by four columns behind an empty line. Nothing is copied into the tests: they run
what stands in the page, so a page and its test cannot drift apart.
"""
import os
import re
import subprocess

ROOT = os.environ.get("KITH_SOURCE_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Block:
    """Lines of a page: `kind` is what stands behind a fence's quotes, or "indented"."""

    def __init__(self, page, line, kind, lines):
        self.page, self.line, self.kind = page, line, kind
        self.text = "\n".join(lines).strip("\n") + "\n"

    def __repr__(self):
        return f"{self.page}:{self.line}"

    @property
    def session(self):
        """Commands behind `$ ` with what they print, as in a terminal."""
        return self.text.startswith("$ ")

    def commands(self):
        """(line, command): what is typed, with lines that end in a backslash joined."""
        number, held, start = self.line, "", None
        for line in self.text.split("\n"):
            number += 1
            start = start if held else number - 1
            if line.endswith("\\"):
                held += line[:-1].rstrip() + " "
            elif (held + line).strip():
                yield start, (held + line).strip()
                held = ""

    def exchanges(self):
        """[(command, [what it prints])] of a session."""
        found = []
        for line in self.text.rstrip("\n").split("\n"):
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
        return found


def pages():
    """Every page that git knows, or, in a copy without git, that is there."""
    try:
        listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        listed = b""
    if listed:
        return sorted(listed.decode().split())
    return sorted(os.path.relpath(os.path.join(folder, name), ROOT) for folder, _, names in os.walk(ROOT)
                  for name in names if name.endswith(".md") and not os.path.relpath(folder, ROOT).startswith("build"))


def text(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return file.read()


def dedent(lines):
    least = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[least:] for line in lines]


def blocks(page):
    lines, at, found = text(page).split("\n"), 0, []
    while at < len(lines):
        fence = re.match(r" *```(\w*)$", lines[at])
        if fence:
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
            found.append(Block(page, at + 2, fence[1] or "plain", dedent(lines[at + 1:end])))
            at = end + 1
        elif lines[at].startswith("    ") and at and not lines[at - 1].strip():
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            found.append(Block(page, at + 1, "indented", dedent(lines[at:end])))
            at = end
        else:
            at += 1
    return found


def inline_code(page):
    """What stands between single quotes of code, outside of blocks: in prose and tables."""
    prose = re.sub(r"^ *```.*?^ *```", "", text(page), flags=re.S | re.M)
    prose = re.sub(r"(?:^\n?)(?: {4}.*\n)+", "\n", prose, flags=re.M)
    return [re.sub(r"\s+", " ", code).replace(r"\|", "|") for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]
