#!/usr/bin/env python3
"""Measure how much longer a call from Python takes than the same call from C: searches of one index file by kith.Index,
by the FAISS-like interface and by a C program, in turns, on one thread. Times are CPU times, the best of all rounds.

  usage: PYTHONPATH=BUILD/python overhead.py BUILD
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

import kith

K, ROUNDS, TURNS = 10, 20, 5
# name, vectors, dim, queries in a call, calls in a round
CASES = [("one query, 8 vectors", 8, 8, 1, 2000), ("one query, 1,000 vectors", 1000, 64, 1, 500),
         ("10,000 queries, 100,000 vectors", 100_000, 64, 10_000, 1)]


def in_c(program, folder, batch, calls, rounds):
    run = subprocess.run([program, folder / "index", folder / "queries.fvecs", str(K), str(batch), str(calls),
                          str(rounds)], stdout=subprocess.PIPE, text=True, check=True)
    return [float(line) for line in run.stdout.split()]


def in_python(search, queries, batch, calls, rounds):
    parts = [queries[at:at + batch] for at in range(0, len(queries) - batch + 1, batch)]
    parts = [parts[i % len(parts)] for i in range(calls)]
    found = []
    for _ in range(rounds):
        start = time.process_time()
        for part in parts:
            search(part, K)
        found.append((time.process_time() - start) / calls)
    return found


def measure(program, folder, n, dim, batch, calls):
    """The seconds of a call in C, by kith.Index, and by kith.IndexFlatL2."""
    random = np.random.default_rng(0)
    native, queries = kith.Index("Flat", dim), random.random((max(batch, 100), dim), dtype=np.float32)
    native.add(random.random((n, dim), dtype=np.float32))
    native.save(folder / "index")
    kith.write_vectors(folder / "queries.fvecs", queries)
    faiss = kith.read_index(folder / "index")
    rounds = ROUNDS if batch == 1 else 1
    best = [float("inf")] * 3
    for _ in range(TURNS):
        turn = (in_c(program, folder, batch, calls, rounds), in_python(native.search, queries, batch, calls, rounds),
                in_python(faiss.search, queries, batch, calls, rounds))
        best = [min(old, *new) for old, new in zip(best, turn)]
    return best


def main():
    program = pathlib.Path(sys.argv[1]) / "benchmarks" / "bench_call"
    kith.set_threads(1)
    print(f"| {'search':32} | {'C':>10} | {'kith.Index':>20} | {'FAISS names':>20} |\n|---|---:|---:|---:|")
    for name, n, dim, batch, calls in CASES:
        with tempfile.TemporaryDirectory() as folder:
            c, *python = measure(program, pathlib.Path(folder), n, dim, batch, calls)
        unit, scale = ("µs", 1e6) if batch == 1 else ("ms", 1e3)
        shown = [f"{(p - c) * scale:+.1f} {unit}, {100 * (p - c) / c:+.1f}%" for p in python]
        print(f"| {name:32} | {c * scale:7.1f} {unit} | {shown[0]:>20} | {shown[1]:>20} |")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
