"""FAISS's Kmeans."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _arrays
from .._arrays import METRIC_INNER_PRODUCT, METRIC_L2
from .._types import Array, Floats, Ids
from ..learn import Clusters, kmeans
from .base import Chain, FaissIndex
from .flat import IndexFlat


class ClusteringParameters:
    """Parameters of k-means. Those that kith has no use for can be set to their default only."""

    _fixed = {"int_centroids": False, "update_index": False, "frozen_centroids": False, "init_method": 0}
    _free: tuple[str, ...] = ("niter", "nredo", "verbose", "spherical", "seed", "min_points_per_centroid", "max_points_per_centroid",
                              "decode_block_size", "check_input_data_for_NaNs", "use_faster_subsampling")

    niter: int
    nredo: int
    verbose: bool
    spherical: bool
    seed: int
    min_points_per_centroid: int
    max_points_per_centroid: int

    def __init__(self) -> None:
        self.niter = 25
        self.nredo = 1
        self.verbose = False
        self.spherical = False
        self.seed = 1234
        self.min_points_per_centroid = 39
        self.max_points_per_centroid = 256
        self.decode_block_size = 32768

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._fixed:
            if bool(value):
                raise NotImplementedError(f"{name} is not offered: kith's centroids are floats, all of them move, and "
                                          "they begin at random or where init_centroids says")
        elif name not in self._free:
            raise AttributeError(f"k-means has no parameter {name!r}")
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in self._fixed:
            return self._fixed[name]
        raise AttributeError(f"k-means has no parameter {name!r}")


class Kmeans:
    """k-means clustering. train(x) sets centroids [k × d] and obj, the objective of each iteration; index holds the
    centroids, to search for the nearest.

    Keywords: niter, nredo, spherical, seed, max_points_per_centroid, verbose (taken, says nothing)."""

    def __init__(self, d: int, k: int, **keywords: Any) -> None:
        self.d = _arrays.count(d, "d", 1)
        self.cp = ClusteringParameters()
        if keywords.pop("gpu", False):
            raise NotImplementedError("gpu: kith runs on CPUs; leave it out")
        if "progressive_dim_steps" in keywords:
            raise NotImplementedError("progressive_dim_steps is not offered; leave it out")
        for name, value in keywords.items():
            setattr(self.cp, name, value)
        metric = METRIC_INNER_PRODUCT if self.cp.spherical else METRIC_L2
        self.index = IndexFlat(self.d, metric)
        self.reset(k)

    def reset(self, k: int | None = None) -> None:
        """Forget what was found; maybe look for another number of centroids next."""
        if k is not None:
            self.k = _arrays.count(k, "k", 1)
        self.centroids: Floats | None = None
        self.obj: Array | None = None
        self.iteration_stats: list[dict[str, float]] | None = None

    def train(self, x: Any, weights: Any = None, init_centroids: Any = None, **keywords: Any) -> float:
        """Cluster the rows of x [n × d]; returns the final objective."""
        found = _cluster(self.cp, _arrays.vectors(x, self.d, "x"), self.k, weights, init_centroids, **keywords)
        self.centroids, self.obj = found.centroids, found.objectives
        self.iteration_stats = [{"obj": float(value)} for value in self.obj]
        self.index.reset()
        self.index.add(self.centroids)
        return float(self.obj[-1]) if len(self.obj) else 0.0

    def assign(self, x: Any) -> tuple[Floats, Ids]:
        """Distance [n] to the nearest centroid, and its number [n], of each row of x."""
        if self.centroids is None:
            raise ValueError("assign: train first")
        self.index.reset()
        self.index.add(self.centroids)
        D, I = self.index.search(x, 1)
        return D.ravel(), I.ravel()


class ClusteringIterationStats(NamedTuple):
    """The objective of an iteration."""

    obj: float


class Clustering(ClusteringParameters):
    """k-means as FAISS's C++ has it: train(x, index) leaves the centroids in `centroids` and in the index."""

    _free = (*ClusteringParameters._free, "d", "k", "centroids", "iteration_stats")

    d: int
    k: int

    def __init__(self, d: int, k: int, cp: ClusteringParameters | None = None) -> None:
        super().__init__()
        for name, value in vars(cp).items() if cp is not None else ():
            setattr(self, name, value)
        self.d, self.k = _arrays.count(d, "d", 1), _arrays.count(k, "k", 1)
        self.centroids: Any = np.empty(0, np.float32)  # one after another; k of them are where training begins
        self.iteration_stats = Chain()

    def train(self, x: Any, index: FaissIndex, weights: Any = None) -> None:
        """Cluster the rows of x [n × d]."""
        if not isinstance(index, FaissIndex) or index.d != self.d:
            raise TypeError(f"index is {_arrays.short(index)}; it must be one of kith's FAISS-like indexes with "
                            f"d={self.d}")
        begin = np.asarray(self.centroids, np.float32)
        found = _cluster(self, _arrays.vectors(x, self.d, "x"), self.k, weights,
                         begin.reshape(-1, self.d) if begin.size else None)
        self.centroids = found.centroids.ravel()
        self.iteration_stats = Chain(ClusteringIterationStats(float(value)) for value in found.objectives)
        index.reset()
        if not index.is_trained:
            index.train(found.centroids)
        index.add(found.centroids)

    @property
    def obj(self) -> Array:
        """The objective of each iteration."""
        return np.array([stats.obj for stats in self.iteration_stats], np.float32)


def _cluster(cp: ClusteringParameters, x: Array, k: int, weights: Any, init: Any, **keywords: Any) -> Clusters:
    return kmeans(x, k, iterations=cp.niter, restarts=cp.nredo, tolerance=0, max_points=cp.max_points_per_centroid,
                  spherical=cp.spherical, seed=cp.seed, weights=weights, init="random" if init is None else init,
                  **keywords)
