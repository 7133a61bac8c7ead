"""Factory strings of indexes."""
from __future__ import annotations

from typing import Any

import kith


def get_code_size(d: int, indexkey: str) -> int:
    """Bytes of a vector in an index of a factory string: its codes, the finer ones of a refinement and the links of a
    graph."""
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
    """Links of a vector on each level above the lowest."""
    return int(index.M)


def reverse_index_factory(index: Any) -> str:
    """The factory string of an index, in FAISS's words."""
    if isinstance(index, kith.IndexIDMap):
        return f"IDMap{'2' if isinstance(index, kith.IndexIDMap2) else ''},{reverse_index_factory(index.index)}"
    return str(index.spec)
