"""Data sets for tests: synthetic vectors, and the usual public files."""
from __future__ import annotations

import os
from typing import Any, Iterator

import numpy as np

import kith

from .vecs_io import bvecs_mmap, fvecs_mmap, fvecs_read, ivecs_read


class Dataset:
    """nt vectors to train on, nb vectors to store and nq queries, all of dimension d. metric: "L2" or "IP"."""

    def __init__(self) -> None:
        self.d = self.nt = self.nb = self.nq = -1
        self.metric = "L2"

    def get_queries(self) -> Any:
        raise NotImplementedError

    def get_train(self, maxtrain: int | None = None) -> Any:
        raise NotImplementedError

    def get_database(self) -> Any:
        raise NotImplementedError

    def database_iterator(self, bs: int = 128, split: tuple[int, int] = (1, 0)) -> Iterator[Any]:
        """The vectors to store, bs at a time. split = (n, i): only part i of n equal parts."""
        parts, part = split
        stop = self.nb * (part + 1) // parts
        x = self.get_database()
        for first in range(self.nb * part // parts, stop, bs):
            yield x[first:min(first + bs, stop)]

    def get_groundtruth(self, k: int | None = None) -> Any:
        """The ids of the true k nearest neighbours [nq × k]."""
        raise NotImplementedError

    def get_groundtruth_range(self, thresh: float | None = None) -> Any:
        raise NotImplementedError

    def __str__(self) -> str:
        return (f"dataset in dimension {self.d}, with metric {self.metric}, "
                f"size: Q {self.nq} B {self.nb} T {self.nt}")

    def check_sizes(self) -> None:
        """Raise unless all arrays have the right shapes."""
        shapes = [(self.get_queries().shape, (self.nq, self.d)), (self.get_database().shape, (self.nb, self.d)),
                  (self.get_groundtruth(k=13).shape, (self.nq, 13))]
        if self.nt > 0:
            shapes.append((self.get_train(maxtrain=123).shape, (123, self.d)))
        for found, expected in shapes:
            if found != expected:
                raise AssertionError(f"{self} has an array of shape {found}; it must be {expected}")


class SyntheticDataset(Dataset):
    """Vectors on a curved surface of 10 dimensions in a space of d: the same numbers as FAISS's class of this name."""

    def __init__(self, d: int, nt: int, nb: int, nq: int, metric: str = "L2", seed: int = 1338) -> None:
        super().__init__()
        self.d, self.nt, self.nb, self.nq, self.metric = d, nt, nb, nq, metric
        random, inner = np.random.RandomState(seed), 10
        flat = random.normal(size=(nt + nb + nq, inner)) @ random.rand(inner, d)
        x = np.sin(flat * (random.rand(d) * 4 + 0.1)).astype(np.float32)
        self.xt, self.xb, self.xq = x[:nt], x[nt:nt + nb], x[nt + nb:]

    def get_queries(self) -> Any:
        return self.xq

    def get_train(self, maxtrain: int | None = None) -> Any:
        return self.xt[:maxtrain]

    def get_database(self) -> Any:
        return self.xb

    def get_groundtruth(self, k: int | None = 100) -> Any:
        return kith.knn(self.xq, self.xb, k or 100, "l2" if self.metric == "L2" else "ip").ids


dataset_basedir = "data/"


def set_dataset_basedir(path: str) -> None:
    """Set the folder in which the folders of data sets are."""
    global dataset_basedir
    dataset_basedir = path


class _Files(Dataset):
    """A data set whose files are in a folder within dataset_basedir."""

    _folder = ""
    _names: dict[str, str] = {}
    _read: Any = staticmethod(fvecs_read)

    def _open(self, what: str) -> Any:
        read = ivecs_read if what == "groundtruth" else self._read
        return read(os.path.join(dataset_basedir, self._folder, self._names[what]))

    def get_queries(self) -> Any:
        return np.ascontiguousarray(self._open("query"), np.float32)[:self.nq]

    def get_train(self, maxtrain: int | None = None) -> Any:
        count = self.nt if maxtrain is None else min(maxtrain, self.nt)
        return np.ascontiguousarray(self._open("learn")[:count], np.float32)

    def get_database(self) -> Any:
        return np.ascontiguousarray(self._open("base")[:self.nb], np.float32)

    def database_iterator(self, bs: int = 128, split: tuple[int, int] = (1, 0)) -> Iterator[Any]:
        x, (parts, part) = self._open("base"), split
        stop = self.nb * (part + 1) // parts
        for first in range(self.nb * part // parts, stop, bs):
            yield np.ascontiguousarray(x[first:min(first + bs, stop)], np.float32)

    def get_groundtruth(self, k: int | None = None) -> Any:
        found = self._open("groundtruth")
        if k is not None and k > found.shape[1]:
            raise AssertionError(f"k is {k}; the file has {found.shape[1]} neighbours of a query")
        return found[:self.nq, :k]


class DatasetSIFT1M(_Files):
    """SIFT1M (http://corpus-texmex.irisa.fr/), in the folder sift1M."""

    _folder = "sift1M"
    _names = {"query": "sift_query.fvecs", "learn": "sift_learn.fvecs", "base": "sift_base.fvecs",
              "groundtruth": "sift_groundtruth.ivecs"}

    def __init__(self) -> None:
        super().__init__()
        self.d, self.nt, self.nb, self.nq = 128, 100_000, 1_000_000, 10_000


class DatasetGIST1M(_Files):
    """GIST1M, from the same source, in the folder gist1M."""

    _folder = "gist1M"
    _names = {"query": "gist_query.fvecs", "learn": "gist_learn.fvecs", "base": "gist_base.fvecs",
              "groundtruth": "gist_groundtruth.ivecs"}
    _read = staticmethod(fvecs_mmap)

    def __init__(self) -> None:
        super().__init__()
        self.d, self.nt, self.nb, self.nq = 960, 500_000, 1_000_000, 1_000


class DatasetBigANN(_Files):
    """The first nb_M million vectors of SIFT1B, from the same source, in the folder bigann."""

    _folder = "bigann"
    _read = staticmethod(bvecs_mmap)

    def __init__(self, nb_M: int = 1000) -> None:
        super().__init__()
        if nb_M not in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
            raise AssertionError(f"nb_M is {nb_M}; there is ground truth for 1, 2, 5, 10, … 1000 million")
        self.nb_M = nb_M
        self.d, self.nt, self.nb, self.nq = 128, 100_000_000, nb_M * 1_000_000, 10_000
        self._names = {"query": "bigann_query.bvecs", "learn": "bigann_learn.bvecs", "base": "bigann_base.bvecs",
                       "groundtruth": f"gnd/idx_{nb_M}M.ivecs"}


def dataset_from_name(dataset: str = "sift1M", download: bool = False) -> Dataset:
    """The data set with a given name: sift1M, gist1M, bigann1M … bigann1B. Nothing is downloaded."""
    if download:
        raise NotImplementedError("download: download the files yourself, and set their folder by set_dataset_basedir")
    if dataset == "sift1M":
        return DatasetSIFT1M()
    if dataset == "gist1M":
        return DatasetGIST1M()
    if dataset.startswith("bigann"):
        size = dataset[len("bigann"):]
        return DatasetBigANN(1000 if size == "1B" else int(size.rstrip("M")))
    raise RuntimeError(f"unknown data set {dataset!r}; the known ones are sift1M, gist1M and bigann1M … bigann1B")
