#!/usr/bin/env python3
"""Check what no compiler checks, over every file that git knows or would take.

- Layers: api → faiss → index → graph → search → codec → learn → tile → kernels → base. A file includes only headers
  of its own layer or of one below; `store` stands beside index and is called from api and faiss. No header leads back
  to itself, and no two folders or .c files need each other (circles.py).
- Paths: no file names a directory of somebody's machine.
- Sizes: files stay under 600 lines, functions under 80 (the aim is 60).
- Comments: none of several lines has been run together by a formatter (comments.py).
- Guards: tests/api calls every function that takes an index beside every other.
"""
import re
import subprocess
import sys

from circles import check_circles
from comments import check_comments

# Height of each folder. An include may only go down.
LAYERS = {
    "lib/api/": 11,
    "lib/faiss/": 10,
    "lib/index/": 9,
    "lib/store/": 9,
    "lib/graph/": 8,
    "lib/search/": 7,
    "lib/codec/": 6,
    "lib/learn/": 5,
    "lib/tile/": 4,
    "lib/metric/": 3,
    "kernels/": 2,
    "lib/base/": 1,
}
MACHINE = re.compile(r"(?<![\w.$}/-])/(?:work|home|root|tmp|Users|mnt)/[\w.]*")
PATHS_EXEMPT = {"tests/lint/tree.py"}
CIRCLES = "tests/lint/circles.txt"
MAX_FILE, MAX_FUNCTION = 600, 80
PUBLIC = re.compile(r"include/kith/\w+\.h$")
GUARD_TESTS = ("tests/api/guarded_calls.c", "tests/api/test_guards.c")


def tree_files():
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    return sorted(set(filter(None, out.split("\0"))))


def layer_of(path):
    return next((layer for layer in LAYERS if path.startswith(layer)), None)


def resolve(path, name, known):
    """The tree's file that `#include "name"` means, or None."""
    folder = path.rsplit("/", 1)[0]
    parts = []
    for part in f"{folder}/{name}".split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    for candidate in ("/".join(parts), name, "include/" + name):
        if candidate in known:
            return candidate
    return None


def includes(path, lines, known):
    """(line number, the tree's file that is included there)"""
    for number, line in enumerate(lines, 1):
        include = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
        target = include and resolve(path, include[1], known)
        if target:
            yield number, target


def check_layers(path, lines, known):
    mine = layer_of(path)
    if mine is None:
        return
    for number, target in includes(path, lines, known):
        theirs = layer_of(target)
        if theirs in (None, mine):
            continue
        if LAYERS[theirs] >= LAYERS[mine]:
            yield f"{path}:{number}: {mine} must not include {target}: arrows point down only"


def check_cycles(graph):
    """graph: file -> the files that it includes. Depth first; what is on the way already closes a circle."""
    done, way = set(), []

    def visit(path):
        if path in way:
            yield "circle of includes: " + " → ".join(way[way.index(path):] + [path])
        elif path not in done:
            way.append(path)
            for target in graph.get(path, ()):
                yield from visit(target)
            way.pop()
            done.add(path)

    for path in sorted(graph):
        yield from visit(path)


def check_paths(path, lines):
    if path in PATHS_EXEMPT:
        return
    for number, line in enumerate(lines, 1):
        found = MACHINE.search(line)
        if found:
            yield f"{path}:{number}: a machine's own path: {found[0]}"


def check_sizes(path, lines):
    if len(lines) > MAX_FILE:
        yield f"{path}: {len(lines)} lines, more than {MAX_FILE}"
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{") and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            if number - start > MAX_FUNCTION:
                yield f"{path}:{start}: a function of {number - start} lines, more than {MAX_FUNCTION}"
            start = None


def check_guards(read):
    """read: path -> text. A prototype is what begins with KITH_API or KITH_API_DRAFT and has no `;` before the one at its end."""
    tests = "".join(read(path) for path in GUARD_TESTS)
    for header in filter(PUBLIC.match, sorted(tree_files())):
        for prototype in re.findall(r"^KITH_API(?:_DRAFT)? ([^;{}]*);", read(header), re.M):
            name = re.search(r"\b(kith_\w+)\(", prototype)[1]
            if re.search(r"kith_index \*\w", prototype) and not re.search(rf"\b{name}\b", tests):
                yield f"{header}: {name} is not called beside others in {GUARD_TESTS[0]}"


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    known = set(tree_files())
    problems, graph, texts = [], {}, {}
    for path in sorted(known):
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().split("\n")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        problems += check_paths(path, lines)
        if path.endswith((".c", ".h")):
            problems += check_layers(path, lines, known)
            problems += check_sizes(path, lines)
            problems += check_comments(path, lines)
            graph[path] = [target for _, target in includes(path, lines, known)]
            if path.endswith(".c"):
                texts[path] = "\n".join(lines)
    problems += check_cycles(graph)
    problems += check_circles(graph, texts, read_text(CIRCLES).split("\n"))
    problems += check_guards(read_text)
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
