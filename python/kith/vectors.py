"""Vector files: fvecs, bvecs, ivecs, fbin, u8bin, i8bin, ibin, npy, and HDF5 if the library was built with it."""
from __future__ import annotations

import ctypes
import os
import re
from typing import Any

import numpy as np

from . import _arrays
from ._errors import missing_files
from ._lib import I32, I64, MAX_DIM, VecsInfo, lib
from ._types import Array

_DTYPES = (np.float32, np.uint8, np.int8, np.int32, np.int64)
_INTEGERS = {np.dtype(np.int32): I32, np.dtype(np.int64): I64}


def read_vectors(path: str | os.PathLike[str], first: int = 0, n: int | None = None) -> Array:
    """Vectors first … first + n − 1 of a file, or all from `first` on if n is None: [n × dim] of the file's type."""
    vecs, info = ctypes.c_void_p(), VecsInfo(size=ctypes.sizeof(VecsInfo))
    with missing_files():
        lib.vecs_open(ctypes.byref(vecs), _arrays.path_of(path))
    try:
        lib.vecs_info_get(vecs, ctypes.byref(info))
        first = _arrays.count(first, "first", 0, info.n)
        count = info.n - first if n is None else _arrays.count(n, "n", 0, info.n - first)
        x: Array = np.empty((count, info.dim), _DTYPES[info.type])
        lib.vecs_read(vecs, first, count, info.type, _arrays.address(x))
        return x
    finally:
        lib.vecs_close(vecs)


def _whole_numbers(path: str, x: Array) -> Array:
    """Integers of 32 bits or more, converted to the type that the file can hold: int64 in npy and HDF5, int32 in .ivecs
    and .ibin, float32 in all others. Raises ValueError if a value would change."""
    wide, ids = re.search(r"\.(npy|hdf5|h5)(:[^/]*)?$", path, re.I), path.endswith((".ivecs", ".ibin"))
    maximum = 2**63 - 1 if wide else 2**31 - 1 if ids else 2**24  # all integers up to it are in the type's range
    wrong = x > maximum
    if x.dtype.kind == "i" and not wide:
        wrong |= x < -maximum - ids
    if np.any(wrong):
        at = np.argwhere(wrong)[0]
        name = "int64" if wide else "int32" if ids else "the integers of float32"
        raise ValueError(f"x{at.tolist()} is {x[tuple(at)]}, beyond {name}; ids are written as int32 to a file named "
                         ".ivecs or .ibin, as int64 to one named .npy")
    made: Array = x.astype(np.int64 if wide else np.int32 if ids else np.float32)
    return made


def write_vectors(path: str | os.PathLike[str], x: Any) -> None:
    """Write the rows of x to a file in the format that its name's extension says. The file appears complete or not at
    all.

    Integers of 32 bits or more, such as ids, are converted to int64 in npy and HDF5, to int32 in .ivecs and .ibin, and to
    float32 in all other formats; a value that would change is an error."""
    x = np.asarray(x)
    if x.dtype.kind in "iu" and x.dtype.itemsize > 2 and x.dtype != np.int32:
        x = _whole_numbers(os.fsdecode(path), x)
    if x.dtype in _INTEGERS:
        x = _arrays.plain(x, x.dtype)
    else:
        x = _arrays.numbers(x, "x")
    if x.ndim != 2 or not 1 <= x.shape[1] <= MAX_DIM:
        raise ValueError(f"x has shape {x.shape}; it must be (n, dim), one vector a row")
    kind = _INTEGERS.get(x.dtype)
    kind = _arrays.TYPES[x.dtype] if kind is None else kind
    lib.vecs_write(_arrays.path_of(path), kind, len(x), x.shape[1], _arrays.address(x))
