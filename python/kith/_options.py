"""Options of searches, and of training and adding, from keyword arguments."""
from __future__ import annotations

import ctypes
import os
from typing import Any

from . import _arrays
from ._lib import CALL_SIZES, AddOptions, SearchOptions, SearchStats, new_options

# Parameters of a search by name: integers, but for k_factor.
SEARCH_PARAMETERS = ("nprobe", "max_codes", "k_factor", "efSearch")

_default_threads = 0
_prepared: dict[Any, Any] = {}
MAX_PREPARED = 256


def set_threads(n: int) -> None:
    """Threads of calls that do not say how many they want; 0: as many as OpenMP takes (OMP_NUM_THREADS)."""
    global _default_threads
    _default_threads = _arrays.count(n, "threads", 0, 65536)


def get_threads() -> int:
    """Threads that a call takes if it does not say how many it wants."""
    if _default_threads:
        return _default_threads
    named = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if named.isdigit() and int(named) > 0:
        return int(named)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_of(threads: int | None) -> int:
    return _default_threads if threads is None else _arrays.count(threads, "threads", 0, 65536)


def search_options(threads: int | None, parameters: dict[str, Any], stats: SearchStats | None = None) -> Any:
    """A reference to options that nobody changes: made once for each set of values, but for statistics."""
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
    """Options of one call's own, into which more can be put."""
    checked: dict[str, Any] = {}
    for name, value in parameters.items():
        if name not in SEARCH_PARAMETERS:
            raise TypeError(f"search: unknown option {name!r}; there are filter, threads, progress, stats, "
                            f"{', '.join(SEARCH_PARAMETERS)}")
        if value is not None:
            checked[name] = _arrays.real(value, name) if name == "k_factor" else _arrays.count(value, name)
    return new_options(SearchOptions, threads=threads_of(threads), **checked)


def range_options(threads: int | None, exact: bool, parameters: dict[str, Any]) -> Any:
    """The same for a range search."""
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
    """Where to write statistics: `stats` is a SearchStats of the caller's."""
    if not isinstance(stats, SearchStats):
        raise TypeError(f"stats is a {type(stats).__name__}; it must be a kith.SearchStats")
    stats.size = CALL_SIZES[SearchStats]
    return ctypes.addressof(stats)


def watch(options: Any) -> Any:
    """For _calls.call: puts a progress callback into options."""

    def put(callback: Any) -> None:
        options.progress = ctypes.cast(callback, ctypes.c_void_p).value

    return put
