#!/usr/bin/env python3
"""Compare the recall of kith's graphs and hnswlib's at equal M, efConstruction and efSearch, on many kinds of data.

Prints a line for each kind and metric: the recall of both at every efSearch, and the largest lag of kith. The line is
marked if kith is more than --margin below. Neighbours are judged by exact distances in double precision, so that any of
several at equal distances counts. Speed is not compared, but the CPU time of building is shown. The exit status is 1 if
a line is marked.
"""
import argparse
import os
import re
import sys
import time

import numpy as np

KINDS = {}


def kind(name, metrics="l2"):
    """Register a generator of data. It is called with a random number generator, the number of vectors and their
    dimension, and returns base and queries in one array, or a pair of arrays if queries differ. The name ends with the
    dimensions that are tried."""
    title, dims = re.fullmatch(r"(.*?)(?:, d = (.*))?", name).groups()

    def register(make):
        for dim in (dims or "32").split():
            KINDS[f"{title}, d = {dim}"] = (make, int(dim), metrics.split())
        return make
    return register


@kind("uniform, d = 2 8 32 128")
def uniform(r, n, d):
    return r.random((n, d))


@kind("Gaussian, d = 8 16 32 64 128 320", "l2 cosine ip")
def gauss(r, n, d):
    return r.normal(size=(n, d))


@kind("spreads 1, 1/2, 1/3 …, d = 64 256", "l2 cosine")
def anisotropic(r, n, d):
    return r.normal(size=(n, d)) / np.arange(1, d + 1)


@kind("lengths log-normal, d = 8 32 96", "l2 cosine ip")
def lengths(r, n, d):
    return r.normal(size=(n, d)) * r.lognormal(0, 1, (n, 1))


@kind("Student's t with 2 degrees of freedom, d = 16", "l2 ip")
def heavy(r, n, d):
    return r.standard_t(2, (n, d))


@kind("100 clusters, d = 32 128", "l2 cosine ip")
def clusters(r, n, d):
    return r.normal(size=(100, d))[r.integers(0, 100, n)] + .3 * r.normal(size=(n, d))


@kind("tight clusters far apart, d = 32")
def far(r, n, d):
    return 100 * r.normal(size=(400, d))[r.integers(0, 400, n)] + .01 * r.normal(size=(n, d))


@kind("2 copies, shuffled, d = 32", "l2 cosine ip")
def copies_2(r, n, d):
    return r.permutation(np.repeat(r.normal(size=(n // 2 + 1, d)), 2, 0))[:n], r.normal(size=(n, d))


@kind("40 copies, shuffled, d = 64", "l2 ip")
def copies_40(r, n, d):
    return r.normal(size=(n // 40 + 1, d))[r.integers(0, n // 40 + 1, n)]


@kind("20 near copies, d = 32", "l2 cosine")
def near_copies(r, n, d):
    return r.normal(size=(n // 20 + 1, d))[r.integers(0, n // 20 + 1, n)] + 1e-3 * r.normal(size=(n, d))


@kind("binary, d = 32 128")
def binary(r, n, d):
    return r.integers(0, 2, (n, d))


@kind("sparse binary, d = 128", "l2 cosine")
def sparse_binary(r, n, d):
    return r.random((n, d)) < .05


@kind("counts, d = 200 784", "l2 cosine ip")
def counts(r, n, d):
    return r.poisson(r.gamma(1, 2, n)[:, None] * 2 / np.arange(1, d + 1) ** .6)


@kind("words, d = 100 300", "l2 cosine ip")
def words(r, n, d):
    x = .5 * r.normal(size=d) + r.normal(size=(n, d)) * np.arange(1, d + 1) ** -.3
    return x * r.lognormal(0, .3, (n, 1))


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@kind("unit, queries from elsewhere, d = 64 200", "l2 cosine ip")
def elsewhere(r, n, d):
    return unit(r.normal(size=(n, d)) + .5 * r.normal(size=d)), unit(r.normal(size=(n, d)) + .5 * r.normal(size=d))


@kind("grid 5^d, d = 4 8")
def grid(r, n, d):
    return r.integers(0, 5, (n, d))


@kind("10 numbers in all components and noise, d = 128", "l2 cosine")
def low_rank(r, n, d):
    return r.normal(size=(n, 10)) @ r.normal(size=(10, d)) + .1 * r.normal(size=(n, d))


@kind("curve, d = 16")
def curve(r, n, d):
    return np.sin(2 * np.pi * (r.random((n, 1)) * (1 + np.arange(d) % 6) + np.arange(d) / d))


@kind("offset 10, d = 16")
def offset_10(r, n, d):
    return r.normal(size=(n, d)) + 10


@kind("offset 1000, d = 16")
def offset_1000(r, n, d):
    return r.normal(size=(n, d)) + 1000


@kind("uniform, d = 1")
def line(r, n, d):
    return r.random((n, d))


def data_of(name, n, queries, seed):
    make, dim, _ = KINDS[name]
    made = make(np.random.default_rng(seed), n + queries, dim)
    base, query = (made[0][:n], made[1][n:]) if isinstance(made, tuple) else (made[:n], made[n:])
    return np.ascontiguousarray(base, np.float32), np.ascontiguousarray(query, np.float32)


def keys_of(metric, x, q):
    """The exact keys of the rows of x for one query; smaller is nearer."""
    if metric == "l2":
        return ((x - q) ** 2).sum(1)
    return -(x @ q)


class Truth:
    """The true k-th distance of each query, by which results are judged."""

    def __init__(self, x, q, k, metric):
        self.x, self.q, self.k, self.metric = x.astype(np.float64), q.astype(np.float64), k, metric
        if metric == "cosine":
            self.x, self.q = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-300) for v in (self.x, self.q))
        self.last = np.array([np.partition(keys_of(metric, self.x, one), k - 1)[k - 1] for one in self.q])

    def recall(self, ids):
        found = 0
        tolerance = 3e-7 if self.metric == "cosine" else 1e-9 * np.abs(self.last)
        for one, last, row in zip(self.q, self.last + tolerance, ids):
            row = np.unique(row[row >= 0])
            found += (keys_of(self.metric, self.x[row], one) <= last).sum()
        return found / (len(ids) * self.k)


def kith_results(args, metric, x, q):
    import kith
    start = time.process_time()
    index = kith.Index(args.index or f"HNSW{args.m}", dim=x.shape[1], metric=metric)
    if not index.trained:
        index.train(x, threads=args.threads)
    index.add(x, threads=args.threads, efConstruction=200)
    took = time.process_time() - start
    return took, [index.search(q, args.k, efSearch=ef, threads=args.threads).ids for ef in args.ef]


def hnswlib_results(args, metric, x, q):
    import hnswlib
    start = time.process_time()
    index = hnswlib.Index(space=metric, dim=x.shape[1])
    index.init_index(max_elements=len(x), M=args.m, ef_construction=200, random_seed=1234)
    index.add_items(x, num_threads=args.threads)
    took = time.process_time() - start
    results = []
    for ef in args.ef:
        index.set_ef(max(ef, args.k))
        results.append(index.knn_query(q, args.k, num_threads=args.threads)[0].astype(np.int64))
    return took, results


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="kith's build directory (default: build)")
    parser.add_argument("-n", type=int, default=20000, help="vectors (default 20000)")
    parser.add_argument("--queries", type=int, default=500, help="default 500")
    parser.add_argument("-k", type=int, default=10, help="neighbours of each query (default 10)")
    parser.add_argument("--m", type=int, default=32, help="M of both (default 32)")
    parser.add_argument("--index", help="kith's index instead of HNSW<M>")
    parser.add_argument("--ef", default="16,32,64,128,256,512", help="default 16,32,64,128,256,512")
    parser.add_argument("--metric", default="l2,cosine,ip", help="of these those that a kind is tried with (default: all)")
    parser.add_argument("--kinds", default=".", help="regular expression of kinds (default: all)")
    parser.add_argument("--margin", type=float, default=0.005, help="lag that is marked (default 0.005)")
    parser.add_argument("--threads", type=int, default=1, help="default 1")
    parser.add_argument("--seed", type=int, default=1, help="of the data (default 1)")
    parser.add_argument("--list", action="store_true", help="list the kinds and stop")
    args = parser.parse_args()
    args.ef = [int(ef) for ef in args.ef.split(",")]
    return args


def main():
    args = arguments()
    if args.list:
        print("\n".join(KINDS))
        return 0
    sys.path.insert(0, os.path.join(os.path.abspath(args.build), "python"))
    marked = tried = 0
    for name in filter(re.compile(args.kinds).search, KINDS):
        x, q = data_of(name, args.n, args.queries, args.seed)
        for metric in KINDS[name][2]:
            if metric not in args.metric.split(","):
                continue
            truth = Truth(x, q, args.k, metric)
            (ours, our_ids), (theirs, their_ids) = (f(args, metric, x, q) for f in (kith_results, hnswlib_results))
            kith = [truth.recall(ids) for ids in our_ids]
            peer = [truth.recall(ids) for ids in their_ids]
            lag = max(b - a for a, b in zip(kith, peer))
            mark = "LAGS" if lag > args.margin else ""
            tried += 1
            marked += bool(mark)
            print(f"{name:46} {metric:6} kith {' '.join(f'{r:.3f}' for r in kith)} ({ours:.1f} s)  "
                  f"hnswlib {' '.join(f'{r:.3f}' for r in peer)} ({theirs:.1f} s)  lag {lag:+.3f} {mark}", flush=True)
    print(f"{tried} kinds and metrics, {marked} of them more than {args.margin} below hnswlib")
    return marked > 0


if __name__ == "__main__":
    sys.exit(main())
