"""DistanceComputer: distances between one query and vectors of an index, one at a time."""
# mypy: warn-return-any=False
from __future__ import annotations

from typing import Any

import numpy as np

from .._errors import InvalidError
from .._types import Floats
from . import arguments as args
from .metrics import METRIC_Lp, scores
from .swig import Owned


class DistanceComputer(Owned):
    """After set_query(x), computer(id) is the distance between x and the decoded vector of that id. An object must not be
    used by several threads at once."""

    __slots__ = ("_index", "_chain", "_metric", "_argument", "_query", "_this")

    def __init__(self, index: Any) -> None:
        self._chain, self._index = [], index
        while hasattr(index, "apply_chain"):  # distances are computed after all transforms
            self._chain.append(index)
            index = index.index
        self._index = index
        self._metric = index.metric_type
        self._argument = index.metric_arg if self._metric == METRIC_Lp else 0
        self._query: Floats | None = None

    def set_query(self, x: Any) -> None:
        """Set the query to the first d elements of x."""
        first = self._chain[0] if self._chain else self._index
        x = args.floats(np.asarray(x).reshape(-1)[None, :first.d], first.d, "x")
        for index in self._chain:
            x = index.apply_chain(x)
        self._query = x[0].astype(np.float64)

    def _vector(self, i: int) -> Floats:
        return self._index.reconstruct(i).astype(np.float64)

    def __call__(self, i: int) -> float:
        if self._query is None:
            raise InvalidError("there is no query: call set_query first")
        return self._distance(self._query, self._vector(i))

    def symmetric_dis(self, i: int, j: int) -> float:
        """The distance between two vectors of the index."""
        return self._distance(self._vector(i), self._vector(j))

    def _distance(self, a: Floats, b: Floats) -> float:
        return float(np.float32(scores(self._metric, a, b, self._argument)))
