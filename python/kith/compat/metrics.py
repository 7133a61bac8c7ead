"""FAISS's numbers of metrics. Only kith.compat uses them; everywhere else in kith, metrics are given by name."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import _arrays, learn
from .._errors import ArgumentError, KithError, UnsupportedError
from ..index import Neighbours
from . import arguments as args

METRIC_INNER_PRODUCT, METRIC_L2, METRIC_L1, METRIC_Linf, METRIC_Lp = 0, 1, 2, 3, 4
METRIC_Canberra, METRIC_BrayCurtis, METRIC_JensenShannon, METRIC_Jaccard, METRIC_NaNEuclidean = 20, 21, 22, 23, 24
_NAMES = {METRIC_L2: "l2", METRIC_INNER_PRODUCT: "ip", METRIC_L1: "l1", METRIC_Linf: "linf", METRIC_Canberra: "canberra",
          METRIC_BrayCurtis: "braycurtis", METRIC_JensenShannon: "jensenshannon", METRIC_Jaccard: "jaccard",
          METRIC_NaNEuclidean: "naneuclidean"}
# Metrics that kith lacks. The names exist because programs list them in tables; using one raises an error.
OTHERS = {25: "GOWER"}


def name_of(metric: Any, argument: float = 0) -> str:
    """The name of a metric that is given by its name or by FAISS's number. argument: the exponent of METRIC_Lp, 1 where
    it is not said."""
    if isinstance(metric, str):
        return metric
    try:
        return f"lp{argument or 1:.9g}" if metric == METRIC_Lp else _NAMES[metric]
    except (KeyError, TypeError):
        if type(metric) is int and metric in OTHERS:
            raise UnsupportedError(f"metric is {metric}, which is METRIC_{OTHERS[metric]}; kith has METRIC_L2, "
                                   "METRIC_INNER_PRODUCT, METRIC_L1, … and, in kith.Index, cosine") from None
        raise ArgumentError(f"metric is {_arrays.short(metric)}; it must be {', '.join(map(repr, _arrays.METRICS))}, 'lp3', "
                            "METRIC_L2, METRIC_INNER_PRODUCT, METRIC_L1, METRIC_Linf, METRIC_Lp, …") from None


def metric_of(metric: Any, argument: float = 0) -> int:
    """The library's number of a metric that is given by its name or by FAISS's number."""
    return args.asserted(_arrays.metric_named)(name_of(metric, argument))


def number_of(metric: int) -> int:
    """FAISS's number for the library's number of a metric; inner product for cosine, which FAISS lacks."""
    if metric < 0:
        return METRIC_Lp
    name = _arrays.metric_name(metric)
    return next((number for number, known in _NAMES.items() if known == name), METRIC_INNER_PRODUCT)


def same_metric(metric: int) -> Any:
    """A metric that the library numbers so, to make another index with: FAISS's number or, for Lp, its name."""
    return _arrays.metric_name(metric) if metric < 0 else number_of(metric)


def favours_large(metric: int) -> bool:
    """Whether larger is nearer, by FAISS's number."""
    return metric in (METRIC_INNER_PRODUCT, METRIC_Jaccard)


def _ratio(num: Any, den: Any) -> Any:
    """num / den, where 0 / 0 is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(num == 0, 0, num / den)


def _divergence(a: Any, b: Any) -> Any:
    m = (a + b) / 2
    return (a * np.log(_ratio(a, m), where=a > 0, out=np.zeros_like(m)) + b * np.log(
        _ratio(b, m), where=b > 0, out=np.zeros_like(m))).sum(-1) / 2


def _missing(a: Any, b: Any) -> Any:
    """Squared distances over what is there in both, scaled up; NaN where nothing is."""
    apart = a - b
    there = (~np.isnan(apart)).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nansum(apart**2, -1) * (apart.shape[-1] / there)


def scores(metric: int, a: Any, b: Any, argument: float = 0) -> Any:
    """Scores of pairs of vectors along the last axis. metric: FAISS's number."""
    if metric == METRIC_INNER_PRODUCT:
        return (a * b).sum(-1)
    if metric == METRIC_JensenShannon:
        return _divergence(a, b)
    if metric == METRIC_NaNEuclidean:
        return _missing(a, b)
    apart = abs(a - b)
    if metric == METRIC_Canberra:
        return _ratio(apart, abs(a) + abs(b)).sum(-1)
    if metric == METRIC_BrayCurtis:
        return _ratio(apart.sum(-1), abs(a + b).sum(-1))
    if metric == METRIC_Jaccard:
        return 1 - _ratio(apart.sum(-1), np.maximum(a, b).sum(-1))
    if metric in (METRIC_L2, METRIC_Lp):
        return (apart**(argument or 1 if metric == METRIC_Lp else 2)).sum(-1)
    return apart.sum(-1) if metric == METRIC_L1 else apart.max(-1)


def knn(xq: Any, xb: Any, k: int, metric: Any = "l2", metric_arg: float = 0, *, filter: Any = None,
        threads: int | None = None, progress: Any = None) -> Neighbours:
    """The k nearest rows of xb [n × dim] for each row of xq [nq × dim]: exact, without an index. metric: "l2", "ip",
    "cosine", "l1", …, or, as in FAISS's function of this name, METRIC_L2, METRIC_INNER_PRODUCT, … metric_arg: for METRIC_Lp."""
    try:
        return learn.knn(xq, xb, k, name_of(metric, metric_arg), filter=filter, threads=threads, progress=progress)
    except KithError:
        raise
    except ValueError as error:  # FAISS asserts shapes and k
        raise ArgumentError(str(error)) from None
