"""Fixtures and helpers of the Python tests: data, brute force, and what this build and this machine offer."""
import importlib
import os
import pathlib

import numpy as np
import pytest

import kith
from kith._lib import lib

SOURCE = pathlib.Path(os.environ.get("KITH_SOURCE_ROOT", pathlib.Path(__file__).resolve().parents[2]))
DIM = 16


def clusters(n, dim, seed):
    """Vectors in 50 clusters, which are the same for every seed."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(4242).normal(size=(50, dim))
    return (centers[random.integers(0, 50, n)] + 0.3 * random.normal(size=(n, dim))).astype(np.float32)


@pytest.fixture(scope="session")
def base():
    return clusters(2000, DIM, 1)


@pytest.fixture(scope="session")
def queries():
    return clusters(50, DIM, 2)


@pytest.fixture
def spec_available():
    """A function that skips the test if this build of the library lacks an index."""

    def check(spec, dim=DIM):
        try:
            kith.Index(spec, dim).close()
        except kith.UnsupportedError as error:
            pytest.skip(str(error))

    return check


@pytest.fixture
def function_available():
    """A function that skips the test if this build of the library lacks a function."""

    def check(name):
        if not lib.has(name):
            pytest.skip(f"this library has no kith_{name}")

    return check


@pytest.fixture(scope="session")
def faiss():
    """The module of FAISS, for comparison; without it the test is skipped."""
    try:
        return importlib.import_module("faiss")
    except ImportError:
        pytest.skip("FAISS is not installed (Debian: python3-faiss)")


def exact(base, queries, k, metric="l2"):
    """The k nearest by brute force in double precision: (distances, ids)."""
    x, q = base.astype(np.float64), queries.astype(np.float64)
    if metric == "cosine":
        x, q = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, q))
    keys = {"l2": lambda: ((q[:, None] - x[None])**2).sum(2), "l1": lambda: abs(q[:, None] - x[None]).sum(2),
            "linf": lambda: abs(q[:, None] - x[None]).max(2), "lp3": lambda: (abs(q[:, None] - x[None])**3).sum(2),
            "lp0.5": lambda: (abs(q[:, None] - x[None])**0.5).sum(2),
            "canberra": lambda: (abs(q[:, None] - x[None]) / (abs(q[:, None]) + abs(x[None]))).sum(2),
            "braycurtis": lambda: abs(q[:, None] - x[None]).sum(2) / abs(q[:, None] + x[None]).sum(2)}.get(metric, lambda: -(q @ x.T))()
    order = np.argsort(keys, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(keys, order, 1)
    return (-found if metric in ("ip", "cosine") else found), order


def recall(found, truth):
    """The mean fraction of the true neighbours that were found."""
    return np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, truth)])
