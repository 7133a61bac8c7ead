"""Reads what an index has learnt, and the contents of its lists, from the bytes of its file.

docs/file-format.md describes the file: each section has a tag and the number of the node that it belongs to. The nodes
of a tree of indexes are numbered in preorder: the index itself is node 0, and the indexes that it wraps follow.
Nothing is written to disk: the library produces the bytes, and all but the wanted section are dropped. As every read
produces the whole file, callers keep results for as long as the index does not change.
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

PANEL = 64  # rows of a linear transform's matrix that are stored together
TAIL = 1 << 16  # bytes kept of the file's end: always its 64-byte footer, usually the whole table of sections


@contextmanager
def learned(handle: Handle) -> Iterator[Learned]:
    """The sections of the index as it is now. The index cannot be changed within the block."""
    with handle.reading() as pointer:
        yield Learned(pointer)


class Learned:
    """The sections of an index's file, each read when it is requested."""

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
        """The size of the file, and its last bytes."""
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
        """A part of the file."""
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
        """A section as an array; None if there is none, for example because the index is not trained."""
        at = self._sections.get((tag, node))
        return None if at is None else np.frombuffer(self._bytes(*at), dtype)

    def linear(self, node: int, direction: int, rows: int, columns: int) -> tuple[Floats, Floats] | None:
        """Matrix [rows × columns] and shift [rows] of a linear transform; direction 0: forward, 1: inverse."""
        panels = self.array(f"MAP{direction}", node, np.float32)
        shift = self.array(f"SHI{direction}", node, np.float32)
        if panels is None or shift is None:
            return None
        matrix = panels.reshape(-1, columns, PANEL).transpose(0, 2, 1).reshape(-1, columns)
        return np.ascontiguousarray(matrix[:rows]), shift[:rows].copy()

    def ids(self, node: int) -> Ids:
        """The ids of all vectors, in the order in which they were added."""
        listed = self.array("IDS1", node, np.int64)
        if listed is not None:
            return listed
        head = self.array("IDS0", node, np.int64)
        assert head is not None  # every index has this section
        return np.arange(head[0])
