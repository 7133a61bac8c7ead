"""A part of an index, as an index of its own that is only looked at: what is behind a transform, what a refinement
refines. It shares the gate of the whole, so that it is searched only while nothing changes that."""
# mypy: warn-return-any=False
from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from ._calls import Gate
from ._handle import Handle
from ._lib import lib


class PartHandle(Handle):
    """The part of a handle's index that is `depth` steps in (kith_index_part)."""

    __slots__ = ("_whole", "_depth")

    def __init__(self, whole: Handle, depth: int) -> None:
        self._whole, self._depth = whole, depth
        with whole.reading():
            self.dim = lib.index_dim(self.pointer)

    gate: Gate = property(lambda self: self._whole.gate)  # type: ignore[assignment]
    size = property(lambda self: self._whole.size)  # type: ignore[assignment]
    version = property(lambda self: self._whole.version)  # type: ignore[assignment]
    trainings = property(lambda self: self._whole.trainings)  # type: ignore[assignment]

    @property
    def pointer(self) -> int | None:  # type: ignore[override]
        """Within reading() only: it is the whole's."""
        return lib.index_part(self._whole.pointer, self._depth)

    @contextmanager
    def changing(self) -> Iterator[int]:
        raise NotImplementedError("a part of an index is not changed by itself: use the whole")
        yield 0

    def close(self) -> None:
        """The part lives as long as the whole."""


class FineHandle(PartHandle):
    """What the refinement that is that many steps in ranks candidates by (kith_index_fine)."""

    __slots__ = ()

    @property
    def pointer(self) -> int | None:  # type: ignore[override]
        return lib.index_fine(super().pointer)
