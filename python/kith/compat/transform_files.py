"""Reads and writes standalone transforms and product quantizers in FAISS's file format.

The file of a transform begins with four letters for its class. Its attributes follow, then both dimensions and whether it
is trained. A C++ vector is written as the number of its elements (64 bits), followed by the elements.
"""
from __future__ import annotations

import os
import struct
from contextlib import contextmanager
from typing import Any, Callable, Iterator

import numpy as np

from .._errors import ArgumentError, FormatError, UnsupportedError, missing_files
from .._lib import MAX_DIM
from .._types import Array
from . import arguments as args
from .product import ProductQuantizer
from .transforms import (CenteringTransform, LinearTransform, NormalizationTransform, PadTransform, PCAMatrix,
                         RandomRotationMatrix, RemapDimensionsTransform, VectorTransform, faiss_array)

_MAX_ELEMENTS = 1 << 31  # of a vector: a file with more is damaged


def write_VectorTransform(vt: VectorTransform, f: Any) -> None:
    """Write a trained transform. f: a file's name, or an object with write(bytes)."""
    if not isinstance(vt, VectorTransform):
        raise ArgumentError(f"vt is a {type(vt).__name__}; it must be a transform")
    _write(f, _body(vt) + struct.pack("<ii?", vt.d_in, vt.d_out, True))


def _body(vt: VectorTransform) -> bytes:
    if isinstance(vt, PadTransform):
        vt = RemapDimensionsTransform(vt.d_in, vt.d_out, False)
    if isinstance(vt, RemapDimensionsTransform):
        return b"RmDT" + faiss_array(vt.map, "<i4")
    if isinstance(vt, NormalizationTransform):
        return b"VNrm" + struct.pack("<f", vt.norm)
    if isinstance(vt, CenteringTransform):
        return b"VCnt" + faiss_array(vt.mean)
    if not isinstance(vt, LinearTransform):
        raise UnsupportedError(f"{vt!r} cannot be written: FAISS's format has no such transform")
    matrix, shift = vt._maps()[0]
    if isinstance(vt, PCAMatrix):
        mean, values = vt._statistics or ((), ())
        # eigen_power, epsilon, random_rotation, balanced_bins; mean, eigenvalues, all components (kith keeps only d_out)
        head = b"Pcam" + struct.pack("<ff?i", vt.eigen_power, 0, vt.random_rotation, 0)
        head += faiss_array(mean) + faiss_array(values) + faiss_array(())
    else:
        head = b"rrot" if isinstance(vt, RandomRotationMatrix) else b"LTra"
    bias = bool(shift.any())
    return head + struct.pack("<?", bias) + faiss_array(matrix) + faiss_array(shift if bias else ())


def read_VectorTransform(f: Any) -> VectorTransform:
    """Read a transform. f: a file's name, or an object with read(n), from which nothing beyond the transform is read."""
    with _reading(f) as r:
        kind = r.bytes(4)
        if kind not in _READERS:
            raise UnsupportedError(f"the file holds {kind!r}; kith has LinearTransform, PCAMatrix, RandomRotationMatrix, "
                                   "NormalizationTransform, CenteringTransform and RemapDimensionsTransform")
        make = _READERS[kind](r)
        d_in, d_out, _ = r.numbers("<ii?")
        if not (0 < d_in <= MAX_DIM and 0 < d_out <= MAX_DIM):
            raise FormatError(f"the file holds a transform from {d_in} to {d_out} dimensions")
        try:
            return make(d_in, d_out)
        except (ValueError, TypeError) as error:
            raise FormatError(f"the file holds an invalid transform: {error}") from None


def write_ProductQuantizer(pq: Any, f: Any) -> None:
    """Write a product quantizer, standalone or of an index. f: a file's name, or an object with write(bytes)."""
    _write(f, struct.pack("<QQQ", pq.d, pq.M, pq.nbits) + faiss_array(np.asarray(pq.centroids).ravel()))


def read_ProductQuantizer(f: Any) -> ProductQuantizer:
    """Read a product quantizer. f: a file's name, or an object with read(n)."""
    with _reading(f) as r:
        d, M, nbits = r.numbers("<QQQ")
        if not 0 < d <= MAX_DIM or not 0 < M <= d or not 0 < nbits <= 16:
            raise FormatError(f"the file does not hold a product quantizer: {d} dimensions, {M} numbers of {nbits} bits")
        pq = ProductQuantizer(d, M, nbits)
        books = r.array("<f4")
        if books.size and (books.size != d << nbits or not np.isfinite(books).all()):
            raise FormatError(f"the file holds {books.size} numbers for codebooks; there must be {d << nbits}, all finite")
        if books.size:
            pq.centroids = books
        return pq


# ---- the attributes, which follow the four letters ----

_Make = Callable[[int, int], VectorTransform]


def _matrix(r: _Reader, kind: Callable[[int, int], LinearTransform]) -> _Make:
    bias, = r.numbers("<?")
    matrix, shift = r.array("<f4"), r.array("<f4")

    def make(d_in: int, d_out: int) -> LinearTransform:
        made = kind(d_in, d_out)
        if bias and shift.size != d_out:
            raise ArgumentError(f"the bias has {shift.size} elements; it must have {d_out}")
        made.have_bias = bias
        made._hold(matrix, shift if bias else None)
        made.set_is_orthonormal()
        return made

    return make


def _pca(r: _Reader) -> _Make:
    power, _, rotated, bins = r.numbers("<ff?i")
    mean, values, _ = (r.array("<f4") for _ in range(3))
    if bins:
        raise UnsupportedError(f"the file holds a PCAMatrix with balanced_bins {bins}; kith has 0")

    def kind(d_in: int, d_out: int) -> PCAMatrix:
        made = PCAMatrix(d_in, d_out, power, rotated)
        made._statistics = (mean, values) if values.size else None
        return made

    return _matrix(r, kind)


def _normal(r: _Reader) -> _Make:
    norm, = r.numbers("<f")
    return lambda d_in, d_out: NormalizationTransform(d_in, norm)


def _centre(r: _Reader) -> _Make:
    mean = r.array("<f4")

    def make(d_in: int, d_out: int) -> CenteringTransform:
        made = CenteringTransform(d_in)
        made._hold(np.eye(d_in), -mean)
        return made

    return make


def _remap(r: _Reader) -> _Make:
    numbers = r.array("<i4")
    return lambda d_in, d_out: RemapDimensionsTransform(d_in, d_out, numbers)


_READERS: dict[bytes, Callable[[Any], _Make]] = {
    b"LTra": lambda r: _matrix(r, LinearTransform), b"rrot": lambda r: _matrix(r, RandomRotationMatrix),
    b"Pcam": _pca, b"VNrm": _normal, b"VCnt": _centre, b"RmDT": _remap}


# ---- files ----


def _write(f: Any, data: bytes) -> None:
    if hasattr(f, "write"):
        f.write(data)
        return
    with open(args.path_of(f), "wb") as file:
        file.write(data)


class _Reader:
    """Reads numbers and vectors from a stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def bytes(self, n: int) -> bytes:
        parts = []
        while n:
            part = bytes(self._stream.read(min(n, 1 << 24)))[:n]
            if not part:
                raise FormatError("the file is truncated")
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    def numbers(self, format: str) -> tuple[Any, ...]:
        return struct.unpack(format, self.bytes(struct.calcsize(format)))

    def array(self, dtype: Any) -> Array:
        size, = self.numbers("<Q")
        if size > _MAX_ELEMENTS:
            raise FormatError(f"the file holds a vector of {size} elements; no transform has so many")
        return np.frombuffer(self.bytes(size * np.dtype(dtype).itemsize), dtype).copy()


@contextmanager
def _reading(f: Any) -> Iterator[_Reader]:
    if hasattr(f, "read"):
        yield _Reader(f)
        return
    with missing_files():
        if not os.path.exists(name := args.path_of(f)):
            from .._errors import NotFoundError
            raise NotFoundError(f"there is no file '{os.fsdecode(name)}'")
    with open(name, "rb") as file:
        yield _Reader(file)
