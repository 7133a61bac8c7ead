"""Builds the options structs of searching, training and adding from keyword arguments."""
from __future__ import annotations

import ctypes
import os
from typing import Any

from . import _arrays
from ._lib import CALL_SIZES, AddOptions, SearchOptions, SearchStats, new_options

# The parameters of a search. All are integers except k_factor.
SEARCH_PARAMETERS = ("nprobe", "max_codes", "k_factor", "efSearch")

_default_threads = 0
_prepared: dict[Any, Any] = {}
MAX_PREPARED = 256


def set_threads(n: int) -> None:
    """Set the number of threads of calls without a `threads` argument; 0: OpenMP's default (OMP_NUM_THREADS)."""
    global _default_threads
    _default_threads = _arrays.count(n, "threads", 0, 65536)


def get_threads() -> int:
    """The number of threads of calls without a `threads` argument."""
    if _default_threads:
        return _default_threads
    named = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if named.isdigit() and int(named) > 0:
        return int(named)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_of(threads: int | None) -> int:
    return _default_threads if threads is None else _arrays.count(threads, "threads", 0, 65536)


def search_options(threads: int | None, parameters: dict[str, Any], stats: SearchStats | None = None) -> Any:
    """A reference to options, which the caller must not change: they are shared by all calls with the same values. With
    stats the options are a copy of the call's own."""
    key = (threads, _default_threads, *parameters.items())
    try:
        found = _prepared.get(key)
    except TypeError:  # an unhashable value, which new_search_options refuses
        found = None
    if found is None:
        found = ctypes.byref(new_search_options(threads, parameters))
        if len(_prepared) >= MAX_PREPARED:
            _prepared.clear()
        _prepared[key] = found
    if stats is not None:
        own = SearchOptions.from_buffer_copy(found._obj)  # type: ignore[union-attr]
        own.stats = stats_pointer(stats)
        return ctypes.byref(own)
    return found


def new_search_options(threads: int | None, parameters: dict[str, Any]) -> Any:
    """Options for one call, which the caller may change."""
    checked: dict[str, Any] = {}
    for name, value in parameters.items():
        if name not in SEARCH_PARAMETERS:
            raise TypeError(f"search: unknown option {name!r}; the options are filter, threads, progress, stats, "
                            f"{', '.join(SEARCH_PARAMETERS)}")
        if value is not None:
            checked[name] = _arrays.real(value, name) if name == "k_factor" else _arrays.count(value, name)
    return new_options(SearchOptions, threads=threads_of(threads), **checked)


def range_options(threads: int | None, exact: bool, parameters: dict[str, Any]) -> Any:
    """Options for one range search."""
    options = new_search_options(threads, parameters)
    options.exact_range = 1 if exact else 0
    return options


def add_options(threads: int | None, seed: int = 1234, efConstruction: int | None = None,
                projection: bool = True) -> Any:
    values = {"seed": _arrays.count(seed, "seed", 0, 2**64 - 1), "no_projection": 0 if projection else 1}
    if efConstruction is not None:
        values["efConstruction"] = _arrays.count(efConstruction, "efConstruction")
    return new_options(AddOptions, threads=threads_of(threads), **values)


def stats_pointer(stats: Any) -> int:
    """The address of the caller's SearchStats, to which the library writes."""
    if not isinstance(stats, SearchStats):
        raise TypeError(f"stats is a {type(stats).__name__}; it must be a kith.SearchStats")
    stats.size = CALL_SIZES[SearchStats]
    return ctypes.addressof(stats)


def watch(options: Any) -> Any:
    """The `watch` argument of _calls.call: a function that puts a progress callback into these options."""

    def put(callback: Any) -> None:
        options.progress = ctypes.cast(callback, ctypes.c_void_p).value

    return put
