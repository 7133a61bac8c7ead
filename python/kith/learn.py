"""Functions that need no index: exact neighbours, k-means, and product quantizers."""
from __future__ import annotations

import ctypes
import threading
import weakref
from typing import Any, Iterable, NamedTuple

import numpy as np

from . import _arrays, _calls, _filtered, _options
from ._lib import MAX_DIM, KmeansOptions, KmeansStats, lib, new_options
from ._types import Array, Codes, Floats
from .index import Neighbours

RANDOM, PLUSPLUS, GIVEN = 0, 1, 2


def knn(xq: Any, xb: Any, k: int, metric: str = "l2", *, filter: Any = None, threads: int | None = None,
        progress: Any = None) -> Neighbours:
    """The k nearest rows of xb [n × dim] for each row of xq [nq × dim]: exact, without an index."""
    xb = _arrays.numbers(xb, "xb")
    if xb.ndim != 2 or not 1 <= xb.shape[1] <= MAX_DIM:
        raise ValueError(f"xb has shape {xb.shape}; it must be (n, dim), one vector a row")
    dim = xb.shape[1]
    xq = _arrays.vectors(xq, dim, "xq")
    if xq.dtype != xb.dtype:
        xq, xb = _arrays.floats(xq, dim, "xq"), _arrays.floats(xb, dim, "xb")
    k = _arrays.k_of(k)
    found = Neighbours(np.empty((len(xq), k), np.float32), np.empty((len(xq), k), np.int64))
    options = _options.new_search_options(threads, {})
    chosen = _filtered.put_filter(options, _filtered.row_filter(filter, len(xb), "knn"))
    _calls.call(lib.knn, dim, _arrays.metric_named(metric), _arrays.TYPES[xb.dtype], len(xb), _arrays.address(xb),
                len(xq), _arrays.address(xq), k, _arrays.address(found.distances), _arrays.address(found.ids),
                ctypes.byref(options), work=float(xq.size) * len(xb), progress=progress,
                watch=_options.watch(options), calls_python=chosen is not None and chosen.calls_python)
    if chosen is not None:
        chosen.raise_error()
    return found


def knn_blocks(q: Any, blocks: Iterable[Any], k: int, metric: str = "l2", *, filter: Any = None,
               threads: int | None = None, progress: Any = None) -> Neighbours:
    """knn() over rows that come in blocks [n × dim], for example from a file that is larger than memory. The numbering
    of rows continues from block to block."""
    q = _arrays.numbers(q, "q")
    if q.ndim != 2 or not 1 <= q.shape[1] <= MAX_DIM:
        raise ValueError(f"q has shape {q.shape}; it must be (nq, dim), one vector a row")
    dim, k = q.shape[1], _arrays.k_of(k)
    options = _options.new_search_options(threads, {})
    chosen = _filtered.put_filter(options, _filtered.row_filter(filter, None, "knn_blocks"))
    calls_python = chosen is not None and chosen.calls_python
    watched = _calls.Watch(progress)  # must live as long as the stream
    _options.watch(options)(watched.callback)
    stream = ctypes.c_void_p()
    try:
        lib.knn_stream_new(ctypes.byref(stream), dim, _arrays.metric_named(metric), _arrays.TYPES[q.dtype], len(q),
                           _arrays.address(q), k, ctypes.byref(options))
        for block in blocks:
            block = _arrays.vectors(block, dim, "a block")
            if block.dtype != q.dtype:
                raise TypeError(f"a block has dtype {block.dtype}; q has {q.dtype}")
            _calls.call(lib.knn_stream_feed, stream, len(block), _arrays.address(block), 0,
                        work=float(q.size) * len(block), watched=watched, calls_python=calls_python)
        found = Neighbours(np.empty((len(q), k), np.float32), np.empty((len(q), k), np.int64))
        _calls.call(lib.knn_stream_get, stream, _arrays.address(found.distances), _arrays.address(found.ids),
                    watched=watched, calls_python=calls_python)
    finally:
        lib.knn_stream_free(stream)
    if chosen is not None:
        chosen.raise_error()
    return found


class Clusters(NamedTuple):
    """Centroids [k × dim], the number of each point's nearest centroid [n], the final objective, and the objective of
    each iteration."""

    centroids: Floats
    labels: Array
    objective: float
    objectives: Array


def kmeans(x: Any, k: int, *, iterations: int = 25, restarts: int = 1, tolerance: float = 0.001,
           max_points: int = 256, spherical: bool = False, seed: int = 1234, init: Any = "random",
           weights: Any = None, fewer: bool = False, threads: int | None = None, progress: Any = None,
           stats: Any = None) -> Clusters:
    """Find k centroids of the rows of x [n × dim] (Lloyd's k-means).

    init        "random", "k-means++", or an array [k × dim] of initial centroids
    max_points  if there are more than k · max_points rows, only a sample of that size is used; 0: always all rows
    fewer       with fewer than k rows, return fewer centroids instead of raising
    stats       an array (KmeansStats * iterations)() that receives the statistics of each iteration

    The same seed gives the same centroids, whatever the number of threads."""
    x = _arrays.numbers(x, "x")
    if x.ndim != 2 or not 1 <= x.shape[1] <= MAX_DIM:
        raise ValueError(f"x has shape {x.shape}; it must be (n, dim), one vector a row")
    n, dim = x.shape
    x = _arrays.floats(x, dim, "x")
    k = _arrays.count(k, "k", 1, 2**31 - 1)
    if k > n and not fewer:
        raise ValueError(f"x has {_arrays.counted(n, 'row')}; k-means needs at least k = {k}")
    iterations = _arrays.count(iterations, "iterations", 0, 1_000_000)
    centroids, start = _start(init, min(k, max(n, 1)), dim)
    labels, objectives = np.empty(n, np.int32), np.full(iterations, np.nan)
    weights = _weights(weights, n)
    options = new_options(
        KmeansOptions, threads=_options.threads_of(threads), init=start, iterations=iterations,
        restarts=_arrays.count(restarts, "restarts", 1, 1_000_000), tolerance=_arrays.real(tolerance, "tolerance"),
        max_points=_arrays.count(max_points, "max_points"), spherical=bool(spherical), hierarchical=-1,
        fewer=bool(fewer), seed=_arrays.count(seed, "seed", 0, 2**64 - 1),
        weights=None if weights is None else _arrays.address(weights), objectives=_arrays.address(objectives),
        stats=None if stats is None else ctypes.addressof(stats))
    found, objective = ctypes.c_int64(), ctypes.c_double()
    _calls.call(lib.kmeans, dim, n, _arrays.address(x), k, _arrays.address(centroids), _arrays.address(labels),
                ctypes.byref(found), ctypes.byref(objective), ctypes.byref(options),
                work=float(x.size) * k * max(iterations, 1), progress=progress, watch=_options.watch(options))
    return Clusters(centroids[:found.value], labels, objective.value, objectives[~np.isnan(objectives)])


def _start(init: Any, k: int, dim: int) -> tuple[Floats, int]:
    """The array of centroids, with initial values if they are given, and how they are initialised."""
    if isinstance(init, str):
        known = {"random": RANDOM, "k-means++": PLUSPLUS}
        if init not in known:
            raise ValueError(f"init is {init!r}; it must be 'random', 'k-means++' or centroids")
        return np.empty((k, dim), np.float32), known[init]
    given = np.array(_arrays.floats(init, dim, "init"))
    if len(given) != k:
        raise ValueError(f"init has {len(given)} centroids; k is {k}")
    return given, GIVEN


def _weights(weights: Any, n: int) -> Array | None:
    if weights is None:
        return None
    array = _arrays.numbers(weights, "weights").astype(np.float32, copy=False)
    if array.shape != (n,):
        raise ValueError(f"weights has shape {array.shape}; it must be ({n},), one for each row of x")
    return array


class ProductQuantizer:
    """A product quantizer, which encodes a vector of d elements as M numbers of nbits bits.

    Attributes: d, M, nbits, dsub (elements of a sub-vector), ksub (centroids of a codebook), code_size (bytes)."""

    __slots__ = ("d", "M", "nbits", "code_size", "is_trained", "verbose", "_pointer", "_lock", "__weakref__")

    def __init__(self, d: int, M: int, nbits: int = 8) -> None:
        self.d = _arrays.count(d, "d", 1, MAX_DIM)
        self.M = _arrays.count(M, "M", 1, MAX_DIM)
        self.nbits = _arrays.count(nbits, "nbits", 0, 2**31 - 1)
        self.verbose = False
        self.is_trained = False
        self._lock = threading.Lock()  # keeps training and use apart
        out = ctypes.c_void_p()
        lib.pq_new(ctypes.byref(out), self.d, self.M, self.nbits)
        self._pointer = out.value
        weakref.finalize(self, lib.pq_free, out.value).atexit = False
        self.code_size: int = lib.pq_code_size(self._pointer)

    @property
    def dsub(self) -> int:
        return self.d // self.M

    @property
    def ksub(self) -> int:
        return 1 << self.nbits

    def train(self, x: Any, *, iterations: int = 25, seed: int = 1234, threads: int | None = None) -> None:
        """Learn the codebooks from the rows of x [n × d]."""
        x = _arrays.floats(x, self.d, "x")
        options = new_options(KmeansOptions, threads=_options.threads_of(threads), iterations=iterations, restarts=1,
                              tolerance=0.001, max_points=256, hierarchical=-1, seed=seed)
        with self._lock:
            _calls.call(lib.pq_train, self._pointer, len(x), _arrays.address(x), ctypes.byref(options),
                        work=_calls.LONG, watch=_options.watch(options))
            self.is_trained = True

    @property
    def centroids(self) -> Floats:
        """The codebooks [M × ksub × dsub]. They may be set."""
        shape = self.M, self.ksub, self.dsub
        books = np.empty(shape, np.float32)
        with self._lock:
            held = lib.pq_centroids(self._pointer)
            if not held:
                return np.empty((0, self.ksub, self.dsub), np.float32)
            ctypes.memmove(_arrays.address(books), held, books.nbytes)
        return books

    @centroids.setter
    def centroids(self, books: Any) -> None:
        books = _arrays.numbers(books, "centroids").astype(np.float32, copy=False)
        if books.size != self.ksub * self.d:
            raise ValueError(f"centroids has shape {books.shape}; it must be {(self.M, self.ksub, self.dsub)}")
        with self._lock:
            lib.pq_set_centroids(self._pointer, _arrays.address(books))
            self.is_trained = True

    def compute_codes(self, x: Any) -> Codes:
        """Codes [n × code_size] of the rows of x [n × d]."""
        x = _arrays.floats(x, self.d, "x")
        codes = np.empty((len(x), self.code_size), np.uint8)
        with self._lock:
            lib.pq_encode(self._pointer, len(x), _arrays.address(x), _arrays.address(codes), _options.threads_of(None))
        return codes

    def decode(self, codes: Any) -> Floats:
        """The decoded vectors [n × d] of codes [n × code_size]."""
        codes = _arrays.codes_of(codes, self.code_size)
        x = np.empty((len(codes), self.d), np.float32)
        with self._lock:
            lib.pq_decode(self._pointer, len(codes), _arrays.address(codes), _arrays.address(x))
        return x

    def compute_distance_tables(self, q: Any, metric: str = "l2") -> Array:
        """Squared distances, or inner products, between queries [nq × d] and all centroids: [nq × M × ksub]."""
        q = _arrays.floats(q, self.d, "q")
        tables = np.empty((len(q), self.M, self.ksub), np.float32)
        with self._lock:
            lib.pq_tables(self._pointer, _arrays.metric_named(metric), len(q), _arrays.address(q),
                          _arrays.address(tables))
        return tables

    def distances(self, table: Any, codes: Any) -> Array:
        """Distances [n] of codes [n × code_size]: the sums of their entries in the table [M × ksub] of one query."""
        table, codes = _arrays.numbers(table, "table"), _arrays.codes_of(codes, self.code_size)
        if table.shape != (self.M, self.ksub):
            raise ValueError(f"table has shape {table.shape}; it must be {(self.M, self.ksub)}")
        table, out = table.astype(np.float32, copy=False), np.empty(len(codes), np.float32)
        with self._lock:
            lib.pq_distances(self._pointer, _arrays.address(table), len(codes), _arrays.address(codes),
                             _arrays.address(out))
        return out

    def symmetric_distances(self, a: Any, b: Any) -> Array:
        """Squared distances [n] between the decoded vectors of codes a and b [n × code_size], row by row."""
        a, b = _arrays.codes_of(a, self.code_size), _arrays.codes_of(b, self.code_size)
        if len(a) != len(b):
            raise ValueError(f"a has {_arrays.counted(len(a), 'code')}, b has {len(b)}; both must have the same number")
        out = np.empty(len(a), np.float32)
        with self._lock:
            lib.pq_symmetric(self._pointer, len(a), _arrays.address(a), _arrays.address(b), _arrays.address(out))
        return out

    def __repr__(self) -> str:
        state = "" if self.is_trained else " untrained"
        return f"<kith.ProductQuantizer d={self.d} M={self.M} nbits={self.nbits}{state}>"
