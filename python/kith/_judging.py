"""How good rankings are, by what people judged to be relevant: recall and nDCG (Järvelin & Kekäläinen, TOIS 2002)."""
from __future__ import annotations

import math
from typing import Mapping, NamedTuple, Sequence

Gains = Mapping[str, float]  # of ids; others have 0


class Judged(NamedTuple):
    """Means over all judged queries of a way to fuse: nDCG and recall of the first n results."""

    fusion: str
    alpha: float
    ndcg: float
    recall: float


def ndcg(ids: Sequence[str], gains: Gains, n: int) -> float:
    """Discounted gain of the first n ids as a share of the best there is; 1 where nothing is relevant."""
    best = _discounted(sorted(gains.values(), reverse=True)[:n])
    return _discounted([gains.get(id, 0) for id in ids[:n]]) / best if best > 0 else 1.0


def recall(ids: Sequence[str], gains: Gains, n: int) -> float:
    """Share of the relevant ids, those with a gain above 0, among the first n, of which no more than n can be found."""
    relevant = {id for id, gain in gains.items() if gain > 0}
    return len(relevant & set(ids[:n])) / min(n, len(relevant)) if relevant else 1.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))
