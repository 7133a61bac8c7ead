"""Functions about factory strings of indexes."""
from __future__ import annotations

from typing import Any

import kith


def get_code_size(d: int, indexkey: str) -> int:
    """The bytes of a vector in an index with this factory string: its code, its finer code in a refinement, and its links
    on the lowest level of a graph."""
    index = kith.index_factory(d, indexkey)
    return _size(index)


def _size(index: Any) -> int:
    if isinstance(index, kith.IndexRefine):
        return _size(index.base_index) + index.refine_index.code_size
    if isinstance(index, (kith.IndexPreTransform, kith.IndexIDMap)):
        return _size(index.index)
    links = 2 * 4 * index.M if isinstance(index, kith.IndexHNSW) else 0
    return int(index.code_size) + links


def get_hnsw_M(index: Any) -> int:
    """The number of links of a vector on each level above the lowest."""
    return int(index.M)


def reverse_index_factory(index: Any) -> str:
    """The factory string of an index, as FAISS writes it."""
    if isinstance(index, kith.IndexIDMap):
        return f"IDMap{'2' if isinstance(index, kith.IndexIDMap2) else ''},{reverse_index_factory(index.index)}"
    return str(index.spec)
