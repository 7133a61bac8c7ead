"""Vector files: fvecs, bvecs, ivecs, fbin, u8bin, i8bin, ibin, npy, and HDF5 where the library has it."""
from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np

from . import _arrays
from ._lib import I32, MAX_DIM, VecsInfo, lib
from ._types import Array

_DTYPES = (np.float32, np.uint8, np.int8, np.int32)


def read_vectors(path: str | os.PathLike[str], first: int = 0, n: int | None = None) -> Array:
    """Vectors first … first + n − 1 of a file (n None: to its end) as [n × dim] of the file's own type."""
    vecs, info = ctypes.c_void_p(), VecsInfo(size=ctypes.sizeof(VecsInfo))
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


def write_vectors(path: str | os.PathLike[str], x: Any) -> None:
    """Write the rows of x to a file, whose name says the format; it appears complete or not at all."""
    x = np.asarray(x)
    if x.dtype == np.int32:
        x = _arrays.plain(x, np.int32)
    else:
        x = _arrays.numbers(x, "x")
    if x.ndim != 2 or not 1 <= x.shape[1] <= MAX_DIM:
        raise ValueError(f"x has shape {x.shape}; it must be (n, dim), one vector a row")
    kind = I32 if x.dtype == np.int32 else _arrays.TYPES[x.dtype]
    lib.vecs_write(_arrays.path_of(path), kind, len(x), x.shape[1], _arrays.address(x))
