"""Distances one at a time."""
# mypy: warn-return-any=False
from __future__ import annotations

from typing import Any

import numpy as np

from .._errors import InvalidError
from .._types import Floats
from . import arguments as args
from .metrics import scores
from .swig import Owned


class DistanceComputer(Owned):
    """set_query(x), then computer(id) is the distance of x to that vector as searches compute it: of its code. Not for
    several threads at once."""

    __slots__ = ("_index", "_chain", "_metric", "_query", "_this")

    def __init__(self, index: Any) -> None:
        self._chain, self._index = [], index
        while hasattr(index, "apply_chain"):  # distances are those behind a transform
            self._chain.append(index)
            index = index.index
        self._index = index
        self._metric = index.metric_type
        self._query: Floats | None = None

    def set_query(self, x: Any) -> None:
        """x [d], also as part of a longer array."""
        first = self._chain[0] if self._chain else self._index
        x = args.floats(np.asarray(x).reshape(-1)[None, :first.d], first.d, "x")
        for index in self._chain:
            x = index.apply_chain(x)
        self._query = x[0].astype(np.float64)

    def _vector(self, i: int) -> Floats:
        return self._index.reconstruct(i).astype(np.float64)

    def __call__(self, i: int) -> float:
        if self._query is None:
            raise InvalidError("set_query first")
        return self._distance(self._query, self._vector(i))

    def symmetric_dis(self, i: int, j: int) -> float:
        """Between two vectors of the index."""
        return self._distance(self._vector(i), self._vector(j))

    def _distance(self, a: Floats, b: Floats) -> float:
        return float(np.float32(scores(self._metric, a, b)))
