"""FAISS's functions."""
from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np

from .. import _arrays
from .._arrays import METRIC_L2
from .._errors import FormatError
from .._handle import Handle
from .._lib import SearchOptions, lib, new_options
from .._options import get_threads, set_threads
from ..index import MMAP, new_handle, open_handle
from .base import FaissIndex

KITH_MAGIC = b"\x89KITH\r\n\x1a"
IO_FLAG_MMAP, IO_FLAG_READ_ONLY = 1, 2


def index_factory(d: int, description: str, metric: Any = METRIC_L2) -> FaissIndex:
    """An index of a factory string, e.g. "IVF1024,PQ16"."""
    made = FaissIndex._of(new_handle(description, d, metric))
    if isinstance(description, str) and description.startswith("IDMap"):
        from .wrappers import IndexIDMap, IndexIDMap2
        return (IndexIDMap2 if description.startswith("IDMap2") else IndexIDMap)(made)
    return made


def write_index(index: FaissIndex, path: str | os.PathLike[str], format: str = "kith") -> None:
    """Save an index in kith's format, or with format="faiss" in FAISS's."""
    if not isinstance(index, FaissIndex):
        raise TypeError(f"index is a {type(index).__name__}; it must be one of kith's FAISS-like indexes")
    index._whole()
    if not isinstance(format, str) or format not in ("kith", "faiss"):
        raise ValueError(f"format is {_arrays.short(format)}; there are 'kith' and 'faiss'")
    if format == "kith":
        index.save(path)
        return
    name = _arrays.path_of(path)
    with index._handle.reading() as pointer:
        lib.index_export_faiss(pointer, name)


def read_index(path: str | os.PathLike[str], io_flags: int = 0) -> FaissIndex:
    """Open a file of kith's or of FAISS's, told apart by what is in it."""
    name, flags = _arrays.path_of(path), _arrays.count(io_flags, "io_flags")
    with open(name, "rb") as file:
        native = file.read(len(KITH_MAGIC)) == KITH_MAGIC
    if native:
        return FaissIndex._of(open_handle(path, MMAP if flags & IO_FLAG_MMAP else 0))  # type: ignore[return-value]
    found = new_options(SearchOptions)
    index = FaissIndex._of(Handle(lib.index_import_faiss, name, ctypes.byref(found)))
    for parameter in index._params.used:
        if getattr(found, parameter):
            index._params.values[parameter] = getattr(found, parameter)
    return index


def serialize_index(index: FaissIndex) -> np.ndarray:
    """The bytes of an index's file, as an array of uint8."""
    return np.frombuffer(index.tobytes(), np.uint8).copy()


def deserialize_index(data: Any) -> FaissIndex:
    """An index of what serialize_index gave."""
    array = np.asarray(data) if not isinstance(data, (bytes, bytearray, memoryview)) else np.frombuffer(data, np.uint8)
    if array.dtype != np.uint8 or array.ndim != 1:
        raise TypeError(f"data is {array.dtype} of shape {array.shape}; it must be bytes, uint8 of shape (n,)")
    if array[:len(KITH_MAGIC)].tobytes() != KITH_MAGIC:
        raise FormatError("data is no index of kith's: its first bytes are others")
    return FaissIndex.frombytes(array.tobytes())  # type: ignore[return-value]


def clone_index(index: FaissIndex) -> FaissIndex:
    """An independent copy."""
    return index.clone()


def downcast_index(index: FaissIndex) -> FaissIndex:
    """Indexes know their classes: the index itself."""
    return index


def normalize_L2(x: np.ndarray) -> None:
    """Bring the rows of x, an array of float32, to unit length, in place. Zero rows stay."""
    if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 2:
        have = f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"x is {have}; it must be a float32 array of shape (n, d), which is changed in place")
    if not x.flags.writeable:
        raise ValueError("x is read-only; it is to be changed in place")
    step = max(1, (1 << 22) // max(1, x.shape[1]))
    for first in range(0, len(x), step):
        part = x[first:first + step]
        norms = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        norms[norms == 0] = 1
        part /= norms[:, None].astype(np.float32)


def vector_to_array(vector: Any) -> np.ndarray:
    """An array of what FAISS has a C++ vector of; kith has arrays there."""
    return np.array(vector)


vector_float_to_array = vector_to_array


def omp_set_num_threads(n: int) -> None:
    """Threads of calls from now on."""
    set_threads(_arrays.count(n, "n", 1, 65536))


def omp_get_max_threads() -> int:
    """Threads that calls take."""
    return get_threads()


def get_num_gpus() -> int:
    """kith runs on CPUs: 0."""
    return 0
