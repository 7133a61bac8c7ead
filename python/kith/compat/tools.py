"""FAISS's functions."""
from __future__ import annotations

import re
from typing import Any

import numpy as np

from .. import _arrays
from .metrics import METRIC_L2, name_of
from .._errors import InvalidError, UnsupportedError
from .._options import get_threads, set_threads
from .._types import Array
from ..index import new_handle
from .absent import refused
from .base import FaissIndex


def index_factory(d: int, description: str, metric: Any = METRIC_L2) -> FaissIndex:
    """An index of a factory string, e.g. "IVF1024,PQ16"."""
    from .tree import index_of_handle, without_idmap
    spec, idmap = without_idmap(description)
    if isinstance(spec, str):
        spec = re.sub(r"IVF(\d+)\(HNSW(\d*)(?:,Flat)?\)", r"IVF\1_HNSW\2", spec)
    try:
        handle = new_handle(spec, d, name_of(metric))
    except (InvalidError, UnsupportedError) as error:
        raise refused(description, error) from None
    return index_of_handle(handle, idmap)


def downcast_index(index: FaissIndex) -> FaissIndex:
    """Indexes know their classes: the index itself."""
    return index


def normalize_L2(x: Array) -> None:
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


def vector_to_array(vector: Any) -> Array:
    """An array of what FAISS has a C++ vector of; kith has arrays, lists and bytes there."""
    return np.frombuffer(bytes(vector), np.uint8) if isinstance(vector, (bytes, bytearray)) else np.array(vector)


vector_float_to_array = vector_to_array


def copy_array_to_vector(array: Any, vector: Any) -> None:
    """Put an array into what FAISS has a C++ vector of; here that is a list or a bytearray."""
    array = np.asarray(array)
    if array.ndim != 1:
        raise ValueError(f"array has shape {array.shape}; it must be (n,)")
    if isinstance(vector, bytearray):
        vector[:] = array.tobytes()
    elif isinstance(vector, list):
        vector[:] = array.tolist()
    else:
        raise TypeError(f"vector is {_arrays.short(vector)}; it must be a list or a bytearray of kith's")


def omp_set_num_threads(n: int) -> None:
    """Threads of calls from now on."""
    set_threads(_arrays.count(n, "n", 1, 65536))


def omp_get_max_threads() -> int:
    """Threads that calls take."""
    return get_threads()


def get_num_gpus() -> int:
    """kith runs on CPUs: 0."""
    return 0
