"""`cvar`, FAISS's global variables: statistics of searches, and settings."""
from __future__ import annotations

import threading
from typing import Any

from .._lib import SearchStats
from .._types import Ids
from . import arguments as args

_lock = threading.Lock()


class _Counts:
    """Counters, which add up until reset()."""

    _fields: tuple[str, ...] = ()
    _absent: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        for name in self._fields:
            setattr(self, name, 0)

    def add(self, other: Any) -> None:
        with _lock:
            for name in self._fields:
                setattr(self, name, getattr(self, name) + getattr(other, name))

    combine = add

    def __getattr__(self, name: str) -> Any:
        if name in self._absent:
            raise AttributeError(f"kith does not count {type(self).__name__}.{name}; it counts "
                                 f"{', '.join(self._fields)}")
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __repr__(self) -> str:
        return f"<kith.{type(self).__name__} {', '.join(f'{name}={getattr(self, name)}' for name in self._fields)}>"


class IndexIVFStats(_Counts):
    """Searches of inverted files. nq: queries; nlist: lists scanned; ndis: vectors compared; search_time: milliseconds,
    including the time to find the lists."""

    _fields = ("nq", "nlist", "ndis", "search_time")
    _absent = ("nheap_updates", "quantization_time")


class HNSWStats(_Counts):
    """Searches of graphs. n1: queries; n2: queries with fewer than k results; ndis: vectors compared."""

    _fields = ("n1", "n2", "ndis")
    _absent = ("nhops",)


class CVar:
    """`faiss.cvar`. The settings that tune FAISS's computations can be set, but have no effect."""

    _tuning = {
        "distance_compute_blas_threshold": 20, "distance_compute_blas_query_bs": 4096,
        "distance_compute_blas_database_bs": 1024, "distance_compute_min_k_reservoir": 100,
        "precomputed_table_max_bytes": 1 << 31}

    def __init__(self) -> None:
        self.__dict__.update(CVar._tuning)
        self.indexIVF_stats = IndexIVFStats()
        self.hnsw_stats = HNSWStats()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in CVar._tuning:
            value = args.count(value, name)
        elif name in self.__dict__ or name not in ("indexIVF_stats", "hnsw_stats"):
            raise AttributeError(f"cvar.{name} cannot be set")
        super().__setattr__(name, value)


cvar = CVar()


def count(kind: str, ids: Ids, stats: SearchStats, filtered: bool, seconds: float) -> None:
    """Add a search with results ids [nq × k] to the statistics of inverted files ("ivf") or of graphs ("hnsw")."""
    compared = stats.passed if filtered else stats.pairs
    with _lock:
        if kind == "ivf":
            lists: Any = cvar.indexIVF_stats
            lists.nq += len(ids)
            lists.nlist += stats.lists
            lists.ndis += compared
            lists.search_time += 1000 * seconds
        else:
            graphs: Any = cvar.hnsw_stats
            graphs.n1 += len(ids)
            graphs.n2 += int((ids[:, -1] < 0).sum())
            graphs.ndis += compared
