"""Finds the cheapest search options that reach a given recall."""
from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _arrays, _calls, _options
from ._lib import TuneOptions, TuneResult, lib, new_options

if TYPE_CHECKING:
    from .index import Index


class Tuned(NamedTuple):
    """The result of tuning. options: keyword arguments of search; with these, recall: that of the sample, seconds: of
    one query, codes: vectors that one query compares; settings: how many combinations were tried."""

    options: dict[str, Any]
    recall: float
    seconds: float
    codes: float
    settings: int


def used_options(pointer: int) -> tuple[str, ...]:
    """The search parameters that affect an index."""
    return tuple(name for name in _options.SEARCH_PARAMETERS if lib.index_uses(pointer, name.encode()))


def tune(index: Index, q: Any, truth: Any, recall: float, batch: int, runs: int, certainty: float, filter: Any,
         threads: int | None, progress: Any, parameters: dict[str, Any]) -> Tuned:
    queries = _arrays.floats(q, index.dim, "q")
    ids = np.asarray(truth)
    if ids.dtype.kind not in "iu" or ids.ndim != 2 or len(ids) != len(queries) or not ids.shape[1]:
        raise ValueError(f"truth is {ids.dtype} of shape {ids.shape}; it must be the ids of the nearest neighbours, "
                         f"({len(queries)}, k)")
    ids = _arrays.plain(ids, np.int64)
    options = _options.new_search_options(threads, parameters)
    chosen = index._put(options, filter, None)
    result = TuneResult(size=ctypes.sizeof(TuneResult))
    how = new_options(TuneOptions, batch=_arrays.count(batch, "batch"), runs=_arrays.count(runs, "runs", 1, 10**6),
                      certainty=_arrays.real(certainty, "certainty"), result=ctypes.addressof(result))
    with index._handle.reading() as pointer:
        used = used_options(pointer)
        _calls.call(lib.index_tune, pointer, len(queries), _arrays.address(queries), ids.shape[1],
                    _arrays.address(ids), _arrays.real(recall, "recall"), ctypes.byref(options), ctypes.byref(how),
                    work=_calls.LONG, progress=progress, watch=_options.watch(how),
                    calls_python=chosen is not None and chosen.calls_python)
    if chosen is not None:
        chosen.raise_error()
    found = {name: getattr(options, name) for name in used if getattr(options, name)}
    return Tuned(found, result.recall, result.seconds, result.codes, result.settings)
