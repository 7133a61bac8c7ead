"""What all indexes of the FAISS-like interface have in common."""
from __future__ import annotations

from typing import Any, Iterator, List

import numpy as np

from .. import _arrays, _options
from .._arrays import METRIC_INNER_PRODUCT, METRIC_L2
from .._codecs import code_size, codec
from .._handle import Handle
from .._learned import learned
from .._lib import lib
from .._types import Codes, Floats, Ids
from ..filter import Filter
from ..index import Index, new_handle
from .parameters import Parameters, SearchParameters

EVERYTHING = (0, 2**63 - 1)


class Chain(List[Any]):
    """A list that also answers as a C++ vector does."""

    def at(self, i: int) -> Any:
        return self[i]

    def size(self) -> int:
        return len(self)


def fixed(name: str, only: Any) -> Any:
    """A property of an index that FAISS offers and kith has one value for."""

    def put(self: Any, value: Any) -> None:
        if value != only:
            raise NotImplementedError(f"{name} is always {only!r} in kith")

    return property(lambda self: only, put, doc=f"Always {only!r}.")


class FaissIndex(Index):
    """An index as FAISS presents it. It stands for the whole of one of kith's indexes or, as the `index` of an
    IndexPreTransform does, for a part of one, which can be looked at but not searched by itself."""

    __slots__ = ("d", "verbose", "own_fields", "_spec", "_metric", "_params", "_node", "_part", "_next")

    d: int
    verbose: bool

    def __init__(self, spec: str, d: int, metric: Any = METRIC_L2) -> None:
        self._adopt(new_handle(spec, d, metric), _arrays.metric_of(metric))

    def _adopt(self, handle: Handle, metric: int, params: Parameters | None = None) -> None:
        """Stand for the whole index in a handle."""
        self._handle = handle
        with handle.reading() as pointer:
            spec = lib.index_describe(pointer).decode()
        self._place(handle, spec, handle.dim, metric, params or Parameters(), 0, False)

    def _place(self, handle: Handle, spec: str, d: int, metric: int, params: Parameters, node: int,
               part: bool) -> None:
        """Stand for node `node` of the index in a handle."""
        self._handle, self._spec, self.d, self._metric = handle, spec, _arrays.count(d, "d", 1), metric
        self._params, self._node, self._part = params, node, part
        self._next: int | None = None  # the next id, where it is not the library's
        self.verbose = False
        self.own_fields = False
        self._params.use(*self._uses)

    metric_arg = fixed("metric_arg", 0)
    _uses: tuple[str, ...] = ()  # search parameters of this kind of index

    @classmethod
    def _of(cls, handle: Handle) -> FaissIndex:
        from .tree import index_of_handle
        return index_of_handle(handle)

    def _children(self) -> Iterator[FaissIndex]:
        """Parts of this index."""
        return iter(())

    def _tree(self) -> Iterator[FaissIndex]:
        yield self
        for child in self._children():
            yield from child._tree()

    def _whole(self) -> None:
        if self._part:
            raise NotImplementedError(f"{_name(self)} is a part of another index: use that one. (A part shares its "
                                      "parameters, size and training; its vectors come through the whole.)")

    def _become_part(self, whole: FaissIndex, node: int) -> None:
        """This index was wrapped by `whole`, which made an index of its own for both."""
        self._handle, self._part = whole._handle, True
        self._node = node
        self._params = whole._params
        for child in self._children():
            node += 1
            child._become_part(whole, node)

    def _wrappable(self) -> FaissIndex:
        """Whether this index can be made part of another."""
        self._whole()
        if len(self):
            raise NotImplementedError(f"{_name(self)} holds {len(self)} vectors: wrap it first, then add them")
        return self

    # ---- what it is ----

    @property
    def ntotal(self) -> int:
        return self._ask("size")

    @property
    def is_trained(self) -> bool:
        return bool(self._ask("trained"))

    @property
    def metric_type(self) -> int:
        return METRIC_L2 if self._metric == _arrays.METRICS["l2"] else METRIC_INNER_PRODUCT

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
        return code_size(self._word, self.d)

    # ---- filling ----

    def train(self, x: Any, numeric_type: Any = None, *, seed: int | None = None, threads: int | None = None,
              progress: Any = None) -> None:
        """Learn from the rows of x [n × d]. An index that needs no training ignores it."""
        self._whole()
        cp = getattr(self, "cp", None)
        super().train(x, seed=getattr(cp, "seed", 1234) if seed is None else seed, threads=threads, progress=progress)
        for part in self._tree():
            part._trained()

    def _trained(self) -> None:
        """Something was learnt."""

    def add(self, x: Any, ids: Any = None, *, threads: int | None = None, progress: Any = None,
            efConstruction: int | None = None) -> None:
        """Add the rows of x [n × d] under the ids ntotal, ntotal + 1, …"""
        self._whole()
        x = _arrays.vectors(x, self.d, "x")
        if ids is not None:
            ids = _arrays.ids(ids, len(x))
        if self._next is not None:
            ids = np.arange(self._next, self._next + len(x)) if ids is None else ids
        super().add(x, ids, threads=threads, progress=progress,
                    efConstruction=self._params.efConstruction if efConstruction is None else efConstruction)
        if self._next is not None and ids is not None and len(x):
            self._next = max(self._next, int(ids.max()) + 1)

    def add_with_ids(self, x: Any, ids: Any) -> None:
        """Add the rows of x [n × d] under ids [n]."""
        self.add(x, ids)

    def update_vectors(self, keys: Any, x: Any) -> None:
        """Replace the vectors of ids `keys` [n] by the rows of x."""
        self._whole()
        self.update(keys, x)

    def remove_ids(self, x: Any) -> int:
        """Remove ids of an array, or those that a selector takes. Returns how many there were; others keep theirs."""
        self._whole()
        return self.remove(x)

    def reset(self) -> None:
        """Remove all vectors; what was learnt stays. Ids begin at 0 again."""
        self._whole()
        self.remove(Filter.range(*EVERYTHING))
        self._next = 0

    def merge_from(self, other: FaissIndex, add_id: int = 0) -> None:
        """Move the vectors of another index, which learnt the same, to the end of this one, add_id added to their
        ids. The other is empty afterwards. A flat index numbers them on, as FAISS does."""
        self._whole()
        other._whole()
        if self._appends and not add_id:
            add_id = self.ntotal
        self.merge(other, add_id)

    _appends = False  # whether merge_from numbers vectors on by itself

    def check_compatible_for_merge(self, other: FaissIndex) -> None:
        if (self._spec, self.d, self._metric) != (other._spec, other.d, other._metric):
            raise ValueError(f"{other!r} cannot be merged into {self!r}")

    # ---- asking ----

    def search(  # type: ignore[override]
            self, x: Any, k: int, *, params: SearchParameters | None = None, D: Any = None, I: Any = None,
               numeric_type: Any = None) -> tuple[Floats, Ids]:
        """The k nearest vectors of each row of x [n × d]: distances D and ids I, both [n × k]; id −1 where there are
        fewer. D and I may be given to be filled."""
        self._whole()
        x = _arrays.vectors(x, self.d, "x")
        k = _arrays.k_of(k)
        shape = (len(x), k)
        D = _arrays.output(D, shape, np.float32, "D")
        I = _arrays.output(I, shape, np.int64, "I")
        options = self._params.options(params)
        chosen = None if params is None else params.filter()
        if chosen is None:
            self._search(x, k, D, I, _options.search_options(None, options))
        else:
            self._search_with(x, k, D, I, None, options, chosen, None, None)
        return D, I

    def range_search(  # type: ignore[override]
            self, x: Any, thresh: float, *, params: SearchParameters | None = None
                     ) -> tuple[Ids, Floats, Ids]:
        """All vectors within a threshold: lims [n + 1], distances D and ids I; query i has lims[i] … lims[i + 1]."""
        self._whole()
        x = _arrays.vectors(x, self.d, "x")
        found = super().range_search(x, thresh, filter=None if params is None else params.filter(),
                                     **self._params.options(params))
        return tuple(found)  # type: ignore[return-value]

    def assign(self, x: Any, k: int = 1, labels: Any = None) -> Ids:
        """Ids of the k nearest vectors [n × k]."""
        _, found = self.search(x, k, I=labels)
        return found

    def reconstruct(self, key: int, x: Any = None) -> Floats:
        """The vector of an id, as the index keeps it."""
        keys = np.array([_arrays.count(key, "key", -2**63)])
        return self.reconstruct_batch(keys, None if x is None else _row(x, self.d))[0]

    def reconstruct_batch(self, key: Any, x: Any = None) -> Floats:
        """The vectors of ids [n]."""
        self._whole()
        keys = _arrays.ids(key, None, "key")
        x = _arrays.output(x, (len(keys), self.d), np.float32, "x")
        self._get(keys, x)
        return x

    def reconstruct_n(self, n0: int = 0, ni: int = -1, x: Any = None) -> Floats:
        """The vectors of ids n0 … n0 + ni − 1; ni −1: all from n0 on."""
        n0 = _arrays.count(n0, "n0")
        ni = self.ntotal - n0 if ni == -1 else ni
        return self.reconstruct_batch(np.arange(n0, n0 + _arrays.count(ni, "ni", 0, self.ntotal)), x)

    def search_and_reconstruct(self, x: Any, k: int, *, params: SearchParameters | None = None, D: Any = None,
                               I: Any = None, R: Any = None) -> tuple[Floats, Ids, Floats]:
        """search(), and the vectors found R [n × k × d]; NaN where there is none."""
        D, I = self.search(x, k, params=params, D=D, I=I)
        R = _arrays.output(R, (*I.shape, self.d), np.float32, "R")
        there = I >= 0
        R[there] = self.reconstruct_batch(I[there])
        R[~there] = np.nan
        return D, I, R

    # ---- the codec by itself ----

    def sa_code_size(self) -> int:
        """Bytes of a vector's code from sa_encode."""
        return self.code_size

    def sa_encode(self, x: Any) -> Codes:
        """Codes [n × sa_code_size()] of vectors [n × d] that need not be in the index."""
        x = _arrays.floats(x, self.d, "x")
        with learned(self._handle) as parts:
            return codec(self._word, self.d, parts, self._node)[0](x)

    def sa_decode(self, codes: Any) -> Floats:
        """Vectors [n × d] that codes stand for."""
        codes = _arrays.codes_of(codes, self.sa_code_size())
        with learned(self._handle) as parts:
            return codec(self._word, self.d, parts, self._node)[1](codes)

    # ---- copies ----

    def clone(self) -> FaissIndex:
        self._whole()
        made = super().clone()
        made._take_parameters(self)  # type: ignore[attr-defined]
        return made  # type: ignore[return-value]

    def _take_parameters(self, other: FaissIndex) -> None:
        self._params.values.update(other._params.values)
        self._params.efConstruction = other._params.efConstruction
        self._next = other._next

    def __reduce__(self) -> Any:
        self._whole()
        return _restore, (self.tobytes(), self._params.values, self._params.efConstruction, self._next)

    def __repr__(self) -> str:
        text = super().__repr__()
        return text[:-1] + " part>" if self._part else text


def _restore(data: bytes, values: dict[str, Any], efConstruction: int | None, following: int | None) -> FaissIndex:
    index = FaissIndex.frombytes(data)
    index._params.values.update(values)  # type: ignore[attr-defined]
    index._params.efConstruction = efConstruction  # type: ignore[attr-defined]
    index._next = following  # type: ignore[attr-defined]
    return index  # type: ignore[return-value]


def _name(index: FaissIndex) -> str:
    return f"this {type(index).__name__}"


def _row(x: Any, d: int) -> Floats:
    return _arrays.output(x, (d,), np.float32, "x").reshape(1, d)
