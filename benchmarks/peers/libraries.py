"""FAISS and hnswlib as sweep.py measures them: made from a factory string, set, searched, weighed.

Each class says with `can` whether it knows a factory string, and with `uses` which settings it has.
"""
import importlib
import importlib.metadata
import os
import re
import tempfile

import numpy as np


class Unknown(Exception):
    """The library has no such index."""


class Faiss:
    name = "faiss"
    # kith's names of settings, and FAISS's.
    settings = {"nprobe": "nprobe", "efSearch": "efSearch", "k_factor": "k_factor_rf"}

    def __init__(self, spec, dim, metric, threads):
        self.faiss = importlib.import_module("faiss")
        self.faiss.omp_set_num_threads(threads)
        self.normalize = metric == "cosine"
        kind = self.faiss.METRIC_L2 if metric == "l2" else self.faiss.METRIC_INNER_PRODUCT
        try:
            self.index = self.faiss.index_factory(dim, spec, kind)
        except RuntimeError as error:
            raise Unknown(str(error).strip().splitlines()[-1]) from None
        self.space = self.faiss.ParameterSpace()
        self.spec = spec

    @staticmethod
    def version():
        return importlib.import_module("faiss").__version__

    def uses(self, name):
        word = {"nprobe": r"IVF", "efSearch": r"HNSW", "k_factor": r"RFlat|Refine\("}.get(name)
        return bool(word and re.search(rf"(^|,|\()({word})", self.spec))

    def build_option(self, name, value):
        if name == "efConstruction" and self.uses("efSearch"):
            self.space.set_index_parameter(self.index, "efConstruction", value)

    def train(self, x):
        if not self.index.is_trained:
            self.index.train(self._prepared(x))

    def add(self, x):
        self.index.add(self._prepared(x))

    def set(self, name, value):
        self.space.set_index_parameter(self.index, self.settings[name], value)

    def saved_bytes(self):
        writer = self.faiss.VectorIOWriter()
        self.faiss.write_index(self.index, writer)
        return writer.data.size()

    def search(self, q, k):
        return self.index.search(self._prepared(q), k)[1]

    def _prepared(self, x):
        if self.normalize:
            x = x.copy()
            self.faiss.normalize_L2(x)
        return x


class Hnswlib:
    name = "hnswlib"

    def __init__(self, spec, dim, metric, threads):
        self.hnswlib = importlib.import_module("hnswlib")
        match = re.fullmatch(r"HNSW(\d+)(,Flat)?", spec)
        if not match:
            raise Unknown(f"hnswlib builds HNSW<M> only, not '{spec}'")
        self.m, self.threads, self.construction = int(match[1]), threads, 40
        self.index = self.hnswlib.Index(space=metric, dim=dim)

    @staticmethod
    def version():
        """Of the module that was really imported: another one of that name may be installed."""
        module = importlib.import_module("hnswlib")
        if hasattr(module, "__version__"):
            return module.__version__
        folder = os.path.dirname(os.path.realpath(module.__file__))
        for package in importlib.metadata.distributions(path=[folder]):
            if package.metadata["Name"] == "hnswlib":
                return package.version
        return "unknown"

    def uses(self, name):
        return name == "efSearch"

    def build_option(self, name, value):
        if name == "efConstruction":
            self.construction = int(value)

    def train(self, x):
        pass

    def add(self, x):
        self.index.init_index(max_elements=len(x), M=self.m, ef_construction=self.construction, random_seed=1234)
        self.index.set_num_threads(self.threads)
        self.index.add_items(x, num_threads=self.threads)

    def set(self, name, value):
        self.index.set_ef(int(value))

    def saved_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "index")
            self.index.save_index(path)
            return os.path.getsize(path)

    def search(self, q, k):
        return self.index.knn_query(q, k, num_threads=self.threads)[0].astype(np.int64)


LIBRARIES = {library.name: library for library in (Faiss, Hnswlib)}
