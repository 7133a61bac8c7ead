"""Circles: what leads back to itself, between folders and between files beside each other.

Two of them are looked for over `lib/` and `kernels/`, beside circles of headers (tree.py). Two folders whose files include each
other's headers. And two .c files of which each calls what the other defines, for files of one folder often share a
header, and their includes do not show it.

The circles that there are stand in circles.txt, one a line; the list may only shrink: a new one is an error, and so is an
entry that no longer applies.
"""
import re

COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
# A definition begins in the first column and is not static: a function's body begins in the next line's first column.
FUNCTION = re.compile(r"^(?!static\b)[A-Za-z_][\w \*]*?\b(\w+)\([^;{}]*?\)\n\{", re.M)
OBJECT = re.compile(r"^(?:const )?struct \w+ (\w+)(?:\[\])? = ", re.M)
TAG_OR_MEMBER = re.compile(r"\b(?:struct|enum|union)\s+\w+|(?:->|\.)\s*[A-Za-z_]\w*")
NAME = re.compile(r"\b[a-z_]\w+\b")


def folder_of(path):
    return path.rsplit("/", 1)[0]


def inside(path):
    return path.startswith("lib/") or path.startswith("kernels/")


def both_ways(edges):
    """Pairs that are connected in both directions, each as 'a b' in alphabetical order."""
    return {f"{a} {b}" for a, b in edges if a < b and (b, a) in edges}


def folder_circles(graph):
    """graph: file -> the files that it includes."""
    edges = {(folder_of(path), folder_of(target)) for path, targets in graph.items() for target in targets
             if inside(path) and inside(target)}
    return both_ways({(a, b) for a, b in edges if a != b})


def call_circles(texts):
    """texts: .c file -> its text. Folders of kernels define the same names; who calls them goes through a table."""
    code = {path: COMMENT_OR_STRING.sub(" ", text) for path, text in texts.items() if path.startswith("lib/")}
    home = {}
    for path, text in code.items():
        for name in FUNCTION.findall(text) + OBJECT.findall(text):
            home[name] = path
    edges = {(path, home[name]) for path, text in code.items() for name in set(NAME.findall(TAG_OR_MEMBER.sub(" ", text)))
             if home.get(name, path) != path}
    return both_ways(edges)


def check_circles(graph, texts, known):
    """known: the lines of circles.txt."""
    known = {line for line in known if line and not line.startswith("#")}
    found = folder_circles(graph) | call_circles(texts)
    for pair in sorted(found - known):
        yield "circle of two: {} and {} need each other".format(*pair.split())
    for pair in sorted(known - found):
        yield f"tests/lint/circles.txt: {pair.replace(' ', ' and ')} are a circle no more: take the line out"
