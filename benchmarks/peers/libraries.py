"""A common interface to FAISS, hnswlib and pyglass for sweep.py.

The constructor takes a factory string, and raises Unknown if the library has no such index. An index is either trained,
filled and saved, or loaded; then `prepare`, `set` and `search` are called. `uses` tells which settings affect it.
`version` raises ImportError if the library is not installed. Libraries are imported only when they are needed.
"""
import contextlib
import ctypes
import importlib
import importlib.metadata
import os
import re


class Unknown(Exception):
    """The library has no such index."""


def version_of(name):
    """The version of the module that is imported, which may differ from an installed package of the same name."""
    module = importlib.import_module(name)
    if name == "kith":
        return module.version
    if hasattr(module, "__version__"):
        return module.__version__
    folder = os.path.dirname(os.path.realpath(module.__file__))
    for package in importlib.metadata.distributions(path=[folder]):
        if package.metadata["Name"] == name:
            return package.version
    return "unknown"


@contextlib.contextmanager
def silence():
    """Discard standard output, including what C code prints."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


class Library:
    """Defaults for all libraries: no training, and no more memory than the saved index takes."""

    def train(self, x):
        pass

    def prepare(self, x):
        """Prepare what searches need in addition to the saved index."""

    def more_bytes(self, n, dim):
        """The memory that searches need in addition to the saved index."""
        return 0


class Faiss(Library):
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
        return version_of("faiss")

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

    def save(self, path):
        self.faiss.write_index(self.index, path)

    def load(self, path):
        self.index = self.faiss.read_index(path)

    def search(self, q, k):
        return self.index.search(self._prepared(q), k)[1]

    def _prepared(self, x):
        if self.normalize:
            x = x.copy()
            self.faiss.normalize_L2(x)
        return x


class GraphLibrary(Library):
    """A library that has only graphs."""

    construction = 40

    def uses(self, name):
        return name == "efSearch"

    def build_option(self, name, value):
        if name == "efConstruction":
            self.construction = int(value)


class Hnswlib(GraphLibrary):
    name = "hnswlib"

    def __init__(self, spec, dim, metric, threads):
        self.hnswlib = importlib.import_module("hnswlib")
        match = re.fullmatch(r"HNSW(\d+)(,Flat)?", spec)
        if not match:
            raise Unknown(f"hnswlib builds HNSW<M> only, not '{spec}'")
        self.m, self.threads = int(match[1]), threads
        self.index = self.hnswlib.Index(space=metric, dim=dim)

    @staticmethod
    def version():
        return version_of("hnswlib")

    def add(self, x):
        self.index.init_index(max_elements=len(x), M=self.m, ef_construction=self.construction, random_seed=1234)
        self.index.set_num_threads(self.threads)
        self.index.add_items(x, num_threads=self.threads)

    def set(self, name, value):
        self.index.set_ef(int(value))

    def save(self, path):
        self.index.save_index(path)

    def load(self, path):
        self.index.load_index(path)
        self.index.set_num_threads(self.threads)

    def search(self, q, k):
        return self.index.knn_query(q, k, num_threads=self.threads)[0].astype("int64")


class Pyglass(GraphLibrary):
    """pyglass's graph with 2 * M edges, searched over bytes (SQ8U) and reranked by floats, as pyglass recommends.

    The library always reranks 1.5 candidates for each result.
    """
    name = "pyglass"

    def __init__(self, spec, dim, metric, threads):
        self.glass = importlib.import_module("glass")
        match = re.fullmatch(r"HNSW(\d+),SQ8,(RFlat|Refine\(Flat\))", spec)
        if not match:
            raise Unknown(f"pyglass is compared only with HNSW<M>,SQ8,RFlat, not with '{spec}'")
        self.edges, self.threads = 2 * int(match[1]), threads
        self.metric, self.normalize = ("L2" if metric == "l2" else "IP"), metric == "cosine"
        self.glass.set_num_threads(threads)

    @staticmethod
    def version():
        if not hasattr(importlib.import_module("glass"), "Searcher"):
            raise ImportError("the module glass is another library")
        return version_of("glass")

    def add(self, x):
        with silence():
            builder = self.glass.Index("HNSW", self.metric, quant="SQ8U", R=self.edges, L=self.construction)
            self.graph = builder.build(self._prepared(x))

    def save(self, path):
        with silence():
            self.graph.save(path)

    def load(self, path):
        with silence():
            self.graph = self.glass.Graph(path)

    def prepare(self, x):
        """Make both copies of the vectors, and tune prefetching for this machine, as pyglass's own benchmark does."""
        with silence():
            self.searcher = self.glass.Searcher(self.graph, self._prepared(x), self.metric, "SQ8U", "FP32")
            self.searcher.optimize(self.threads)

    def more_bytes(self, n, dim):
        return n * (-(-dim // 64) * 64 + 4 * (-(-dim // 16) * 16))

    def set(self, name, value):
        self.searcher.set_ef(int(value))

    def search(self, q, k):
        q = self._prepared(q)
        if len(q) == 1:
            return self.searcher.search(q[0], k)[0].reshape(1, k).astype("int64")
        return self.searcher.batch_search(q, k, self.threads)[0].astype("int64")

    def _prepared(self, x):
        return x / (x * x).sum(axis=1, keepdims=True).clip(1e-30) ** 0.5 if self.normalize else x


LIBRARIES = {library.name: library for library in (Faiss, Hnswlib, Pyglass)}
