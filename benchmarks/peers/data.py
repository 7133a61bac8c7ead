"""Vectors for the benchmarks: from files, or synthetic."""
import os

import numpy as np


def read_vecs(path, limit=None):
    """Read fvecs, bvecs or ivecs as an array of the file's element type."""
    element = {"f": np.float32, "b": np.uint8, "i": np.int32}[os.path.splitext(path)[1][1]]
    raw = np.memmap(path, np.uint8, "r")
    dim = int(raw[:4].view(np.int32)[0])
    rows = raw.reshape(-1, 4 + dim * np.dtype(element).itemsize)[:limit, 4:]
    return np.ascontiguousarray(rows).view(element)


def read(path):
    """Read any vector file as an array: fvecs, bvecs, ivecs, fbin, u8bin, i8bin, ibin, npy."""
    extension = path.rsplit(".", 1)[-1]
    if extension == "npy":
        return np.load(path)
    element = {"fbin": np.float32, "u8bin": np.uint8, "i8bin": np.int8, "ibin": np.int32}.get(extension)
    if element is None:
        return read_vecs(path)
    n, dim = np.fromfile(path, np.uint32, 2)
    return np.fromfile(path, element, offset=8).reshape(int(n), int(dim))


def find(folder, stem):
    for extension in ("bvecs", "fvecs"):
        for name in os.listdir(folder):
            if name.endswith(f"{stem}.{extension}"):
                return os.path.join(folder, name)
    raise SystemExit(f"{folder}: no {stem}.bvecs or {stem}.fvecs in it")


def from_folder(folder, limit):
    return read_vecs(find(folder, "base"), limit), read_vecs(find(folder, "query"))


def synthetic(n, nq, dim, seed=1):
    """Byte vectors in clusters, similar to image descriptors. Floats represent them exactly, so results of searches over
    bytes and over floats can be compared."""
    random = np.random.default_rng(seed)
    centres = random.uniform(20, 120, (1000, dim)).astype(np.float32)

    def rows(count):
        out = np.empty((count, dim), np.uint8)
        for first in range(0, count, 100_000):
            part = min(100_000, count - first)
            noise = random.standard_normal((part, dim), np.float32) * 18
            x = centres[random.integers(0, len(centres), part)] + noise
            out[first:first + part] = np.clip(np.rint(x), 0, 255)
        return out

    return rows(n), rows(nq)


def agreement(ids, expected, dist, expected_dist):
    """The fraction of result rows with the same distances, and the recall of the ids.

    Rows are compared by their distances, up to float rounding, because neighbours at equal distances may come in any
    order.
    """
    same = np.all(np.isclose(dist, expected_dist, rtol=1e-5, atol=1e-3), axis=1).mean()
    recall = np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(ids, expected)])
    return float(same), float(recall)
