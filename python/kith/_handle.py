"""A kith_index as a Python object: its pointer, and the gate that every call passes."""
from __future__ import annotations

import ctypes
import weakref
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from ._calls import Gate
from ._errors import InvalidError
from ._lib import lib


class Handle:
    """Owns one kith_index. Several Python indexes may share a handle (an IndexIDMap and the index in it do)."""

    __slots__ = ("gate", "pointer", "dim", "size", "version", "trainings", "_finalizer", "__weakref__")

    def __init__(self, make: Callable[..., None], *arguments: Any) -> None:
        """make(out, *arguments) creates the index."""
        out = ctypes.c_void_p()
        make(ctypes.byref(out), *arguments)
        self.gate = Gate()
        self._own(out.value)
        self.dim: int = lib.index_dim(self.pointer)
        self.trainings = 0  # changes whenever the index is trained

    def _own(self, pointer: int | None) -> None:
        self.pointer = pointer
        self.size: int = lib.index_size(pointer)
        self.version = 0  # changes whenever the index may have changed
        self._finalizer = weakref.finalize(self, lib.index_free, pointer)
        self._finalizer.atexit = False

    @contextmanager
    def reading(self) -> Iterator[int]:
        """The pointer, for calls that may run concurrently."""
        self.gate.enter()
        try:
            yield self.pointer  # type: ignore[misc]
        finally:
            self.gate.leave()

    @contextmanager
    def changing(self) -> Iterator[int]:
        """The pointer, for calls that must run alone."""
        self.gate.enter_alone()
        try:
            self.version += 1
            yield self.pointer  # type: ignore[misc]
        finally:
            self.size = lib.index_size(self.pointer)
            self.gate.leave_alone()

    def replace(self, other: Handle) -> None:
        """Free this index and own the other handle's index instead. The caller must have entered this gate alone."""
        other._finalizer.detach()
        other.gate.closed = True
        self._finalizer()
        version, pointer = self.version, other.pointer
        other.pointer = None
        self._own(pointer)
        self.version = version + 1

    def wrapped(self, wrap: Callable[..., None], *others: Handle) -> Handle:
        """A new index around this one and others, which it then owns. wrap(out, pointer, …) creates it."""
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
        """Give up the index, which another one owns now. The caller must have entered this gate alone."""
        self._finalizer.detach()
        self.gate.closed = True
        self.pointer = None

    def close(self) -> None:
        """Free the index after all running calls have ended. Later calls raise; closing twice is allowed."""
        try:
            self.gate.enter_alone()
        except InvalidError:
            return  # already closed
        self.gate.closed = True
        self.pointer = None
        self._finalizer()
        self.gate.leave_alone()
