"""Filters: which ids a search may return, or which are removed."""
# mypy: warn-return-any=False
from __future__ import annotations

import ctypes
import threading
import weakref
from typing import Any, Callable

import numpy as np

from . import _arrays
from ._calls import guarded
from ._lib import FilterTest, lib
from ._types import Array, Ids


class Filter:
    """A set of ids. Combine filters with & | ~ and test an id with `id in filter`. Filters never change.

    A call that takes a filter also accepts a boolean array (the ids whose element is true), an array or list of ids, a
    range, a set, or a function of an id.
    """

    __slots__ = ("_make", "_parts", "_pointer", "_lock", "_callbacks", "_passes", "__weakref__")

    def __init__(self, make: Callable[[Any], None], *parts: Filter,
                 passes: Callable[[Ids], Array] | None = None) -> None:
        """make(out) creates the library's filter. passes(ids) tells which ids of an array pass, as a boolean array;
        unlike the library's filter it also accepts negative ids."""
        self._make = make
        self._passes = passes
        self._parts = parts
        self._pointer: int | None = None
        self._lock = threading.Lock()
        self._callbacks: tuple[_Callback, ...] = sum((part._callbacks for part in parts), ())

    @staticmethod
    def range(start: int, stop: int) -> Filter:
        """The ids start … stop − 1."""
        start, stop = _arrays.count(start, "start", -2**63), _arrays.count(stop, "stop", -2**63)
        return Filter(lambda out: lib.filter_range(out, start, max(start, stop)),
                      passes=lambda ids: (ids >= start) & (ids < stop))

    @staticmethod
    def ids(ids: Any) -> Filter:
        """The given ids."""
        array = np.array(_arrays.ids(ids, None))
        return Filter(lambda out: lib.filter_ids(out, len(array), _arrays.address(array)),
                      passes=lambda ids: np.isin(ids, array))

    @staticmethod
    def mask(mask: Any) -> Filter:
        """The ids i whose element mask[i] of a boolean array is true."""
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.ndim != 1:
            raise TypeError(f"mask is {mask.dtype} of shape {mask.shape}; it must be a bool array of shape (n,)")
        return Filter.bitmap(np.packbits(mask, bitorder="little"))

    @staticmethod
    def bitmap(bits: Any) -> Filter:
        """The ids i whose bit, bit i % 8 of byte i // 8, is set."""
        bits = np.asarray(bits)
        if bits.dtype != np.uint8 or bits.ndim != 1:
            raise TypeError(f"bits is {bits.dtype} of shape {bits.shape}; it must be a uint8 array of shape (n,)")
        bits = np.array(bits, order="C")

        def passes(ids: Ids) -> Array:
            there = (ids >= 0) & (ids < 8 * len(bits))
            at = np.where(there, ids, 0)
            return there & (bits[at >> 3] >> (at & 7) & 1).astype(bool) if len(bits) else there

        return Filter(lambda out: lib.filter_bitmap(out, 8 * len(bits), _arrays.address(bits)), passes=passes)

    @staticmethod
    def callback(function: Callable[[int], Any]) -> Filter:
        """The ids for which function(id) is true. Each call of the function takes about a microsecond."""
        if not callable(function):
            raise TypeError(f"function is a {type(function).__name__}; it must be callable")
        callback = _Callback(function)
        made = Filter(lambda out: lib.filter_callback(out, callback.pointer, None),
                      passes=lambda ids: np.fromiter((bool(function(id)) for id in ids.tolist()), bool, len(ids)))
        made._callbacks = (callback,)
        return made

    def __invert__(self) -> Filter:
        return Filter(lambda out: _combine("filter_not", out, self), self, passes=lambda ids: ~self.passing(ids))

    def __and__(self, other: Any) -> Filter:
        return self._with("filter_and", other, np.logical_and)

    def __or__(self, other: Any) -> Filter:
        return self._with("filter_or", other, np.logical_or)

    def _with(self, name: str, other: Any, both: Callable[[Array, Array], Array]) -> Filter:
        if not isinstance(other, Filter):
            return NotImplemented
        return Filter(lambda out: _combine(name, out, self, other), self, other,
                      passes=lambda ids: both(self.passing(ids), other.passing(ids)))

    def passing(self, ids: Ids) -> Array:
        """Which ids of an array pass: bool [n]."""
        if self._passes is not None:
            return self._passes(ids)
        return np.fromiter((id in self for id in ids.tolist()), bool, len(ids))

    def __contains__(self, id: Any) -> bool:
        pointer = self.pointer()
        found = lib.filter_test(pointer, _arrays.count(id, "id", -2**63))
        self.raise_error()
        return bool(found)

    def pointer(self) -> int:
        """The library's filter, which lives as long as this object."""
        with self._lock:
            if self._pointer is None:
                out = ctypes.c_void_p()
                self._make(ctypes.byref(out))
                self._pointer = out.value
                weakref.finalize(self, lib.filter_free, out.value).atexit = False
        return self._pointer  # type: ignore[return-value]

    @property
    def calls_python(self) -> bool:
        return bool(self._callbacks)

    def raise_error(self) -> None:
        """Raise the exception of a callback during the call that has just ended, if there was one."""
        for callback in self._callbacks:
            error, callback.error = callback.error, None
            if error is not None:
                raise error


class _Callback:
    """A Python function that the library can call."""

    __slots__ = ("function", "error", "pointer")

    def __init__(self, function: Callable[[int], Any]) -> None:
        self.function = function
        self.error: BaseException | None = None
        self.pointer = FilterTest(self._test)

    def _test(self, _data: Any, id: int) -> int:
        passed = False

        def ask() -> None:
            nonlocal passed
            passed = bool(self.function(id))

        if self.error is None:
            self.error = guarded(ask)
        return passed and self.error is None


def _combine(name: str, out: Any, *parts: Filter) -> None:
    """Create a filter by an operator of the library, which takes ownership of its operands: each is created anew."""
    made: list[ctypes.c_void_p] = []
    try:
        for part in parts:
            made.append(ctypes.c_void_p())
            part._make(ctypes.byref(made[-1]))
        getattr(lib, name)(out, *made)
    except BaseException:
        for operand in made:
            lib.filter_free(operand)
        raise


def as_filter(value: Any) -> Filter | None:
    """The Filter for any value that is accepted as one; None stays None."""
    if value is None or isinstance(value, Filter):
        return value
    if isinstance(value, range) and value.step == 1:
        return Filter.range(value.start, max(value.start, value.stop))
    if isinstance(value, (range, set, frozenset)):
        value = np.fromiter(value, np.int64, len(value))
    if callable(value):
        return Filter.callback(value)
    array = np.asarray(value)
    return Filter.mask(array) if array.dtype == np.bool_ else Filter.ids(array)
