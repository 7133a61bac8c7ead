"""The contents of an inverted file's lists."""
# mypy: warn-return-any=False
from __future__ import annotations

from typing import Any

import numpy as np

from .._errors import UntrainedError
from .._learned import learned
from .._types import Codes, Ids
from . import arguments as args
from .swig import Owned


class DirectMap:
    """`index.direct_map`: how FAISS finds vectors by their ids. kith's inverted files always can, so the type has no
    effect and is only remembered."""

    NoMap, Array, Hashtable = range(3)

    def __init__(self) -> None:
        self.type = self.NoMap

    def no(self) -> bool:
        return self.type == self.NoMap

    def set_type(self, type: int) -> None:
        self.type = args.count(type, "type", self.NoMap, self.Hashtable)


def list_codes(index: Any, sizes: Any) -> list[Codes]:
    """The codes of each list, in FAISS's layout."""
    size, ends = index.code_size, np.cumsum(sizes)[:-1]
    if index._word == "Flat":
        with learned(index._handle) as parts:
            slots = parts.array("SLOT", index._node, np.uint32)
        return np.split(index._stored_vectors()[slots].view(np.uint8).reshape(-1, size), ends)
    with learned(index._handle) as parts:
        stored = parts.array("COD0", index._node, np.uint8)
    assert stored is not None
    if not index._word.startswith("PQ"):
        return np.split(stored.reshape(-1, size), ends)
    found, at = [], 0
    for n in sizes.tolist():  # a block holds byte 0 of 64 vectors, then byte 1, …; each list is padded to whole blocks
        blocks = (n + 63) // 64
        part = stored[at:at + blocks * 64 * size].reshape(blocks, size, 64)
        found.append(np.ascontiguousarray(part.transpose(0, 2, 1).reshape(-1, size)[:n]))
        at += blocks * 64 * size
    return found


class InvertedLists(Owned):
    """`index.invlists`: the ids and codes of each list. They are copies, read anew after each change of the index."""

    __slots__ = ("_index", "_state", "_sizes", "_ids", "_codes", "_this")
    INVALID_CODE_SIZE = 2**64 - 1

    def __init__(self, index: Any) -> None:
        self._index = index
        self._state: Any = None
        self._codes: Any = None

    def _look(self) -> None:
        handle, node = self._index._handle, self._index._node
        state = handle.version, handle.pointer
        if self._state == state:
            return
        with learned(handle) as parts:
            sizes = parts.array("SIZE", node, np.int64)
            if sizes is None:
                raise UntrainedError("invlists: the index must be trained first")
            slots, ids = parts.array("SLOT", node, np.uint32), parts.ids(node)
        naming = self._index._naming()
        if naming is not None:
            ids = naming.to_names(ids, handle)
        self._sizes = sizes
        self._ids = np.split(ids[slots], np.cumsum(sizes)[:-1])
        self._codes = None
        self._state = state

    @property
    def nlist(self) -> int:
        return self._index.nlist

    @property
    def code_size(self) -> int:
        return self._index.code_size

    def list_size(self, list_no: int) -> int:
        """The number of vectors in a list."""
        self._look()
        return int(self._sizes[args.count(list_no, "list_no", 0, self.nlist - 1)])

    def get_ids(self, list_no: int) -> Ids:
        """The ids of a list's vectors."""
        self._look()
        return self._ids[args.count(list_no, "list_no", 0, self.nlist - 1)].copy()

    def get_codes(self, list_no: int) -> Codes:
        """The codes [n × code_size] of a list's vectors."""
        self._look()
        if self._codes is None:
            self._codes = list_codes(self._index, self._sizes)
        return self._codes[args.count(list_no, "list_no", 0, self.nlist - 1)].copy()

    def get_single_id(self, list_no: int, offset: int) -> int:
        return int(self.get_ids(list_no)[offset])

    def get_single_code(self, list_no: int, offset: int) -> Codes:
        return self.get_codes(list_no)[offset]

    def release_ids(self, list_no: int, ids: Any) -> None:
        """Nothing to do, because get_ids returns a copy."""

    def release_codes(self, list_no: int, codes: Any) -> None:
        """Nothing to do, because get_codes returns a copy."""

    def is_empty(self, list_no: int) -> bool:
        return self.list_size(list_no) == 0

    def print_stats(self) -> None:
        """Print the number of lists for each size of lists."""
        self._look()
        lengths, counts = np.unique(self._sizes, return_counts=True)
        for length, count in zip(lengths.tolist(), counts.tolist()):
            print(f"{count} lists of {length}")

    def imbalance_factor(self) -> float:
        """How many times longer searches take than with lists of equal size; at best 1."""
        self._look()
        total = float(self._sizes.sum())
        return len(self._sizes) * float((self._sizes.astype(float) ** 2).sum()) / total**2 if total else 1.0

    def compute_ntotal(self) -> int:
        self._look()
        return int(self._sizes.sum())
