"""Indexes that wrap another index: IndexIDMap, IndexPreTransform, IndexRefine."""
# mypy: warn-return-any=False
from __future__ import annotations

import copy
from typing import Any, Iterator

import numpy as np

from .. import _arrays
from .._errors import ArgumentError, InvalidError, UnsupportedError
from .._handle import Handle
from .._lib import lib
from .._types import Codes, Floats, Ids
from ..filter import Filter
from . import arguments as args
from . import image
from .base import Chain, FaissIndex
from .flat import IndexFlat, IndexPQ, IndexScalarQuantizer
from .parameters import SearchParameters, parameter
from .selectors import IDSelectorTranslated
from .transforms import VectorTransform


class IndexIDMap(FaissIndex):
    """An index whose vectors have ids of the caller's: any numbers except −1, which may repeat. Every kith index has such
    ids, so this object stands for the same library index as the one within it, which names vectors 0, 1, 2, …"""

    __slots__ = ("index",)
    _counts_from_ntotal = False
    _idmap_kind = 1

    def __init__(self, index: FaissIndex) -> None:
        if not isinstance(index, FaissIndex):
            raise ArgumentError(f"index is a {type(index).__name__}; it must be one of kith's FAISS-like indexes")
        index._wrappable()
        self._wrap_named(index, False)

    def _wrap_named(self, index: FaissIndex, part: bool) -> None:
        self.index = index
        self._place(index._handle, index._spec, index.d, index._metric, index._params, index._node, part)
        index._become_part(self, index._node, True)

    def _children(self) -> Iterator[FaissIndex]:
        yield self.index

    def check_compatible_for_merge(self, other: FaissIndex) -> None:
        if not isinstance(other, IndexIDMap):
            raise InvalidError(f"{other!r} cannot be merged into {self!r}: it is not an IndexIDMap")
        super().check_compatible_for_merge(other)

    def _node_below(self, node: int) -> int:
        return node

    def _options(self, params: SearchParameters | None) -> tuple[dict[str, Any], Filter | None]:
        options, chosen = super()._options(params)
        return options, chosen.sel if isinstance(chosen, IDSelectorTranslated) and chosen.index is self else chosen

    @property
    def id_map(self) -> Ids:
        """All ids, in the order in which vectors are stored."""
        return self.ids()

    @property
    def code_size(self) -> int:
        return self.index.code_size

    def sa_code_size(self) -> int:
        return self.index.sa_code_size()

    def add_sa_codes(self, codes: Any, ids: Any = None) -> None:
        codes = args.codes_of(codes, self.sa_code_size())
        ids = self._next_ids(len(codes)) if ids is None else self._given(ids, len(codes))
        numbers = None
        if hasattr(self.index, "_split"):
            numbers, codes = self.index._split(codes)
        if len(codes):
            with self._params.lock:
                self._merge(FaissIndex._of(image.filled(self.index, codes, ids, numbers)), 0)

    def check_consistency(self) -> None:
        """Nothing to do: ids and vectors are always consistent."""

    def sa_encode(self, x: Any) -> Codes:
        return self.index.sa_encode(x)

    def sa_decode(self, codes: Any) -> Floats:
        return self.index.sa_decode(codes)


class IndexIDMap2(IndexIDMap):
    __slots__ = ()
    _idmap_kind = 2


def around(index: FaissIndex, kind: int, part: bool) -> IndexIDMap:
    """An IndexIDMap (kind 1) or IndexIDMap2 (kind 2) around an index. part: it is a part of another index."""
    made = (IndexIDMap if kind == 1 else IndexIDMap2).__new__(IndexIDMap if kind == 1 else IndexIDMap2)
    made._wrap_named(index, part)
    return made


class IndexPreTransform(FaissIndex):
    """An index behind transforms: IndexPreTransform(transform, …, index). Transforms that are already trained do not
    change; the others are trained together with the index. If all transforms are trained, the index may already hold
    vectors, to which the transforms must have been applied."""

    __slots__ = ("_chain", "index")
    _chain: list[VectorTransform]
    index: FaissIndex

    def __init__(self, *parts: Any) -> None:
        if not parts:
            raise ArgumentError("IndexPreTransform takes transforms and then one of kith's FAISS-like indexes")
        if len(parts) == 1 and isinstance(parts[0], IndexPreTransform):
            parts = (*parts[0]._chain, parts[0].index)
        *chain, index = parts
        if not isinstance(index, FaissIndex) or not all(isinstance(vt, VectorTransform) for vt in chain):
            raise ArgumentError("IndexPreTransform takes transforms and then one of kith's FAISS-like indexes")
        index._wrappable()
        dims = [vt.d_in for vt in chain[1:]] + [index.d]
        for vt, follows in zip(chain, dims):
            if vt.d_out != follows:
                raise ArgumentError(f"{vt!r} is followed by something of dimension {follows}")
        self._chain, self.index = list(chain), index
        handle = index._handle
        for vt in reversed(chain):
            handle = _transformed(handle, vt)
        self._adopt(handle, index._metric, index._params)
        index._become_part(self, self._node_below(0))
        self._attach()

    def _node_below(self, node: int) -> int:
        return node + len(self._chain)

    def _take_settings(self, other: FaissIndex) -> None:
        super()._take_settings(other)
        assert isinstance(other, IndexPreTransform)
        self._chain = [copy.copy(vt) for vt in other._chain]
        self._attach()

    def _attach(self) -> None:
        for number, vt in enumerate(self._chain):
            vt._attach(self._handle, self._node + number)

    def train(self, x: Any, numeric_type: Any = None, **keywords: Any) -> None:
        """Train what is not yet trained on the rows of x [n × d]."""
        if not self.is_trained or not self._chain:
            super().train(x, numeric_type, **keywords)
        else:
            args.vectors(x, self.d, "x")

    def prepend_transform(self, vt: VectorTransform) -> None:
        """Put another transform before the others."""
        self._require_whole()
        if vt.d_out != self.d:
            raise ArgumentError(f"{vt!r} is followed by something of dimension {self.d}")
        self._chain.insert(0, vt)
        try:
            handle = _transformed(self._handle, vt)
        except BaseException:
            del self._chain[0]
            raise
        self._adopt(handle, self._metric, self._params)
        self.index._become_part(self, self._node_below(0))
        self._attach()

    def _children(self) -> Iterator[FaissIndex]:
        yield self.index

    def _become_part(self, whole: FaissIndex, node: int, inner: bool = False) -> None:
        super()._become_part(whole, node, inner)
        self._attach()

    @property
    def _counts_through(self) -> bool:  # type: ignore[override]
        return self.index._counts_through

    @property
    def _counts_from_ntotal(self) -> bool:  # type: ignore[override]
        return self.index._counts_from_ntotal

    @property
    def chain(self) -> Chain:
        """The transforms, in the order in which they are applied."""
        return Chain(self._chain)

    @property
    def code_size(self) -> int:
        return self.index.code_size

    def apply_chain(self, x: Any) -> Floats:
        """Apply all transforms to vectors [n × d]."""
        for vt in self._chain:
            x = vt.apply(x)
        return x

    def reverse_chain(self, x: Any) -> Floats:
        for vt in reversed(self._chain):
            x = vt.reverse_transform(x)
        return x

    def sa_code_size(self) -> int:
        return self.index.sa_code_size()

    def sa_encode(self, x: Any) -> Codes:
        return self.index.sa_encode(self.apply_chain(args.vectors(x, self.d, "x")))

    def sa_decode(self, codes: Any) -> Floats:
        return self.reverse_chain(self.index.sa_decode(codes))


def _transformed(handle: Handle, vt: VectorTransform) -> Handle:
    """A new index: the index of a handle behind a transform. The given handle is closed."""
    with handle.reading() as pointer:
        metric = lib.index_metric(pointer)
    if not vt.is_trained:
        word = _arrays.text_of(vt.word, "transform")
        return handle.wrapped(lambda out, child: lib.index_wrap_transform(out, child, vt.d_in, metric, word))
    like, node = vt._trained_index()
    if like is handle:
        raise ArgumentError(f"{vt!r} is already a part of this index; clone the transform's index first")
    with like.reading() as pointer:
        part = lib.index_part(pointer, node)
        return handle.wrapped(lambda out, child: lib.index_wrap_like(out, child, metric, part))


class IndexRefine(FaissIndex):
    """Reranks the results of a base index by finer codes: k_factor · k candidates for k results. Both indexes must be
    empty, or hold the same vectors with the same ids."""

    __slots__ = ("base_index", "refine_index")
    base_index: FaissIndex
    refine_index: FaissIndex
    _uses = ("k_factor",)

    k_factor = parameter("k_factor")

    def __init__(self, base_index: FaissIndex, refine_index: FaissIndex | None = None) -> None:
        if not isinstance(base_index, FaissIndex):
            raise ArgumentError(f"base_index is a {type(base_index).__name__}; it must be one of kith's FAISS-like indexes")
        base_index._wrappable()
        if refine_index is None:
            refine_index = IndexFlat(base_index.d, base_index.metric_type)
        if not isinstance(refine_index, (IndexFlat, IndexScalarQuantizer, IndexPQ)):
            raise UnsupportedError(f"refine_index is a {type(refine_index).__name__}; it must be an IndexFlat, "
                                   "IndexScalarQuantizer or IndexPQ")
        refine_index._wrappable()
        if base_index.ntotal != refine_index.ntotal:
            raise ArgumentError(f"base_index has {_arrays.counted(base_index.ntotal, 'vector')}, refine_index "
                                f"{refine_index.ntotal}; they must have the same vectors. IndexRefineFlat(base_index, xb) "
                                "takes an array of vectors")
        handle = base_index._handle.wrapped(
            lambda out, child, other: lib.index_wrap_fine(out, child, other), refine_index._handle)
        self.base_index, self.refine_index = base_index, refine_index
        self._adopt(handle, base_index._metric, base_index._params)
        base_index._become_part(self, 1)
        refine_index._become_fine(self)

    def _children(self) -> Iterator[FaissIndex]:
        yield self.base_index

    def _become_part(self, whole: FaissIndex, node: int, inner: bool = False) -> None:
        super()._become_part(whole, node, inner)
        self.refine_index._become_fine(self)

    def _take_settings(self, other: FaissIndex) -> None:
        super()._take_settings(other)
        assert isinstance(other, IndexRefine)
        self.refine_index = other.refine_index._as_own_class(self.refine_index)
        self.refine_index._params.take(other.refine_index._params)
        self.refine_index._become_fine(self)
        self.refine_index._take_settings(other.refine_index)

    @property
    def _counts_through(self) -> bool:  # type: ignore[override]
        return self.base_index._counts_through

    @property
    def _counts_from_ntotal(self) -> bool:  # type: ignore[override]
        return self.base_index._counts_from_ntotal

    def sa_code_size(self) -> int:
        """The bytes of a code: the code of the base index, followed by that of the refinement."""
        return self.base_index.sa_code_size() + self.refine_index.sa_code_size()

    def sa_encode(self, x: Any) -> Codes:
        return np.hstack([self.base_index.sa_encode(x), self.refine_index.sa_encode(x)])

    def sa_decode(self, codes: Any) -> Floats:
        """The vectors decoded from the finer codes."""
        codes = args.codes_of(codes, self.sa_code_size())
        return self.refine_index.sa_decode(codes[:, self.base_index.sa_code_size():])

    @property
    def _word(self) -> str:
        last = self._spec.split(",")[-1]
        return "Flat" if last == "RFlat" else last[len("Refine("):-1]


class IndexRefineFlat(IndexRefine):
    """Reranks by float vectors. xb [ntotal × d]: the vectors of base_index, which must have the ids 0, 1, 2, …"""

    __slots__ = ()

    def __init__(self, base_index: FaissIndex, xb: Any = None) -> None:
        if xb is None or not isinstance(base_index, FaissIndex):
            super().__init__(base_index)
            return
        fine = IndexFlat(base_index.d, base_index.metric_type)
        xb = np.asarray(xb)
        fine.add(xb.reshape(-1, fine.d) if xb.ndim == 1 and xb.size % fine.d == 0 else xb)
        super().__init__(base_index, fine)
