"""Vectors in .fvecs, .ivecs and .bvecs files (http://corpus-texmex.irisa.fr/): each has its dimension before it, as a
little-endian 32-bit integer. kith.read_vectors reads these and more."""
from __future__ import annotations

import os
from typing import Any, Iterator

import numpy as np

_WORD = np.dtype("<i4")


def _rows(fname: Any, element: Any) -> Any:
    """A map of the file's vectors."""
    size = os.path.getsize(fname)
    if size < _WORD.itemsize:
        raise ValueError(f"'{os.fspath(fname)}' has {size} bytes, which are no vectors")
    element = np.dtype(element)
    dim = int(np.fromfile(fname, _WORD, 1)[0])
    row = _WORD.itemsize + dim * element.itemsize
    if dim < 0 or size % row:
        raise ValueError(f"'{os.fspath(fname)}' begins with the dimension {dim}; its {size} bytes are no multiple of "
                         "such vectors")
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
    """The vectors of a .bvecs file, some at a time, from where they are."""
    x = bvecs_mmap(filepath)
    for first in range(0, len(x), batch_size):
        yield x[first:first + batch_size]
