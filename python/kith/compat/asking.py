"""What the indexes of the FAISS-like interface are asked: searches, vectors by id, codes."""
# mypy: warn-return-any=False
from __future__ import annotations

import time
from typing import Any

import numpy as np

from .. import _arrays, _codes, _options
from .metrics import number_of
from .._errors import ArgumentError
from .._handle import Handle
from .._lib import SearchStats
from .._part import FineHandle, PartHandle
from .._types import Codes, Floats, Ids, Limits
from ..filter import Filter
from ..index import Index
from . import arguments as args
from . import statistics
from .computer import DistanceComputer
from .naming import Naming, by_name
from .parameters import Parameters, SearchParameters


class Asking(Index):
    """The questions of an index. `_part`: it is a part of another, whose handle and parameters it has; `_node`:
    which one; `_ranks`: what the refinement there ranks candidates by."""

    __slots__ = ("d", "verbose", "_spec", "_metric", "_params", "_node", "_part", "_ranks", "_view", "_inner")

    d: int
    verbose: bool
    _params: Parameters
    _spec: str
    _metric: int
    _node: int
    _part: bool
    _ranks: bool
    _view: Index | None

    def _rename(self) -> Naming | None:
        """What vectors are called, if not by ids of the library's."""
        raise NotImplementedError

    # ---- what it is ----

    def __bool__(self) -> bool:
        """An index is true, however many vectors it has."""
        return True

    @property
    def ntotal(self) -> int:
        return self._ask("size")

    @property
    def metric_type(self) -> int:
        return number_of(self._metric)

    @property
    def dim(self) -> int:
        return self.d

    @property
    def spec(self) -> str:
        return self._spec

    @property
    def _word(self) -> str:
        """The codec's word of the factory string."""
        return self._spec.split(",")[-1]

    @property
    def code_size(self) -> int:
        """Bytes of a vector's code."""
        return _codes.code_size(self._part_handle())

    def __repr__(self) -> str:
        text = super().__repr__()
        return text[:-1] + " part>" if self._part else text

    # ---- searching ----

    def _source(self) -> Index:
        """The library's index that answers: the whole, or what a part is of it."""
        if not self._node and not self._ranks:
            return self
        if self._view is None:
            self._view = Index._of(self._part_handle())
        return self._view

    def _part_handle(self) -> Handle:
        """The handle of what this index stands for."""
        if self._ranks:
            return FineHandle(self._handle, self._node)
        return PartHandle(self._handle, self._node) if self._node else self._handle

    @property
    def _counted(self) -> str:
        """In which of cvar's statistics searches of this index are counted; "": in none."""
        used = self._params.used
        return "ivf" if "nprobe" in used else "hnsw" if "efSearch" in used else ""

    def _options(self, params: SearchParameters | None) -> tuple[dict[str, Any], Filter | None]:
        return self._params.options(params, self), None if params is None else params.filter()

    def search(  # type: ignore[override]
            self, x: Any, k: int, *, params: SearchParameters | None = None, D: Any = None, I: Any = None,
               numeric_type: Any = None) -> tuple[Floats, Ids]:
        """The k nearest vectors of each row of x [n × d]: distances D and ids I, both [n × k]; id −1 where there are
        fewer. D and I may be given to be filled."""
        x = args.vectors(x, self.d, "x")
        k = args.k_of(k)
        shape = (len(x), k)
        D = args.output(D, shape, np.float32, "D")
        I = args.output(I, shape, np.int64, "I")
        options, chosen = self._options(params)
        source, counted = self._source(), self._counted
        stats = SearchStats() if counted else None
        began = time.perf_counter() if counted else 0.0
        while True:
            naming = self._rename()
            found = chosen if chosen is None or naming is None else naming.filter(chosen, self._handle)
            if found is None:
                source._search(x, k, D, I, _options.search_options(None, options, stats))
            else:
                source._search_with(x, k, D, I, None, options, found, None, stats)
            if naming is self._rename():  # nobody has just given other names
                break
        if stats is not None:
            statistics.count(counted, I, stats, found is not None, time.perf_counter() - began)
        if naming is not None:
            I[:] = naming.outward(I, self._handle)
        return D, I

    def range_search(  # type: ignore[override]
            self, x: Any, thresh: float, *, params: SearchParameters | None = None
                     ) -> tuple[Limits, Floats, Ids]:
        """All vectors within a threshold: lims [n + 1], distances D and ids I; query i has lims[i] … lims[i + 1], in
        the order of ids."""
        x = args.vectors(x, self.d, "x")
        options, chosen = self._options(params)
        while True:
            naming = self._rename()
            found = chosen if chosen is None or naming is None else naming.filter(chosen, self._handle)
            lims, D, I = Index.range_search(self._source(), x, thresh, filter=found, **options)
            if naming is self._rename():
                break
        return by_name(lims, D, I if naming is None else naming.outward(I, self._handle))

    def assign(self, x: Any, k: int = 1, labels: Any = None) -> Ids:
        """Ids of the k nearest vectors [n × k]."""
        _, found = self.search(x, k, I=labels)
        return found

    def get_distance_computer(self) -> DistanceComputer:
        """Distances from one query to vectors of this index, one at a time."""
        return DistanceComputer(self)

    # ---- vectors by id ----

    def _ids(self) -> Ids:
        """Ids of the library's, in the order in which vectors are stored."""
        return Index.ids(self)

    def _kept(self) -> Floats:
        """All vectors, in the order in which they are stored."""
        x = np.empty((self.ntotal, self.d), np.float32)
        self._source()._get(self._ids(), x)
        return x

    def ids(self) -> Ids:
        """All ids, in the order in which vectors are stored."""
        naming = self._rename()
        return self._ids() if naming is None else naming.all(self._handle)

    def __contains__(self, id: Any) -> bool:
        naming = self._rename()
        if naming is None:
            return Index.__contains__(self, id)
        return bool((naming.all(self._handle) == args.count(id, "id", -2**63)).any())

    def reconstruct(self, key: int, x: Any = None) -> Floats:
        """The vector of an id, as the index keeps it; of a repeated id that which was added last."""
        keys = np.array([args.count(key, "key", -2**63)])
        return self.reconstruct_batch(keys, None if x is None else _row(x, self.d))[0]

    def reconstruct_batch(self, key: Any, x: Any = None) -> Floats:
        """The vectors of ids [n]."""
        keys = args.ids(np.atleast_1d(key) if np.ndim(key) == 0 and key is not None else key, None, "key")
        x = args.output(x, (len(keys), self.d), np.float32, "x")
        naming = self._rename()
        self._source()._get(keys if naming is None else naming.inward(keys, self._handle, "key"), x)
        return x

    def get(self, ids: Any) -> Floats:
        if np.ndim(ids) == 0:
            return self.reconstruct(ids)
        return self.reconstruct_batch(ids)

    def reconstruct_n(self, n0: int = 0, ni: int = -1, x: Any = None) -> Floats:
        """The vectors of ids n0 … n0 + ni − 1; ni −1: all from n0 on."""
        n0, ni = args.count(n0, "n0", -2**63), args.count(ni, "ni", -2**63)
        ni = self.ntotal - n0 if ni == -1 else ni
        if ni < 0 or (ni and n0 < 0):
            raise ArgumentError(f"n0 is {n0}, ni is {ni}; there are {_arrays.counted(self.ntotal, 'vector')}")
        return self.reconstruct_batch(np.arange(n0, n0 + min(ni, self.ntotal + 1)), x)

    def search_and_reconstruct(self, x: Any, k: int, *, params: SearchParameters | None = None, D: Any = None,
                               I: Any = None, R: Any = None) -> tuple[Floats, Ids, Floats]:
        """search(), and the vectors found R [n × k × d]; NaN where there is none."""
        D, I = self.search(x, k, params=params, D=D, I=I)
        R = args.output(R, (*I.shape, self.d), np.float32, "R")
        there = I != -1
        R[there] = self.reconstruct_batch(I[there])
        R[~there] = np.nan
        return D, I, R

    # ---- the codec by itself ----

    def sa_code_size(self) -> int:
        """Bytes of a vector's code from sa_encode."""
        return self.code_size

    def sa_encode(self, x: Any) -> Codes:
        """Codes [n × sa_code_size()] of vectors [n × d] that need not be in the index."""
        x = args.vectors(x, self.d, "x")
        x = args.floats(x, self.d, "x")
        return _codes.encode(self._part_handle(), x)

    def sa_decode(self, codes: Any) -> Floats:
        """Vectors [n × d] that codes stand for."""
        codes = args.codes_of(codes, self.sa_code_size())
        return _codes.decode(self._part_handle(), codes)


def _row(x: Any, d: int) -> Floats:
    return args.output(x, (d,), np.float32, "x").reshape(1, d)
