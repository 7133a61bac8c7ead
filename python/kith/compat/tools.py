"""Functions and constants of FAISS about threads, classes and versions."""
from __future__ import annotations

import numpy as np

from .._errors import ArgumentError
from .._options import get_threads, set_threads
from .._types import Array
from . import arguments as args
from .base import FaissIndex


# Values of `numeric_type` in add() and search(), which has no effect: kith uses the type of the array.
Float32, Float16, UInt8, Int8 = range(4)
# The FAISS release whose interface this is.
FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH = 1, 15, 0


def downcast_index(index: FaissIndex) -> FaissIndex:
    """The index itself, whose class is always known."""
    if index is not None and not isinstance(index, FaissIndex):
        raise ArgumentError(f"index is a {type(index).__name__}; it must be one of kith's FAISS-like indexes")
    return index


def normalize_L2(x: Array) -> None:
    """Normalise the rows of x, a float32 array, to unit length, in place. Zero rows do not change."""
    if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 2:
        have = f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ArgumentError(f"x is {have}; it must be a float32 array of shape (n, d), which is changed in place")
    if not x.flags.writeable:
        raise ArgumentError("x is read-only; it must be writeable, because it is changed in place")
    step = max(1, (1 << 22) // max(1, x.shape[1]))
    for first in range(0, len(x), step):
        part = x[first:first + step]
        norms = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        norms[norms == 0] = 1
        part /= norms[:, None].astype(np.float32)


def omp_set_num_threads(n: int) -> None:
    """Set the number of threads of all later calls."""
    set_threads(args.count(n, "n", 1, 65536))


def omp_get_max_threads() -> int:
    """The number of threads of calls."""
    return get_threads()


def get_num_gpus() -> int:
    """Always 0: kith runs on CPUs."""
    return 0
