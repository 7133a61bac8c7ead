"""Random numbers: the same numbers as FAISS for the same seed, so that programs get the same data.

FAISS cuts an array of 1,024 elements or more into 1,024 blocks, each with a Mersenne twister of its own.
"""
from __future__ import annotations

from typing import Any, Iterator

import numpy as np

from .._types import Floats, Ids
from . import arguments as args

BLOCKS = 1024
_WORD = float(2**32 - 1)


def rand(n: Any, seed: int = 12345) -> Floats:
    """Uniform random numbers between 0 and 1. n: their number, or a shape."""
    out = np.empty(n, np.float32)
    flat = out.reshape(-1)
    for generator, part in _blocks(flat, seed):
        # FAISS divides by the largest word, 2^32 − 1, which rounds to 2^32 as a float.
        part[:] = generator.words(len(part)).astype(np.float32) / np.float32(2**32)
    return out


def randn(n: Any, seed: int = 12345) -> Floats:
    """Normally distributed random numbers with mean 0 and variance 1 (Marsaglia's polar method). n: their number, or a
    shape."""
    out = np.empty(n, np.float32)
    for generator, part in _blocks(out.reshape(-1), seed):
        pairs = (len(part) + 1) // 2
        found = np.empty((0, 2))
        while len(found) < pairs:
            point = 2 * (generator.words(2 * (pairs - len(found)) + 16) / _WORD).reshape(-1, 2) - 1
            s = (point**2).sum(axis=1)
            point, s = point[s < 1], s[s < 1]
            with np.errstate(divide="ignore", invalid="ignore"):
                found = np.vstack([found, point * np.sqrt(-2 * np.log(s) / s)[:, None]])
        part[:] = found[:pairs].reshape(-1)[:len(part)]
    return out


def randint(n: Any, seed: int = 12345, vmax: int | None = None) -> Ids:
    """Random integers in 0 … vmax − 1, or of 62 bits without vmax. n: their number, or a shape."""
    if vmax is not None:
        vmax = args.count(vmax, "vmax", 1)
    out = np.empty(n, np.int64)
    for generator, part in _blocks(out.reshape(-1), seed):
        words = (generator.words(2 * len(part)) & 0x7FFFFFFF).astype(np.int64).reshape(-1, 2)
        part[:] = words[:, 0] | words[:, 1] << 31
        if vmax is not None:
            part %= vmax
    return out


lrand = randint


def _blocks(flat: Any, seed: int) -> Iterator[tuple[_Twister, Any]]:
    """The generator of each block, and the block's part of the array."""
    seed = args.count(seed, "seed", -2**63, 2**63 - 1)
    first, step = (int(word) & 0x7FFFFFFF for word in _Twister(seed).words(2))
    blocks = 1 if len(flat) < BLOCKS else BLOCKS
    for block in range(blocks):
        begin, end = block * len(flat) // blocks, (block + 1) * len(flat) // blocks
        yield _Twister(first + block * step), flat[begin:end]


class _Twister:
    """The Mersenne twister MT19937 of C++, which draws 32-bit words."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed & 0xFFFFFFFF)

    def words(self, n: int) -> Any:
        return np.frombuffer(self._state.bytes(4 * n), np.uint32)
