"""Graph indexes."""
# mypy: warn-return-any=False
from __future__ import annotations

import re
from typing import Any

from .._errors import UnsupportedError
from .._handle import Handle
from .._streams import handle_of_faiss
from . import arguments as args
from . import image, making
from .base import Chain, FaissIndex
from .flat import PQView, ScalarQuantizer, pq_word
from .metrics import METRIC_L2
from .parameters import DEFAULTS, Parameters, checked
from .swig import Owned

EF_CONSTRUCTION = 40  # FAISS's default
DEFAULT_EF = DEFAULTS["efSearch"]


class HNSWView(Owned):
    """`index.hnsw`: efConstruction, of building, and efSearch, of searches, which may be set; and the graph, of which
    numbers are copies that are made when they are asked for: levels (of each vector, from 1), neighbors (−1: none),
    offsets, cum_nneighbor_per_level, assign_probas, entry_point, max_level. kith's searches are bounded by efSearch, and
    stop by comparing distances, whatever search_bounded_queue and check_relative_distance are."""

    __slots__ = ("_index", "_params", "search_bounded_queue", "check_relative_distance", "_graph", "_this")

    def __init__(self, index: FaissIndex) -> None:
        self._index, self._params = index, index._params
        self.search_bounded_queue = self.check_relative_distance = True
        self._graph: Any = None

    @property
    def efSearch(self) -> int:
        value = self._params.values["efSearch"]
        return DEFAULT_EF if not value and self._params.coarse else value

    @efSearch.setter
    def efSearch(self, value: int) -> None:
        self._params.values["efSearch"] = checked("efSearch", value)

    @property
    def efConstruction(self) -> int:
        return self._params.efConstruction or EF_CONSTRUCTION

    @efConstruction.setter
    def efConstruction(self, value: int) -> None:
        self._params.efConstruction = args.count(value, "efConstruction", 1)

    # ---- the graph ----

    def _look(self) -> dict[str, Any]:
        handle = self._index._handle
        state = handle.version, handle.pointer, handle.trainings
        if self._graph is None or self._graph[0] != state:
            self._graph = state, *image.graph(self._index)
        return self._graph[1]

    def storage(self) -> FaissIndex:
        """The vectors, as an index without the graph. A copy."""
        self._look()
        if not isinstance(self._graph[2], FaissIndex):
            self._graph = *self._graph[:2], FaissIndex._of(handle_of_faiss(self._graph[2]))
            self._graph[2]._params.kind = self._params.kind
        return self._graph[2]

    def nb_neighbors(self, layer_no: int) -> int:
        """Links of a vector on a level."""
        M = self._index.M  # type: ignore[attr-defined]
        return 2 * M if args.count(layer_no, "layer_no") == 0 else M

    def cum_nb_neighbors(self, layer_no: int) -> int:
        """Links of a vector on the levels below."""
        return sum(self.nb_neighbors(level) for level in range(args.count(layer_no, "layer_no", 0, 1000)))

    def neighbor_range(self, no: int, layer_no: int) -> tuple[int, int]:
        """Where in `neighbors` those of a vector on a level begin and end."""
        begin = int(self.offsets[no])
        return begin + self.cum_nb_neighbors(layer_no), begin + self.cum_nb_neighbors(layer_no + 1)

    levels = property(lambda self: self._look()["levels"])
    offsets = property(lambda self: self._look()["offsets"])
    neighbors = property(lambda self: self._look()["neighbors"])
    assign_probas = property(lambda self: self._look()["assign_probas"])
    cum_nneighbor_per_level = property(lambda self: Chain(self.cum_nb_neighbors(level) for level in range(
        len(self.assign_probas) + 1)))

    @property
    def max_level(self) -> int:
        """The highest level, −1 without vectors."""
        return self._look()["max_level"] if self._index.ntotal else -1

    @property
    def entry_point(self) -> int:
        """The vector that searches begin at, −1 without vectors."""
        return self._look()["entry_point"] if self._index.ntotal else -1


class IndexHNSW(FaissIndex):
    """A hierarchical navigable small-world graph."""

    __slots__ = ("_hnsw",)
    _hnsw: HNSWView | None
    _uses = ("efSearch",)
    _counts_from_ntotal = False  # FAISS removes nothing from graphs, so there is no other way to follow

    def __init__(self, d: int, M: int, word: str, metric: Any) -> None:
        super().__init__(f"HNSW{args.count(M, 'M', 1)},{word}", d, metric)

    def _place(self, handle: Handle, spec: str, d: int, metric: int, params: Parameters, node: int,
               part: bool) -> None:
        super()._place(handle, spec, d, metric, params, node, part)
        self._hnsw = None
        if self._params.efConstruction is None:
            self._params.efConstruction = EF_CONSTRUCTION

    @property
    def hnsw(self) -> HNSWView:
        if self._hnsw is None or self._hnsw._params is not self._params:
            self._hnsw = HNSWView(self)
        return self._hnsw

    def _take_settings(self, other: FaissIndex) -> None:
        super()._take_settings(other)
        assert isinstance(other, IndexHNSW)
        for name in ("search_bounded_queue", "check_relative_distance"):
            setattr(self.hnsw, name, getattr(other.hnsw, name))

    @property
    def storage(self) -> FaissIndex:
        """The vectors, as an index without the graph, for looking: a copy."""
        if not self.ntotal:
            empty: FaissIndex = making.index_factory(self.d, self._word, self.metric_type)
            empty._params.kind = self._params.kind
            return empty
        return self.hnsw.storage()

    @storage.setter
    def storage(self, value: Any) -> None:
        raise UnsupportedError("storage: a graph of kith's keeps its vectors itself; make an IndexHNSWSQ or IndexHNSWPQ "
                               "for smaller ones")

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
        return ScalarQuantizer.of_index(self)


class IndexHNSWPQ(IndexHNSW):
    __slots__ = ("_pq",)

    def __init__(self, d: int, pq_m: int, M: int = 32, pq_nbits: int = 8, metric: Any = METRIC_L2) -> None:
        super().__init__(d, M, pq_word(pq_m, pq_nbits), metric)

    @property
    def pq(self) -> PQView:
        if not hasattr(self, "_pq"):
            self._pq = PQView(self)
        return self._pq
