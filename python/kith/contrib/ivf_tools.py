"""Searches of inverted files in lists that the caller chooses."""
from __future__ import annotations

from typing import Any

import kith


def _ivf(index: Any, x: Any) -> tuple[Any, Any]:
    """The inverted file behind an index's transforms, and x after these transforms."""
    while isinstance(index, kith.IndexPreTransform):
        x, index = index.apply_chain(x), index.index
    return index, x


def search_preassigned(index_ivf: Any, xq: Any, k: int, list_nos: Any, coarse_dis: Any = None) -> tuple[Any, Any]:
    """Search the lists list_nos [nq × nprobe] (−1: none) of an inverted file, which may be behind transforms."""
    index_ivf, xq = _ivf(index_ivf, xq)
    dist, ids = index_ivf.search_preassigned(xq, k, list_nos, coarse_dis)
    return dist, ids


def range_search_preassigned(index_ivf: Any, x: Any, radius: float, list_nos: Any, coarse_dis: Any = None
                             ) -> tuple[Any, Any, Any]:
    """Range search of the lists list_nos [nq × nprobe]."""
    index_ivf, x = _ivf(index_ivf, x)
    lims, dist, ids = index_ivf.range_search_preassigned(x, radius, list_nos, coarse_dis)
    return lims, dist, ids
