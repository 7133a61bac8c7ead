"""Reads and writes .fvecs, .ivecs and .bvecs files (http://corpus-texmex.irisa.fr/), in which each vector is preceded by
its dimension as a little-endian 32-bit integer. kith.read_vectors reads these formats and others."""
from __future__ import annotations

import os
from typing import Any, Iterator

import numpy as np

_WORD = np.dtype("<i4")


def _rows(fname: Any, element: Any) -> Any:
    """The vectors of a file, mapped into memory."""
    size = os.path.getsize(fname)
    if size < _WORD.itemsize:
        raise ValueError(f"'{os.fspath(fname)}' has only {size} bytes, too few for a vector")
    element = np.dtype(element)
    dim = int(np.fromfile(fname, _WORD, 1)[0])
    row = _WORD.itemsize + dim * element.itemsize
    if dim < 0 or size % row:
        raise ValueError(f"'{os.fspath(fname)}' begins with the dimension {dim}; its size of {size} bytes is not a multiple "
                         "of such vectors")
    return np.memmap(fname, np.uint8, "r").reshape(-1, row)[:, _WORD.itemsize:].view(element)


def ivecs_mmap(fname: Any) -> Any:
    return _rows(fname, "<i4")


def fvecs_mmap(fname: Any) -> Any:
    return _rows(fname, "<f4")


def bvecs_mmap(fname: Any) -> Any:
    return _rows(fname, np.uint8)


def ivecs_read(fname: Any) -> Any:
    return np.array(ivecs_mmap(fname), np.int32)


def fvecs_read(fname: Any) -> Any:
    return np.array(fvecs_mmap(fname), np.float32)


def _write(fname: Any, m: Any, element: Any) -> None:
    m = np.asarray(m)
    n, dim = m.shape
    out = np.empty(n, [("dim", _WORD), ("row", element, (dim,))])
    out["dim"], out["row"] = dim, m
    out.tofile(fname)


def ivecs_write(fname: Any, m: Any) -> None:
    _write(fname, m, "<i4")


def fvecs_write(fname: Any, m: Any) -> None:
    _write(fname, m, "<f4")


def bvecs_write(fname: Any, m: Any) -> None:
    _write(fname, m, "u1")


def bvecs_iter(filepath: Any, batch_size: int = 100_000) -> Iterator[Any]:
    """The vectors of a .bvecs file, batch by batch, mapped into memory."""
    x = bvecs_mmap(filepath)
    for first in range(0, len(x), batch_size):
        yield x[first:first + batch_size]
