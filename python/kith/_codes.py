"""Encoding vectors to the codes that an index stores, and decoding them, outside of the index (kith/codes.h)."""
from __future__ import annotations

import numpy as np

from . import _arrays
from ._errors import UnsupportedError
from ._handle import Handle
from ._lib import lib
from ._types import Codes, Floats


def code_size(handle: Handle) -> int:
    """The bytes of a code."""
    with handle.reading() as pointer:
        size: int = lib.index_code_size(pointer)
        if size:
            return size
        spec = lib.index_describe(pointer).decode()
    raise UnsupportedError(f"index '{spec}' has no codes of its own; use the index that it wraps")


def encode(handle: Handle, x: Floats) -> Codes:
    """Codes [n × code_size] of vectors [n × d]; of residuals, where the index encodes residuals."""
    codes = np.empty((len(x), code_size(handle)), np.uint8)
    x = np.ascontiguousarray(x, np.float32)
    with handle.reading() as pointer:
        lib.index_encode(pointer, len(x), _arrays.address(x), _arrays.address(codes))
    return codes


def decode(handle: Handle, codes: Codes) -> Floats:
    """The decoded vectors [n × d] of codes [n × code_size]."""
    x = np.empty((len(codes), handle.dim), np.float32)
    codes = np.ascontiguousarray(codes)
    with handle.reading() as pointer:
        lib.index_decode(pointer, len(codes), _arrays.address(codes), _arrays.address(x))
    return x
