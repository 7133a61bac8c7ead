"""Measures of a ranking's quality from relevance judgements: recall and nDCG (Järvelin & Kekäläinen, TOIS 2002)."""
from __future__ import annotations

import math
from typing import Mapping, NamedTuple, Sequence

Gains = Mapping[str, float]  # the gain of each relevant id; all other ids have gain 0


class Judged(NamedTuple):
    """The quality of one way to fuse rankings: nDCG and recall of the first n results, as means over all queries."""

    fusion: str
    alpha: float
    ndcg: float
    recall: float


def ndcg(ids: Sequence[str], gains: Gains, n: int) -> float:
    """The discounted gain of the first n ids, divided by the largest possible one; 1 if nothing is relevant."""
    best = _discounted(sorted(gains.values(), reverse=True)[:n])
    return _discounted([gains.get(id, 0) for id in ids[:n]]) / best if best > 0 else 1.0


def recall(ids: Sequence[str], gains: Gains, n: int) -> float:
    """The relevant ids (those with a gain above 0) among the first n, divided by the number that n results can hold."""
    relevant = {id for id, gain in gains.items() if gain > 0}
    return len(relevant & set(ids[:n])) / min(n, len(relevant)) if relevant else 1.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))
