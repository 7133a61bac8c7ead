#!/usr/bin/env python3
"""kith beside FAISS and hnswlib over whole sweeps: one picture, one table.

Runs `kith bench` and sweep.py, one after the other, over the same files with the same protocol; then draws
OUT/recall.svg and writes OUT/ratios.md. What was measured stays in OUT: an interrupted comparison goes on.
Indexes that a library does not have are left out of its part.
"""
import argparse
import importlib.util
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="kith's build directory (default: build)")
    parser.add_argument("--data", required=True, help="folder with …base.* and …query.* (fvecs, bvecs, fbin, npy)")
    parser.add_argument("--out", required=True, help="folder of the results")
    parser.add_argument("--index", action="append",
                        help="factory string, may be repeated (default: Flat, IVF1024,Flat, IVF1024,PQ16, HNSW32)")
    parser.add_argument("--sweep", action="append", help="default: nprobe=1:256 and efSearch=16:512")
    parser.add_argument("--set", default="", help="settings of building, for example efConstruction=200")
    parser.add_argument("--metric", default="l2")
    parser.add_argument("-k", default="10")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--batch", default="all")
    parser.add_argument("--runs", default="5")
    parser.add_argument("--without", default="", help="libraries to leave out, comma-separated")
    return parser.parse_args()


def find(folder, stem):
    for extension in ("fvecs", "bvecs", "fbin", "u8bin", "i8bin", "npy"):
        for name in sorted(os.listdir(folder)):
            if name.endswith(f"{stem}.{extension}"):
                return os.path.join(folder, name)
    sys.exit(f"compare.py: no …{stem} file of vectors in '{folder}'")


def has_setting(kith, sweep):
    """A kith without graphs does not know efSearch; its peers are swept over it all the same."""
    text = subprocess.run([kith, "help", "search"], stdout=subprocess.PIPE, check=True).stdout.decode()
    return sweep.partition("=")[0] in text


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    args.index = args.index or ["Flat", "IVF1024,Flat", "IVF1024,PQ16", "HNSW32"]
    args.sweep = args.sweep or ["nprobe=1:256", "efSearch=16:512"]
    kith = os.path.join(args.build, "tools", "kith")
    truth = os.path.join(args.out, f"truth-{args.metric}-{args.k}.ivecs")
    common = ["--base", find(args.data, "base"), "--query", find(args.data, "query"), "--truth", truth,
              "--metric", args.metric, "-k", args.k, "--threads", args.threads, "--batch", args.batch,
              "--runs", args.runs]
    for spec in args.index:
        common += ["--index", spec]
    if args.set:
        common += ["--set", args.set]
    reports = []

    def measure(library, command, sweeps):
        report = os.path.join(args.out, f"{library}.json")
        print(f"\n{library}", flush=True)
        swept = [word for sweep in sweeps for word in ("--sweep", sweep)]
        subprocess.run([*command, *common, *swept, "--json", report], check=True)
        reports.append(report)

    measure("kith", [kith, "bench", "--skip-unknown"], [s for s in args.sweep if has_setting(kith, s)])
    for library in ("faiss", "hnswlib"):
        if library in args.without.split(","):
            continue
        if importlib.util.find_spec(library) is None:
            print(f"\n{library}: left out: {sys.executable} cannot import it")
            continue
        measure(library, [sys.executable, os.path.join(HERE, "sweep.py"), "--library", library],
                args.sweep)
    table = subprocess.run([sys.executable, os.path.join(HERE, "ratios.py"), *reports], check=True,
                           stdout=subprocess.PIPE).stdout.decode()
    path = os.path.join(args.out, "ratios.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(table)
    print(f"\n{table}\nwrote    {path}", flush=True)
    subprocess.run([kith, "plot", *reports, "--out", os.path.join(args.out, "recall.svg")], check=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode if failed.returncode > 0 else 1)
    except KeyboardInterrupt:
        sys.exit(130)
