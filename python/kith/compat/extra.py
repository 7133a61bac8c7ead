"""FAISS's functions about arrays and results of searches."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import _arrays
from .._errors import ArgumentError
from . import arguments as args
from .metrics import METRIC_L2, favours_large, metric_of, number_of, scores
from .._lib import MAX_DIM, text
from .._types import Array, Floats, Ids
from .base import FaissIndex
from .parameters import SearchParameters


def _matrix(values: Any, name: str) -> Floats:
    array = _arrays.plain(_arrays.numbers(values, name), np.float32)
    if array.ndim != 2 or array.shape[1] > MAX_DIM:
        raise ArgumentError(f"{name} has shape {array.shape}; it must be (n, d), one vector a row")
    return array


def pairwise_distances(xq: Any, xb: Any, metric: int = METRIC_L2, metric_arg: float = 0) -> Floats:
    """Distances (L2: squared), or inner products, between all rows of xq [nq × d] and of xb [nb × d]: [nq × nb]."""
    q, x = _matrix(xq, "xq"), _matrix(xb, "xb")
    if q.shape[1] != x.shape[1]:
        raise ArgumentError(f"xq has shape {q.shape}, xb {x.shape}; both must have rows of one length")
    if metric_of(metric) == _arrays.METRICS["ip"]:
        return q @ x.T
    out = np.empty((len(q), len(x)), np.float32)
    wide = x.astype(np.float64)
    if metric_of(metric) != _arrays.METRICS["l2"]:
        number = number_of(metric_of(metric, metric_arg))
        for i, row in enumerate(q.astype(np.float64)):
            out[i] = scores(number, row, wide, metric_arg)
        return out
    norms = np.einsum("ij,ij->i", wide, wide)
    for first in range(0, len(q), 256):  # a few rows at a time, in double precision
        part = q[first:first + 256].astype(np.float64)
        squares = np.einsum("ij,ij->i", part, part)[:, None] + norms - 2 * (part @ wide.T)
        out[first:first + 256] = np.maximum(squares, 0)
    return out


def _best(array: Any, k: int, largest: bool) -> tuple[Floats, Ids]:
    array = _matrix(array, "array")
    k = args.count(k, "k", 0, array.shape[1])
    order = np.argsort(-array if largest else array, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(array, order, 1), order.astype(np.int64)


def kmin(array: Any, k: int) -> tuple[Floats, Ids]:
    """The k smallest values of each row, and their positions."""
    return _best(array, k, False)


def kmax(array: Any, k: int) -> tuple[Floats, Ids]:
    """The k largest values of each row, and their positions."""
    return _best(array, k, True)


def eval_intersection(I1: Any, I2: Any) -> int:
    """How many ids two results have in common, row by row, summed over all rows."""
    one, two = np.asarray(I1), np.asarray(I2)
    if one.ndim != 2 or two.ndim != 2 or len(one) != len(two):
        raise ArgumentError(f"I1 has shape {one.shape}, I2 {two.shape}; both must have one row a query")
    return int(sum(len(np.intersect1d(a, b)) for a, b in zip(one, two)))


def merge_knn_results(Dall: Any, Iall: Any, keep_max: bool = False) -> tuple[Array, Array]:
    """Merge the results of several shards [nshard × nq × k], each of them sorted, to one result [nq × k]."""
    D, I = np.asarray(Dall), np.asarray(Iall)
    if D.ndim != 3 or D.shape != I.shape:
        raise ArgumentError(f"Dall has shape {D.shape}, Iall {I.shape}; both must be (nshard, nq, k)")
    D, I = (np.concatenate(list(part), axis=1) if len(part) else part.reshape(part.shape[1:]) for part in (D, I))
    # Missing results (id −1) come last.
    keys = np.where(I < 0, np.inf, -D if keep_max else D)
    order = np.argsort(keys, axis=1, kind="stable")[:, :np.shape(Dall)[2]]
    return np.take_along_axis(D, order, 1), np.take_along_axis(I, order, 1)


class ResultHeap:
    """The best k of results that come in parts: add_result(D, I) for each part, finalize(), then D and I."""

    def __init__(self, nq: int, k: int, keep_max: bool = False) -> None:
        self.nq, self.k = args.count(nq, "nq"), args.count(k, "k", 1)
        self._sign = -1 if keep_max else 1
        self.D: Floats = np.full((self.nq, self.k), self._sign * np.inf, np.float32)
        self.I: Ids = np.full((self.nq, self.k), -1, np.int64)

    def add_result(self, D: Any, I: Any) -> None:
        """Add results D and I [nq × any number], in any order."""
        self.add_result_subset(slice(None), D, I)

    def add_result_subset(self, subset: Any, D: Any, I: Any) -> None:
        """Add results of the queries with the numbers `subset`. I may be a single row for all of them."""
        old_D, old_I = self.D[subset], self.I[subset]
        D, I = np.asarray(D, np.float32), np.asarray(I, np.int64)
        if D.ndim != 2 or len(D) != len(old_D) or I.shape not in (D.shape, D.shape[1:]):
            raise ArgumentError(f"D has shape {D.shape}, I {I.shape}; both must be ({len(old_D)}, n)")
        D, I = np.hstack([old_D, D]), np.hstack([old_I, np.broadcast_to(I, D.shape)])
        order = np.argsort(self._sign * D, axis=1, kind="stable")[:, :self.k]
        self.D[subset], self.I[subset] = np.take_along_axis(D, order, 1), np.take_along_axis(I, order, 1)

    def finalize(self) -> None:
        """Nothing to do: D and I are sorted after each part."""


def search_with_parameters(index: FaissIndex, x: Any, k: int, params: SearchParameters | None = None,
                           output_stats: bool = False) -> Any:
    """index.search(x, k, params=params), and with output_stats also a dict of statistics."""
    if not output_stats:
        return index.search(x, k, params=params)
    before = index.counters()
    D, I = index.search(x, k, params=params)
    return D, I, _stats(index, before)


def range_search_with_parameters(index: FaissIndex, x: Any, radius: float, params: SearchParameters | None = None,
                                 output_stats: bool = False) -> Any:
    """index.range_search(x, radius, params=params), and with output_stats also a dict of statistics."""
    if not output_stats:
        return index.range_search(x, radius, params=params)
    before = index.counters()
    found = index.range_search(x, radius, params=params)
    return (*found, _stats(index, before))


def _stats(index: FaissIndex, before: Any) -> dict[str, float]:
    after = index.counters()
    return {"ndis": after.codes - before.codes, "nq": after.queries - before.queries,
            "pc_time": 1000 * (after.seconds - before.seconds)}


def imbalance_factor(assign: Any, k: int) -> float:
    """How uneven an assignment [n] to k clusters is: 1 if all clusters have equally many points, k if one has all."""
    counts = np.bincount(args.ids(assign, None, "assign"), minlength=args.count(k, "k", 1)).astype(np.float64)
    total = counts.sum()
    return float(k * (counts**2).sum() / total**2) if total else 1.0


def is_similarity_metric(metric: int) -> bool:
    """Whether larger values mean nearer vectors."""
    return favours_large(number_of(metric_of(metric)))


def get_compile_options() -> str:
    """The instruction sets that the library can use on this CPU, in FAISS's form: "OPTIMIZE AVX2 AVX512 "."""
    return "OPTIMIZE " + "".join(f"{isa.upper()} " for isa in text("isa_available").split() if isa != "ref")


def downcast_VectorTransform(vt: Any) -> Any:
    """The transform itself, whose class is always known."""
    return vt


def downcast_InvertedLists(invlists: Any) -> Any:
    return invlists


def downcast_Quantizer(quantizer: Any) -> Any:
    return quantizer
