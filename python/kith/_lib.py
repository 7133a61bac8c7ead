"""The shared library: where it is found, its structs and its functions.

FUNCTIONS lists every function that the package calls. A function is bound when it is first used, so the package also
works with an older library that lacks some of them; calling a missing function raises UnsupportedError.
"""
# mypy: warn-return-any=False
from __future__ import annotations

import ctypes
import os
from ctypes import (CFUNCTYPE, POINTER, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_uint64,
                    c_void_p)
from importlib import import_module
from pathlib import Path
from typing import Any

from ._errors import BY_STATUS, InternalError, UnsupportedError

MAX_K = 1 << 20
MAX_DIM = 32768
LATENCY_BUCKETS = 28
L2, IP, COSINE = 0, 1, 2
F32, U8, I8, I32, I64 = 0, 1, 2, 3, 4

Progress = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int64, c_int64)
FilterTest = CFUNCTYPE(c_int, c_void_p, c_int64)
WriteBytes = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
ReadBytes = CFUNCTYPE(c_int, c_void_p, c_int64, c_void_p, c_size_t)


class SearchStats(ctypes.Structure):
    """What a search did. pairs: pairs of query and vector that were compared; exact: how many of them were compared
    exactly; lists: pairs of query and list that an inverted file scanned; tested, passed: how many vectors the filter
    was asked about, and how many passed."""

    _fields_ = [("size", c_size_t), ("pairs", c_int64), ("exact", c_int64), ("lists", c_int64), ("tested", c_int64),
                ("passed", c_int64)]


class SearchOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("threads", c_int),
        ("filter", c_void_p),
        ("progress", c_void_p),
        ("progress_data", c_void_p),
        ("stats", c_void_p),
        ("nprobe", c_int64),
        ("max_codes", c_int64),
        ("k_factor", c_float),
        ("efSearch", c_int64),
        ("exact_range", c_int),
        ("probes", c_void_p),
    ]


class AddOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("threads", c_int),
        ("progress", c_void_p),
        ("progress_data", c_void_p),
        ("seed", c_uint64),
        ("efConstruction", c_int64),
        ("no_projection", c_int),
    ]


class KmeansOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("threads", c_int),
        ("init", c_int),
        ("iterations", c_int),
        ("restarts", c_int),
        ("tolerance", c_double),
        ("max_points", c_int64),
        ("spherical", c_int),
        ("hierarchical", c_int),
        ("fewer", c_int),
        ("seed", c_uint64),
        ("weights", c_void_p),
        ("progress", c_void_p),
        ("progress_data", c_void_p),
        ("objectives", c_void_p),
        ("stats", c_void_p),
    ]


class KmeansStats(ctypes.Structure):
    """Statistics of one iteration of k-means."""

    _fields_ = [("seconds", c_double), ("assign_seconds", c_double), ("imbalance", c_double), ("splits", c_int64)]


class VecsInfo(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("format", c_char_p), ("type", c_int), ("n", c_int64), ("dim", c_int64),
                ("bytes", c_int64)]


class FileInfo(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("generation", c_uint64), ("saved_bytes", c_int64), ("appended_bytes", c_int64),
                ("appends", c_int64), ("dropped_bytes", c_int64), ("worth_saving", c_int)]


class SaveOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("overwrite", c_int), ("progress", c_void_p), ("progress_data", c_void_p)]


class ListsInfo(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("lists", c_int64), ("empty", c_int64), ("shortest", c_int64),
                ("longest", c_int64), ("mean", c_double), ("imbalance", c_double)]


class IndexCounters(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("searches", c_int64),
        ("queries", c_int64),
        ("failures", c_int64),
        ("codes", c_int64),
        ("exact", c_int64),
        ("filter_tests", c_int64),
        ("filter_hits", c_int64),
        ("seconds", c_double),
        ("latency", c_int64 * LATENCY_BUCKETS),
        ("vectors", c_int64),
        ("memory", c_int64),
    ]


class TuneResult(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("recall", c_double), ("seconds", c_double), ("codes", c_double),
                ("settings", c_int64)]


class TuneOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("batch", c_int64),
        ("runs", c_int),
        ("certainty", c_float),
        ("progress", c_void_p),
        ("progress_data", c_void_p),
        ("result", c_void_p),
    ]


class Preset(ctypes.Structure):
    """Settings that FAISS stores in an index; the library stores them in the index's file."""

    _fields_ = [("size", c_size_t), ("nprobe", c_int64), ("max_codes", c_int64), ("efSearch", c_int64),
                ("efConstruction", c_int64), ("k_factor", c_float), ("idmap", c_int), ("idmap_depth", c_int),
                ("fastscan", c_int), ("polysemous_ht", c_int), ("search_type", c_int)]


# The C names of the structs above.
STRUCTS: dict[str, type[ctypes.Structure]] = {
    "kith_search_stats": SearchStats,
    "kith_search_options": SearchOptions,
    "kith_add_options": AddOptions,
    "kith_kmeans_options": KmeansOptions,
    "kith_kmeans_stats": KmeansStats,
    "kith_vecs_info": VecsInfo,
    "kith_file_info": FileInfo,
    "kith_save_options": SaveOptions,
    "kith_lists_info": ListsInfo,
    "kith_index_counters": IndexCounters,
    "kith_tune_result": TuneResult,
    "kith_tune_options": TuneOptions,
    "kith_preset": Preset,
}

_ptr, _out = c_void_p, POINTER(c_void_p)

# name without "kith_": (return type, argument types). A c_int is a kith_status unless the name is in PLAIN.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "version": (c_char_p, []),
    "last_error": (c_char_p, []),
    "isa": (c_char_p, []),
    "set_isa": (c_int, [c_char_p]),
    "isa_available": (c_char_p, []),
    "tiles": (c_char_p, []),
    "blas": (c_char_p, []),
    "index_new": (c_int, [_out, c_int64, c_int, c_char_p]),
    "index_wrap_shards": (c_int, [_out, c_int64, _out]),
    "index_clone": (c_int, [_out, _ptr]),
    "index_free": (None, [_ptr]),
    "index_train": (c_int, [_ptr, c_int64, _ptr, _ptr]),
    "index_add_as": (c_int, [_ptr, c_int, c_int64, _ptr, _ptr, _ptr]),
    "index_update_as": (c_int, [_ptr, c_int, c_int64, _ptr, _ptr]),
    "index_remove": (c_int, [_ptr, _ptr, POINTER(c_int64)]),
    "index_reserve": (c_int, [_ptr, c_int64]),
    "index_compact": (c_int, [_ptr, _ptr]),
    "index_reorder": (c_int, [_ptr, _ptr]),
    "index_merge": (c_int, [_ptr, _ptr, c_int64]),
    "index_search_as": (c_int, [_ptr, c_int, c_int64, _ptr, c_int64, _ptr, _ptr, _ptr]),
    "index_range_as": (c_int, [_ptr, c_int, c_int64, _ptr, c_float, _out, _ptr]),
    "index_get": (c_int, [_ptr, c_int64, _ptr, _ptr]),
    "index_has": (c_int, [_ptr, c_int64]),
    "index_ids": (c_int, [_ptr, _ptr]),
    "index_dim": (c_int64, [_ptr]),
    "index_size": (c_int64, [_ptr]),
    "index_metric": (c_int, [_ptr]),
    "index_type": (c_int, [_ptr]),
    "index_trained": (c_int, [_ptr]),
    "index_memory": (c_size_t, [_ptr]),
    "index_describe": (c_char_p, [_ptr]),
    "index_save_as": (c_int, [_ptr, c_char_p, _ptr]),
    "index_open_at": (c_int, [_out, c_char_p, c_int, c_uint64]),
    "index_file": (c_int, [_ptr, _ptr]),
    "index_append": (c_int, [_ptr, c_char_p]),
    "index_note": (c_char_p, [_ptr]),
    "index_write": (c_int, [_ptr, WriteBytes, _ptr]),
    "index_read": (c_int, [_out, ReadBytes, _ptr, c_int64, c_int]),
    "index_to_bytes": (c_int, [_ptr, _ptr, c_size_t, POINTER(c_size_t)]),
    "index_from_bytes": (c_int, [_out, _ptr, c_size_t, c_int]),
    "index_tag_set": (c_int, [_ptr, c_char_p, c_char_p]),
    "index_tag": (c_char_p, [_ptr, c_char_p]),
    "index_tag_at": (c_char_p, [_ptr, c_int64]),
    "index_lists": (c_int, [_ptr, POINTER(ListsInfo)]),
    "index_stats": (c_int, [_ptr, POINTER(IndexCounters)]),
    "index_stats_reset": (c_int, [_ptr]),
    "index_stats_text": (c_int, [_ptr, c_char_p, _ptr, c_size_t, POINTER(c_size_t)]),
    "latency_quantile": (c_double, [POINTER(IndexCounters), c_double]),
    "index_uses": (c_int, [_ptr, c_char_p]),
    "index_tune": (c_int, [_ptr, c_int64, _ptr, c_int64, _ptr, c_double, _ptr, _ptr]),
    "index_import_faiss": (c_int, [_out, c_char_p, _ptr]),
    "index_import_faiss_labels": (c_int, [_out, c_char_p]),
    "faiss_length": (c_int, [ReadBytes, _ptr, POINTER(c_int64)]),
    "index_preset": (c_int, [_ptr, POINTER(Preset)]),
    "index_set_preset": (c_int, [_ptr, POINTER(Preset)]),
    "index_labels": (c_void_p, [_ptr, POINTER(c_int64)]),
    "index_set_labels": (c_int, [_ptr, c_int64, _ptr]),
    "index_part": (c_void_p, [_ptr, c_int64]),
    "index_fine": (c_void_p, [_ptr]),
    "index_quantizer": (c_void_p, [_ptr]),
    "index_wrap_transform": (c_int, [_out, _ptr, c_int64, c_int, c_char_p]),
    "index_wrap_like": (c_int, [_out, _ptr, c_int, _ptr]),
    "index_wrap_fine": (c_int, [_out, _ptr, _ptr]),
    "index_set_centroids": (c_int, [_ptr, c_int64, _ptr]),
    "index_renumber": (c_int, [_ptr]),
    "index_code_size": (c_size_t, [_ptr]),
    "index_encode": (c_int, [_ptr, c_int64, _ptr, _ptr]),
    "index_decode": (c_int, [_ptr, c_int64, _ptr, _ptr]),
    "index_export_faiss": (c_int, [_ptr, c_char_p]),
    "ranges_get": (c_int, [_ptr, c_int64, POINTER(c_int64), _out, _out]),
    "ranges_total": (c_int64, [_ptr]),
    "ranges_free": (None, [_ptr]),
    "filter_range": (c_int, [_out, c_int64, c_int64]),
    "filter_ids": (c_int, [_out, c_int64, _ptr]),
    "filter_bitmap": (c_int, [_out, c_int64, _ptr]),
    "filter_callback": (c_int, [_out, FilterTest, _ptr]),
    "filter_not": (c_int, [_out, _ptr]),
    "filter_and": (c_int, [_out, _ptr, _ptr]),
    "filter_or": (c_int, [_out, _ptr, _ptr]),
    "filter_test": (c_int, [_ptr, c_int64]),
    "filter_free": (None, [_ptr]),
    "knn": (c_int, [c_int64, c_int, c_int, c_int64, _ptr, c_int64, _ptr, c_int64, _ptr, _ptr, _ptr]),
    "knn_stream_new": (c_int, [_out, c_int64, c_int, c_int, c_int64, _ptr, c_int64, _ptr]),
    "knn_stream_feed": (c_int, [_ptr, c_int64, _ptr, c_size_t]),
    "knn_stream_get": (c_int, [_ptr, _ptr, _ptr]),
    "knn_stream_free": (None, [_ptr]),
    "kmeans": (c_int, [c_int64, c_int64, _ptr, c_int64, _ptr, _ptr, POINTER(c_int64), POINTER(c_double), _ptr]),
    "pq_new": (c_int, [_out, c_int64, c_int64, c_int]),
    "pq_free": (None, [_ptr]),
    "pq_train": (c_int, [_ptr, c_int64, _ptr, _ptr]),
    "pq_code_size": (c_size_t, [_ptr]),
    "pq_centroids": (c_void_p, [_ptr]),
    "pq_set_centroids": (c_int, [_ptr, _ptr]),
    "pq_encode": (c_int, [_ptr, c_int64, _ptr, _ptr, c_int]),
    "pq_decode": (c_int, [_ptr, c_int64, _ptr, _ptr]),
    "pq_tables": (c_int, [_ptr, c_int, c_int64, _ptr, _ptr]),
    "pq_distances": (c_int, [_ptr, _ptr, c_int64, _ptr, _ptr]),
    "pq_symmetric": (c_int, [_ptr, c_int64, _ptr, _ptr, _ptr]),
    "vecs_open": (c_int, [_out, c_char_p]),
    "vecs_info_get": (c_int, [_ptr, POINTER(VecsInfo)]),
    "vecs_read": (c_int, [_ptr, c_int64, c_int64, c_int, _ptr]),
    "vecs_close": (None, [_ptr]),
    "vecs_write": (c_int, [c_char_p, c_int, c_int64, c_int64, _ptr]),
    "vecs_formats": (c_char_p, []),
}

# Functions whose c_int is a plain number and not a status.
PLAIN = {"index_has", "index_metric", "index_type", "index_trained", "index_uses", "filter_test"}


def _candidates() -> list[str]:
    """Where the library may be, in order of preference: named by KITH_LIBRARY, in the build directory, in the wheel,
    where Meson installed it, and wherever the dynamic loader looks."""
    here = Path(__file__).resolve().parent
    name = "libkith.so.0"
    found = [os.environ["KITH_LIBRARY"]] if os.environ.get("KITH_LIBRARY") else []
    beside = [here.parent.parent / "lib", here]
    try:
        installed = import_module("._installed", __package__)  # written at installation; absent from a checkout
        beside.append(Path(os.path.normpath(here / os.path.relpath(installed.LIBDIR, installed.PACKAGE))))
    except ImportError:
        pass
    for folder in beside:
        found += [str(path) for path in sorted(folder.glob(name + "*")) if path.is_file()]
    return found + [name]


class _Library:
    """The functions of FUNCTIONS as attributes, bound at first use. Those that return a status raise its exception."""

    def __init__(self) -> None:
        self.path = _candidates()[0]
        try:
            self._dll = ctypes.CDLL(self.path)
        except OSError as error:
            missing = str(error).partition(":")[0]
            lacks = missing != self.path and ".so" in missing
            advice = (f"Install {missing} (Debian, Ubuntu: apt install libgomp1)" if lacks else
                      "Build and install kith (meson install)")
            raise ImportError(f"kith: cannot load its shared library: {error}. {advice}, or name the library in the "
                              "environment variable KITH_LIBRARY.") from None

    def has(self, name: str) -> bool:
        """Whether this library has kith_NAME."""
        return hasattr(self._dll, "kith_" + name)

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            raise AttributeError(name)
        returns, arguments = FUNCTIONS[name]
        try:
            function = self._dll["kith_" + name]
        except AttributeError:
            version = self._dll.kith_version
            version.restype = c_char_p
            raise UnsupportedError(f"kith_{name} is not in this library ({self.path}, kith "
                                   f"{version().decode()}): it needs a newer one") from None
        function.restype, function.argtypes = returns, arguments
        if returns is c_int and name not in PLAIN:
            function = _checked(function)
        setattr(self, name, function)
        return function


def _checked(function: Any) -> Any:
    """The function, raising the exception of the status that it returns. (ctypes' errcheck is slower than this.)"""

    def call(*arguments: Any) -> None:
        status = function(*arguments)
        if status:
            raise error_of(status)

    call.status = function  # type: ignore[attr-defined]  # without the check
    return call


def error_of(status: int) -> Exception:
    """The exception for a status that a call of this thread has just returned."""
    message = lib.last_error().decode("utf-8", "replace")
    return BY_STATUS.get(status, InternalError)(message)


lib = _Library()
CALL_SIZES: dict[type[ctypes.Structure], int] = {}


def _negotiate() -> None:
    """Find out how many members of each options struct this library knows, and store the sizes in CALL_SIZES. New
    members are appended to structs, and the library accepts any struct that is not longer than its own."""
    index = c_void_p()
    lib.index_new(ctypes.byref(index), 1, L2, b"Flat")

    def search(options: SearchOptions) -> int:
        return lib.knn.status(1, L2, F32, 0, None, 0, None, 1, None, None, ctypes.byref(options))

    def search_with_stats(stats: SearchStats) -> int:
        size = CALL_SIZES[SearchOptions]
        return search(SearchOptions(size=size, stats=ctypes.addressof(stats)))

    def add(options: AddOptions) -> int:
        return lib.index_add_as.status(index, F32, 0, None, None, ctypes.byref(options))

    attempts: list[tuple[Any, Any]] = [(SearchOptions, search), (SearchStats, search_with_stats), (AddOptions, add)]
    for struct, attempt in attempts:
        for name, kind in reversed(struct._fields_):
            size = getattr(struct, name).offset + ctypes.sizeof(kind)
            size += -size % ctypes.alignment(struct)
            if not attempt(struct(size=size)):
                CALL_SIZES[struct] = size
                break
    lib.index_free(index)


_negotiate()


def new_options(struct: type[ctypes.Structure], **values: Any) -> ctypes.Structure:
    """An options struct with these members set. All others are 0, which stands for their defaults."""
    size = CALL_SIZES.get(struct, ctypes.sizeof(struct))
    for name, value in values.items():
        if value and getattr(struct, name).offset >= size:
            raise UnsupportedError(f"{name}: this library (kith {lib.version().decode()}) has no such option")
    try:
        return struct(size=size, **values)
    except (TypeError, OverflowError) as error:
        raise TypeError(f"options {values}: {error}") from None


def text(name: str) -> str:
    """The string that kith_NAME() returns."""
    return getattr(lib, name)().decode()
