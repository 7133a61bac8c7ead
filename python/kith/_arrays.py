"""Checks callers' arguments and converts them to arrays that the library can read, without a copy where possible.

Every array that reaches the library has gone through here and has the right type, native byte order, C-contiguous
memory and the shape that the call assumes. So no argument can make the library read outside of an array.
"""
# mypy: warn-return-any=False
from __future__ import annotations

import math
import operator
import os
import re
import struct
from typing import Any

import numpy as np

from ._lib import F32, I8, MAX_K, U8
from ._types import Array, Codes, Floats, Ids

_float32, _uint8, _int8, _int64 = (np.dtype(t) for t in (np.float32, np.uint8, np.int8, np.int64))
TYPES = {_float32: F32, _uint8: U8, _int8: I8}


def address(array: Array) -> int:
    """The address of an array's first element. (array.ctypes.data is slower.)"""
    return array.__array_interface__["data"][0]


def plain(array: Array, dtype: Any) -> Array:
    """The array with the given type, C-contiguous and aligned, as the library reads it."""
    array = np.ascontiguousarray(array, dtype).view(np.ndarray)
    return array if array.flags.aligned else array.copy()


def vectors(x: Any, dim: int, name: str) -> Array:
    """x as vectors [n × dim] of float32, uint8 or int8. Arrays of these types are not copied; other real numbers
    become float32."""
    if type(x) is np.ndarray and x.ndim == 2 and x.shape[1] == dim and x.dtype in TYPES:
        flags = x.flags
        if flags.c_contiguous and flags.aligned:
            return x
    return _shaped(numbers(x, name), dim, name)


def floats(x: Any, dim: int, name: str) -> Floats:
    """x as vectors [n × dim] of float32."""
    x = vectors(x, dim, name)
    return x if x.dtype is _float32 else plain(x, np.float32)


def queries(q: Any, dim: int) -> tuple[Array, bool]:
    """Queries [nq × dim], and whether q was a single vector [dim]."""
    if type(q) is np.ndarray and q.ndim == 2:
        return vectors(q, dim, "q"), False
    q = numbers(q, "q")
    single = q.ndim == 1
    return _shaped(q[None] if single and len(q) else q, dim, "q"), single


def numbers(x: Any, name: str) -> Array:
    """An array of float32, uint8 or int8, C-contiguous; TypeError if x holds no real numbers."""
    try:
        array = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{name}: {short(x)} is not an array of numbers: {error}") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} has dtype {array.dtype}; vectors are float32, uint8 or int8 (float16, float64 and "
                        "other integers are converted)")
    kind = array.dtype if array.dtype in TYPES else _float32
    with np.errstate(over="ignore"):  # infinity is refused by the library, which names the element
        return plain(array, kind.newbyteorder("="))


def _shaped(array: Array, dim: int, name: str) -> Array:
    if array.ndim != 2 or array.shape[1] != dim:
        raise ValueError(f"{name} has shape {array.shape}; it must be (n, {dim}), one vector a row")
    return array


def ids(values: Any, n: int | None, name: str = "ids") -> Ids:
    """ids as int64 [n]; of any length if n is None."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{name}: {short(values)} is not an array of integers: {error}") from None
    if array.ndim != 1 or (n is not None and len(array) != n):
        raise ValueError(f"{name} has shape {array.shape}; it must be ({'n' if n is None else n},), one id a vector")
    if not array.size:
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}; ids are integers")
    if array.dtype.kind == "u" and int(array.max()) >= 2**63:
        raise ValueError(f"{name} has {array.max()}; ids are below 2^63")
    return plain(array, np.int64)


def last_of_each(x: Array, ids: Ids) -> tuple[Array, Ids]:
    """Vectors and ids with only the last row of each repeated id; the order of the remaining rows is unchanged."""
    _, last = np.unique(ids[::-1], return_index=True)
    if len(last) == len(ids):
        return x, ids
    rows = np.sort(len(ids) - 1 - last)
    return x[rows], ids[rows]


def count(value: Any, name: str, minimum: int = 0, maximum: int = 2**63 - 1) -> int:
    """The value as an integer, which must lie within the bounds."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {short(value)}; it must be an integer") from None
    if not minimum <= number <= maximum:
        raise ValueError(f"{name} is {number}; it must be {minimum} … {maximum}")
    return number


def real(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {short(value)}; it must be a number") from None


def k_of(k: Any) -> int:
    if type(k) is int and 0 < k <= MAX_K:
        return k
    return count(k, "k", 1, MAX_K)


def output(array: Any, shape: tuple[int, ...], dtype: Any, name: str) -> Array:
    """The array for results: the caller's, which must have exactly this shape and type, or a new one."""
    if array is None:
        return np.empty(shape, dtype)
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
        have = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else short(array)
        raise ValueError(f"{name} is {have}; it must be a {np.dtype(dtype)} array of shape {shape}")
    if not (array.flags.c_contiguous and array.flags.writeable and array.flags.aligned):
        raise ValueError(f"{name} must be C-contiguous, aligned and writeable")
    return array


def short(value: Any) -> str:
    """A value as short text for a message."""
    try:
        text = repr(value)
    except Exception:  # a foreign __repr__ may raise anything
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def counted(n: int, word: str) -> str:
    """A count with its noun: "1 row", "2 rows"."""
    return f"{n} {word}" + ("" if n == 1 else "s")


METRICS = {"l2": 0, "ip": 1, "cosine": 2, "l1": 3, "linf": 4, "canberra": 5, "braycurtis": 6, "jensenshannon": 7, "jaccard": 8,
           "naneuclidean": 9}
_NAMES = tuple(METRICS)


def lp(p: float) -> int | None:
    """The library's number of Lp with this exponent: the bits of the float −p. None: it is no exponent."""
    try:
        number: int = struct.unpack("<i", struct.pack("<f", -p))[0]
    except OverflowError:
        return None
    return number if exponent(number) > 0 and math.isfinite(exponent(number)) else None


def exponent(metric: int) -> float:
    """That of Lp, by the library's number of it; 0 for other metrics."""
    return -float(struct.unpack("<f", struct.pack("<i", metric))[0]) if metric < 0 else 0.0


def metric_name(metric: int) -> str:
    """By the library's number."""
    return _NAMES[metric] if metric >= 0 else f"lp{exponent(metric):.9g}"


def metric_named(metric: Any) -> int:
    """The library's number for the name of a metric, in upper or lower case."""
    found = METRICS.get(metric.lower()) if isinstance(metric, str) else None
    if found is None and isinstance(metric, str) and re.fullmatch(r"lp[0-9.]+(e[-+]?[0-9]+)?", metric.lower()):
        try:
            found = lp(float(metric[2:]))
        except ValueError:
            pass
    if found is None:
        raise ValueError(f"metric is {short(metric)}; it must be 'l2', 'ip' (inner product), {', '.join(map(repr, _NAMES[2:]))} "
                         "or 'lp…', as 'lp3'"
                         + ("" if isinstance(metric, str) else ". Only FAISS's classes and functions take FAISS's numbers"))
    return found


def text_of(value: Any, name: str) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {short(value)}; it must be a string")
    if "\0" in value:
        raise ValueError(f"{name} has a NUL character")
    return value.encode("utf-8", "surrogateescape")


def path_of(path: Any) -> bytes:
    """The name of a file as the operating system expects it."""
    try:
        encoded = os.fsencode(path)
    except TypeError:
        raise TypeError(f"path is {short(path)}; it must be a string or a path") from None
    if b"\0" in encoded:
        raise ValueError("path has a NUL character")
    return encoded


def codes_of(codes: Any, size: int) -> Codes:
    """A caller's codes as uint8 [n × size]."""
    array = np.asarray(codes)
    if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != size:
        raise ValueError(f"codes is {array.dtype} of shape {array.shape}; it must be uint8 of shape (n, {size})")
    return np.ascontiguousarray(array)
