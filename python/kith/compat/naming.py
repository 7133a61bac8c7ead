"""What the vectors of an index are called, where that is not by the library's ids.

The library's ids are distinct and not negative. FAISS takes any number, and the same one twice. As long as a program
gives ids that the library takes, they are the library's; from the first one on that it does not take, the library
counts the vectors 0, 1, 2, … and an array of labels, which is saved with the index, says what each of those is called.
The index inside of an IndexIDMap knows its vectors by their positions, whatever the ids of those are.
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
    """All ids of the library's, in the order in which vectors are stored."""
    ids = np.empty(lib.index_size(pointer), np.int64)
    lib.index_ids(pointer, ids.ctypes.data)
    return ids


class Naming:
    """Names of the vectors of an index, from and to ids of the library's."""

    def __init__(self) -> None:
        self._known: Any = None

    def names(self, alive: Ids) -> Ids:
        """Of all vectors, by their ids in the order in which they are stored."""
        raise NotImplementedError

    def outward(self, ids: Ids, handle: Handle) -> Ids:
        """What ids are called; −1 stays."""
        raise NotImplementedError

    def all(self, handle: Handle) -> Ids:
        """Names in the order in which vectors are stored."""
        return self._look(handle)[1]

    def _look(self, handle: Handle) -> tuple[Ids, Ids, Array]:
        """(ids, names, the order in which names ascend), looked up once for each state of the index."""
        state = handle.version, handle.size, len(self)
        if self._known is None or self._known[0] != state:
            with handle.reading() as pointer:
                alive = ids_of(pointer)
            names = self.names(alive)
            self._known = state, (alive, names, np.argsort(names, kind="stable"))
        return self._known[1]

    def __len__(self) -> int:
        return 0

    def inward(self, wanted: Ids, handle: Handle, name: str = "ids") -> Ids:
        """The id of each name: of the vector that was added last, if several have it."""
        alive, names, order = self._look(handle)
        at = np.searchsorted(names[order], wanted, side="right") - 1
        there = at >= 0
        there[there] = names[order][at[there]] == wanted[there]
        if not there.all():
            first = int(np.argmin(there))
            raise NotFoundError(f"{name}[{first}] is {wanted[first]}, which is not in the index")
        return alive[order[at]]

    def chosen(self, filter: Filter, handle: Handle) -> Ids:
        """Ids of the vectors whose names pass."""
        alive, names, _ = self._look(handle)
        return alive[filter.passing(names)]

    def filter(self, filter: Filter, handle: Handle) -> Filter:
        """A filter of ids that passes vectors whose names pass the other."""
        return Filter.ids(self.chosen(filter, handle))


class Labels(Naming):
    """Label number i is the name of the vector with id i. Ids count on from the last label."""

    def __init__(self, values: Ids) -> None:
        super().__init__()
        self.values = np.array(values, np.int64)  # a view of what there is room for, which grows by doubling
        self._room = self.values

    def __len__(self) -> int:
        return len(self.values)

    def names(self, alive: Ids) -> Ids:
        return self.values[alive]

    def outward(self, ids: Ids, handle: Handle) -> Ids:
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
    """Vectors by their numbers, in the order in which they are stored."""

    def names(self, alive: Ids) -> Ids:
        return np.arange(len(alive))

    def outward(self, ids: Ids, handle: Handle) -> Ids:
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
    """Results of a range search as FAISS gives them: lims as uint64, and those of each query in the order of ids."""
    owner = owners(lims)
    order = np.lexsort((ids, owner))
    return lims.astype(np.uint64), dist[order], ids[order]
