"""kith: nearest-neighbour indexes.

The native interface::

    index = kith.Index("IVF1024,PQ16", dim=128, metric="cosine")
    index.train(sample)
    index.add(vectors, ids)
    distances, ids = index.search(queries, k=10, nprobe=16)
    index.save("vectors.kith")

The package also has the names of FAISS's Python interface, so that programs written for FAISS run after
``import kith as faiss``. `version` is the version of kith, `__version__` that of the FAISS release whose interface this
is. Vectors are NumPy arrays with one vector per row; float32, uint8 and int8 arrays are used without a copy.
"""
from __future__ import annotations

import typing as _typing

from ._errors import (BusyError, CancelledError, FileError, FormatError, InternalError, InvalidError, KithError, NoMemoryError,
                      NotFoundError, StaleError, UnsupportedError, UntrainedError)
from ._lib import MAX_DIM, MAX_K, SearchStats, text as _text
from ._options import get_threads, set_threads
from . import compat as _compat
from .compat import *
from .compat.absent import missing as _missing
from .collection import Collection
from .filter import Filter
from .index import Index, Neighbours, Ranges, shards
from .compat.metrics import knn
from .learn import Clusters, kmeans, knn_blocks
from .monitor import Counters, FileState, Lists, Tags
from .tuning import Tuned
from .vectors import read_vectors, write_vectors

open = Index.open
version = _text("version")
# The FAISS release whose interface this is, for programs that check whether FAISS is new enough.
__version__ = f"{FAISS_VERSION_MAJOR}.{FAISS_VERSION_MINOR}.{FAISS_VERSION_PATCH}"

__all__ = [
    "BusyError", "CancelledError", "Clusters", "Collection", "Counters", "FileError", "FileState", "Filter", "FormatError", "Index",
    "InternalError",
    "InvalidError", "KithError", "Lists", "MAX_DIM", "MAX_K", "Neighbours", "NoMemoryError", "NotFoundError",
    "Ranges", "SearchStats", "StaleError", "Tags", "Tuned", "UnsupportedError", "UntrainedError", "__version__",
    "version", "get_threads", "info", "kmeans", "knn", "knn_blocks", "open", "read_vectors", "set_threads", "shards",
    "write_vectors",
]
__all__ += _compat.__all__


def info() -> dict[str, str]:
    """Facts about the library: its version, the instruction set in use and all available ones, how batches are
    compared, the BLAS library, and the vector file formats that it reads."""
    return {name: _text(name) for name in ("version", "isa", "isa_available", "tiles", "blas", "vecs_formats")}


from . import swigfaiss as swigfaiss  # last, because it looks its names up in this module


def __dir__() -> list[str]:
    return sorted(__all__)


if not _typing.TYPE_CHECKING:  # a type checker would accept every misspelt name

    def __getattr__(name: str) -> _typing.Any:
        return _missing(name)
