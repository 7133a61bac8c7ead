#!/usr/bin/env python3
"""Sweep indexes of another library as `kith bench` sweeps kith's, and write a report of the same format.

The protocol is the same: all queries are searched --runs times in calls of --batch queries, after a run that warms the
caches, and the median counts. Latency is that of single queries, which are spread evenly over all queries. Only the
search calls are timed. An unfinished report is continued. docs/bench-json.md describes the file; `kith plot` draws it.

--cache stores the indexes that were built, with the time and memory that this took. A later run over the same vectors,
with the same library, settings and threads, loads them.
"""
import argparse
import ctypes
import hashlib
import itertools
import json
import os
import re
import sys
import tempfile
import time

LONG_RUN = 5.0  # seconds; if the warm-up run takes longer, it counts as the first run


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, help="faiss, hnswlib or pyglass")
    parser.add_argument("--base", required=True, help="vectors: fvecs, bvecs, fbin, u8bin, i8bin, npy")
    parser.add_argument("--query", required=True)
    parser.add_argument("--truth", required=True, help="ids of true neighbours: ivecs, ibin, npy")
    parser.add_argument("--index", action="append", required=True, help="factory string; may be repeated")
    parser.add_argument("--set", default="", help="NAME=N,…: settings of building (efConstruction)")
    parser.add_argument("--sweep", action="append", default=[], help="NAME=VALUES, as kith bench takes them")
    parser.add_argument("--metric", default="l2", choices=("l2", "ip", "cosine"))
    parser.add_argument("-k", type=int, default=10, help="neighbours of each query (default 10)")
    parser.add_argument("--threads", type=int, default=1, help="number of threads (default 1)")
    parser.add_argument("--batch", default="all", help="queries of one call, 1 … or all (default all)")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each point (default 5)")
    parser.add_argument("--latency", type=int, default=1000, help="queries timed one by one (default 1000)")
    parser.add_argument("--cache", metavar="DIR", help="keep the indexes here, and load those that are there")
    parser.add_argument("--json", required=True, help="the report")
    return parser.parse_args()


def sweep_values(text):
    """The values of kith bench --sweep: "1:256" doubles, "4,8" lists values."""
    values = []
    for part in text.split(","):
        first, colon, last = part.partition(":")
        value, end = float(first), float(last if colon else first)
        while value < end:
            values.append(value)
            value *= 2
        values.append(end)
    return [int(v) if v == int(v) else v for v in values]


def memory(key):
    with open("/proc/self/status") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith(key)), 0)


def reset_peak():
    """Return free memory to the system, and reset the peak of memory, where the system supports this."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except (OSError, AttributeError):
        pass


def machine():
    """The machine, as in kith's reports, but without isa and blas, which depend on the library."""
    cpu = "unknown"
    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), cpu)
    with open("/proc/meminfo") as file:
        total = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemTotal:"))
    return {"cpu": cpu, "cores": os.sysconf("SC_NPROCESSORS_ONLN"), "memory_bytes": total}


def described(path, rows, dim, kind):
    return {"file": path, "format": path.rsplit(".", 1)[1], "type": kind, "n": rows, "dim": dim,
            "bytes": os.path.getsize(path)}


def same(a, b):
    """Whether two reports are about the same benchmark, whatever the names of the files are."""
    def bare(report):
        copy = json.loads(json.dumps({part: report.get(part) for part in
                                      ("library", "library_version", "machine", "data", "protocol")}))
        for name in ("base", "query"):
            copy["data"][name].pop("file", None)
        return copy
    return bare(a) == bare(b)


def write_json(value, path):
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
    os.replace(temporary, path)


class Cache:
    """A folder of index files, each with a .json file that says which index it is, and what building it took."""

    def __init__(self, folder, base, **common):
        os.makedirs(folder, exist_ok=True)
        hashed = hashlib.sha256()
        with open(base, "rb") as file:
            while piece := file.read(1 << 20):
                hashed.update(piece)
        self.folder, self.common = folder, dict(common, base_sha256=hashed.hexdigest())

    def key(self, spec, build):
        return dict(self.common, index=spec, build=build)

    def path(self, key):
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
        name = re.sub(r"[^\w.]+", "-", f"{key['library']}-{key['index']}").strip("-")
        return os.path.join(self.folder, f"{name}-{digest}.index")

    def find(self, key):
        """(path, what building took) of an index; None if it is missing or incomplete."""
        path = self.path(key)
        try:
            with open(path + ".json") as file:
                kept = json.load(file)
            if kept["key"] == key and kept["bytes"] == os.path.getsize(path):
                return path, kept["took"]
        except (OSError, ValueError, KeyError):
            pass
        return None

    def keep(self, key, index, took):
        """Save an index, under its final name only when it is complete. Returns the path."""
        path = self.path(key)
        temporary = f"{path}.{os.getpid()}.tmp"
        try:
            index.save(temporary)
            os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.remove(temporary)
        write_json({"key": key, "bytes": os.path.getsize(path), "took": took}, path + ".json")
        return path


class Sweep:
    def __init__(self, args, library):
        import numpy as np
        import data
        self.np, self.args, self.library = np, args, library
        raw, queries = data.read(args.base), data.read(args.query)
        kinds = {np.dtype(np.float32): "f32", np.dtype(np.uint8): "u8", np.dtype(np.int8): "i8"}
        self.base, self.queries = raw.astype(np.float32), queries.astype(np.float32)
        self.truth = np.sort(data.read(args.truth)[:, :args.k].astype(np.int64), axis=1)
        if len(self.truth) != len(queries) or self.truth.shape[1] < args.k:
            sys.exit(f"sweep.py: '{args.truth}' must hold {args.k} neighbours for each of {len(queries)} queries")
        self.batch = 0 if args.batch == "all" else int(args.batch)
        self.report = {
            "format": "kith-bench", "version": 1, "library": args.library, "library_version": library.version(),
            "machine": machine(),
            "data": {"base": described(args.base, *raw.shape, kinds[raw.dtype]),
                     "query": described(args.query, *queries.shape, kinds[queries.dtype]), "metric": args.metric},
            "protocol": {"k": args.k, "threads": args.threads, "batch": self.batch, "runs": args.runs,
                         "latency_queries": args.latency},
            "indexes": []}
        if os.path.exists(args.json):
            with open(args.json) as file:
                old = json.load(file)
            if not same(old, self.report):
                sys.exit(f"sweep.py: '{args.json}' holds another benchmark; give another name, or remove it")
            self.report = old
        self.cache = args.cache and Cache(args.cache, args.base, library=args.library,
                                          library_version=library.version(), metric=args.metric,
                                          threads=args.threads, cpu=machine()["cpu"])

    def save(self):
        write_json(self.report, self.args.json)

    def entry(self, spec, build):
        for entry in self.report["indexes"]:
            if entry["index"] == spec and entry["build"] == build:
                return entry
        self.report["indexes"].append({"index": spec, "build": build, "points": []})
        return self.report["indexes"][-1]

    def build(self, index, entry):
        """Build the index, or load it from the cache, and record its memory."""
        for name, value in entry["build"].items():
            index.build_option(name, value)
        reset_peak()
        before, n = memory("VmRSS:"), len(self.base)
        key = self.cache.key(entry["index"], entry["build"]) if self.cache else None
        found = self.cache.find(key) if self.cache else None
        if found:
            path, took = found
            index.load(path)
            saved = os.path.getsize(path)
        else:
            took = self.build_anew(index)
            if self.cache:
                saved = os.path.getsize(self.cache.keep(key, index, took))
            else:
                with tempfile.TemporaryDirectory() as folder:
                    path = os.path.join(folder, "index")
                    index.save(path)
                    saved = os.path.getsize(path)
        index.prepare(self.base)
        reset_peak()
        saved += index.more_bytes(*self.base.shape)
        entry.update(took, memory_bytes=saved, rss_bytes=max(memory("VmRSS:") - before, 0),
                     bytes_per_vector=saved / n, cached=bool(found))

    def build_anew(self, index):
        start = time.perf_counter()
        index.train(self.base)
        trained = time.perf_counter()
        index.add(self.base)
        added = time.perf_counter()
        return {"train_seconds": trained - start, "add_seconds": added - trained, "build_seconds": added - start,
                "peak_rss_bytes": memory("VmHWM:")}

    def run(self, index):
        """The seconds for all queries, and the ids found."""
        step, seconds, found = self.batch or len(self.queries), 0.0, []
        for first in range(0, len(self.queries), step):
            piece = self.queries[first:first + step]
            start = time.perf_counter()
            ids = index.search(piece, self.args.k)
            seconds += time.perf_counter() - start
            found.append(ids)
        return seconds, self.np.concatenate(found)

    def recall(self, ids):
        hits = [self.np.isin(a, b[b >= 0]).sum() / max((b >= 0).sum(), 1) for a, b in zip(ids, self.truth)]
        return float(self.np.mean(hits))

    def latency(self, index):
        n = min(self.args.latency, len(self.queries))
        times = []
        for i in range(n):
            row = int(i * (len(self.queries) / n))
            query = self.queries[row:row + 1]
            start = time.perf_counter()
            index.search(query, self.args.k)
            times.append(time.perf_counter() - start)
        times.sort()
        if not times:
            return None
        at = {f"p{p}": times[min(int(p / 100 * n), n - 1)] for p in (50, 95, 99)}
        return {"queries": n, "mean": sum(times) / n, **at}

    def point(self, index, settings):
        for name, value in settings.items():
            index.set(name, value)
        warm, ids = self.run(index)
        seconds = [warm] if warm > LONG_RUN else []
        while len(seconds) < self.args.runs:
            seconds.append(self.run(index)[0])
        nq = len(self.queries)
        return {"settings": settings, "recall": self.recall(ids), "qps": nq / float(self.np.median(seconds)),
                "qps_min": nq / max(seconds), "qps_max": nq / min(seconds), "qps_runs": [nq / s for s in seconds],
                "latency_seconds": self.latency(index)}

    def index(self, spec, sweeps, build):
        from libraries import Unknown
        try:
            index = self.library(spec, self.base.shape[1], self.args.metric, self.args.threads)
        except Unknown as error:
            print(f"{self.args.library} {spec}: left out: {error}", flush=True)
            return
        used = [(name, values) for name, values in sweeps.items() if index.uses(name)]
        entry = self.entry(spec, build)
        combinations = [dict(zip((n for n, _ in used), values)) for values in
                        itertools.product(*(values for _, values in used))]
        done = [p["settings"] for p in entry["points"]]
        missing = [c for c in combinations if c not in done]
        if missing:
            self.build(index, entry)
        for settings in missing:
            point = self.point(index, settings)
            entry["points"].append(point)
            self.save()
            text = " ".join(f"{n}={v}" for n, v in settings.items()) or "-"
            print(f"{self.args.library} {spec:20s} {text:24s} recall {point['recall']:.4f}  "
                  f"{point['qps']:10.1f} queries/s", flush=True)


def main():
    args = arguments()
    # Before NumPy and the libraries load: each reads its number of threads once.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(args.threads)
    from libraries import LIBRARIES
    if args.library not in LIBRARIES:
        sys.exit(f"sweep.py: --library must be one of {' '.join(LIBRARIES)}, not '{args.library}'")
    try:
        LIBRARIES[args.library].version()
    except ImportError:
        sys.exit(f"sweep.py: {args.library} cannot be imported by {sys.executable}")
    sweeps = {}
    for text in args.sweep:
        name, _, values = text.partition("=")
        sweeps[name] = sweep_values(values)
    pairs = (pair.partition("=") for pair in args.set.split(",") if pair)
    build = {name: sweep_values(value)[0] for name, _, value in pairs}
    sweep = Sweep(args, LIBRARIES[args.library])
    for spec in args.index:
        sweep.index(spec, sweeps, build)
    sweep.save()


if __name__ == "__main__":
    main()
