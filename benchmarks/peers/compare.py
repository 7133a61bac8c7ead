#!/usr/bin/env python3
"""Compare kith with FAISS, hnswlib and pyglass over whole sweeps: one picture and one table.

Runs `kith bench`, and sweep.py for each other library, over the same files with the same protocol. Then it draws
OUT/recall.svg and writes OUT/ratios.md. Measurements are stored in OUT, so an interrupted comparison can be continued.
Libraries that this Python cannot import are left out, and so are indexes that a library does not have.

--graphs and --lists choose what is measured; --index, --sweep and --set override parts of that.
"""
import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import ratios  # noqa: E402
from libraries import LIBRARIES  # noqa: E402

DEFAULT = {"name": "ratios", "index": ["Flat", "IVF1024,Flat", "IVF1024,PQ16", "HNSW32"],
           "sweep": ["nprobe=1:256", "efSearch=16:512"], "set": ""}
GRAPHS = {"name": "graphs", "index": ["HNSW16", "HNSW32", "HNSW16,SQ8,RFlat", "HNSW32,SQ8,RFlat"],
          "sweep": ["efSearch=16,24,32,48,64,96,128,192,256,384,512", "k_factor=1.5,3"], "set": "efConstruction=200"}
LISTS = {"name": "lists", "index": ["IVF1024,Flat", "IVF1024,SQ8", "IVF1024,PQ16", "IVF1024,PQ32,RFlat"],
         "sweep": ["nprobe=1:256", "k_factor=4"], "set": ""}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="kith's build directory (default: build)")
    parser.add_argument("--data", required=True, help="folder with …base.* and …query.* (fvecs, bvecs, fbin, npy)")
    parser.add_argument("--out", required=True, help="folder of the results")
    parser.add_argument("--graphs", dest="preset", action="store_const", const=GRAPHS, default=DEFAULT,
                        help="HNSW16 and HNSW32, plain and SQ8,RFlat, efConstruction 200, efSearch 16 … 512")
    parser.add_argument("--lists", dest="preset", action="store_const", const=LISTS,
                        help="IVF1024 with Flat, SQ8, PQ16 and PQ32,RFlat, nprobe 1 … 256")
    parser.add_argument("--index", action="append",
                        help="factory string, may be repeated (default: Flat, IVF1024,Flat, IVF1024,PQ16, HNSW32)")
    parser.add_argument("--sweep", action="append", help="default: nprobe=1:256 and efSearch=16:512")
    parser.add_argument("--set", help="settings of building, for example efConstruction=200 (default: none)")
    parser.add_argument("--metric", default="l2", help="l2, ip or cosine (default l2)")
    parser.add_argument("-k", default="10", help="neighbours of each query (default 10)")
    parser.add_argument("--threads", default="1", help="number of threads (default 1)")
    parser.add_argument("--batch", default="all", help="queries of one call, 1 … or all (default all)")
    parser.add_argument("--runs", default="5", help="timed runs of each point (default 5)")
    parser.add_argument("--latency", default="1000", help="queries timed one by one (default 1000)")
    parser.add_argument("--cache", metavar="DIR",
                        help="keep the peers' indexes here: they are built once, and loaded from then on")
    parser.add_argument("--without", default="", help="libraries to leave out, comma-separated")
    parser.add_argument("--into", metavar="FILE", action="append", default=[],
                        help="put the table also between the markers in FILE; may be repeated")
    parser.add_argument("--name", help="of those markers (default: graphs or lists as asked for, else ratios)")
    args = parser.parse_args()
    unknown = set(filter(None, args.without.split(","))) - set(LIBRARIES)
    if unknown:
        parser.error(f"--without: unknown library {', '.join(sorted(unknown))}; the libraries are {', '.join(LIBRARIES)}")
    for part, value in args.preset.items():
        if getattr(args, part) is None:
            setattr(args, part, value)
    return args


def find(folder, stem):
    for extension in ("fvecs", "bvecs", "fbin", "u8bin", "i8bin", "npy"):
        for name in sorted(os.listdir(folder)):
            if name.endswith(f"{stem}.{extension}"):
                return os.path.join(folder, name)
    sys.exit(f"compare.py: no …{stem} file of vectors in '{folder}'")


def has_setting(kith, sweep):
    """Whether this build of kith has the setting of a sweep. (A build without graphs has no efSearch.)"""
    text = subprocess.run([kith, "help", "search"], stdout=subprocess.PIPE, check=True).stdout.decode()
    return sweep.partition("=")[0] in text


def present(library):
    try:
        library.version()
    except ImportError as error:
        print(f"\n{library.name}: left out: {sys.executable} cannot import it: {error}", flush=True)
        return False
    return True


def common_options(args):
    options = ["--base", find(args.data, "base"), "--query", find(args.data, "query"),
               "--truth", os.path.join(args.out, f"truth-{args.metric}-{args.k}.ivecs"), "--metric", args.metric,
               "-k", args.k, "--threads", args.threads, "--batch", args.batch, "--runs", args.runs,
               "--latency", args.latency]
    for spec in args.index:
        options += ["--index", spec]
    return options + (["--set", args.set] if args.set else [])


def measure_all(args, kith):
    """Measure all libraries. Returns the paths of their reports, kith's first."""
    common, reports = common_options(args), []

    def measure(library, command, sweeps):
        report = os.path.join(args.out, f"{library}.json")
        print(f"\n{library}", flush=True)
        swept = [word for sweep in sweeps for word in ("--sweep", sweep)]
        subprocess.run([*command, *common, *swept, f"--json={report}"], check=True)
        reports.append(report)

    measure("kith", [kith, "bench", "--skip-unknown"], [s for s in args.sweep if has_setting(kith, s)])
    for name, library in LIBRARIES.items():
        if name not in args.without.split(",") and present(library):
            cache = ["--cache", args.cache] if args.cache else []
            measure(name, [sys.executable, os.path.join(HERE, "sweep.py"), "--library", name, *cache], args.sweep)
    return reports


def main():
    args = arguments()
    for page in args.into:
        ratios.around(page, args.name)  # fails early if the page lacks the markers
    os.makedirs(args.out, exist_ok=True)
    kith = os.path.join(args.build, "tools", "kith")
    reports = measure_all(args, kith)
    write = [sys.executable, os.path.join(HERE, "ratios.py"), "--name", args.name]
    table = subprocess.run([*write, *reports], check=True, stdout=subprocess.PIPE).stdout.decode()
    path = os.path.join(args.out, "ratios.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(table)
    print(f"\n{table}\nwrote    {path}", flush=True)
    for page in args.into:
        subprocess.run([*write, "--into", page, *reports], check=True)
        print(f"wrote    {page}, its table '{args.name}'", flush=True)
    if shutil.which("gnuplot"):
        subprocess.run([kith, "plot", *reports, "--out", os.path.join(args.out, "recall.svg")], check=True)
    else:
        print("no picture: gnuplot is not installed")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode if failed.returncode > 0 else 1)
    except KeyboardInterrupt:
        sys.exit(130)
