"""Parameters of k-means, by FAISS's names."""
from __future__ import annotations

from typing import Any

from .. import _arrays
from .._errors import UnsupportedError
from .metrics import METRIC_INNER_PRODUCT, METRIC_L2


class ClusteringParameters:
    """Parameters of k-means."""

    _free: dict[str, Any] = {
        "niter": 25, "nredo": 1, "verbose": False, "spherical": False, "int_centroids": False, "update_index": False,
        "frozen_centroids": False, "min_points_per_centroid": 39, "max_points_per_centroid": 256, "seed": 1234,
        "decode_block_size": 32768, "check_input_data_for_NaNs": True, "use_faster_subsampling": False,
        "init_method": 0, "afkmc2_chain_length": 50, "early_stop_threshold": 0.0}

    niter: int
    nredo: int
    verbose: bool
    spherical: bool
    int_centroids: bool
    update_index: bool
    frozen_centroids: bool
    seed: int
    min_points_per_centroid: int
    max_points_per_centroid: int
    init_method: int
    early_stop_threshold: float

    def __init__(self) -> None:
        for name, value in ClusteringParameters._free.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._free:
            raise AttributeError(f"k-means has no parameter {name!r}; its parameters are {', '.join(self._free)}")
        if name == "init_method" and value not in (0, 1):
            raise UnsupportedError(f"init_method is {_arrays.short(value)}; kith has 0 (random) and 1 (k-means++)")
        super().__setattr__(name, value)

    def _library_can(self, index: Any) -> bool:
        """Whether the library's k-means supports these parameters and gives the same as assignment by the index."""
        metric = METRIC_INNER_PRODUCT if self.spherical else METRIC_L2
        usual = type(index).__name__.startswith("IndexFlat") and index.metric_type == metric
        return usual and not (self.int_centroids or self.update_index or self.frozen_centroids)
