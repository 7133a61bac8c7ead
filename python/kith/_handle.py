"""An index of the library as a Python object: its pointer, and the gate that every call goes through."""
from __future__ import annotations

import ctypes
import weakref
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from ._calls import Gate
from ._errors import InvalidError
from ._lib import lib


class Handle:
    """Owns one kith_index. Several Python indexes may share it (IndexIDMap is another name of the index in it)."""

    __slots__ = ("gate", "pointer", "dim", "size", "version", "trainings", "_finalizer", "__weakref__")

    def __init__(self, make: Callable[..., None], *arguments: Any) -> None:
        """make(out, *arguments) makes the index."""
        out = ctypes.c_void_p()
        make(ctypes.byref(out), *arguments)
        self.gate = Gate()
        self._own(out.value)
        self.dim: int = lib.index_dim(self.pointer)
        self.trainings = 0  # changes with what was learnt

    def _own(self, pointer: int | None) -> None:
        self.pointer = pointer
        self.size: int = lib.index_size(pointer)
        self.version = 0  # changes with the contents
        self._finalizer = weakref.finalize(self, lib.index_free, pointer)
        self._finalizer.atexit = False

    @contextmanager
    def reading(self) -> Iterator[int]:
        """For calls that may run beside others."""
        self.gate.enter()
        try:
            yield self.pointer  # type: ignore[misc]
        finally:
            self.gate.leave()

    @contextmanager
    def changing(self) -> Iterator[int]:
        """For calls that need the index for themselves."""
        self.gate.enter_alone()
        try:
            self.version += 1
            yield self.pointer  # type: ignore[misc]
        finally:
            self.size = lib.index_size(self.pointer)
            self.gate.leave_alone()

    def replace(self, other: Handle) -> None:
        """Take the other's index in place of the own one. This handle's gate must be held alone."""
        other._finalizer.detach()
        other.gate.closed = True
        self._finalizer()
        version, pointer = self.version, other.pointer
        other.pointer = None
        self._own(pointer)
        self.version = version + 1

    def wrapped(self, wrap: Callable[..., None], *others: Handle) -> Handle:
        """A new index around this one, and others, which belong to it then: wrap(out, pointer, …) makes it."""
        handles = (self, *others)
        held: list[Handle] = []
        try:
            for handle in sorted(handles, key=id):
                handle.gate.enter_alone()
                held.append(handle)
            made = Handle(lambda out: wrap(out, *(handle.pointer for handle in handles)))
            for handle in handles:
                handle.give()
            return made
        finally:
            for handle in held:
                handle.gate.leave_alone()

    def give(self) -> None:
        """The index belongs to the library now. This handle's gate must be held alone."""
        self._finalizer.detach()
        self.gate.closed = True
        self.pointer = None

    def close(self) -> None:
        """Free the index once the calls that run have ended; later calls raise. May be repeated."""
        try:
            self.gate.enter_alone()
        except InvalidError:
            return  # closed already
        self.gate.closed = True
        self.pointer = None
        self._finalizer()
        self.gate.leave_alone()
