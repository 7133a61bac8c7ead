"""FAISS's ID selectors: kith's filters by other names."""
from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .. import _arrays
from ..filter import Filter, as_filter


class IDSelector(Filter):
    """Which ids a search may return."""

    __slots__ = ()

    _filter: Callable[..., Filter]

    def __init__(self, *arguments: Any) -> None:
        if type(self) is IDSelector:
            raise TypeError("IDSelector is what selectors have in common: use one of them, as IDSelectorBatch(ids)")
        made = self._filter(*arguments)
        super().__init__(made._make, *made._parts, passes=made._passes)
        self._callbacks = made._callbacks

    def is_member(self, id: int) -> bool:
        return id in self


class IDSelectorRange(IDSelector):
    """imin <= id < imax."""

    __slots__ = ()

    @staticmethod
    def _filter(imin: int, imax: int, assume_sorted: bool = False) -> Filter:
        return Filter.range(imin, imax)


class IDSelectorArray(IDSelector):
    """Ids of an array. (FAISS's form with the count before it does as well.)"""

    __slots__ = ()

    @staticmethod
    def _filter(*arguments: Any) -> Filter:
        return Filter.ids(_listed(arguments))


class IDSelectorBatch(IDSelectorArray):
    __slots__ = ()


class IDSelectorBitmap(IDSelector):
    """Ids i with bit i % 8 of byte i // 8 of an array set."""

    __slots__ = ()

    @staticmethod
    def _filter(*arguments: Any) -> Filter:
        return Filter.bitmap(np.asarray(_listed(arguments)))


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


def _selector(sel: Any) -> Filter:
    found = as_filter(sel)
    if found is None:
        raise TypeError("a selector is None")
    return found


def _listed(arguments: tuple[Any, ...]) -> Any:
    """(array) or (n, array)."""
    if len(arguments) == 1:
        return arguments[0]
    if len(arguments) != 2:
        raise TypeError(f"{len(arguments)} arguments; a selector takes an array")
    n, array = _arrays.count(arguments[0], "n"), np.asarray(arguments[1])
    return array[:n]
