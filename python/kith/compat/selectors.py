"""FAISS's ID selectors, which are kith's filters."""
from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .._errors import ArgumentError
from ..filter import Filter
from . import arguments as args
from .swig import Owned


class IDSelector(Owned, Filter):
    """Which ids a search may return."""

    __slots__ = ("_this",)

    _filter: Callable[..., Filter]

    def __init__(self, *arguments: Any) -> None:
        if type(self) is IDSelector:
            raise ArgumentError("IDSelector is the base class of selectors: use one of them, such as IDSelectorBatch(ids)")
        made = args.asserted(self._filter)(*arguments)
        super().__init__(made._make, *made._parts, passes=made._passes)
        self._callbacks = made._callbacks

    def is_member(self, id: int) -> bool:
        return id in self


class IDSelectorRange(IDSelector):
    """The ids with imin <= id < imax. assume_sorted has no effect: kith does not need sorted ids."""

    __slots__ = ("imin", "imax", "assume_sorted")

    def __init__(self, imin: int, imax: int, assume_sorted: bool = False) -> None:
        super().__init__(imin, imax)
        self.imin, self.imax, self.assume_sorted = int(imin), int(imax), bool(assume_sorted)

    def find_sorted_ids_bounds(self, list_size: int, ids: Any, jmin: Any, jmax: Any) -> None:
        """Find the range jmin … jmax − 1 of the elements of ids [list_size], which must ascend, that pass. jmin and jmax
        are arrays of one element."""
        listed = np.asarray(ids).reshape(-1)[:args.count(list_size, "list_size")]
        jmin[0] = np.searchsorted(listed, self.imin)
        jmax[0] = max(int(np.searchsorted(listed, self.imax)), int(jmin[0]))

    @staticmethod
    def _filter(imin: int, imax: int) -> Filter:
        return Filter.range(imin, imax)


class IDSelectorArray(IDSelector):
    """The ids in an array. FAISS's form (count, array) is also accepted."""

    __slots__ = ()

    @staticmethod
    def _filter(*arguments: Any) -> Filter:
        return Filter.ids(args.ids(_listed(arguments), None))


class IDSelectorBatch(IDSelectorArray):
    __slots__ = ()


class IDSelectorBitmap(IDSelector):
    """The ids i whose bit, bit i % 8 of byte i // 8 of an array, is set."""

    __slots__ = ()

    @staticmethod
    def _filter(*arguments: Any) -> Filter:
        return Filter.bitmap(np.asarray(_listed(arguments)))


class PyCallbackIDSelector(IDSelector):
    """The ids for which a function is true."""

    __slots__ = ()

    @staticmethod
    def _filter(function: Callable[[int], Any]) -> Filter:
        return Filter.callback(function)


class IDSelectorAll(IDSelector):
    __slots__ = ()

    @staticmethod
    def _filter() -> Filter:
        return Filter.range(0, 2**63 - 1)


class IDSelectorNot(IDSelector):
    __slots__ = ()

    @staticmethod
    def _filter(sel: Any) -> Filter:
        return ~_selector(sel)


class IDSelectorAnd(IDSelector):
    __slots__ = ()

    @staticmethod
    def _filter(lhs: Any, rhs: Any) -> Filter:
        return _selector(lhs) & _selector(rhs)


class IDSelectorOr(IDSelector):
    __slots__ = ()

    @staticmethod
    def _filter(lhs: Any, rhs: Any) -> Filter:
        return _selector(lhs) | _selector(rhs)


class IDSelectorXOr(IDSelector):
    __slots__ = ()

    @staticmethod
    def _filter(lhs: Any, rhs: Any) -> Filter:
        a, b = _selector(lhs), _selector(rhs)
        return (a | b) & ~(a & b)


class IDSelectorTranslated(IDSelector):
    """The positions of vectors whose ids pass a selector: IDSelectorTranslated(ids of all vectors, or an IndexIDMap;
    selector). A search of the IndexIDMap itself takes the selector directly."""

    __slots__ = ("index", "sel")

    def __init__(self, id_map: Any, sel: Any) -> None:
        self.index = id_map if hasattr(id_map, "id_map") else None
        self.sel = _selector(sel)
        super().__init__(np.asarray(id_map.id_map if self.index is not None else id_map), self.sel)

    @staticmethod
    def _filter(ids: Any, sel: Filter) -> Filter:
        return Filter.mask(sel.passing(args.ids(ids, None)))


def _selector(sel: Any) -> Filter:
    return args.chosen(sel, "a selector")


def _listed(arguments: tuple[Any, ...]) -> Any:
    """(array) or (n, array)."""
    if len(arguments) == 1:
        return arguments[0]
    if len(arguments) != 2:
        raise ArgumentError(f"got {len(arguments)} arguments; a selector takes an array")
    n, array = args.count(arguments[0], "n"), np.asarray(arguments[1])
    return array[:n]
