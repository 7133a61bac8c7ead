"""Maps the names of vectors in the FAISS-like interface to ids of the library, where they differ.

Ids of the library are distinct and not negative; ids in FAISS are arbitrary numbers, and may repeat. As long as a
program gives ids that the library accepts, both are the same. From the first other id on, the library numbers vectors
0, 1, 2, … and an array of labels, which is saved with the index, holds the id of each vector. In the index within an
IndexIDMap, vectors are named by their positions, whatever their ids are.
"""
# mypy: warn-return-any=False
from __future__ import annotations

from typing import Any

import numpy as np

from .._errors import NotFoundError
from .._handle import Handle
from .._lib import lib
from .._types import Array, Floats, Ids, Limits
from ..filter import Filter


def ids_of(pointer: int) -> Ids:
    """All ids of the library, in the order in which vectors are stored."""
    ids = np.empty(lib.index_size(pointer), np.int64)
    lib.index_ids(pointer, ids.ctypes.data)
    return ids


class Naming:
    """Converts between the names of an index's vectors and ids of the library."""

    def __init__(self) -> None:
        self._known: Any = None

    def names(self, alive: Ids) -> Ids:
        """The names of all vectors, whose ids are given in the order in which they are stored."""
        raise NotImplementedError

    def to_names(self, ids: Ids, handle: Handle) -> Ids:
        """The names of ids; −1 does not change."""
        raise NotImplementedError

    def all(self, handle: Handle) -> Ids:
        """All names, in the order in which vectors are stored."""
        return self._look(handle)[1]

    def _look(self, handle: Handle) -> tuple[Ids, Ids, Array]:
        """(ids, names, the permutation that sorts names), computed once for each state of the index."""
        state = handle.version, handle.size, len(self)
        if self._known is None or self._known[0] != state:
            with handle.reading() as pointer:
                alive = ids_of(pointer)
            names = self.names(alive)
            self._known = state, (alive, names, np.argsort(names, kind="stable"))
        return self._known[1]

    def __len__(self) -> int:
        return 0

    def to_ids(self, wanted: Ids, handle: Handle, name: str = "ids") -> Ids:
        """The ids of names. If several vectors have the same name, the id of the one that was added last."""
        alive, names, order = self._look(handle)
        at = np.searchsorted(names[order], wanted, side="right") - 1
        there = at >= 0
        there[there] = names[order][at[there]] == wanted[there]
        if not there.all():
            first = int(np.argmin(there))
            raise NotFoundError(f"{name}[{first}] is {wanted[first]}, which is not in the index")
        return alive[order[at]]

    def chosen(self, filter: Filter, handle: Handle) -> Ids:
        """The ids of vectors whose names pass a filter."""
        alive, names, _ = self._look(handle)
        return alive[filter.passing(names)]

    def filter(self, filter: Filter, handle: Handle) -> Filter:
        """A filter of ids that passes the vectors whose names pass the given filter."""
        return Filter.ids(self.chosen(filter, handle))


class Labels(Naming):
    """Labels: label i is the name of the vector with id i. The next vector gets the id after the last label."""

    def __init__(self, values: Ids) -> None:
        super().__init__()
        self.values = np.array(values, np.int64)  # a view of _room's first elements
        self._room = self.values                  # grows by doubling

    def __len__(self) -> int:
        return len(self.values)

    def names(self, alive: Ids) -> Ids:
        return self.values[alive]

    def to_names(self, ids: Ids, handle: Handle) -> Ids:
        values = self.values
        if not len(values):
            return ids
        return np.where((ids >= 0) & (ids < len(values)), values[np.clip(ids, 0, len(values) - 1)], ids)

    def append(self, labels: Ids) -> None:
        n, more = len(self.values), len(labels)
        if n + more > len(self._room):
            room = np.empty(max(n + more, 2 * n), np.int64)
            room[:n] = self.values
            self._room = room
        self._room[n:n + more] = labels
        self.values = self._room[:n + more]

    def truncate(self, n: int) -> None:
        self.values = self._room[:n]


class Positions(Naming):
    """Positions: the name of a vector is its position in the order in which vectors are stored."""

    def names(self, alive: Ids) -> Ids:
        return np.arange(len(alive))

    def to_names(self, ids: Ids, handle: Handle) -> Ids:
        alive, _, _ = self._look(handle)
        order = np.argsort(alive)
        there = ids >= 0
        found = np.full(ids.shape, -1, np.int64)
        found[there] = order[np.searchsorted(alive[order], ids[there])]
        return found


def owners(lims: Ids | Limits) -> Ids:
    """The query of each result of a range search."""
    return np.repeat(np.arange(len(lims) - 1), np.diff(lims.astype(np.int64)))


def by_name(lims: Ids | Limits, dist: Floats, ids: Ids) -> tuple[Limits, Floats, Ids]:
    """The results of a range search in FAISS's form: lims as uint64, and the results of each query ordered by id."""
    owner = owners(lims)
    order = np.lexsort((ids, owner))
    return lims.astype(np.uint64), dist[order], ids[order]
