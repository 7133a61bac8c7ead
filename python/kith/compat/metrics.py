"""FAISS's numbers of metrics. Only kith.compat uses them; everywhere else in kith, metrics are given by name."""
from __future__ import annotations

from typing import Any

from .. import _arrays, learn
from .._errors import ArgumentError, KithError, UnsupportedError
from ..index import Neighbours
from . import arguments as args

METRIC_INNER_PRODUCT, METRIC_L2, METRIC_L1, METRIC_Linf = 0, 1, 2, 3
_NAMES = {METRIC_L2: "l2", METRIC_INNER_PRODUCT: "ip", METRIC_L1: "l1", METRIC_Linf: "linf"}
# Metrics that kith lacks. The names exist because programs list them in tables; using one raises an error.
OTHERS = {4: "Lp", 20: "Canberra", 21: "BrayCurtis", 22: "JensenShannon", 23: "Jaccard",
          24: "NaNEuclidean", 25: "GOWER"}


def name_of(metric: Any) -> str:
    """The name of a metric that is given by its name or by FAISS's number."""
    if isinstance(metric, str):
        return metric
    try:
        return _NAMES[metric]
    except (KeyError, TypeError):
        if type(metric) is int and metric in OTHERS:
            raise UnsupportedError(f"metric is {metric}, which is METRIC_{OTHERS[metric]}; kith has METRIC_L2, "
                                   "METRIC_INNER_PRODUCT, METRIC_L1, METRIC_Linf and, in kith.Index, cosine") from None
        raise ArgumentError(f"metric is {_arrays.short(metric)}; it must be 'l2', 'ip', 'cosine', 'l1', 'linf', "
                            "METRIC_L2, METRIC_INNER_PRODUCT, METRIC_L1 or METRIC_Linf") from None


def metric_of(metric: Any) -> int:
    """The library's number of a metric that is given by its name or by FAISS's number."""
    return args.asserted(_arrays.metric_named)(name_of(metric))


def number_of(metric: int) -> int:
    """FAISS's number for the library's number of a metric; inner product for cosine, which FAISS lacks."""
    name = _arrays.METRIC_NAMES[metric]
    return next((number for number, known in _NAMES.items() if known == name), METRIC_INNER_PRODUCT)


def scores(metric: int, a: Any, b: Any) -> Any:
    """Distances or inner products of pairs of vectors along the last axis. metric: FAISS's number."""
    if metric == METRIC_INNER_PRODUCT:
        return (a * b).sum(-1)
    difference = a - b
    if metric == METRIC_L2:
        return (difference**2).sum(-1)
    return abs(difference).sum(-1) if metric == METRIC_L1 else abs(difference).max(-1)


def knn(xq: Any, xb: Any, k: int, metric: Any = "l2", *, filter: Any = None, threads: int | None = None,
        progress: Any = None) -> Neighbours:
    """The k nearest rows of xb [n × dim] for each row of xq [nq × dim]: exact, without an index. metric: "l2", "ip",
    "cosine", "l1" or "linf", or, as in FAISS's function of this name, METRIC_L2, METRIC_INNER_PRODUCT, …"""
    try:
        return learn.knn(xq, xb, k, name_of(metric), filter=filter, threads=threads, progress=progress)
    except KithError:
        raise
    except ValueError as error:  # FAISS asserts shapes and k
        raise ArgumentError(str(error)) from None
