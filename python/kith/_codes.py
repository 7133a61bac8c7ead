"""Codes on their own (kith/codes.h): vectors to what an index keeps of them, and back."""
from __future__ import annotations

import numpy as np

from . import _arrays
from ._errors import UnsupportedError
from ._handle import Handle
from ._lib import lib
from ._types import Codes, Floats


def code_size(handle: Handle) -> int:
    """Bytes of a code."""
    with handle.reading() as pointer:
        size: int = lib.index_code_size(pointer)
        if size:
            return size
        spec = lib.index_describe(pointer).decode()
    raise UnsupportedError(f"index '{spec}' keeps no codes of its own; ask what it wraps")


def encode(handle: Handle, x: Floats) -> Codes:
    """Codes [n × code_size] of vectors [n × d]; of residuals, where those are kept."""
    codes = np.empty((len(x), code_size(handle)), np.uint8)
    x = np.ascontiguousarray(x, np.float32)
    with handle.reading() as pointer:
        lib.index_encode(pointer, len(x), _arrays.address(x), _arrays.address(codes))
    return codes


def decode(handle: Handle, codes: Codes) -> Floats:
    """Vectors [n × d] that codes [n × code_size] stand for."""
    x = np.empty((len(codes), handle.dim), np.float32)
    codes = np.ascontiguousarray(codes)
    with handle.reading() as pointer:
        lib.index_decode(pointer, len(codes), _arrays.address(codes), _arrays.address(x))
    return x
