"""What an index has learnt, and how its vectors lie in lists, read from the index in its file format.

docs/file-format.md describes the format: sections with a tag and the number of the node (the index itself is node
0, what it wraps comes after it) that they belong to. Reading takes one pass over the index, so it is done once for
each state of the index. Nodes of a tree are numbered as kith numbers them: a parent, then its children.
"""
from __future__ import annotations

import os
import struct
import tempfile
from contextlib import contextmanager
from typing import Any, BinaryIO, Iterator

import numpy as np

from ._handle import Handle
from ._lib import lib

PANEL = 64


@contextmanager
def learned(handle: Handle) -> Iterator[Learned]:
    """What the index holds at this moment."""
    with tempfile.TemporaryDirectory(prefix="kith-") as folder:
        path = os.path.join(folder, "index")
        with handle.reading() as pointer:
            lib.index_save(pointer, os.fsencode(path))
        with open(path, "rb") as file:
            yield Learned(file)


class Learned:
    """The sections of an index's file, which are read when they are asked for."""

    __slots__ = ("_file", "_sections")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sections: dict[tuple[str, int], tuple[int, int]] = {}
        file.seek(-64, os.SEEK_END)
        table, count = struct.unpack("<QQ48x", file.read(64))
        file.seek(table)
        for tag, node, offset, length, _ in struct.iter_unpack("<4sIQQQ", file.read(32 * count)):
            self._sections[tag.decode(), node] = (offset, length)

    def array(self, tag: str, node: int, dtype: Any) -> np.ndarray | None:
        """A section as an array; None if there is none, as where an index is not trained."""
        at = self._sections.get((tag, node))
        if at is None:
            return None
        self._file.seek(at[0])
        return np.frombuffer(self._file.read(at[1]), dtype)

    def linear(self, node: int, direction: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Matrix [rows × columns] and shift [rows] of a linear transform; direction 0: there, 1: back."""
        panels = self.array(f"MAP{direction}", node, np.float32)
        shift = self.array(f"SHI{direction}", node, np.float32)
        if panels is None or shift is None:
            return None
        matrix = panels.reshape(-1, columns, PANEL).transpose(0, 2, 1).reshape(-1, columns)
        return np.ascontiguousarray(matrix[:rows]), shift[:rows].copy()

    def ids(self, node: int) -> np.ndarray:
        """Ids in the order of adding."""
        head = self.array("IDS0", node, np.int64)
        listed = self.array("IDS1", node, np.int64)
        return np.arange(head[0]) if listed is None else listed  # type: ignore[index]
