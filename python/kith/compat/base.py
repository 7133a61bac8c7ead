"""The base class of all indexes of the FAISS-like interface: which part of which library index an object stands for, how
vectors are added and removed, and how indexes are saved and copied. Searches are in searchable.py."""
# mypy: warn-return-any=False
from __future__ import annotations

import copy
import ctypes
from typing import Any, Iterator, List

import numpy as np

from .. import _arrays, _calls
from .._errors import ArgumentError, InvalidError, UnsupportedError
from .._handle import Handle
from .._lib import Preset, lib, new_options
from .._types import Array, Ids
from ..filter import Filter
from ..index import Index, new_handle
from . import arguments as args
from . import image, constructors
from .searchable import Searchable
from .metrics import METRIC_L2, METRIC_Lp, metric_of, name_of
from .naming import Labels, Naming, Positions, ids_of
from .parameters import Parameters
from .swig import Owned


class Chain(List[Any]):
    """A list that also has methods of a C++ vector."""

    def at(self, i: int) -> Any:
        return self[i]

    def size(self) -> int:
        return len(self)


def fixed(name: str, only: Any) -> Any:
    """A property that FAISS lets programs set, and that has only one value in kith."""

    def put(self: Any, value: Any) -> None:
        if value != only:
            raise UnsupportedError(f"{name} is always {only!r} in kith")

    return property(lambda self: only, put, doc=f"Always {only!r}.")


class FaissIndex(Owned, Searchable):
    """An index as FAISS presents it. It stands for a whole kith index or for a part of one, such as the `index` of an
    IndexPreTransform. A part can be searched on its own, but is changed only together with the whole."""

    __slots__ = ("own_fields", "_this")

    def __init__(self, spec: str, d: int, metric: Any = METRIC_L2) -> None:
        self._adopt(args.asserted(new_handle)(spec, d, name_of(metric)), metric_of(metric))

    def _adopt(self, handle: Handle, metric: int, params: Parameters | None = None) -> None:
        """Let this object stand for the whole index of a handle."""
        self._handle = handle
        with handle.reading() as pointer:
            spec = lib.index_describe(pointer).decode()
        self._place(handle, spec, handle.dim, metric, params or Parameters(), 0, False)

    def _place(self, handle: Handle, spec: str, d: int, metric: int, params: Parameters, node: int,
               part: bool) -> None:
        """Let this object stand for node `node` of a handle's index."""
        self._handle, self._spec, self.d, self._metric = handle, spec, args.count(d, "d", 1), metric
        self._params, self._node, self._part, self._is_fine = params, node, part, False
        self._view = None
        self._inner: Positions | None = None  # set in the index within an IndexIDMap
        self.verbose = False
        self.own_fields = False
        self._params.use(*self._uses)

    @property
    def metric_arg(self) -> float:
        """The exponent of METRIC_Lp, 1 until it is set; 0 for other metrics. It is set before the index is trained
        and filled."""
        return _arrays.exponent(self._metric)

    @metric_arg.setter
    def metric_arg(self, p: Any) -> None:
        if p == self.metric_arg:
            return
        if self._metric >= 0:
            raise UnsupportedError("metric_arg is for METRIC_Lp, and always 0 for other metrics")
        self._require_whole()
        if self.ntotal or ("IVF" in self._spec and self.is_trained):
            raise UnsupportedError("metric_arg: set it before the index is trained and filled")
        name = name_of(METRIC_Lp, p)
        self._adopt(args.asserted(new_handle)(self._spec, self.d, name), metric_of(name), self._params)

    _uses: tuple[str, ...] = ()  # search parameters of this class of index
    _counts_through = False      # whether ids are positions, so that removing a vector renumbers later ones

    @classmethod
    def _of(cls, handle: Handle) -> FaissIndex:
        made: FaissIndex = constructors.index_of_handle(handle)
        return made

    def _children(self) -> Iterator[FaissIndex]:
        """The indexes that this one wraps."""
        return iter(())

    def _tree(self) -> Iterator[FaissIndex]:
        yield self
        for child in self._children():
            yield from child._tree()

    def _require_whole(self) -> None:
        if self._part:
            raise UnsupportedError(f"{_name(self)} is a part of another index: change the whole index instead. (A part "
                                   "shares the parameters, size and training of the whole, and can be searched; "
                                   "clone_index makes an independent index of a part.)")

    def _become_part(self, whole: FaissIndex, node: int, inner: bool = False) -> None:
        """Make this index a part of `whole`, which has wrapped it and owns the library's index of both. inner: `whole` is
        an IndexIDMap, which stands for the same node of the library's index."""
        self._handle, self._part, self._view = whole._handle, True, None
        self._node = node
        self._params = whole._params
        self._params.use(*self._uses)
        if inner:
            self._inner = Positions()
        for child in self._children():
            child._become_part(whole, self._node_below(node), inner)

    def _become_fine(self, whole: FaissIndex) -> None:
        """Make this index the one by which the refinement `whole` reranks candidates. Its ids are positions."""
        self._handle, self._node, self._part, self._is_fine = whole._handle, whole._node, True, True
        self._view, self._inner = None, Positions()

    def _node_below(self, node: int) -> int:
        """The node of this index's child, if this index is at `node`."""
        return node + 1

    def _wrappable(self) -> FaissIndex:
        """This index, if it can become a part of another; raises otherwise."""
        self._require_whole()
        return self

    def _naming(self) -> Naming | None:
        return self._inner if self._inner is not None else self._params.labels

    # ---- training, adding and removing ----

    def train(self, x: Any, numeric_type: Any = None, *, seed: int | None = None, threads: int | None = None,
              progress: Any = None) -> None:
        """Train on the rows of x [n × d]. An index that needs no training ignores them."""
        if self._node or self._is_fine or self._inner is None:
            self._require_whole()
        x = args.vectors(x, self.d, "x")
        cp = getattr(self, "cp", None)
        for part in self._tree():
            part._prepare_training()
        super().train(x, seed=getattr(cp, "seed", 1234) if seed is None else seed, threads=threads, progress=progress)
        for part in self._tree():
            part._trained()

    @property
    def is_trained(self) -> bool:
        """Whether the index is trained. It can only be set to its present value."""
        return bool(self._source()._ask("trained"))

    @is_trained.setter
    def is_trained(self, value: bool) -> None:
        if bool(value) != self.is_trained:
            raise UnsupportedError(f"is_trained is {self.is_trained}: " + (
                "train the index, or clone one that is" if value else "make a new index to train again"))

    def _prepare_training(self) -> None:
        """Called before the index is trained."""

    def _trained(self) -> None:
        """Called after the index was trained."""

    def add(self, x: Any, ids: Any = None, *, numeric_type: Any = None, threads: int | None = None,
            progress: Any = None, efConstruction: int | None = None, projection: bool = True) -> None:
        """Add the rows of x [n × d] with the ids ntotal, ntotal + 1, …"""
        self._require_whole()
        x = args.vectors(x, self.d, "x")
        how = {"threads": threads, "progress": progress, "projection": projection,
               "efConstruction": self._params.efConstruction if efConstruction is None else efConstruction}
        with self._params.lock:
            ids = self._following(len(x)) if ids is None else self._given(ids, len(x))
            if self._params.labels is None and ids is None:
                super().add(x, None, **how)
                return
            if self._params.labels is None and self._add_listed(x, ids, how):
                return
            self._make_labels()
            self._add_labelled(x, ids, how)

    def add_with_ids(self, x: Any, ids: Any) -> None:
        """Add the rows of x [n × d] with ids [n]: any numbers except −1, which may repeat."""
        self.add(x, ids)

    @staticmethod
    def _given(ids: Any, n: int) -> Ids:
        ids = args.ids(ids, n)
        if (ids == -1).any():
            raise InvalidError(f"ids[{int(np.argmax(ids == -1))}] is -1, which stands for no result")
        return ids

    def _following(self, n: int) -> Ids | None:
        """The ids of n vectors that are added without ids: from ntotal on, as in FAISS. None if the library would choose
        the same ids."""
        if self._params.labels is None and (self._numbered() or not self._counts_from_ntotal):
            return None
        first = self.ntotal
        if not self._counts_from_ntotal:
            names = self._params.labels.all(self._handle)  # type: ignore[union-attr]
            first = max(first, int(names.max()) + 1 if len(names) else 0)
        return np.arange(first, first + n)

    _counts_from_ntotal = True  # whether ids continue from ntotal, and not from the largest id

    def _numbered(self) -> bool:
        """Whether ids are 0 … ntotal − 1, in the order in which vectors are stored."""
        params = self._params
        if params.labels is None and params.numbered is None:
            ids = self._ids()
            params.numbered = bool((ids == np.arange(len(ids))).all())
        return params.labels is None and bool(params.numbered)

    def _add_listed(self, x: Array, ids: Ids, how: dict[str, Any]) -> bool:
        """Add vectors with ids of the library's. Returns False if the library does not accept these ids."""
        try:
            super().add(x, ids, **how)
        except InvalidError:
            usual = (ids >= 0).all() and (ids < 2**63 - 1).all() and len(np.unique(ids)) == len(ids)
            if usual and not np.isin(ids, self._ids()).any():
                raise
            return False
        self._params.numbered = None if self._params.numbered is None else False
        return True

    def _add_labelled(self, x: Array, ids: Any, how: dict[str, Any]) -> None:
        labels = self._params.labels
        assert labels is not None and ids is not None
        before = len(labels)
        labels.append(ids)  # before the vectors, so that every vector that a search finds has a label
        try:
            super().add(x, None, **how)
        except BaseException:
            labels.truncate(before)
            raise

    def _make_labels(self) -> None:
        """Switch to labels: from now on the library numbers the vectors, and labels hold their ids."""
        if self._params.labels is not None:
            return
        with self._handle.changing() as pointer:
            labels = Labels(ids_of(pointer))
            lib.index_renumber(pointer)
            self._params.labels = labels
        self._params.numbered = None

    def add_sa_codes(self, codes: Any, ids: Any = None) -> None:
        """Add vectors by their codes [n × sa_code_size()], with ids [n]. Without ids, numbering continues."""
        codes = args.codes_of(codes, self.sa_code_size())
        self._take_codes(codes, self._next_ids(len(codes)) if ids is None else self._given(ids, len(codes)), None)

    def _next_ids(self, n: int) -> Ids:
        """The ids of n vectors that are added without ids."""
        ids = self._following(n)
        if ids is not None:
            return ids
        first = int(self._ids().max(initial=-1)) + 1
        return np.arange(first, first + n)

    def _take_codes(self, codes: Any, ids: Ids, numbers: Ids | None) -> None:
        """Add codes with ids, to the lists with these numbers. They become an index that is merged into this one."""
        self._require_whole()
        if type(self)._children is not FaissIndex._children:
            raise UnsupportedError(f"add_sa_codes: {_name(self)} wraps another index; add codes to that index before it "
                                   "is wrapped, or add vectors afterwards")
        if len(codes):
            other = FaissIndex._of(image.filled(self, codes, ids, numbers))
            with self._params.lock:
                self._merge(other, 0)

    def update_vectors(self, keys: Any, x: Any) -> None:
        """Replace the vectors with ids `keys` [n] by the rows of x. Of an id that several vectors have, the vector that was
        added last is replaced."""
        self._require_whole()
        keys = args.ids(keys, None, "keys")
        naming = self._naming()
        self.update(keys if naming is None else naming.to_ids(keys, self._handle, "keys"), args.vectors(x, self.d, "x"))

    def remove_ids(self, x: Any) -> int:
        """Remove the vectors with the ids of an array, or with ids that a selector passes. Returns how many were removed.
        As in FAISS, the ids of a flat index are positions, so later vectors get smaller ids; other indexes keep ids."""
        self._require_whole()
        chosen = args.chosen(x, "x")
        with self._params.lock:
            naming = self._params.labels
            moves = naming is None and self._counts_through and self._numbered()
            if naming is not None:
                chosen = naming.filter(chosen, self._handle)
            return self._remove(chosen, moves)

    def _remove(self, chosen: Filter, renumber: bool) -> int:
        removed = ctypes.c_int64()
        with self._handle.changing() as pointer:
            _calls.call(lib.index_remove, pointer, chosen.pointer(), ctypes.byref(removed), calls_python=chosen.calls_python)
            if renumber and removed.value:
                lib.index_renumber(pointer)
            if removed.value:
                self._params.numbered = True if renumber else None
        chosen.raise_error()
        return removed.value

    def reset(self) -> None:
        """Remove all vectors; the index stays trained. Ids start at 0 again."""
        self._require_whole()
        with self._params.lock:
            self._remove(Filter.range(0, 2**63 - 1), False)
            self._renumber()
            self._params.labels = None

    def _renumber(self) -> None:
        with self._handle.changing() as pointer:
            lib.index_renumber(pointer)
        self._params.numbered = True

    def merge_from(self, other: FaissIndex, add_id: int = 0) -> None:
        """Move the vectors of another index, which must have been trained the same, to the end of this one; add_id is
        added to their ids. The other index is empty afterwards. In a flat index their numbering continues that of this
        index, as in FAISS."""
        self._require_whole()
        if not isinstance(other, FaissIndex):
            raise ArgumentError(f"otherIndex is a {type(other).__name__}; it must be one of kith's FAISS-like indexes")
        other._require_whole()
        self.check_compatible_for_merge(other)
        add_id = args.count(add_id, "add_id", -2**63)
        with self._params.lock, other._params.lock:
            if self._counts_through and not add_id and self._numbered():
                add_id = self.ntotal
            self._merge(other, add_id)

    def _merge(self, other: FaissIndex, add_id: int) -> None:
        with other._params.lock:
            plain = self._params.labels is None and other._params.labels is None
            self._params.numbered = other._params.numbered = None
            if plain and self._merge_listed(other, add_id):
                return
            self._make_labels()
            names = other._naming().all(other._handle) if other._naming() else other._ids()  # type: ignore[union-attr]
            with other._handle.changing() as pointer:
                lib.index_renumber(pointer)
            labels = self._params.labels
            assert labels is not None
            first = len(labels)
            labels.append(names + add_id)
            try:
                self.merge(other, first)
            except BaseException:
                labels.truncate(first)
                other._params.labels = Labels(names)
                raise
            other._params.labels = None

    def _merge_listed(self, other: FaissIndex, add_id: int) -> bool:
        """Merge by ids of the library's. Returns False if the library does not accept the ids."""
        try:
            self.merge(other, add_id)
        except InvalidError:
            moved = other._ids() + add_id
            if len(moved) and (moved >= 0).all() and (moved < 2**63 - 1).all() and not np.isin(moved, self._ids()).any():
                raise
            return False
        return True

    def check_compatible_for_merge(self, other: FaissIndex) -> None:
        if (self._spec, self.d, self._metric) != (other._spec, other.d, other._metric):
            raise InvalidError(f"{other!r} cannot be merged into {self!r}")

    # ---- saving and copying ----

    def _store_settings(self) -> None:
        """Give the library what is stored in files along with the index: search parameters and labels."""
        params, preset = self._params, new_options(Preset)
        for name in params.used:
            setattr(preset, name, params.values[name])
        if "efSearch" in params.used and params.efConstruction is not None:
            preset.efConstruction = params.efConstruction
        preset.idmap, preset.idmap_depth = self._idmap()
        preset.fastscan = params.kind.bbs
        preset.polysemous_ht, preset.search_type = min(params.ht, 2**31 - 1), params.search_type
        values = np.empty(0, np.int64) if params.labels is None else params.labels.values
        self._handle.gate.enter_alone()
        try:
            lib.index_set_preset(self._handle.pointer, ctypes.byref(preset))
            lib.index_set_labels(self._handle.pointer, len(values), _arrays.address(values))
        finally:
            self._handle.gate.leave_alone()

    def _idmap(self) -> tuple[int, int]:
        """The kind of the IndexIDMap in the tree (1: IndexIDMap, 2: IndexIDMap2, 0: none), and the node that it is
        around."""
        return next(((part._idmap_kind, part._node) for part in self._tree() if part._idmap_kind), (0, 0))

    _idmap_kind = 0

    def _own(self) -> FaissIndex:
        """This index, or a copy if it is a part, with all that files store."""
        index = self.clone() if self._part else self
        index._store_settings()
        return index

    def save(self, path: Any, *, overwrite: bool = True) -> None:
        """Save to a file, as write_index does; an existing file is replaced."""
        Index.save(self._own(), path, overwrite=overwrite)

    def export_faiss(self, path: Any) -> None:
        Index.export_faiss(self._own(), path)

    def tobytes(self) -> bytes:
        return Index.tobytes(self._own())

    def clone(self) -> FaissIndex:
        """An independent copy, also of a part, with all settings."""
        made = self._copied()
        for one, other in zip(made._tree(), self._tree()):
            if isinstance(other, type(one)):
                one._take_settings(other)
        return made

    def _copied(self) -> FaissIndex:
        if not self._part:
            self._store_settings()
            made: FaissIndex = Index.clone(self)  # type: ignore[assignment]
            made._params.take(self._params)
            return self._as_own_class(made)
        with self._part_handle().reading() as pointer:
            handle = Handle(lib.index_clone, pointer)
        made = self._bare(handle)
        if self._inner is not None:
            made._renumber()
            made._params.labels = None
        elif self._params.labels is not None:
            made._params.labels = Labels(self._params.labels.values)
        made._params.take(self._params)
        return self._as_own_class(made)

    def _bare(self, handle: Handle) -> FaissIndex:
        """The index of a handle that holds a copy of this part, without the settings and labels of the whole."""
        with handle.changing() as pointer:
            lib.index_set_preset(pointer, ctypes.byref(new_options(Preset)))
            lib.index_set_labels(pointer, 0, None)
        kind, node = self._idmap()
        made: FaissIndex = constructors.index_of_handle(handle, (kind, node - self._node), self._params.kind)
        return made

    def _as_own_class(self, made: FaissIndex) -> FaissIndex:
        """A copy of this index as an object of this index's own class. The library does not record classes that differ
        only in name, such as IndexFlatL2Panorama."""
        kind = type(self)
        if type(made) is kind or not kind.__module__.startswith("kith."):
            return made
        if issubclass(type(made), kind):  # the subclass has no further attributes
            made.__class__ = kind
            return made
        if not issubclass(kind, type(made)):
            return made
        again = kind.__new__(kind)
        again._place(made._handle, made._spec, made.d, made._metric, made._params, made._node, made._part)
        return again

    def _take_settings(self, other: FaissIndex) -> None:
        """Copy the settings that files do not store from the index that this is a copy of."""
        for name in self._settings:
            setattr(self, name, copy.copy(getattr(other, name)))

    _settings: tuple[str, ...] = ("verbose",)

    def __reduce__(self) -> Any:
        return _restore, (self.tobytes(),)


def _restore(data: bytes, *_: Any) -> FaissIndex:
    return FaissIndex.frombytes(data)  # type: ignore[return-value]


def _name(index: FaissIndex) -> str:
    return f"this {type(index).__name__}"
