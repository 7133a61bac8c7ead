#!/usr/bin/env python3
"""Compare the speed of two builds of kith: is the new one as fast as the old one?

Every workload runs the programs `kith` of both build directories in turn, old, new, new, old, several times. The measure
is the user CPU time of the process, which other processes on the machine disturb least; wall-clock time is also shown.
A round gives the ratio (new + new) / (old + old). The table shows the median of the rounds, and half the difference of
the largest and the smallest ratio (the spread). The exit status is 1 if a workload is slower by more than --limit plus
its spread. Workloads of less than 0.5 s are shown but not judged, because the clock is too coarse for them.

    paired.py OLD NEW                         build directories; generated data
    paired.py OLD NEW --data DIR              base.fvecs and query.fvecs of DIR (or *_base.fvecs, *_query.fvecs)
    paired.py OLD NEW --only graph --rounds 9

All runs use one thread, so that no thread waits for another. Build both with the same compiler and options. On a busy
machine, a build compared with itself also differs by 1 or 2%.
"""
import argparse
import glob
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# Name, and arguments of kith. {own} is a folder of each build's own; all other files are shared.
SEARCHED = {"flat": "Flat", "ivf": "IVF256,Flat", "pq": "IVF64,PQ16", "graph": "HNSW16", "bytes": "HNSW16,SQ8"}
WORKLOADS = [
    ("exact batch", "knn {base} {query} -k 10"),
    ("exact single", "search {own}/flat {few} --batch 1"),
    ("ivf batch", "search {own}/ivf {query} --set nprobe=32"),
    ("ivf single", "search {own}/ivf {query} --batch 1 --set nprobe=32"),
    ("pq batch", "search {own}/pq {query} --set nprobe=32"),
    ("pq single", "search {own}/pq {query} --batch 1 --set nprobe=32"),
    ("graph batch", "search {own}/graph {query} --set efSearch=200"),
    ("graph single", "search {own}/graph {query} --batch 1 --set efSearch=200"),
    ("graph bytes", "search {own}/bytes {query} --set efSearch=200"),
    ("k-means", "build {small} --index IVF512,Flat --out {own}/out"),
    ("build ivf", "build {base} --index IVF128,PQ16 --out {own}/out"),
    ("build graph", "build {small} --index HNSW16 --out {own}/out"),
]

SHORT = 0.5  # seconds of CPU time


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", help="build directory")
    parser.add_argument("new", help="build directory")
    parser.add_argument("--data", help="folder with vectors (default: generated ones)")
    parser.add_argument("--n", type=int, default=100000, help="vectors to generate (default 100000)")
    parser.add_argument("--dim", type=int, default=96, help="their dimension (default 96)")
    parser.add_argument("--queries", type=int, default=10000, help="queries to generate (default 10000)")
    parser.add_argument("--rounds", type=int, default=5, help="of old, new, new, old (default 5)")
    parser.add_argument("--only", metavar="TEXT", help="only workloads whose name contains TEXT")
    parser.add_argument("--limit", type=float, default=0.02,
                        help="a workload that is slower by more than this fails (default 0.02)")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    for build in (arguments.old, arguments.new):
        if not os.access(kith(build), os.X_OK):
            parser.error(f"{kith(build)} does not exist: is {build} a build directory, and has it been built?")
    return arguments


def kith(build):
    return os.path.join(build, "tools", "kith")


def run(build, words):
    """The user CPU seconds and wall-clock seconds of one run."""
    command = [kith(build), *words, "--threads", "1"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wall = time.monotonic() - began
    if done.returncode:
        sys.exit(f"paired.py: {' '.join(command)}: {done.stderr.strip()}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before.ru_utime, wall


def find_data(folder):
    found = []
    for kind in ("base", "query"):
        names = sorted(glob.glob(os.path.join(folder, f"*{kind}.fvecs")))
        if not names:
            sys.exit(f"paired.py: {folder} has no file *{kind}.fvecs")
        found.append(names[0])
    return found


def make_data(arguments, folder):
    """The paths of base and query, of the first fifth of base (small), and of the first tenth of query (few)."""
    generated = os.path.join(folder, "data")
    small = os.path.join(folder, "small")
    base, query = (os.path.join(generated, f"{kind}.fvecs") for kind in ("base", "query"))
    if arguments.data:
        base, query = find_data(arguments.data)
    else:
        run(arguments.old, ["gen", "--n", str(arguments.n), "--dim", str(arguments.dim), "--queries",
                            str(arguments.queries), "--out", generated])
    os.mkdir(small)
    return {"base": base, "query": query, "small": head(base, os.path.join(small, "base.fvecs"), 5),
            "few": head(query, os.path.join(small, "query.fvecs"), 10)}


def head(path, out, part):
    """Write the first 1 / part of the vectors of an fvecs file to another file."""
    with open(path, "rb") as source, open(out, "wb") as target:
        row = 4 + 4 * int.from_bytes(source.read(4), "little")
        source.seek(0)
        left = max(1, os.path.getsize(path) // row // part) * row
        while left:
            piece = source.read(min(left, 1 << 24))
            target.write(piece)
            left -= len(piece)
    return out


def measure(arguments, words_of, rounds):
    """For CPU time and for wall-clock time: median seconds of the old build, and the ratio of each round."""
    seconds = {"old": [], "new": []}
    ratios = []
    for _ in range(rounds):
        this = {"old": [0, 0], "new": [0, 0]}
        for side in ("old", "new", "new", "old"):
            times = run(getattr(arguments, side), words_of(side))
            seconds[side].append(times)
            this[side] = [a + b for a, b in zip(this[side], times)]
        ratios.append([new / max(old, 1e-9) for old, new in zip(this["old"], this["new"])])
    return [(statistics.median(t[i] for t in seconds["old"]), [r[i] for r in ratios]) for i in (0, 1)]


def spread(ratios):
    return (max(ratios) - min(ratios)) / 2


def compare(arguments, folder):
    """Run all workloads and print the table. Returns the names of those that are slower."""
    paths, slower = make_data(arguments, folder), []
    chosen = [w for w in WORKLOADS if not arguments.only or arguments.only in w[0]]
    if not chosen:
        sys.exit(f"paired.py: no workload's name contains '{arguments.only}': {', '.join(w[0] for w in WORKLOADS)}")
    own = {side: os.path.join(folder, side) for side in ("old", "new")}
    for side in own:
        os.mkdir(own[side])
        for name, spec in SEARCHED.items():
            if any(f"{{own}}/{name} " in words for _, words in chosen):
                run(getattr(arguments, side), ["build", paths["base"], "--index", spec, "--out", f"{own[side]}/{name}"])
    print(f"{'workload':14} {'CPU s':>7} {'new/old':>8} {'±':>6}   {'wall s':>7} {'new/old':>8} {'±':>6}")
    for name, words in chosen:
        def words_of(side, words=words):
            return [word.format(own=own[side], **paths) for word in words.split()]
        cpu, wall = measure(arguments, words_of, arguments.rounds)
        short = cpu[0] < SHORT
        failed = not short and statistics.median(cpu[1]) > 1 + arguments.limit + spread(cpu[1])
        note = "   too short" if short else "   slower" if failed else ""
        print(f"{name:14} {figures(*cpu)}   {figures(*wall)}{note}", flush=True)
        slower += [name] if failed else []
    return slower


def figures(seconds, ratios):
    return f"{seconds:7.2f} {statistics.median(ratios):8.3f} {spread(ratios):6.3f}"


def main():
    arguments = parse_arguments()
    folder = tempfile.mkdtemp(prefix="kith-paired-")
    try:
        slower = compare(arguments, folder)
    finally:
        shutil.rmtree(folder)
    if slower:
        print(f"slower by more than {arguments.limit:.0%} plus the spread: {', '.join(slower)}")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
