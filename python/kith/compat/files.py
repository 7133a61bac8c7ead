"""FAISS's readers and writers; indexes to and from files and bytes."""
from __future__ import annotations

import ctypes
import io
import os
import tempfile
from typing import Any, Callable

import numpy as np

from .. import _arrays
from .._errors import FormatError
from .._handle import Handle
from .._lib import SearchOptions, lib, new_options
from .._streams import read_file
from .._types import Codes
from ..index import MMAP, open_handle
from .base import FaissIndex

KITH_MAGIC = b"\x89KITH\r\n\x1a"
# FAISS's numbers, of which the two that map a file count.
IO_FLAG_READ_ONLY, IO_FLAG_ONDISK_SAME_DIR, IO_FLAG_SKIP_IVF_DATA, IO_FLAG_SKIP_PRECOMPUTE_TABLE = 2, 4, 8, 16
IO_FLAG_MMAP, IO_FLAG_MMAP_IFC = 8 | 0x646F0000, 1 << 9


class PyCallbackIOWriter:
    """Gives what is written to a function of bytes, at most bs at a time."""

    def __init__(self, callback: Callable[[bytes], Any], bs: int = 1024 * 1024) -> None:
        if not callable(callback):
            raise TypeError(f"callback is a {type(callback).__name__}; it must be a function of bytes")
        self._callback, self._size = callback, _arrays.count(bs, "bs", 1)

    def write(self, data: bytes) -> int:
        for at in range(0, len(data), self._size):
            self._callback(data[at:at + self._size])
        return len(data)


class PyCallbackIOReader:
    """Takes bytes from a function of how many, at most bs at a time."""

    def __init__(self, callback: Callable[[int], Any], bs: int = 1024 * 1024) -> None:
        if not callable(callback):
            raise TypeError(f"callback is a {type(callback).__name__}; it must be a function of a number of bytes")
        self._callback, self._size = callback, _arrays.count(bs, "bs", 1)

    def read(self) -> bytes:
        """All that comes."""
        parts = []
        while part := bytes(self._callback(self._size)):
            parts.append(part)
        return b"".join(parts)


class VectorIOWriter:
    """Keeps what is written in `data`."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


class VectorIOReader:
    """Takes what is put into `data` (copy_array_to_vector)."""

    def __init__(self) -> None:
        self.data = bytearray()

    def read(self) -> bytes:
        return bytes(self.data)


def write_index(index: FaissIndex, f: Any, format: str = "kith") -> None:
    """Save an index in kith's format, or with format="faiss" in FAISS's. f: a file's name, or what has write(bytes)."""
    if not isinstance(index, FaissIndex):
        raise TypeError(f"index is a {type(index).__name__}; it must be one of kith's FAISS-like indexes")
    index._whole()
    if not isinstance(format, str) or format not in ("kith", "faiss"):
        raise ValueError(f"format is {_arrays.short(format)}; there are 'kith' and 'faiss'")
    if format == "kith":
        index.save(f)
    elif not hasattr(f, "write"):
        index.export_faiss(f)
    else:
        with tempfile.TemporaryDirectory(prefix="kith-") as folder:
            path = os.path.join(folder, "index")
            index.export_faiss(path)
            with open(path, "rb") as file:
                while part := file.read(1 << 24):
                    f.write(part)


def read_index(f: Any, io_flags: int = 0) -> FaissIndex:
    """Open a file of kith's or of FAISS's, told apart by what is in it. f: its name, or what has read()."""
    flags = _arrays.count(io_flags, "io_flags")
    if hasattr(f, "read"):
        return _of_bytes(f.read(), "f")
    name = _arrays.path_of(f)
    with open(name, "rb") as file:
        native = file.read(len(KITH_MAGIC)) == KITH_MAGIC
    if not native:
        return _import(name)
    mapped = flags & IO_FLAG_MMAP == IO_FLAG_MMAP or flags & IO_FLAG_MMAP_IFC
    return FaissIndex._of(open_handle(f, MMAP if mapped else 0))


def _import(name: bytes) -> FaissIndex:
    """A file of FAISS's, with the search parameters that are in it."""
    found = new_options(SearchOptions)
    index = FaissIndex._of(Handle(lib.index_import_faiss, name, ctypes.byref(found)))
    for parameter in index._params.used:
        if getattr(found, parameter):
            index._params.values[parameter] = getattr(found, parameter)
    return index


def _of_bytes(data: Any, name: str) -> FaissIndex:
    """An index out of bytes of kith's or of FAISS's."""
    if not isinstance(data, (bytes, bytearray)):
        raise TypeError(f"{name} is {_arrays.short(data)}; it must be bytes")
    if data[:len(KITH_MAGIC)] == KITH_MAGIC:
        return FaissIndex._of(read_file(io.BytesIO(data), 0))
    if len(data) < 4:
        raise FormatError(f"{name} is no index: it has {len(data)} bytes")
    with tempfile.TemporaryDirectory(prefix="kith-") as folder:
        path = os.path.join(folder, "index")
        with open(path, "wb") as file:
            file.write(data)
        return _import(os.fsencode(path))


def serialize_index(index: FaissIndex) -> Codes:
    """The bytes of an index's file, as an array of uint8."""
    return np.frombuffer(index.tobytes(), np.uint8).copy()


def deserialize_index(data: Any) -> FaissIndex:
    """An index of what serialize_index gave, kith's or FAISS's."""
    array = np.asarray(data) if not isinstance(data, (bytes, bytearray, memoryview)) else np.frombuffer(data, np.uint8)
    if array.dtype != np.uint8 or array.ndim != 1:
        raise TypeError(f"data is {array.dtype} of shape {array.shape}; it must be bytes, uint8 of shape (n,)")
    return _of_bytes(array.tobytes(), "data")


def clone_index(index: FaissIndex) -> FaissIndex:
    """An independent copy."""
    return index.clone()
