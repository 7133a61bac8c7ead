"""Graph indexes."""
# mypy: warn-return-any=False
from __future__ import annotations

import re
from typing import Any

from .. import _arrays
from .._errors import ArgumentError, InvalidError, UnsupportedError
from .._handle import Handle
from .._part import CopyHandle
from .._streams import handle_of_faiss
from . import arguments as args
from . import image, constructors
from .base import Chain, FaissIndex
from .flat import IndexFlatCodes, PQView, ScalarQuantizer, pq_word
from .metrics import METRIC_L2, name_of, same_metric
from .parameters import DEFAULTS, Parameters, checked
from .swig import Owned

EF_CONSTRUCTION = 40  # FAISS's default
DEFAULT_EF = DEFAULTS["efSearch"]


class HNSWView(Owned):
    """`index.hnsw`: efConstruction and efSearch, which may be set; and copies of the graph's arrays: levels (the number of
    levels of each vector), neighbors (−1: none), offsets, cum_nneighbor_per_level, assign_probas, entry_point, max_level.
    search_bounded_queue and check_relative_distance have no effect: kith's queue of candidates is always bounded by
    efSearch, and its searches always stop by comparing distances."""

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
        """A copy of the vectors, as an index without the graph."""
        self._look()
        if not isinstance(self._graph[2], FaissIndex):
            self._graph = *self._graph[:2], FaissIndex._of(handle_of_faiss(self._graph[2]))
            self._graph[2]._params.kind = self._params.kind
        return self._graph[2]

    def nb_neighbors(self, layer_no: int) -> int:
        """The number of links of a vector on a level."""
        M = self._index.M  # type: ignore[attr-defined]
        return 2 * M if args.count(layer_no, "layer_no") == 0 else M

    def cum_nb_neighbors(self, layer_no: int) -> int:
        """The number of links of a vector on all levels below."""
        return sum(self.nb_neighbors(level) for level in range(args.count(layer_no, "layer_no", 0, 1000)))

    def neighbor_range(self, no: int, layer_no: int) -> tuple[int, int]:
        """The range within `neighbors` of the links of vector `no` on a level."""
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
        """The highest level; −1 if the index is empty."""
        return self._look()["max_level"] if self._index.ntotal else -1

    @property
    def entry_point(self) -> int:
        """The number of the vector at which searches start; −1 if the index is empty."""
        return self._look()["entry_point"] if self._index.ntotal else -1


class IndexHNSW(FaissIndex):
    """A hierarchical navigable small-world graph. IndexHNSW(storage, M) encodes vectors as `storage` does, which is an
    empty flat index (IndexFlat, IndexPQ, IndexScalarQuantizer).

    As in FAISS, `storage` can be searched without the graph afterwards. The graph stores the vectors itself, so `storage`
    becomes a read-only copy of them, which is made when it is used after a change."""

    __slots__ = ("_hnsw", "_storage", "_pq")
    _hnsw: HNSWView | None
    _storage: FaissIndex | None  # the one that was given to the constructor
    _uses = ("efSearch",)
    _counts_from_ntotal = False  # FAISS cannot remove vectors from graphs, so its rule for ids after that does not matter

    def __init__(self, storage: FaissIndex, M: int = 32) -> None:
        if not isinstance(storage, FaissIndex):
            raise ArgumentError(f"storage is {_arrays.short(storage)}; it must be an index such as IndexFlat(d, metric). "
                                "IndexHNSWFlat(d, M, metric) needs no other index")
        if not isinstance(storage, IndexFlatCodes):
            raise UnsupportedError(f"storage is an {type(storage).__name__}; it must be an IndexFlat, IndexPQ or "
                                   "IndexScalarQuantizer")
        storage._wrappable()
        image.metric_number(storage)
        if storage.ntotal:
            raise InvalidError(f"storage has {_arrays.counted(storage.ntotal, 'vector')}; it must be empty, and vectors are "
                               "added to the IndexHNSW")
        self._create(storage.d, M, storage._word, _arrays.metric_name(storage._metric))
        if storage.is_trained and not self.is_trained:
            with self._handle.changing():
                self._handle.replace(image.of_storage(self, storage))
                self._handle.trainings += 1
        self._params.take(storage._params)
        self._params.efConstruction = EF_CONSTRUCTION
        storage._place(CopyHandle(lambda: self._vectors()._handle), storage._spec, storage.d, storage._metric,
                       storage._params, 0, True)
        self._storage = storage

    def _create(self, d: int, M: int, word: str, metric: Any) -> None:
        """Make this the whole of a new graph whose vectors are encoded by the codec `word`."""
        FaissIndex.__init__(self, f"HNSW{args.count(M, 'M', 1)},{word}", d, metric)

    def _place(self, handle: Handle, spec: str, d: int, metric: int, params: Parameters, node: int,
               part: bool) -> None:
        super()._place(handle, spec, d, metric, params, node, part)
        self._hnsw, self._storage = None, None
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
        """The vectors, as an index without the graph: the index that was given to the constructor, or a copy."""
        return self._vectors() if self._storage is None else self._storage

    @storage.setter
    def storage(self, value: Any) -> None:
        raise UnsupportedError("storage cannot be set: kith's graphs store their vectors themselves; use "
                               "IndexHNSW(storage, M), IndexHNSWSQ or IndexHNSWPQ for compressed vectors")

    def _vectors(self) -> FaissIndex:
        """A copy of the vectors, as an index without the graph."""
        if self.is_trained:
            return self.hnsw.storage()
        untrained: FaissIndex = constructors.index_factory(self.d, self._word, name_of(same_metric(self._metric)))
        untrained._params.kind = self._params.kind
        return untrained

    @property
    def M(self) -> int:
        """The number of links of a vector on each level but the lowest, which has twice as many."""
        found = re.match(r"HNSW(\d+)", self._spec)
        return int(found[1]) if found else 32

    @property
    def _word(self) -> str:
        words = self._spec.split(",")
        return words[1] if len(words) > 1 else "Flat"


class IndexHNSWFlat(IndexHNSW):
    __slots__ = ()

    def __init__(self, d: int, M: int = 32, metric: Any = METRIC_L2) -> None:
        self._create(d, M, "Flat", metric)


class IndexHNSWSQ(IndexHNSW):
    __slots__ = ()

    def __init__(self, d: int, qtype: int = ScalarQuantizer.QT_8bit, M: int = 32, metric: Any = METRIC_L2) -> None:
        self._create(d, M, ScalarQuantizer.word(qtype), metric)

    @property
    def sq(self) -> ScalarQuantizer:
        return ScalarQuantizer.of_index(self)


class IndexHNSWPQ(IndexHNSW):
    __slots__ = ()

    def __init__(self, d: int, pq_m: int, M: int = 32, pq_nbits: int = 8, metric: Any = METRIC_L2) -> None:
        self._create(d, M, pq_word(pq_m, pq_nbits), metric)

    @property
    def pq(self) -> PQView:
        if not hasattr(self, "_pq"):
            self._pq = PQView(self)
        return self._pq
