#!/usr/bin/env python3
"""Compare exact search of kith, FAISS and hnswlib: the same vectors and threads, in one run.

Every case is timed in rounds. In each round all libraries take turns, so that anything that slows the machine down
affects all of them. The result is the median of the rounds after a first one that does not count. kith's answers are
compared with FAISS's. hnswlib is measured with its brute-force index.

Libraries that cannot be imported are left out; PYTHONPATH may name other builds of them. On several threads, FAISS is
much faster with an OpenBLAS that uses OpenMP (Debian: libopenblas0-openmp and LD_LIBRARY_PATH).
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

CASES = {
    "batch10": "10,000 queries at once, k = 10, L2, floats",
    "batch100": "10,000 queries at once, k = 100, L2, floats",
    "q100": "100 queries at once, k = 10, L2, floats",
    "single": "one query at a time, k = 10, L2, floats",
    "bytes": "10,000 queries at once, k = 10, L2, byte vectors",
    "bytes1": "one query at a time, k = 10, L2, byte vectors",
    "ip": "10,000 queries at once, k = 10, inner product, floats",
    "filter10": "1,000 queries at once, k = 10, L2, floats, a random 10% of the ids pass",
    "sweep": "1, 2, 4 … 4,096 queries at once, k = 10, L2, floats",
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="kith's build directory (default: build)")
    parser.add_argument("--data", metavar="DIR",
                        help="folder with …base.bvecs|fvecs and …query.bvecs|fvecs (default: synthetic bytes)")
    parser.add_argument("--n", type=int, default=None, help="use this many base vectors (synthetic data: 1,000,000)")
    parser.add_argument("--dim", type=int, default=128, help="dimension of synthetic data (default 128)")
    parser.add_argument("--threads", type=int, default=1, help="threads of every library (default 1)")
    parser.add_argument("--cases", default=",".join(CASES), help="comma-separated; all: " + " ".join(CASES))
    parser.add_argument("--isa", help="force kith's instruction set")
    parser.add_argument("--runs", type=int, default=3, help="rounds that count (default 3)")
    parser.add_argument("--without", default="", help="peers to leave out, comma-separated: faiss, hnswlib")
    parser.add_argument("--json", metavar="FILE", help="write everything to FILE as well")
    args = parser.parse_args()
    unknown = set(args.cases.split(",")) - set(CASES)
    if unknown:
        parser.error(f"unknown cases: {' '.join(sorted(unknown))}; the cases are: {' '.join(CASES)}")
    return args


ARGS = arguments()
# Before NumPy and the libraries load: each reads its number of threads once.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(ARGS.threads)
if ARGS.isa:
    os.environ["KITH_ISA"] = ARGS.isa
sys.path.insert(0, os.path.join(ARGS.build, "python"))

import numpy as np  # noqa: E402

import data  # noqa: E402
try:
    import kith  # noqa: E402
except ImportError as error:
    raise SystemExit(f"no Python package in {ARGS.build}: {error}. Configure with -Dpython=enabled and build.") from None


def load(name):
    if name in ARGS.without.split(","):
        return None
    try:
        return __import__(name)
    except ImportError:
        return None


def package_version(module, name):
    """The version of the module that was imported, which may differ from an installed package of the same name."""
    if hasattr(module, "__version__"):
        return module.__version__
    try:
        from importlib.metadata import distribution
        package = distribution(name)
        here = os.path.realpath(package.locate_file(""))
        return package.version if os.path.realpath(module.__file__).startswith(here) else "a build of its own"
    except Exception:  # a benchmark must not fail because of a package's metadata
        return "unknown"


def environment(faiss, hnswlib):
    """The machine, versions and options, which are needed to interpret the figures."""
    cpu = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            cpu = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), cpu)
    with open("/proc/self/maps") as file:
        blas = sorted({os.path.realpath(line.split()[-1]) for line in file if "blas" in line})
    out = {"cpu": cpu, "cores": os.cpu_count(), "threads": ARGS.threads, "numpy": np.__version__,
           "kith": kith.version, "kith_isa": kith.info()["isa"],
           "kith_blas": kith.info()["blas"], "blas_loaded": [os.path.basename(b) for b in blas],
           "openmp_blas": any("openmp" in b for b in blas)}
    if faiss:
        out["faiss"] = faiss.__version__
        out["faiss_options"] = faiss.get_compile_options().strip()
    if hnswlib:
        out["hnswlib"] = package_version(hnswlib, "hnswlib")
    return out


class Bench:
    """Runs the cases. Indexes are built at first use, and the most recent ones are cached."""

    def __init__(self, faiss, hnswlib, base, queries):
        self.faiss, self.hnswlib = faiss, hnswlib
        self.bytes = base.dtype == np.uint8
        self.base_own, self.queries_own = base, queries
        self.base = np.ascontiguousarray(base, np.float32)
        self.queries = np.ascontiguousarray(queries, np.float32)
        self.cache, self.results, self.bits = {}, [], None

    def once(self, key, make):
        if key not in self.cache:
            if sum(k[0] == key[0] for k in self.cache) >= 2:
                self.cache.clear()
            self.cache[key] = make()
        return self.cache[key]

    # Each of these returns a function queries -> (dist, ids), or None if the library has no such search.

    def kith_search(self, spec, metric, k, mask=None):
        base = self.base if spec == "Flat" else self.base_own

        def make():
            index = kith.Index(spec, base.shape[1], metric)
            index.add(base)
            return index

        index = self.once(("kith", spec, metric), make)
        keep = None if mask is None else kith.Filter.mask(mask)
        return lambda q: index.search(q, k, threads=ARGS.threads, filter=keep)

    def faiss_search(self, spec, metric, k, mask=None):
        faiss = self.faiss
        if not faiss:
            return None
        kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT

        def make():
            index = faiss.index_factory(self.base.shape[1], spec, kind)
            if not index.is_trained:
                index.train(self.base[:1000])
            index.add(self.base)
            return index

        index = self.once(("faiss", spec, metric), make)
        if mask is None:
            return lambda q: index.search(q, k)
        if not hasattr(faiss, "SearchParameters"):
            return None
        if hasattr(faiss, "IDSelectorBitmap"):
            self.bits = np.packbits(mask, bitorder="little")  # an attribute, because FAISS stores only a pointer to it
            selector = faiss.IDSelectorBitmap(self.bits)
        else:
            selector = faiss.IDSelectorBatch(np.flatnonzero(mask))
        params = faiss.SearchParameters(sel=selector)
        return lambda q: index.search(q, k, params=params)

    def hnswlib_search(self, metric, k):
        if not self.hnswlib or not hasattr(self.hnswlib, "BFIndex"):
            return None

        def make():
            index = self.hnswlib.BFIndex(space=metric, dim=self.base.shape[1])
            index.init_index(max_elements=len(self.base))
            index.add_items(self.base)
            return index

        index = self.once(("hnswlib", "BF", metric), make)
        if hasattr(index, "set_num_threads"):
            index.set_num_threads(ARGS.threads)

        def search(q):
            ids, dist = index.knn_query(q, k)
            return dist, ids.astype(np.int64)

        return search

    def rounds(self, searches, queries, at_once):
        """The seconds of each library for all queries, in each round, and its answers."""
        times = {name: [] for name in searches}
        answers = {}
        pieces = [queries[i:i + at_once] for i in range(0, len(queries), at_once)]
        for turn in range(ARGS.runs + 1):
            for name, search in searches.items():
                start = time.perf_counter()
                parts = [search(piece) for piece in pieces]
                took = time.perf_counter() - start
                if turn:
                    times[name].append(took)
                answers[name] = tuple(np.concatenate(a) for a in zip(*parts))
        return times, answers

    def case(self, name, searches, queries, at_once, k):
        searches = {n: s for n, s in searches.items() if s}
        times, answers = self.rounds(searches, queries, at_once)
        reference = next((n for n in searches if n.startswith("faiss")), None)
        medians = {n: float(np.median(t)) for n, t in times.items()}
        for library, seconds in medians.items():
            row = {"case": name, "library": library, "queries": len(queries), "at_once": at_once, "k": k,
                   "seconds": seconds, "all_seconds": times[library], "qps": len(queries) / seconds,
                   "us_per_query": 1e6 * seconds / len(queries)}
            if reference:
                row["times_faster_than_faiss"] = medians[reference] / seconds
                row["same_rows"], row["recall"] = data.agreement(
                    answers[library][1], answers[reference][1], answers[library][0], answers[reference][0])
            self.results.append(row)
            show(row)

    def floats(self, name, metric, nq, at_once, k, mask=None, hnswlib=False):
        searches = {"kith": self.kith_search("Flat", metric, k, mask),
                    "faiss": self.faiss_search("Flat", metric, k, mask)}
        if hnswlib:
            searches["hnswlib"] = self.hnswlib_search(metric, k)
        self.case(name, searches, self.queries[:nq], at_once, k)

    def byte_vectors(self, name, nq, at_once):
        """kith on bytes, and FAISS on the same values as floats and, for single queries, with its codec for bytes."""
        if not self.bytes:
            print(f"{name}: left out, because these vectors are not bytes")
            return
        own = self.kith_search("SQ8_direct", "l2", 10)
        queries = self.queries[:nq]
        # FAISS's codec for bytes compares one pair at a time, so it would take minutes for a batch.
        direct = at_once == 1 and self.faiss_has_direct()
        searches = {"kith": lambda q: own(q.astype(np.uint8)),
                    "faiss floats": self.faiss_search("Flat", "l2", 10),
                    "faiss bytes": self.faiss_search("SQ8_direct", "l2", 10) if direct else None}
        self.case(name, searches, queries, at_once, 10)

    def faiss_has_direct(self):
        if not self.faiss:
            return False
        try:
            self.faiss.index_factory(8, "SQ8_direct")
            return True
        except Exception:  # FAISS raises RuntimeError for words it does not know
            return False

    def run(self, name):
        if name == "batch10":
            self.floats(name, "l2", 10_000, 10_000, 10)
        elif name == "batch100":
            self.floats(name, "l2", 10_000, 10_000, 100)
        elif name == "q100":
            self.floats(name, "l2", 100, 100, 10, hnswlib=True)
        elif name == "single":
            self.floats(name, "l2", 30, 1, 10, hnswlib=True)
        elif name == "bytes":
            self.byte_vectors(name, 10_000, 10_000)
        elif name == "bytes1":
            self.byte_vectors(name, 30, 1)
        elif name == "ip":
            self.floats(name, "ip", 10_000, 10_000, 10)
        elif name == "filter10":
            mask = np.random.default_rng(3).random(len(self.base)) < 0.1
            self.floats(name, "l2", 1_000, 1_000, 10, mask=mask)
        elif name == "sweep":
            for power in range(13):
                nq = 1 << power
                # Several small batches of different queries make a round long enough to be timed.
                self.case(name, {"kith": self.kith_search("Flat", "l2", 10),
                                 "faiss": self.faiss_search("Flat", "l2", 10) if nq <= 64 else None},
                          self.queries[:max(nq, min(16, len(self.queries)))], nq, 10)


def show(row):
    versus = f"{row['times_faster_than_faiss']:8.2f}x" if "times_faster_than_faiss" in row else f"{'':9s}"
    same = f"{100 * row['same_rows']:7.2f}%" if "same_rows" in row else ""
    print(f"{row['case']:9s} {row['library']:13s} {row['queries']:7d} {row['at_once']:7d} {row['k']:5d} "
          f"{row['us_per_query']:12.1f} {row['qps']:11.1f} {versus} {same}", flush=True)


def bandwidth():
    """The machine's read bandwidth in GB/s, measured by bench_micro. It bounds the speed of single queries."""
    tool = os.path.join(ARGS.build, "benchmarks", "bench_micro")
    if not os.path.exists(tool):
        return {}
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([tool, "--limits", "--threads", str(ARGS.threads), "--json", file.name],
                       stdout=subprocess.DEVNULL, check=True)
        with open(file.name) as written:
            rates = json.load(written)["read_bandwidth"]
    return {key: round(rate / 1e9, 1) for key, rate in rates.items()}


def main():
    if ARGS.isa and kith.info()["isa"] != ARGS.isa:
        raise SystemExit(f"--isa: kith cannot use '{ARGS.isa}' here; available: {kith.info()['isa_available']}")
    faiss, hnswlib = load("faiss"), load("hnswlib")
    if faiss:
        faiss.omp_set_num_threads(ARGS.threads)
    if ARGS.data:
        base, queries = data.from_folder(ARGS.data, ARGS.n)
    else:
        base, queries = data.synthetic(ARGS.n or 1_000_000, 10_000, ARGS.dim)
    env = environment(faiss, hnswlib)
    env["base"], env["dim"], env["type"] = len(base), base.shape[1], str(base.dtype)
    env["read_gb_per_s"] = bandwidth()
    for key, value in env.items():
        print(f"{key:15s} {value}")
    print(f"\n{'case':9s} {'library':13s} {'queries':>7s} {'at once':>7s} {'k':>5s} {'µs/query':>12s} "
          f"{'queries/s':>11s} {'vs FAISS':>9s} same answers")
    bench = Bench(faiss, hnswlib, base, queries)
    for name in ARGS.cases.split(","):
        bench.run(name)
    if ARGS.json:
        with open(ARGS.json, "w") as file:
            json.dump({"environment": env, "cases": CASES, "results": bench.results}, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
