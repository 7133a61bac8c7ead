"""Monitoring an index: counters of its searches, the sizes of its lists, the state of its file; and its tags."""
from __future__ import annotations

import ctypes
from typing import Any, Iterator, MutableMapping, NamedTuple

from . import _arrays
from ._errors import InvalidError
from ._handle import Handle
from ._lib import LATENCY_BUCKETS, FileInfo, IndexCounters, ListsInfo, lib


class Lists(NamedTuple):
    """How vectors are spread over the lists of an inverted file. imbalance: how many times longer a search takes than
    with lists of equal length; at best 1."""

    lists: int
    empty: int
    shortest: int
    longest: int
    mean: float
    imbalance: float


class FileState(NamedTuple):
    """The state of an index's file. generation: a number that identifies everything saved and appended so far; pass it
    to kith.open later to make sure that the file still has all of it. saved_bytes: what save() wrote; appended_bytes:
    what the appends (appends: how many) wrote; dropped_bytes: the rest of an append that was not completed, which was
    ignored; worth_saving: so much was appended that opening has become slow."""

    generation: int
    saved_bytes: int
    appended_bytes: int
    appends: int
    dropped_bytes: int
    worth_saving: bool


class Counters(NamedTuple):
    """Counters of the searches since an index was created or opened: successful calls (searches) and failed ones
    (failures), queries, compared vectors (codes, and exact for exact comparisons), vectors tested by filters
    (filter_tests) and passed by them (filter_hits), and the seconds of successful calls, summed over threads. latency[i]
    calls took at most 2^i microseconds, and more than 2^(i−1). Also what the index holds now: vectors, and bytes of
    memory."""

    searches: int
    queries: int
    failures: int
    codes: int
    exact: int
    filter_tests: int
    filter_hits: int
    seconds: float
    latency: tuple[int, ...]
    vectors: int
    memory: int

    def quantile(self, share: float) -> float:
        """The seconds that this fraction of calls did not exceed, within a factor of two; NaN without any calls."""
        buckets = (ctypes.c_int64 * LATENCY_BUCKETS)(*self.latency)
        counted = IndexCounters(size=ctypes.sizeof(IndexCounters), searches=self.searches, latency=buckets)
        return float(lib.latency_quantile(ctypes.byref(counted), _arrays.real(share, "share")))


def lists(pointer: int) -> Lists:
    info = ListsInfo(size=ctypes.sizeof(ListsInfo))
    lib.index_lists(pointer, ctypes.byref(info))
    return Lists(*(getattr(info, name) for name in Lists._fields))


def file_state(pointer: int) -> FileState:
    info = FileInfo(size=ctypes.sizeof(FileInfo))
    lib.index_file(pointer, ctypes.byref(info))
    values: dict[str, Any] = {name: getattr(info, name) for name in FileState._fields}
    values["worth_saving"] = bool(info.worth_saving)
    return FileState(**values)


def counters(pointer: int) -> Counters:
    counted = IndexCounters(size=ctypes.sizeof(IndexCounters))
    lib.index_stats(pointer, ctypes.byref(counted))
    values: dict[str, Any] = {name: getattr(counted, name) for name in Counters._fields}
    values["latency"] = tuple(counted.latency)
    return Counters(**values)


def prometheus(pointer: int, name: str) -> str:
    label, length = _arrays.text_of(name, "name"), ctypes.c_size_t()
    room = 4096
    while True:  # the text may have become longer between two calls
        text = ctypes.create_string_buffer(room)
        try:
            lib.index_stats_text(pointer, label, ctypes.addressof(text), room, ctypes.byref(length))
            return text.value.decode("utf-8", "surrogateescape")
        except InvalidError:
            if length.value < room:
                raise
            room = length.value + 256


class Tags(MutableMapping[str, str]):
    """Named strings that are saved with an index, like a dict. kith does not interpret them."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def __getitem__(self, key: str) -> str:
        with self._handle.reading() as pointer:
            value = lib.index_tag(pointer, _arrays.text_of(key, "key"))
        if value is None:
            raise KeyError(key)
        return _text(value)

    def __setitem__(self, key: str, value: str) -> None:
        self._set(_arrays.text_of(key, "key"), _arrays.text_of(value, "value"))

    def __delitem__(self, key: str) -> None:
        self[key]  # raises KeyError if there is none
        self._set(_arrays.text_of(key, "key"), None)

    def _set(self, key: bytes, value: bytes | None) -> None:
        with self._handle.changing() as pointer:
            lib.index_tag_set(pointer, key, value)

    def _keys(self) -> list[str]:
        found: list[str] = []
        with self._handle.reading() as pointer:
            while (key := lib.index_tag_at(pointer, len(found))) is not None:
                found.append(_text(key))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def __repr__(self) -> str:
        return repr(dict(self))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
