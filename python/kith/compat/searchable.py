"""The const methods of indexes in the FAISS-like interface: searches, vectors by id, encoding and decoding."""
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
from .._part import CopyHandle, FineHandle, PartHandle
from .._types import Codes, Floats, Ids, Limits
from ..filter import Filter
from ..index import Index
from . import arguments as args
from . import statistics
from .computer import DistanceComputer
from .naming import Naming, by_name
from .parameters import Parameters, SearchParameters


class Searchable(Index):
    """An index that can be searched.

    _handle   the library's index, of which this object is the whole or a part
    _node     which node of the library's index this object stands for
    _part     whether this is a part of another index of this interface, whose handle and parameters it shares
    _is_fine  whether this is the index by which the refinement at `_node` reranks candidates
    """

    __slots__ = ("d", "verbose", "_spec", "_metric", "_params", "_node", "_part", "_is_fine", "_view", "_inner")

    d: int
    verbose: bool
    _params: Parameters
    _spec: str
    _metric: int
    _node: int
    _part: bool
    _is_fine: bool
    _view: Index | None

    def _naming(self) -> Naming | None:
        """The naming of vectors; None if their names are ids of the library."""
        raise NotImplementedError

    # ---- properties ----

    def __bool__(self) -> bool:
        """An index is true even if it is empty."""
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
        """The word of the codec in the factory string."""
        return self._spec.split(",")[-1]

    @property
    def code_size(self) -> int:
        """The bytes of a vector's code."""
        return _codes.code_size(self._part_handle())

    def __repr__(self) -> str:
        text = super().__repr__()
        return text[:-1] + " part>" if self._part else text

    # ---- searching ----

    def _source(self) -> Index:
        """The library's index that this object stands for: the whole index, or a part of it."""
        if isinstance(self._handle, CopyHandle):
            return Index._of(self._handle.current())
        if not self._node and not self._is_fine:
            return self
        if self._view is None:
            self._view = Index._of(self._part_handle())
        return self._view

    def _part_handle(self) -> Handle:
        """A handle of the library's index that this object stands for."""
        if self._is_fine:
            return FineHandle(self._handle, self._node)
        return PartHandle(self._handle, self._node) if self._node else self._handle

    @property
    def _counted(self) -> str:
        """The statistics of cvar to which searches of this index are added: "ivf", "hnsw", or "" for none."""
        used = self._params.used
        return "ivf" if "nprobe" in used else "hnsw" if "efSearch" in used else ""

    def _options(self, params: SearchParameters | None) -> tuple[dict[str, Any], Filter | None]:
        return self._params.options(params, self), None if params is None else params.filter()

    def search(  # type: ignore[override]
            self, x: Any, k: int, *, params: SearchParameters | None = None, D: Any = None, I: Any = None,
               numeric_type: Any = None) -> tuple[Floats, Ids]:
        """The k nearest vectors of each row of x [n × d]: distances D and ids I, both [n × k], with id −1 where there are
        fewer. If arrays D and I are given, the results are written to them."""
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
            naming = self._naming()
            found = chosen if chosen is None or naming is None else naming.filter(chosen, self._handle)
            if found is None:
                source._search(x, k, D, I, _options.search_options(None, options, stats))
            else:
                source._search_with(x, k, D, I, None, options, found, None, stats)
            if naming is self._naming():  # otherwise another thread has just changed the names: search again
                break
        if stats is not None:
            statistics.count(counted, I, stats, found is not None, time.perf_counter() - began)
        if naming is not None:
            I[:] = naming.to_names(I, self._handle)
        return D, I

    def range_search(  # type: ignore[override]
            self, x: Any, thresh: float, *, params: SearchParameters | None = None
                     ) -> tuple[Limits, Floats, Ids]:
        """All vectors within a threshold: lims [n + 1], distances D and ids I. The results of query i are elements
        lims[i] … lims[i + 1] − 1, ordered by id."""
        x = args.vectors(x, self.d, "x")
        options, chosen = self._options(params)
        while True:
            naming = self._naming()
            found = chosen if chosen is None or naming is None else naming.filter(chosen, self._handle)
            lims, D, I = Index.range_search(self._source(), x, thresh, filter=found, **options)
            if naming is self._naming():
                break
        return by_name(lims, D, I if naming is None else naming.to_names(I, self._handle))

    def assign(self, x: Any, k: int = 1, labels: Any = None) -> Ids:
        """The ids of the k nearest vectors [n × k]."""
        _, found = self.search(x, k, I=labels)
        return found

    def get_distance_computer(self) -> DistanceComputer:
        """Distances from one query to vectors of this index, one at a time."""
        return DistanceComputer(self)

    # ---- vectors by id ----

    def _ids(self) -> Ids:
        """All ids of the library, in the order in which vectors are stored."""
        return Index.ids(self)

    def _stored_vectors(self) -> Floats:
        """All vectors, in the order in which they are stored."""
        x = np.empty((self.ntotal, self.d), np.float32)
        self._source()._get(self._ids(), x)
        return x

    def ids(self) -> Ids:
        """All ids, in the order in which vectors are stored."""
        naming = self._naming()
        return self._ids() if naming is None else naming.all(self._handle)

    def __contains__(self, id: Any) -> bool:
        naming = self._naming()
        if naming is None:
            return Index.__contains__(self, id)
        return bool((naming.all(self._handle) == args.count(id, "id", -2**63)).any())

    def reconstruct(self, key: int, x: Any = None) -> Floats:
        """The vector with an id, as the index stores it. Of several vectors with the id, the one that was added last."""
        keys = np.array([args.count(key, "key", -2**63)])
        return self.reconstruct_batch(keys, None if x is None else _row(x, self.d))[0]

    def reconstruct_batch(self, key: Any, x: Any = None) -> Floats:
        """The vectors with ids [n]."""
        keys = args.ids(np.atleast_1d(key) if np.ndim(key) == 0 and key is not None else key, None, "key")
        x = args.output(x, (len(keys), self.d), np.float32, "x")
        naming = self._naming()
        self._source()._get(keys if naming is None else naming.to_ids(keys, self._handle, "key"), x)
        return x

    def get(self, ids: Any) -> Floats:
        if np.ndim(ids) == 0:
            return self.reconstruct(ids)
        return self.reconstruct_batch(ids)

    def reconstruct_n(self, n0: int = 0, ni: int = -1, x: Any = None) -> Floats:
        """The vectors with ids n0 … n0 + ni − 1; with ni = −1, all from n0 on."""
        n0, ni = args.count(n0, "n0", -2**63), args.count(ni, "ni", -2**63)
        ni = self.ntotal - n0 if ni == -1 else ni
        if ni < 0 or (ni and n0 < 0):
            raise ArgumentError(f"n0 is {n0}, ni is {ni}; the index has {_arrays.counted(self.ntotal, 'vector')}")
        return self.reconstruct_batch(np.arange(n0, n0 + min(ni, self.ntotal + 1)), x)

    def search_and_reconstruct(self, x: Any, k: int, *, params: SearchParameters | None = None, D: Any = None,
                               I: Any = None, R: Any = None) -> tuple[Floats, Ids, Floats]:
        """search(), and the vectors found, R [n × k × d]; NaN where no vector was found."""
        D, I = self.search(x, k, params=params, D=D, I=I)
        R = args.output(R, (*I.shape, self.d), np.float32, "R")
        there = I != -1
        R[there] = self.reconstruct_batch(I[there])
        R[~there] = np.nan
        return D, I, R

    # ---- encoding and decoding ----

    def sa_code_size(self) -> int:
        """The bytes of a code that sa_encode returns."""
        return self.code_size

    def sa_encode(self, x: Any) -> Codes:
        """The codes [n × sa_code_size()] of vectors [n × d], which need not be in the index."""
        x = args.vectors(x, self.d, "x")
        x = args.floats(x, self.d, "x")
        return _codes.encode(self._part_handle(), x)

    def sa_decode(self, codes: Any) -> Floats:
        """The decoded vectors [n × d] of codes."""
        codes = args.codes_of(codes, self.sa_code_size())
        return _codes.decode(self._part_handle(), codes)


def _row(x: Any, d: int) -> Floats:
    return args.output(x, (d,), np.float32, "x").reshape(1, d)
