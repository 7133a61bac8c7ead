"""A read-only handle of a part of an index: the index behind a transform, or the base index of a refinement. It shares
the gate of the whole index, so it is never searched while the whole is being changed."""
# mypy: warn-return-any=False
from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator

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
        """Valid only within reading(), because the whole index owns it."""
        return lib.index_part(self._whole.pointer, self._depth)

    @contextmanager
    def changing(self) -> Iterator[int]:
        raise NotImplementedError("a part of an index cannot be changed on its own: change the whole index")
        yield 0

    def close(self) -> None:
        """The part lives as long as the whole."""


class CopyHandle(PartHandle):
    """The handle that current() returns at each moment: that of a copy, which is made anew after every change of the
    index that it is a copy of."""

    __slots__ = ("current",)

    def __init__(self, current: Callable[[], Handle]) -> None:
        self.current = current
        self.dim = current().dim

    gate: Gate = property(lambda self: self.current().gate)  # type: ignore[assignment]
    size = property(lambda self: self.current().size)  # type: ignore[assignment]
    version = property(lambda self: self.current().version)  # type: ignore[assignment]
    trainings = property(lambda self: self.current().trainings)  # type: ignore[assignment]
    pointer = property(lambda self: self.current().pointer)  # type: ignore[assignment]

    @contextmanager
    def reading(self) -> Iterator[int]:
        with self.current().reading() as pointer:
            yield pointer


class FineHandle(PartHandle):
    """The index that reranks candidates in the refinement `depth` steps in (kith_index_fine)."""

    __slots__ = ()

    @property
    def pointer(self) -> int | None:  # type: ignore[override]
        return lib.index_fine(super().pointer)
