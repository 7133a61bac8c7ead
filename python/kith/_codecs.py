"""Codecs on their own: vectors to the codes that an index of that kind stores, and back, from what it learnt."""
# mypy: warn-return-any=False
from __future__ import annotations

import re
from typing import Any, Callable, Tuple

import numpy as np

from ._errors import UnsupportedError, UntrainedError
from ._learned import Learned
from ._types import Array, Codes, Floats
from .learn import ProductQuantizer

Both = Tuple[Callable[[Array], Codes], Callable[[Array], Floats]]


def code_size(word: str, dim: int) -> int:
    """Bytes of a code."""
    pq = re.fullmatch(r"PQ(\d+)(?:x(\d+))?(?:fs)?", word)
    if pq:
        return (int(pq[1]) * int(pq[2] or 8) + 7) // 8
    bits = {"Flat": 32, "SQfp16": 16, "SQbf16": 16}.get(word) or _bits(word)
    if not bits:
        raise UnsupportedError(f"code_size: codes of '{word}' are not described by a size alone")
    return (dim * bits + 7) // 8


def _bits(word: str) -> int:
    """Bits of an element of a scalar quantizer: "SQ8", "SQ8_uniform", …; 0 for another word."""
    found = re.fullmatch(r"SQ(8|6|4)(_\w+)?", word)
    return int(found[1]) if found else 0


def codec(word: str, dim: int, learned: Learned, node: int) -> Both:
    """Encode [n × dim] to [n × code_size], and decode."""
    plain: dict[str, Callable[[], Both]] = {
        "Flat": lambda: _cast(np.float32), "SQfp16": lambda: _cast(np.float16), "SQbf16": _bf16,
        "SQ8_direct": lambda: _cast(np.uint8), "SQ8_direct_signed": lambda: _cast(np.int8)}
    if word in plain:
        return plain[word]()
    if _bits(word):
        ranges = learned.array("SQRG", node, np.float32)
        return _scalar(_bits(word), *_known(ranges).reshape(2, dim))
    pq = re.fullmatch(r"PQ(\d+)(?:x(\d+))?(?:fs)?", word)
    if not pq:
        raise UnsupportedError(f"codes of '{word}' cannot be made outside of an index; add the vectors to one")
    quantizer = ProductQuantizer(dim, int(pq[1]), int(pq[2] or 8))
    quantizer.centroids = _known(learned.array("PQCB", node, np.float32))
    return quantizer.compute_codes, quantizer.decode


def _known(section: Array | None) -> Array:
    if section is None:
        raise UntrainedError("the index must be trained before it encodes")
    return section


def _cast(dtype: Any) -> Both:
    def encode(x: Array) -> Array:
        return _bytes_of(x.astype(dtype))

    def decode(codes: Array) -> Array:
        return codes.view(dtype).astype(np.float32)

    return encode, decode


def _bytes_of(values: Array) -> Codes:
    """Rows of numbers as rows of bytes, of which there may be none."""
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.shape[1] * values.itemsize)


def _bf16() -> Both:
    """The upper half of a float, rounded to nearest, ties to even."""

    def encode(x: Array) -> Array:
        bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
        rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
        return _bytes_of(rounded.astype(np.uint16))

    def decode(codes: Array) -> Array:
        return (codes.view(np.uint16).astype(np.uint32) << 16).view(np.float32)

    return encode, decode


def _scalar(bits: int, low: Array, width: Array) -> Both:
    """Numbers of a few bits, the first in the lowest bits."""
    top = (1 << bits) - 1
    step = width / np.float32(top)

    def encode(x: Array) -> Array:
        safe = np.where(step > 0, step, 1).astype(np.float32)
        numbers = np.clip((x - low) / safe, 0, top).astype(np.uint8)
        spread = np.unpackbits(numbers[:, :, None], axis=2, count=bits, bitorder="little")
        return np.packbits(spread.reshape(len(x), x.shape[1] * bits), axis=1, bitorder="little")

    def decode(codes: Array) -> Array:
        spread = np.unpackbits(codes, axis=1, count=len(low) * bits, bitorder="little")
        numbers = np.packbits(spread.reshape(len(codes), len(low), bits), axis=2, bitorder="little")[:, :, 0]
        return (step.astype(np.float64) * (numbers + 0.5) + low).astype(np.float32)

    return encode, decode
