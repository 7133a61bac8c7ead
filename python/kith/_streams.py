"""Writes the bytes of an index's file to Python, and reads them from Python, piece by piece."""
from __future__ import annotations

import ctypes
import os
import tempfile
from typing import Any, Callable

from . import _calls
from ._errors import FileError
from ._handle import Handle
from ._lib import ReadBytes, WriteBytes, lib

PIECE = 1 << 24  # the most bytes that are written to a file object, or read from one, at a time


class Piecewise:
    """Runs Python code in a callback of a library call. An exception stops the call, and is raised after it."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._cancelled: Callable[..., int] = lambda *_: 0

    def watch(self, callback: Any) -> None:
        self._cancelled = callback

    def step(self, function: Callable[..., None], *arguments: Any) -> int:
        if self._cancelled(None, b"", 0, 0):
            return 1
        self.error = _calls.guarded(function, *arguments)
        return self.error is not None

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            _calls.call(function, *arguments, watch=self.watch, calls_python=True)
        except FileError:
            if self.error is None:
                raise
        if self.error is not None:
            raise self.error


def write_pieces(pointer: int, take: Callable[[int, int], None]) -> None:
    """Call take(address, n) for each piece of an index's file in turn. The memory is valid only during the call."""
    pieces = Piecewise()
    callback = WriteBytes(lambda _, address, n: pieces.step(take, address, n))
    pieces.call(lib.index_write, pointer, callback, None)


def write_file(pointer: int, file: Any) -> None:
    """Write an index to an object that has a method write(bytes)."""

    def take(address: int, n: int) -> None:
        for at in range(0, n, PIECE):
            rest = ctypes.string_at(address + at, min(PIECE, n - at))
            while rest:
                written = file.write(rest)
                rest = rest[written:] if isinstance(written, int) and 0 < written < len(rest) else b""

    write_pieces(pointer, take)


def read_file(file: Any, flags: int) -> Handle:
    """The index in a file object with read(n), seek() and tell(), from its current position to its end."""
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start

    def give(offset: int, address: int, n: int) -> None:
        file.seek(start + offset)
        while n:
            part = bytes(file.read(min(PIECE, n)))[:n]
            if not part:
                raise EOFError("the file ends before the index does")
            ctypes.memmove(address, part, len(part))
            address, n = address + len(part), n - len(part)

    pieces = Piecewise()
    callback = ReadBytes(lambda _, offset, address, n: pieces.step(give, offset, address, n))
    return Handle(lambda out: pieces.call(lib.index_read, out, callback, None, size, flags))


def handle_of_faiss(data: bytes) -> Handle:
    """The index in the bytes of a FAISS file."""
    with tempfile.TemporaryDirectory(prefix="kith-") as folder:
        path = os.path.join(folder, "index")
        with open(path, "wb") as file:
            file.write(data)
        return Handle(lib.index_import_faiss_labels, os.fsencode(path))


def faiss_bytes(handle: Handle) -> bytes:
    """The bytes of the FAISS file that an index is exported to."""
    with tempfile.TemporaryDirectory(prefix="kith-") as folder:
        path = os.path.join(folder, "index")
        with handle.reading() as pointer:
            _calls.call(lib.index_export_faiss, pointer, os.fsencode(path), work=_calls.LONG if handle.size else 0)
        with open(path, "rb") as file:
            return file.read()
