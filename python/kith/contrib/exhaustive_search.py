"""Exact searches of vectors that come in blocks, for example from a file that is larger than memory."""
from __future__ import annotations

from typing import Any, Iterable, Iterator

import numpy as np

import kith

from .evaluation import _select

knn = kith.knn


def knn_ground_truth(xq: Any, db_iterator: Iterable[Any], k: int, metric_type: Any = kith.METRIC_L2,
                     shard: bool = False, ngpu: int = -1) -> tuple[Any, Any]:
    """The k nearest of all rows of the blocks: distances and ids [nq × k]. The numbering of rows continues from block to
    block."""
    found = kith.knn_blocks(np.asarray(xq, np.float32), (np.asarray(x, np.float32) for x in db_iterator), k,
                            kith.compat.metrics.name_of(metric_type))
    return found.distances, found.ids


def range_ground_truth(xq: Any, db_iterator: Iterable[Any], threshold: float, metric_type: Any = kith.METRIC_L2,
                       shard: bool = False, ngpu: int = -1) -> tuple[Any, Any, Any]:
    """All rows of the blocks within a threshold of each query: lims [nq + 1], distances, ids."""
    xq = np.ascontiguousarray(xq, np.float32)
    index, first = kith.IndexFlat(xq.shape[1], metric_type), 0
    owners, dist, ids = [], [], []
    for block in db_iterator:
        index.add(block)
        lims, D, I = index.range_search(xq, threshold)
        owners.append(np.repeat(np.arange(len(xq)), np.diff(lims.astype(np.int64))))
        dist.append(D)
        ids.append(I + first)
        first += len(block)
        index.reset()
    owner = np.concatenate([np.empty(0, np.int64), *owners])
    order = np.argsort(owner, kind="stable")
    lims = np.zeros(len(xq) + 1, np.uint64)
    lims[1:] = np.cumsum(np.bincount(owner, minlength=len(xq)))
    return (lims, np.concatenate([np.empty(0, np.float32), *dist])[order],
            np.concatenate([np.empty(0, np.int64), *ids])[order])


def threshold_radius(lims: Any, dis: Any, ids: Any, thresh: float, keep_max: bool = False) -> tuple[Any, Any, Any]:
    """The results of a range search that are within a smaller radius."""
    return _select(lims, dis, ids, dis > thresh if keep_max else dis < thresh)


def threshold_radius_nres(nres: Any, dis: Any, ids: Any, thresh: float, keep_max: bool = False) -> tuple[Any, Any, Any]:
    """threshold_radius for results that are described by the number of results of each query."""
    lims = np.concatenate([[0], np.cumsum(nres)]).astype(np.int64)
    kept, dis, ids = threshold_radius(lims, dis, ids, thresh, keep_max)
    return np.diff(kept).astype(np.asarray(nres).dtype), dis, ids


def apply_maxres(res_batches: list[Any], target_nres: int, keep_max: bool = False) -> tuple[float, int]:
    """Reduce batches of (number of results of each query, distances, ids) to about target_nres results. Returns the
    radius at which they were cut, and how many results are left."""
    every = np.sort(np.concatenate([dis for _, dis, _ in res_batches]))
    if not len(every) > target_nres:
        raise AssertionError(f"there are {len(every)} results; target_nres is {target_nres}")
    radius = every[-1 - target_nres if keep_max else target_nres].item()
    res_batches[:] = [threshold_radius_nres(nres, dis, ids, radius, keep_max) for nres, dis, ids in res_batches]
    return radius, sum(len(dis) for _, dis, _ in res_batches)


def range_search_max_results(index: Any, query_iterator: Iterable[Any], radius: float, max_results: int | None = None,
                             min_results: int | None = None, shard: bool = False, ngpu: int = 0,
                             clip_to_min: bool = False) -> tuple[float, Any, Any, Any]:
    """Range searches of batches of queries. Whenever there are more than max_results results, the radius is reduced to
    one with about min_results. Returns the final radius, lims, distances and ids."""
    if max_results is None and min_results is None:
        raise AssertionError("give max_results or min_results")
    if min_results is None:
        min_results = int(0.8 * max_results)  # type: ignore[operator]
    if max_results is None:
        max_results = int(1.5 * min_results)
    keep_max, batches = index.metric_type == kith.METRIC_INNER_PRODUCT, []
    for queries in query_iterator:
        lims, D, I = index.range_search(queries, radius)
        batches.append((np.diff(lims), D, I))
        if sum(len(D) for _, D, _ in batches) > max_results:
            radius, _ = apply_maxres(batches, min_results, keep_max)
    if clip_to_min and sum(len(D) for _, D, _ in batches) > min_results:
        radius, _ = apply_maxres(batches, min_results, keep_max)
    counts, dist, ids = (np.concatenate(parts) for parts in zip(*batches)) if batches else (np.empty(0),) * 3
    lims = np.zeros(len(counts) + 1, np.uint64)
    lims[1:] = np.cumsum(counts)
    return radius, lims, dist, ids


def exponential_query_iterator(xq: Any, start_bs: int = 32, max_bs: int = 20000) -> Iterator[Any]:
    """Queries in batches whose size doubles until it is at least max_bs."""
    at, size = 0, start_bs
    while at < len(xq):
        yield xq[at:at + size]
        at += size
        size = 2 * size if size < max_bs else size
