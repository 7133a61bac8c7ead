"""kith: nearest-neighbour indexes.

The native interface::

    index = kith.Index("IVF1024,PQ16", dim=128, metric="cosine")
    index.train(sample)
    index.add(vectors, ids)
    distances, ids = index.search(queries, k=10, nprobe=16)
    index.save("vectors.kith")

Beside it there are the names of FAISS's Python interface, so that ``import kith as faiss`` runs what was written for
that. kith's own version is `version`; `__version__` is that of FAISS whose names these are. Vectors are NumPy arrays, one vector a row; float32, uint8 and int8 are taken without a copy.
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
# That of FAISS whose names these are, for programs that ask whether it is new enough.
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
    """The library: version, instruction set in use and others, how batches are compared, BLAS, file formats."""
    return {name: _text(name) for name in ("version", "isa", "isa_available", "tiles", "blas", "vecs_formats")}


from . import swigfaiss as swigfaiss  # which looks names up here


def __dir__() -> list[str]:
    return sorted(__all__)


if not _typing.TYPE_CHECKING:  # to a checker of types a misspelt name would be there as well

    def __getattr__(name: str) -> _typing.Any:
        return _missing(name)
