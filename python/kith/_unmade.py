"""An index whose dimension is not known yet. The first vectors that are added or trained on determine it."""
from __future__ import annotations

import threading
from typing import Any

from . import _arrays
from ._calls import Gate
from ._errors import InvalidError
from ._handle import Handle
from ._lib import MAX_DIM, lib


class Unmade:
    """Takes the place of an index's Handle until there is one. Every use except make() and close() raises an error
    which says that the dimension is missing."""

    __slots__ = ("spec", "metric", "lock", "gate")

    def __init__(self, spec: str, metric: int) -> None:
        _arrays.text_of(spec, "spec")
        self.spec = spec
        self.metric = metric
        self.lock = threading.Lock()
        self.gate = Gate()

    def make(self, x: Any) -> Handle:
        """A handle of an index for vectors of the dimension of x [n × dim]."""
        if self.gate.closed:
            raise InvalidError("the index is closed")
        x = _arrays.numbers(x, "x")
        if x.ndim != 2 or not 1 <= x.shape[1] <= MAX_DIM:
            raise ValueError(f"x has shape {x.shape}; it must be (n, dim), one vector a row, with dim in 1 … {MAX_DIM}: "
                             "the first vectors determine the dimension of the index")
        return make_handle(self.spec, x.shape[1], self.metric)

    def close(self) -> None:
        self.gate.closed = True

    def __getattr__(self, name: str) -> Any:
        if self.gate.closed:
            raise InvalidError("the index is closed")
        raise InvalidError(f"index {self.spec!r} has no dimension yet: add or train vectors first, or create it with dim=")


def make_handle(spec: str, dim: int, metric: int) -> Handle:
    return Handle(lib.index_new, _arrays.count(dim, "dim", 1, MAX_DIM), metric, _arrays.text_of(spec, "spec"))
