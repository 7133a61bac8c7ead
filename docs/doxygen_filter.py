#!/usr/bin/env python3
"""A header as Doxygen wants it: comments marked as documentation, their layout kept.

The first comment is the file's, and all that follows is a group, which gets a page of its own; one that begins a line stands before what it describes, one that follows code stands
behind it. Shapes and tables in comments are set as they are (verbatim), so that nothing in them is taken for markup.
"""
import os
import re
import sys

COMMENT = re.compile(r"/\*(?!\*)(.*?)\*/", re.S)


def body(text):
    lines = [re.sub(r"^\s*\* ?", "", line) for line in text.strip().split("\n")]
    return lines


def marked(match, source, first):
    if re.fullmatch(r"\s*-+ .* -+\s*", match[1]):
        return match[0]  # the headline of a section
    lines = body(match[1])
    before = source[source.rfind("\n", 0, match.start()) + 1:match.start()]
    if before.strip():
        return "/**< @verbatim\n" + "\n".join(lines) + "\n@endverbatim */"
    head, rest = lines[0], lines[1:]
    # The brief is the first sentence of the first paragraph; everything is shown below it as it was written.
    paragraph = [head]
    while rest and rest[0].strip():
        paragraph.append(rest.pop(0))
    brief = re.split(r"(?<=[.:])\s", " ".join(paragraph))[0]
    brief = re.sub(r"([\\@<>&#%\"])", r"\\\1", brief)
    verbatim = "@verbatim\n" + "\n".join(lines) + "\n@endverbatim"
    if first:
        name = os.path.basename(sys.argv[1]).removesuffix(".h")
        return f"/** @file\n@brief {brief} */\n/** @defgroup {name} {brief}\n{verbatim}\n@{{ */"
    draft = "@warning May still change.\n" if source.startswith("KITH_API_DRAFT", match.end() + 1) else ""
    return f"/** @brief {brief}\n{draft}{verbatim} */"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        source = file.read()
    out, at = [], 0
    for match in COMMENT.finditer(source):
        out += [source[at:match.start()], marked(match, source, not out)]
        at = match.end()
    print("".join(out) + source[at:] + "/** @} */")


if __name__ == "__main__":
    main()
