"""FAISS's Kmeans."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import _arrays
from .._arrays import METRIC_INNER_PRODUCT, METRIC_L2
from ..learn import kmeans
from .flat import IndexFlat


class ClusteringParameters:
    """Parameters of k-means. Those that kith has no use for can be set to their default only."""

    _fixed = {"int_centroids": False, "update_index": False, "frozen_centroids": False}

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
                raise NotImplementedError(f"{name} is not offered: kith's centroids are floats, and all of them move")
        elif name not in ("niter", "nredo", "verbose", "spherical", "seed", "min_points_per_centroid",
                          "max_points_per_centroid", "decode_block_size"):
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
        self.centroids: np.ndarray | None = None
        self.obj: np.ndarray | None = None
        self.iteration_stats: list[dict[str, float]] | None = None

    def train(self, x: Any, weights: Any = None, init_centroids: Any = None, **keywords: Any) -> float:
        """Cluster the rows of x [n × d]; returns the final objective."""
        x = _arrays.vectors(x, self.d, "x")
        cp = self.cp
        found = kmeans(x, self.k, iterations=cp.niter, restarts=cp.nredo, tolerance=0,
                       max_points=cp.max_points_per_centroid, spherical=cp.spherical, seed=cp.seed, weights=weights,
                       init="random" if init_centroids is None else init_centroids, **keywords)
        self.centroids, self.obj = found.centroids, found.objectives
        self.iteration_stats = [{"obj": float(value)} for value in self.obj]
        self.index.reset()
        self.index.add(self.centroids)
        return float(self.obj[-1]) if len(self.obj) else 0.0

    def assign(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Distance [n] to the nearest centroid, and its number [n], of each row of x."""
        if self.centroids is None:
            raise ValueError("assign: train first")
        self.index.reset()
        self.index.add(self.centroids)
        D, I = self.index.search(x, 1)
        return D.ravel(), I.ravel()
