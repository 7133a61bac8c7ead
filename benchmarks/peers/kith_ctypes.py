"""kith from Python by ctypes: as much of it as the side-by-side benchmark needs.

Every array is passed as it is, without a copy, as a C program would pass it.
"""
import ctypes
import os

import numpy as np

METRICS = {"l2": 0, "ip": 1, "cosine": 2}
TYPES = {np.dtype(np.float32): 0, np.dtype(np.uint8): 1, np.dtype(np.int8): 2}


class SearchOptions(ctypes.Structure):
    """struct kith_search_options of <kith/index.h>."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("threads", ctypes.c_int),
        ("filter", ctypes.c_void_p),
        ("progress", ctypes.c_void_p),
        ("progress_data", ctypes.c_void_p),
        ("stats", ctypes.c_void_p),
        ("nprobe", ctypes.c_int64),
        ("max_codes", ctypes.c_int64),
    ]


class KithError(RuntimeError):
    pass


class Kith:
    """The library; `build` is the build directory that holds lib/libkith.so."""

    def __init__(self, build):
        self.lib = ctypes.CDLL(os.path.join(build, "lib", "libkith.so"))
        for name in ("kith_version", "kith_isa", "kith_isa_available", "kith_blas", "kith_last_error"):
            getattr(self.lib, name).restype = ctypes.c_char_p
        self.lib.kith_index_free.restype = None
        self.lib.kith_filter_free.restype = None

    def text(self, name):
        return getattr(self.lib, name)().decode()

    def check(self, status):
        if status != 0:
            raise KithError(f"status {status}: {self.text('kith_last_error')}")

    def set_isa(self, name):
        self.check(self.lib.kith_set_isa(name.encode()))

    def bitmap(self, mask):
        """A filter that lets the ids pass whose element of the boolean array is set."""
        bits = np.packbits(mask, bitorder="little")
        out = ctypes.c_void_p()
        self.check(self.lib.kith_filter_bitmap(ctypes.byref(out), ctypes.c_int64(len(mask)),
                                               bits.ctypes.data_as(ctypes.c_void_p)))
        return out

    def index(self, spec, metric, vectors):
        return Index(self, spec, metric, vectors)


class Index:
    """An index over the rows of an array, with ids 0, 1, 2, …"""

    def __init__(self, kith, spec, metric, vectors):
        self.kith = kith
        self.handle = ctypes.c_void_p()
        kith.check(kith.lib.kith_index_new(ctypes.byref(self.handle), ctypes.c_int64(vectors.shape[1]),
                                           METRICS[metric], spec.encode()))
        vectors = np.ascontiguousarray(vectors)
        kith.check(kith.lib.kith_index_add_as(self.handle, TYPES[vectors.dtype], ctypes.c_int64(len(vectors)),
                                              vectors.ctypes.data_as(ctypes.c_void_p), None, None))

    def search(self, queries, k, threads=0, keep=None):
        """(distances, ids), each [queries × k]."""
        queries = np.ascontiguousarray(queries)
        dist = np.empty((len(queries), k), np.float32)
        ids = np.empty((len(queries), k), np.int64)
        options = SearchOptions(size=ctypes.sizeof(SearchOptions), threads=threads, filter=keep)
        self.kith.check(self.kith.lib.kith_index_search_as(
            self.handle, TYPES[queries.dtype], ctypes.c_int64(len(queries)),
            queries.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(k), dist.ctypes.data_as(ctypes.c_void_p),
            ids.ctypes.data_as(ctypes.c_void_p), ctypes.byref(options)))
        return dist, ids

    def free(self):
        self.kith.lib.kith_index_free(self.handle)
        self.handle = ctypes.c_void_p()
