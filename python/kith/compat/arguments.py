"""Checks of arguments for the FAISS-like interface. FAISS reports wrong arguments by AssertionError (shapes),
RuntimeError (its C++) or TypeError (its wrapper); ArgumentError is all of these, and kith's InvalidError."""
from __future__ import annotations

from functools import wraps
from typing import Any, Callable, TypeVar

import numpy as np

from .. import _arrays
from .._errors import ArgumentError, KithError
from .._types import Array, Codes, Floats, Ids
from ..filter import Filter, as_filter

Function = TypeVar("Function", bound=Callable[..., Any])


def asserted(function: Function) -> Function:
    """The function, raising ArgumentError in place of ValueError and TypeError."""

    @wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except KithError:
            raise
        except (ValueError, TypeError) as error:
            raise ArgumentError(str(error)) from None

    return call  # type: ignore[return-value]


count = asserted(_arrays.count)
real = asserted(_arrays.real)
output = asserted(_arrays.output)
path_of = asserted(_arrays.path_of)
k_of = asserted(_arrays.k_of)


def _numbers(x: Any) -> Any:
    """Arrays of booleans and of Python numbers become float32, as in FAISS."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "bO":
        return x.astype(np.float32)
    return x


@asserted
def vectors(x: Any, d: int, name: str) -> Array:
    """x as vectors [n × d] of float32, uint8 or int8."""
    return _arrays.vectors(_numbers(x), d, name)


@asserted
def floats(x: Any, d: int, name: str) -> Floats:
    """x as vectors [n × d] of float32."""
    return _arrays.floats(_numbers(x), d, name)


@asserted
def ids(values: Any, n: int | None, name: str = "ids") -> Ids:
    """ids as int64 [n]; of any length if n is None. Floats with integer values are accepted."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and array.size and (array == np.rint(array)).all() and (np.abs(array) < 2**63).all():
        array = array.astype(np.int64)
    return _arrays.ids(array, n, name)


@asserted
def chosen(values: Any, name: str) -> Filter:
    """The Filter for a selector, ids, or any other value that is accepted as a filter."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        values = ids(values, None, name)
    found = None if isinstance(values, (str, bytes, int, float)) else as_filter(values)
    if found is None:
        raise TypeError(f"{name} is {_arrays.short(values)}; it must be ids or a selector")
    return found


@asserted
def codes_of(codes: Any, size: int) -> Codes:
    """A caller's codes as uint8 [n × size]."""
    return _arrays.codes_of(codes, size)
