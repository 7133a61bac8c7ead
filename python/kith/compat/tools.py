"""FAISS's functions."""
from __future__ import annotations

import numpy as np

from .._errors import ArgumentError
from .._options import get_threads, set_threads
from .._types import Array
from . import arguments as args
from .base import FaissIndex


# Types of elements that add() and search() may be told of; kith sees for itself what an array holds.
Float32, Float16, UInt8, Int8 = range(4)
# Whose names these are.
FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH = 1, 15, 0


def downcast_index(index: FaissIndex) -> FaissIndex:
    """Indexes know their classes: the index itself."""
    if index is not None and not isinstance(index, FaissIndex):
        raise ArgumentError(f"index is a {type(index).__name__}; it must be one of kith's FAISS-like indexes")
    return index


def normalize_L2(x: Array) -> None:
    """Bring the rows of x, an array of float32, to unit length, in place. Zero rows stay."""
    if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 2:
        have = f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ArgumentError(f"x is {have}; it must be a float32 array of shape (n, d), which is changed in place")
    if not x.flags.writeable:
        raise ArgumentError("x is read-only; it is to be changed in place")
    step = max(1, (1 << 22) // max(1, x.shape[1]))
    for first in range(0, len(x), step):
        part = x[first:first + step]
        norms = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        norms[norms == 0] = 1
        part /= norms[:, None].astype(np.float32)


def omp_set_num_threads(n: int) -> None:
    """Threads of calls from now on."""
    set_threads(args.count(n, "n", 1, 65536))


def omp_get_max_threads() -> int:
    """Threads that calls take."""
    return get_threads()


def get_num_gpus() -> int:
    """kith runs on CPUs: 0."""
    return 0
