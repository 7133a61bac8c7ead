"""What an index has learnt, and how its vectors lie in lists, read from the bytes that it would be saved as.

docs/file-format.md describes them: sections with a tag and the number of the node (the index itself is node 0, what
it wraps comes after it) that they belong to. Looking for a section takes passes over the index, which keep nothing
but that section, so it is done once for each state of the index. Nodes of a tree are numbered as kith numbers them:
a parent, then its children.
"""
from __future__ import annotations

import ctypes
import struct
from contextlib import contextmanager
from typing import Any, Iterator

import numpy as np

from ._handle import Handle
from ._streams import write_pieces
from ._types import Array, Floats, Ids

PANEL = 64
TAIL = 1 << 16  # bytes at the end that surely hold the last 64, and mostly the table of sections


@contextmanager
def learned(handle: Handle) -> Iterator[Learned]:
    """What the index holds at this moment. No other call of it may be made meanwhile."""
    with handle.reading() as pointer:
        yield Learned(pointer)


class Learned:
    """The sections of an index, which are read when they are asked for."""

    __slots__ = ("_pointer", "_sections")

    def __init__(self, pointer: int) -> None:
        self._pointer = pointer
        self._sections: dict[tuple[str, int], tuple[int, int]] = {}
        size, tail = self._tail()
        table, count = struct.unpack("<QQ48x", tail[-64:])
        begin = table - (size - len(tail))
        entries = bytes(tail[begin:begin + 32 * count]) if begin >= 0 else self._bytes(table, 32 * count)
        for tag, node, offset, length, _ in struct.iter_unpack("<4sIQQQ", entries):
            self._sections[tag.decode(), node] = (offset, length)

    def _tail(self) -> tuple[int, bytearray]:
        """How many bytes there are, and the last of them."""
        size, tail = 0, bytearray()

        def take(address: int, n: int) -> None:
            nonlocal size
            size += n
            last = min(n, TAIL)
            tail.extend(ctypes.string_at(address + n - last, last))
            if len(tail) > 2 * TAIL:
                del tail[:-TAIL]

        write_pieces(self._pointer, take)
        return size, tail

    def _bytes(self, offset: int, length: int) -> bytes:
        """A part of the bytes."""
        at, parts = 0, []

        def take(address: int, n: int) -> None:
            nonlocal at
            first, last = max(offset, at), min(offset + length, at + n)
            if first < last:
                parts.append(ctypes.string_at(address + first - at, last - first))
            at += n

        write_pieces(self._pointer, take)
        return b"".join(parts)

    def array(self, tag: str, node: int, dtype: Any) -> Array | None:
        """A section as an array; None if there is none, as where an index is not trained."""
        at = self._sections.get((tag, node))
        return None if at is None else np.frombuffer(self._bytes(*at), dtype)

    def linear(self, node: int, direction: int, rows: int, columns: int) -> tuple[Floats, Floats] | None:
        """Matrix [rows × columns] and shift [rows] of a linear transform; direction 0: there, 1: back."""
        panels = self.array(f"MAP{direction}", node, np.float32)
        shift = self.array(f"SHI{direction}", node, np.float32)
        if panels is None or shift is None:
            return None
        matrix = panels.reshape(-1, columns, PANEL).transpose(0, 2, 1).reshape(-1, columns)
        return np.ascontiguousarray(matrix[:rows]), shift[:rows].copy()

    def ids(self, node: int) -> Ids:
        """Ids in the order of adding."""
        listed = self.array("IDS1", node, np.int64)
        if listed is not None:
            return listed
        head = self.array("IDS0", node, np.int64)
        assert head is not None  # any index has it
        return np.arange(head[0])
