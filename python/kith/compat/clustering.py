"""FAISS's Kmeans and Clustering.

The usual cases, float centroids under L2 and unit vectors under inner product, use the library's k-means. All others
(inner products without normalisation, another index for the assignment, frozen or integer centroids) use Lloyd's
algorithm in Python (_Lloyd): the index finds the nearest centroid of each point, and centroids move to the means.
"""
from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from .. import _arrays
from . import arguments as args
from .metrics import METRIC_INNER_PRODUCT, METRIC_L2
from .._errors import ArgumentError, InvalidError, UnsupportedError
from .._types import Array, Floats, Ids
from .._lib import KmeansStats
from ..learn import kmeans
from .base import Chain, FaissIndex
from .clustering_parameters import ClusteringParameters
from .flat import IndexFlat


class ClusteringIterationStats(NamedTuple):
    """Statistics of an iteration. obj: the objective, which is the sum of all distances or products; time: seconds since
    the start; time_search: seconds of assignment so far; imbalance_factor: how uneven clusters are, at best 1; nsplit:
    how many empty clusters took half of another one."""

    obj: float
    time: float
    time_search: float
    imbalance_factor: float
    nsplit: int


class Kmeans:
    """k-means clustering. train(x) sets centroids [k × d] and obj, the objective of each iteration. index holds the
    centroids, for searches of the nearest one. Keywords are the attributes of ClusteringParameters."""

    def __init__(self, d: int, k: int, **keywords: Any) -> None:
        self.d = args.count(d, "d", 1)
        self.cp = ClusteringParameters()
        if keywords.pop("gpu", False):
            raise UnsupportedError("gpu: kith runs on CPUs; leave it out")
        if "progressive_dim_steps" in keywords:
            raise UnsupportedError("progressive_dim_steps: kith does not have it; leave it out")
        for name, value in keywords.items():
            setattr(self.cp, name, value)
        metric = METRIC_INNER_PRODUCT if self.cp.spherical else METRIC_L2
        self.index: FaissIndex = IndexFlat(self.d, metric)
        self.reset(k)

    def reset(self, k: int | None = None) -> None:
        """Forget the results. k: from now on find this number of centroids."""
        if k is not None:
            self.k = args.count(k, "k", 1)
        self.centroids: Floats | None = None
        self.obj: Array | None = None
        self.iteration_stats: list[dict[str, float]] | None = None

    def train(self, x: Any, weights: Any = None, init_centroids: Any = None, **keywords: Any) -> float:
        """Cluster the rows of x [n × d]. Returns the final objective. init_centroids: up to k initial centroids; the others
        are random rows."""
        clustering = Clustering(self.d, self.k, self.cp)
        if init_centroids is not None:
            clustering.centroids = args.floats(init_centroids, self.d, "init_centroids").ravel()
        clustering.train(x, self.index, weights, **keywords)
        self.centroids = clustering.centroids.reshape(self.k, self.d)
        self.obj = clustering.obj
        self.iteration_stats = [stats._asdict() for stats in clustering.iteration_stats]
        return float(self.obj[-1]) if len(self.obj) else 0.0

    def assign(self, x: Any) -> tuple[Floats, Ids]:
        """The distance [n] of each row of x to its nearest centroid, and the number [n] of this centroid."""
        if self.centroids is None:
            raise ArgumentError("assign: there are no centroids; call train first")
        self.index.reset()
        self.index.add(self.centroids)
        D, I = self.index.search(x, 1)
        return D.ravel(), I.ravel()


class Clustering(ClusteringParameters):
    """k-means as in FAISS's C++ interface. train(x, index) puts the centroids into `centroids` and into the index, which
    finds the nearest centroid of each point by its metric."""

    _free = {**ClusteringParameters._free, "d": 0, "k": 0, "centroids": None, "iteration_stats": None}

    d: int
    k: int

    def __init__(self, d: int, k: int, cp: ClusteringParameters | None = None) -> None:
        super().__init__()
        for name, value in vars(cp).items() if cp is not None else ():
            setattr(self, name, value)
        self.d, self.k = args.count(d, "d", 1), args.count(k, "k", 1)
        self.centroids: Any = np.empty(0, np.float32)  # flat; before train(): up to k initial centroids
        self.iteration_stats = Chain()

    def train(self, x: Any, index: FaissIndex, weights: Any = None, **keywords: Any) -> None:
        """Cluster the rows of x [n × d]."""
        if not isinstance(index, FaissIndex) or index.d != self.d:
            raise ArgumentError(f"index is {_arrays.short(index)}; it must be one of kith's FAISS-like indexes with "
                            f"d={self.d}")
        x = args.vectors(x, self.d, "x")
        x = args.floats(x, self.d, "x")
        given = np.asarray(self.centroids, np.float32)
        if given.size % self.d or given.size > self.k * self.d:
            raise InvalidError(f"centroids has {_arrays.counted(given.size, 'element')}; it must be empty or up to "
                               f"{self.k} times {self.d}")
        given = given.reshape(-1, self.d)
        if len(x) < self.k:
            raise InvalidError(f"x has {_arrays.counted(len(x), 'row')}; k-means needs at least k = {self.k}")
        if len(x) == self.k:
            centroids, stats = x.copy(), [ClusteringIterationStats(0.0, 0.0, 0.0, 1.0, 0)]
        elif self._library_can(index) and len(given) in (0, self.k):
            centroids, stats = self._train_by_library(x, given, weights, keywords)
        else:
            centroids, stats = _Lloyd(self, x, index, weights).run(given)
        self.centroids = centroids.ravel()
        self.iteration_stats = Chain(stats)
        index.reset()
        if not index.is_trained:
            index.train(centroids)
        index.add(centroids)

    def train_encoded(self, codes: Any, codec: Any, index: FaissIndex, weights: Any = None, **keywords: Any) -> None:
        """Cluster the decoded vectors of codes [n × code size]. codec: an index that decodes them."""
        self.train(codec.sa_decode(np.asarray(codes)), index, weights, **keywords)

    def _train_by_library(self, x: Floats, given: Floats, weights: Any, keywords: dict[str, Any]
                          ) -> tuple[Floats, list[ClusteringIterationStats]]:
        """Centroids and statistics of the library's k-means. given: all initial centroids, or none."""
        reported = (KmeansStats * max(self.niter, 1))()
        start: Any = given if len(given) else ("random", "k-means++")[self.init_method]
        found = args.asserted(kmeans)(
            x, self.k, iterations=self.niter, restarts=self.nredo, tolerance=0, init=start,
            max_points=self.max_points_per_centroid, spherical=self.spherical, seed=self.seed, weights=weights,
            stats=reported, **keywords)
        sign = -1 if self.spherical else 1
        stats = []
        for value, one in zip(found.objectives, reported):
            objective = float(np.float32(sign * value))
            stats.append(ClusteringIterationStats(objective, one.seconds, one.assign_seconds, one.imbalance, one.splits))
            if _converged(stats, self.early_stop_threshold):
                break
        return found.centroids, stats

    @property
    def obj(self) -> Array:
        """The objective of each iteration."""
        return np.array([stats.obj for stats in self.iteration_stats], np.float32)


def _converged(stats: list[ClusteringIterationStats], threshold: float) -> bool:
    """Whether the last iteration changed the objective by at most this fraction."""
    if len(stats) < 2 or stats[-2].obj == 0:
        return False
    return abs(stats[-2].obj - stats[-1].obj) <= threshold * abs(stats[-2].obj)


class _Lloyd:
    """Lloyd's algorithm, with an index that finds the nearest centroids."""

    def __init__(self, cp: Clustering, x: Floats, index: FaissIndex, weights: Any) -> None:
        self.cp, self.k, self.d, self.index = cp, cp.k, cp.d, index
        self.random = np.random.RandomState(cp.seed % 2**32)
        self.weights = None if weights is None else _arrays.numbers(weights, "weights").astype(np.float64)
        if self.weights is not None and self.weights.shape != (len(x),):
            raise InvalidError(f"weights has shape {self.weights.shape}; it must be ({len(x)},), one for each row of x")
        max_points = cp.k * cp.max_points_per_centroid
        if len(x) > max_points:
            sample = np.sort(self.random.permutation(len(x))[:max_points])
            x = x[sample]
            self.weights = None if self.weights is None else self.weights[sample]
        self.x = x
        self.minimises = index.metric_type != METRIC_INNER_PRODUCT

    def run(self, given: Floats) -> tuple[Floats, list[ClusteringIterationStats]]:
        """The best of nredo runs."""
        found: tuple[Floats, list[ClusteringIterationStats]] | None = None
        for _ in range(max(self.cp.nredo, 1)):
            one = self._run(given)
            last, best = (run[1][-1].obj if run and run[1] else 0.0 for run in (one, found))
            if found is None or (last < best if self.minimises else last > best):
                found = one
        assert found is not None
        return found

    def _run(self, given: Floats) -> tuple[Floats, list[ClusteringIterationStats]]:
        began, searching, stats = time.perf_counter(), 0.0, []
        others = self.random.permutation(len(self.x))[:self.k - len(given)]
        centroids = self._constrain(np.concatenate([given, self.x[others]]))
        self._load(centroids, not self.index.is_trained)
        for _ in range(self.cp.niter):
            before = time.perf_counter()
            D, I = self.index.search(self.x, 1)
            searching += time.perf_counter() - before
            points = np.bincount(I[:, 0][I[:, 0] >= 0], minlength=self.k)
            centroids, splits = self._update(centroids, I[:, 0], len(given) if self.cp.frozen_centroids else 0)
            stats.append(ClusteringIterationStats(
                float(np.float32(D.sum(dtype=np.float64))), time.perf_counter() - began, searching,
                float(self.k * (points.astype(np.float64)**2).sum() / max(points.sum(), 1)**2), splits))
            self._load(centroids, self.cp.update_index)
            if _converged(stats, self.cp.early_stop_threshold):
                break
        return centroids, stats

    def _constrain(self, centroids: Floats) -> Floats:
        """The centroids, normalised if they are spherical and rounded if they are integers."""
        if self.cp.spherical:
            norms = np.linalg.norm(centroids.astype(np.float64), axis=1, keepdims=True)
            centroids = (centroids / np.where(norms > 0, norms, 1)).astype(np.float32)
        return np.rint(centroids) if self.cp.int_centroids else centroids

    def _load(self, centroids: Floats, train: bool) -> None:
        """Replace the vectors of the index by the centroids."""
        self.index.reset()
        if train:
            self.index.train(centroids)
        self.index.add(centroids)

    def _update(self, centroids: Floats, labels: Ids, frozen: int) -> tuple[Floats, int]:
        """The means of each centroid's points, except for the first centroids, which are frozen; and the number of splits:
        a centroid without points takes half of the largest cluster."""
        order = np.argsort(labels, kind="stable")
        order = order[int((labels < 0).sum()):]
        weights = np.ones(len(order)) if self.weights is None else self.weights[order]
        mass = np.bincount(labels[order], weights, self.k)
        starts = np.flatnonzero(np.r_[True, np.diff(labels[order]) > 0]) if len(order) else np.empty(0, int)
        made = centroids.copy()
        if len(order):
            sums = np.add.reduceat(self.x[order] * weights[:, None], starts, axis=0)
            owner = labels[order][starts]
            free = (owner >= frozen) & (mass[owner] > 0)
            made[owner[free]] = (sums[free] / mass[owner[free], None]).astype(np.float32)
        splits = 0
        for empty in np.flatnonzero(mass[frozen:] == 0) + frozen:
            big = frozen + int(np.argmax(mass[frozen:]))
            if mass[big] <= 0:
                break
            nudge = np.where(np.arange(self.d) % 2, 1 - 1 / 1024, 1 + 1 / 1024).astype(np.float32)
            made[empty], made[big] = made[big] * nudge, made[big] / nudge
            mass[empty] = mass[big] = mass[big] / 2
            splits += 1
        return self._constrain(made), splits
