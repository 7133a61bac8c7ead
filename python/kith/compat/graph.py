"""Graph indexes."""
from __future__ import annotations

import re
from typing import Any

from .. import _arrays
from .metrics import METRIC_L2
from .._handle import Handle
from .base import FaissIndex
from .flat import PQView, ScalarQuantizer, pq_word
from .parameters import Parameters, parameter

EF_CONSTRUCTION = 40  # FAISS's default


class HNSWView:
    """`index.hnsw`: efConstruction, of building, and efSearch, of searches; both may be set."""

    __slots__ = ("_params",)

    def __init__(self, index: FaissIndex) -> None:
        self._params = index._params

    efSearch = parameter("efSearch")

    @property
    def efConstruction(self) -> int:
        return self._params.efConstruction or EF_CONSTRUCTION

    @efConstruction.setter
    def efConstruction(self, value: int) -> None:
        self._params.efConstruction = _arrays.count(value, "efConstruction", 1)


class IndexHNSW(FaissIndex):
    """A hierarchical navigable small-world graph."""

    __slots__ = ()
    _uses = ("efSearch",)
    _counts_from_ntotal = False  # FAISS removes nothing from graphs, so there is no other way to follow

    def __init__(self, d: int, M: int, word: str, metric: Any) -> None:
        super().__init__(f"HNSW{_arrays.count(M, 'M', 1)},{word}", d, metric)

    def _place(self, handle: Handle, spec: str, d: int, metric: int, params: Parameters, node: int,
               part: bool) -> None:
        super()._place(handle, spec, d, metric, params, node, part)
        if self._params.efConstruction is None:
            self._params.efConstruction = EF_CONSTRUCTION

    @property
    def hnsw(self) -> HNSWView:
        return HNSWView(self)

    @property
    def M(self) -> int:
        """Links of a vector on each level; twice as many on the lowest."""
        found = re.match(r"HNSW(\d+)", self._spec)
        return int(found[1]) if found else 32

    @property
    def _word(self) -> str:
        words = self._spec.split(",")
        return words[1] if len(words) > 1 else "Flat"


class IndexHNSWFlat(IndexHNSW):
    __slots__ = ()

    def __init__(self, d: int, M: int = 32, metric: Any = METRIC_L2) -> None:
        super().__init__(d, M, "Flat", metric)


class IndexHNSWSQ(IndexHNSW):
    __slots__ = ()

    def __init__(self, d: int, qtype: int = ScalarQuantizer.QT_8bit, M: int = 32, metric: Any = METRIC_L2) -> None:
        super().__init__(d, M, ScalarQuantizer.word(qtype), metric)

    @property
    def sq(self) -> ScalarQuantizer:
        return ScalarQuantizer.of_word(self._word, self.d)


class IndexHNSWPQ(IndexHNSW):
    __slots__ = ("_pq",)

    def __init__(self, d: int, pq_m: int, M: int = 32, pq_nbits: int = 8, metric: Any = METRIC_L2) -> None:
        super().__init__(d, M, pq_word(pq_m, pq_nbits), metric)

    @property
    def pq(self) -> PQView:
        if not hasattr(self, "_pq"):
            self._pq = PQView(self)
        return self._pq
