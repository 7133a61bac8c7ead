#!/usr/bin/env python3
"""Measure the tables about speed in README.md and docs/choosing-an-index.md, and write them anew.

peers.py measures exact search, and compare.py inverted files and graphs, with all libraries that this Python can import.
Reports are stored in OUT: interrupted measurements are continued, and complete ones are not repeated. For a million
vectors, building the other libraries' graphs takes hours; --cache stores them. The machine must be idle.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import ratios  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
README, GUIDE = "README.md", os.path.join("docs", "choosing-an-index.md")
TABLES = {"exact": [README], "lists": [README, GUIDE], "graphs": [README, GUIDE]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="kith's build directory (default: build)")
    parser.add_argument("--data", required=True, help="folder with …base and …query, fvecs or bvecs")
    parser.add_argument("--out", required=True, help="folder of the reports")
    parser.add_argument("--cache", metavar="DIR", help="keep the peers' indexes here")
    parser.add_argument("--only", default=",".join(TABLES), help=f"some of the tables (default: {','.join(TABLES)})")
    parser.add_argument("--pages", default=ROOT, metavar="DIR", help="folder of the pages (default: this repository)")
    parser.add_argument("--runs", default="5", help="timed runs of each point (default 5)")
    args = parser.parse_args()
    args.only = args.only.split(",")
    unknown = set(args.only) - set(TABLES)
    if unknown:
        parser.error(f"--only: unknown table {', '.join(sorted(unknown))}; the tables are {', '.join(TABLES)}")
    return args


def call(script, *args):
    subprocess.run([sys.executable, os.path.join(HERE, script), *args], check=True)


def main():
    args = arguments()
    pages = {name: [os.path.join(args.pages, page) for page in TABLES[name]] for name in args.only}
    for name, paths in pages.items():
        for path in paths:
            ratios.around(path, name)  # fails early if the page lacks the markers
    os.makedirs(args.out, exist_ok=True)
    common = ["--build", args.build, "--data", args.data, "--runs", args.runs]
    if "exact" in pages:
        report = os.path.join(args.out, "exact.json")
        if not os.path.exists(report):
            call("peers.py", *common, "--cases", "batch10,q100,single", "--json", report)
        for page in pages.pop("exact"):
            call("ratios.py", report, "--name", "exact", "--into", page)
    for name in pages:
        into = [word for page in pages[name] for word in ("--into", page)]
        cache = ["--cache", args.cache] if args.cache else []
        call("compare.py", *common, f"--{name}", "--out", os.path.join(args.out, name), *cache, *into)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode if failed.returncode > 0 else 1)
    except KeyboardInterrupt:
        sys.exit(130)
