#!/usr/bin/env python3
"""Draw the picture at the top of README by `kith plot`: recall against queries per second.

    picture.py --data DIR --results DIR     measure kith, FAISS and hnswlib, if installed, and draw all points
    picture.py                              draw the figures of README's tables, which `./run bench tables` measures

Measurements are stored in the folder of results, with a table, and are not repeated. Other arguments, for example
--cache, --threads, --runs and --without, are passed to compare.py.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# Arguments of compare.py. pyglass is left out, as it has no graphs of floats.
MEASURED = ["--sweep", "nprobe=1:256", "--sweep", "efSearch=16:512", "--set", "efConstruction=200", "--without", "pyglass"]

# For each curve: the table, the index, and the libraries that are drawn.
CURVES = (("graphs", "HNSW32", ("kith", "hnswlib")), ("lists", "IVF1024,Flat", ("kith", "faiss")))


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def number(cell):
    """The queries per second in a cell such as "18.7 k" or "681 (13.81×)"."""
    match = re.match(r"([\d.]+)( k)?", cell)
    return float(match[1]) * (1000 if match[2] else 1) if match else None


def table(text, name):
    """The table between the markers with a name: {(library, index): [(recall, queries per second)]}."""
    part = re.search(rf"<!-- begin: {name} -->(.*?)<!-- end: {name} -->", text, re.S)
    if not part:
        sys.exit(f"picture.py: there is no table between the markers '{name}'")
    rows = [cells(line) for line in part[1].splitlines() if line.startswith("|")]
    recalls = {i: float(head.rsplit(" ", 1)[1]) for i, head in enumerate(rows[0]) if head.startswith("QPS at ")}
    found = {}
    for row in rows[2:]:
        points = [(recall, number(row[i])) for i, recall in recalls.items() if number(row[i])]
        found[row[1].split(" ")[0], row[0].strip("`")] = points
    return found


def report(library, curves, text):
    """A report (docs/bench-json.md) with the parts that `kith plot` needs."""
    n, dim, queries = (int(digits.replace(",", "")) for digits in re.search(
        r"begin: graphs -->\s+([\d,]+) vectors of dimension (\d+) .*?, ([\d,]+) queries", text).groups())
    base = {"file": "SIFT", "format": "fvecs", "type": "f32", "n": n, "dim": dim, "bytes": n * (4 + 4 * dim)}
    return {"format": "kith-bench", "version": 1, "library": library, "library_version": "", "machine": {},
            "data": {"base": base, "query": {**base, "n": queries}, "metric": "l2"}, "protocol": {"k": 10, "threads": 1, "batch": 0},
            "indexes": [{"index": index, "build": {}, "points": [
                {"settings": {}, "recall": recall, "qps": qps} for recall, qps in points]}
                for index, points in curves]}


def measure(args, others):
    """Run compare.py, and copy the picture that it draws."""
    indexes = [word for _, index, _ in CURVES for word in ("--index", index)]
    if any(other.split("=")[0] == "--index" for other in others):
        indexes = []
    done = subprocess.run([sys.executable, os.path.join(HERE, "compare.py"), "--build", args.build, "--data", args.data,
                           "--out", args.results, *MEASURED, *indexes, *others], check=False)
    drawn = os.path.join(args.results, "recall.svg")
    if done.returncode or not os.path.exists(drawn):
        return done.returncode or 1
    shutil.copyfile(drawn, args.out)
    print(f"wrote    {args.out}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="kith's build directory (default: build)")
    parser.add_argument("--readme", default="README.md", help="where the tables are (default: README.md)")
    parser.add_argument("--out", default="docs/recall.svg", help="the picture (default: docs/recall.svg)")
    parser.add_argument("--data", help="measure, with …base.* and …query.* of this folder")
    parser.add_argument("--results", help="with --data: where reports and table are left")
    args, others = parser.parse_known_args()
    if (args.data is None) != (args.results is None) or (others and not args.data):
        parser.error("--data and --results belong together" if not others else f"unknown without --data: {others[0]}")
    if args.data:
        return measure(args, others)
    with open(args.readme, encoding="utf-8") as file:
        text = file.read()
    libraries = {}
    for name, index, drawn in CURVES:
        rows = table(text, name)
        for library in drawn:
            libraries.setdefault(library, []).append((index, rows[library, index]))
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for library, curves in libraries.items():
            paths.append(os.path.join(folder, library + ".json"))
            with open(paths[-1], "w", encoding="utf-8") as file:
                json.dump(report(library, curves, text), file)
        return subprocess.run([os.path.join(args.build, "tools", "kith"), "plot", *paths, "-o", args.out],
                              check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
