"""The module by which ann-benchmarks runs kith: copy this folder to ann_benchmarks/algorithms/kith.

The arguments in config.yml are factory strings; the query arguments are options of searches, by name.
"""
import kith
import numpy as np

from ..base.module import BaseANN

METRICS = {"euclidean": "l2", "angular": "cosine"}


class Kith(BaseANN):
    def __init__(self, metric, spec, build=None):
        if metric not in METRICS:
            raise NotImplementedError(f"kith has no metric '{metric}' for these data sets")
        self.metric, self.spec, self.build = METRICS[metric], spec, build or {}
        self.settings = {}
        self.name = f"kith({spec})"

    def fit(self, X):
        X = np.ascontiguousarray(X, np.float32)
        self.index = kith.Index(self.spec, dim=X.shape[1], metric=self.metric)
        if not self.index.trained:
            self.index.train(X)
        self.index.add(X, **self.build)

    def set_query_arguments(self, settings):
        self.settings = settings
        text = ",".join(f"{name}={value}" for name, value in settings.items())
        self.name = f"kith({self.spec},{text})"

    def query(self, v, n):
        return self.index.search(np.asarray(v, np.float32)[None], n, threads=1, **self.settings)[1][0]

    def batch_query(self, X, n):
        self.found = self.index.search(np.ascontiguousarray(X, np.float32), n, **self.settings)[1]

    def get_batch_results(self):
        return self.found

    def get_memory_usage(self):
        return self.index.memory / 1024 if hasattr(self, "index") else super().get_memory_usage()
