"""The index: vectors with ids that can be searched for nearest neighbours."""
# mypy: warn-return-any=False
from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from typing import Any, BinaryIO, Iterable, Iterator, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _arrays, _calls, _filtered, _options, _streams, monitor, tuning
from ._calls import ProgressFunction
from ._errors import KithError, NotFoundError, missing_files
from ._filtered import FilterLike, OneFilter
from ._handle import Handle
from ._lib import SaveOptions, SearchStats, error_of, lib
from ._types import Array, Floats, Ids
from ._unmade import Unmade, make_handle
from .filter import Filter

VERIFY, MMAP, READONLY, UPDATE = 1, 2, 4, 8
ELEMENTS = (np.dtype(np.float32), np.dtype(np.uint8), np.dtype(np.int8))


class Neighbours(NamedTuple):
    """The results of a search, best first: [nq × k], or [k] for a single query. Where fewer than k vectors were found,
    ids are −1 and distances are +∞ (−∞ for inner product and cosine). L2 distances are squared."""

    distances: Floats
    ids: Ids


class Ranges(NamedTuple):
    """The results of a range search: those of query i are elements lims[i] … lims[i + 1] − 1, best first."""

    lims: Ids
    distances: Floats
    ids: Ids


class Index:
    """An index from a factory string: ``Index("IVF1024,PQ16", dim=128, metric="cosine")``. metric is "l2", "ip",
    "cosine", "l1", "linf", "canberra", "braycurtis", "jensenshannon", "jaccard", "naneuclidean" or "lp" with an exponent
    ("lp3"), in upper or lower case. Without dim, the first vectors that are trained on or added determine it.

    Several threads may search at once; calls that change the index wait for running searches, and searches wait for
    them. The index is also a context manager, which closes it at the end; calls of a closed index raise InvalidError.
    """

    __slots__ = ("_handle", "__weakref__")

    _handle: Handle

    def __init__(self, spec: str = "Flat", dim: int | None = None, metric: str = "l2") -> None:
        number = _arrays.metric_named(metric)
        if dim is not None:
            self._handle = make_handle(spec, dim, number)
        else:
            self._handle = Unmade(spec, number)  # type: ignore[assignment]  # until the first vectors

    @contextmanager
    def _sized_by(self, x: Any) -> Iterator[None]:
        """Used around calls that may bring the index its first vectors: the index takes their dimension, unless the
        call fails."""
        unmade = self._handle
        if not isinstance(unmade, Unmade):
            yield
            return
        with unmade.lock:
            if self._handle is unmade:
                self._handle = unmade.make(x)
                try:
                    yield
                except BaseException:
                    self._handle = unmade
                    raise
                return
        yield

    # ---- filling ----

    def train(self, x: ArrayLike, *, seed: int = 1234, threads: int | None = None,
              progress: ProgressFunction | None = None) -> None:
        """Train the index on the rows of x [n × dim]. The same seed gives the same index.

        progress: a function of (stage, done, total) that is called now and then; it cancels the call by returning a
        true value."""
        with self._sized_by(x):
            x = _arrays.floats(x, self.dim, "x")
            options = _options.add_options(threads, seed)
            with self._handle.changing() as pointer:
                self._handle.trainings += 1
                _calls.call(lib.index_train, pointer, len(x), _arrays.address(x), ctypes.byref(options),
                            work=_calls.LONG if len(x) else 0, progress=progress, watch=_options.watch(options))

    def add(self, x: ArrayLike, ids: ArrayLike | None = None, *, threads: int | None = None,
            progress: ProgressFunction | None = None, efConstruction: int | None = None,
            projection: bool = True) -> None:
        """Add the rows of x [n × dim] with ids [n]. Without ids, they continue from the largest id in the index.

        projection=False: a flat index never keeps projections of its vectors. Projections make searches faster and take
        up to a tenth of the memory of the vectors (15% from 256 dimensions on)."""
        with self._sized_by(x):
            x = _arrays.vectors(x, self.dim, "x")
            if ids is not None:
                ids = _arrays.ids(ids, len(x))
            options = _options.add_options(threads, efConstruction=efConstruction, projection=projection)
            with self._handle.changing() as pointer:
                self._add(pointer, x, ids, options, progress)

    @staticmethod
    def _add(pointer: int, x: Array, ids: Any, options: Any, progress: ProgressFunction | None) -> None:
        _calls.call(lib.index_add_as, pointer, _arrays.TYPES[x.dtype], len(x), _arrays.address(x),
                    None if ids is None else _arrays.address(ids), ctypes.byref(options),
                    work=x.size * 1024.0, progress=progress, watch=_options.watch(options))

    def update(self, ids: ArrayLike, x: ArrayLike) -> None:
        """Replace the vectors of ids [n] by the rows of x."""
        x = _arrays.vectors(x, self.dim, "x")
        ids = _arrays.ids(ids, len(x))
        with self._handle.changing() as pointer:
            self._update(pointer, ids, x)

    @staticmethod
    def _update(pointer: int, ids: Array, x: Array) -> None:
        _calls.call(lib.index_update_as, pointer, _arrays.TYPES[x.dtype], len(x), _arrays.address(x),
                    _arrays.address(ids), work=x.size * 1024.0)

    def upsert(self, ids: ArrayLike, x: ArrayLike, *, threads: int | None = None,
               progress: ProgressFunction | None = None) -> int:
        """Add the rows of x with ids [n], or replace the vectors of ids that are already in the index. Of a repeated id
        the last row counts. If the call fails, nothing is changed. Returns how many ids are new."""
        with self._sized_by(x):
            x = _arrays.vectors(x, self.dim, "x")
            ids = _arrays.ids(ids, len(x))
            x, ids = _arrays.last_of_each(x, ids)
            options = _options.add_options(threads)
            with self._handle.changing() as pointer:
                known = np.fromiter((lib.index_has(pointer, id) for id in ids.tolist()), np.bool_, len(ids))
                added = ids[~known]
                self._add(pointer, x[~known], added, options, progress)
                try:
                    self._update(pointer, ids[known], x[known])
                except BaseException:
                    lib.index_remove(pointer, Filter.ids(added).pointer(), None)
                    raise
        return len(added)

    def remove(self, which: OneFilter) -> int:
        """Remove the vectors whose ids pass a filter (see Filter; a list of ids is one). Returns how many vectors were
        removed; ids that are not in the index are ignored."""
        chosen = _filtered.one_filter(which, self._ids_end, "which")
        if chosen is None:
            raise TypeError("which is None; it must be ids or a Filter")
        removed = ctypes.c_int64()
        with self._handle.changing() as pointer:
            _calls.call(lib.index_remove, pointer, chosen.pointer(), ctypes.byref(removed), calls_python=chosen.calls_python)
        chosen.raise_error()
        return removed.value

    delete = remove

    def _ids_end(self) -> int:
        """One more than the largest id."""
        return int(self.ids().max(initial=-1)) + 1

    def reserve(self, n: int) -> None:
        """Allocate memory for n vectors in total."""
        n = _arrays.count(n, "n")
        with self._handle.changing() as pointer:
            lib.index_reserve(pointer, n)

    def compact(self) -> None:
        """Free the memory of removed vectors, and repair the links of graphs around them."""
        options = _options.add_options(None)
        with self._handle.changing() as pointer:
            _calls.call(lib.index_compact, pointer, ctypes.byref(options), work=_calls.LONG)

    def reorder(self, *, progress: ProgressFunction | None = None) -> None:
        """Store the neighbours in a graph close to each other in memory, which makes searches of large graphs faster.
        Ids and results do not change. An index without a graph does not change."""
        options = _options.add_options(None)
        with self._handle.changing() as pointer:
            _calls.call(lib.index_reorder, pointer, ctypes.byref(options), work=_calls.LONG, progress=progress,
                        watch=_options.watch(options))

    def merge(self, other: Index, shift: int = 0) -> None:
        """Move all vectors of another index, which must have been trained the same, into this one; `shift` is added to
        their ids. The other index is empty afterwards."""
        if not isinstance(other, Index):
            raise TypeError(f"other is a {type(other).__name__}; it must be a kith.Index")
        if other._handle is self._handle:
            raise ValueError("other is the index itself")
        shift = _arrays.count(shift, "shift", -2**63)  # before the gates are entered: the error's text may call an index
        first, second = sorted((self._handle, other._handle), key=id)
        with first.changing(), second.changing():
            lib.index_merge(self._handle.pointer, other._handle.pointer, shift)

    # ---- searching and reading ----

    def search(self, q: ArrayLike, k: int = 10, *, filter: FilterLike | None = None, nprobe: int | None = None,
               max_codes: int | None = None, efSearch: int | None = None, k_factor: float | None = None,
               threads: int | None = None, progress: ProgressFunction | None = None,
               stats: SearchStats | None = None) -> Neighbours:
        """Find the k nearest vectors of each row of q [nq × dim], or of one query [dim].

        filter      which ids may be found: a Filter, or ids, a boolean array (one element for each id from 0 to the
                    largest), a range, a set, a function of an id; or a list with one of these for each query
        nprobe      inverted files: how many lists to search
        max_codes   inverted files: the most vectors to compare in these lists
        efSearch    graphs: the number of candidates that a search keeps
        k_factor    refinement: candidates for each result
        """
        parameters = {"nprobe": nprobe, "max_codes": max_codes, "efSearch": efSearch, "k_factor": k_factor}
        queries, single = _arrays.queries(q, self._handle.dim)
        k = _arrays.k_of(k)
        shape = (len(queries), k)
        found = Neighbours(np.empty(shape, np.float32), np.empty(shape, np.int64))
        each = None if filter is None else _filtered.by_query(filter, len(queries))
        if each is not None:
            for chosen, rows in _filtered.groups(each, stats):
                part = self.search(queries[rows], k, filter=chosen, threads=threads, progress=progress, stats=stats,
                                   **parameters)  # type: ignore[arg-type]
                found.distances[rows], found.ids[rows] = part
        elif filter is None and progress is None and stats is None:
            self._search(queries, k, *found, _options.search_options(threads, parameters))
        else:
            self._search_with(queries, k, *found, threads, parameters, filter, progress, stats)
        return Neighbours(found.distances[0], found.ids[0]) if single else found

    def _search(self, q: Array, k: int, dist: Array, ids: Array, options: Any) -> None:
        """Search with options that have neither a callback nor a filter, with as little overhead as possible."""
        handle = self._handle
        nq = len(q)
        if nq * handle.size * handle.dim >= _calls.LONG and _calls.delays_signals():
            copy = type(options._obj).from_buffer_copy(options._obj)
            with handle.reading() as pointer:
                _calls.call(lib.index_search_as, pointer, _arrays.TYPES[q.dtype], nq, _arrays.address(q), k,
                            _arrays.address(dist), _arrays.address(ids), ctypes.byref(copy), work=_calls.LONG,
                            watch=_options.watch(copy))
            return
        handle.gate.enter()
        try:
            status = lib.index_search_as.status(handle.pointer, _arrays.TYPES[q.dtype], nq, _arrays.address(q), k,
                                                _arrays.address(dist), _arrays.address(ids), options)
        finally:
            handle.gate.leave()
        if status:
            raise error_of(status)

    def _search_with(self, q: Array, k: int, dist: Array, ids: Array, threads: int | None,
                     parameters: dict[str, Any], filter: Any, progress: Any, stats: Any) -> None:
        options = _options.new_search_options(threads, parameters)
        chosen = self._put(options, filter, stats)
        with self._handle.reading() as pointer:
            _calls.call(lib.index_search_as, pointer, _arrays.TYPES[q.dtype], len(q), _arrays.address(q), k,
                        _arrays.address(dist), _arrays.address(ids), ctypes.byref(options),
                        work=float(q.size) * self._handle.size, progress=progress, watch=_options.watch(options),
                        calls_python=chosen is not None and chosen.calls_python)
        if chosen is not None:
            chosen.raise_error()

    def _put(self, options: Any, filter: Any, stats: Any) -> Filter | None:
        return _filtered.put(options, filter, stats, self._ids_end)

    def range_search(self, q: ArrayLike, radius: float, *, exact: bool = False, filter: FilterLike | None = None,
                     nprobe: int | None = None, max_codes: int | None = None, efSearch: int | None = None,
                     k_factor: float | None = None, threads: int | None = None,
                     progress: ProgressFunction | None = None, stats: SearchStats | None = None) -> Ranges:
        """Find all vectors within a radius of each query: with distances (L2: squared) up to the radius, or with
        similarities of at least the radius. exact=True compares all vectors and misses none; otherwise graphs and
        inverted files may miss some. The other options are those of search()."""
        parameters = {"nprobe": nprobe, "max_codes": max_codes, "efSearch": efSearch, "k_factor": k_factor}
        queries, _ = _arrays.queries(q, self._handle.dim)
        radius = _arrays.real(radius, "radius")
        each = None if filter is None else _filtered.by_query(filter, len(queries))
        if each is not None:
            parts = [(rows, self.range_search(queries[rows], radius, exact=exact, filter=chosen, threads=threads,
                                              progress=progress, stats=stats, **parameters))  # type: ignore[arg-type]
                     for chosen, rows in _filtered.groups(each, stats)]
            return _join_ranges(parts, len(queries))
        options = _options.range_options(threads, exact, parameters)
        chosen = self._put(options, filter, stats)
        ranges = ctypes.c_void_p()
        try:
            with self._handle.reading() as pointer:
                _calls.call(lib.index_range_as, pointer, _arrays.TYPES[queries.dtype], len(queries),
                            _arrays.address(queries), radius, ctypes.byref(ranges), ctypes.byref(options),
                            work=float(queries.size) * self._handle.size, progress=progress,
                            watch=_options.watch(options), calls_python=chosen is not None and chosen.calls_python)
            if chosen is not None:
                chosen.raise_error()
            return _copy_ranges(ranges, len(queries))
        finally:
            lib.ranges_free(ranges)

    def get(self, ids: ArrayLike) -> Floats:
        """The vectors of ids [n] as the index stores them: [n × dim], or [dim] for a single id."""
        single = np.ndim(ids) == 0
        wanted = _arrays.ids([ids] if single else ids, None)
        x = np.empty((len(wanted), self.dim), np.float32)
        self._get(wanted, x)
        return x[0] if single else x

    def _get(self, wanted: Array, x: Array) -> None:
        with self._handle.reading() as pointer:
            _calls.call(lib.index_get, pointer, len(wanted), _arrays.address(wanted), _arrays.address(x))

    def ids(self) -> Ids:
        """All ids, in the order in which they are stored."""
        with self._handle.reading() as pointer:
            ids = np.empty(lib.index_size(pointer), np.int64)
            lib.index_ids(pointer, _arrays.address(ids))
        return ids

    def __contains__(self, id: Any) -> bool:
        id = _arrays.count(id, "id", -2**63)
        with self._handle.reading() as pointer:
            return bool(lib.index_has(pointer, id))

    def __len__(self) -> int:
        return self.size

    # ---- properties ----

    def _ask(self, name: str) -> Any:
        with self._handle.reading() as pointer:
            return getattr(lib, "index_" + name)(pointer)

    @property
    def dim(self) -> int:
        """The dimension of the vectors."""
        return self._handle.dim

    @property
    def size(self) -> int:
        """The number of vectors in the index."""
        return 0 if isinstance(self._handle, Unmade) else self._ask("size")

    @property
    def metric(self) -> str:
        """The metric: "l2", "ip", "cosine", …; "lp3" for Lp with that exponent."""
        return _arrays.metric_name(self._ask("metric"))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the stored vectors' elements: float32, uint8 or int8."""
        return ELEMENTS[self._ask("type")]

    @property
    def trained(self) -> bool:
        """Whether the index is trained, so that vectors can be added."""
        return bool(self._ask("trained"))

    @property
    def spec(self) -> str:
        """The canonical factory string."""
        return self._ask("describe").decode()

    @property
    def memory(self) -> int:
        """The bytes of memory that the index holds, spare capacity included."""
        return self._ask("memory")

    @property
    def closed(self) -> bool:
        return self._handle.gate.closed

    def __repr__(self) -> str:
        if isinstance(self._handle, Unmade):
            return f"<{_name(self)} {self._handle.spec!r} without a dimension yet>"
        try:
            state = "" if self.trained else " untrained"
            return f"<{_name(self)} {self.spec!r} dim={self.dim} metric={self.metric} size={self.size}{state}>"
        except KithError:
            return f"<{_name(self)} closed>"

    # ---- tuning and monitoring ----

    @property
    def options(self) -> tuple[str, ...]:
        """Those of nprobe, max_codes, k_factor and efSearch that affect searches of this index."""
        with self._handle.reading() as pointer:
            return tuning.used_options(pointer)

    def tune(self, q: ArrayLike, truth: ArrayLike, recall: float, *, batch: int = 0, runs: int = 3,
             certainty: float = 1.645, filter: OneFilter | None = None, nprobe: int | None = None,
             max_codes: int | None = None, efSearch: int | None = None, k_factor: float | None = None,
             threads: int | None = None, progress: ProgressFunction | None = None) -> tuning.Tuned:
        """Find the cheapest search options that reach a recall.

        q          sample queries [nq × dim], similar to those to come but not vectors of the index
        truth      ids of their true neighbours [nq × k], as knn() finds them
        batch      queries per call, as they will come; 0: all in one call
        certainty  by how many standard errors the sample's mean recall must exceed the target

        Raises NotFoundError if no options reach it. Use: ``index.search(q, k, **index.tune(…).options)``"""
        parameters = {"nprobe": nprobe, "max_codes": max_codes, "efSearch": efSearch, "k_factor": k_factor}
        return tuning.tune(self, q, truth, recall, batch, runs, certainty, filter, threads, progress, parameters)

    def counters(self) -> monitor.Counters:
        """Counts of the searches of this index, and how long they took."""
        with self._handle.reading() as pointer:
            return monitor.counters(pointer)

    def reset_counters(self) -> None:
        """Set all counters to zero."""
        with self._handle.reading() as pointer:
            lib.index_stats_reset(pointer)

    def prometheus(self, name: str) -> str:
        """The counters in Prometheus's text format, labelled index="name"."""
        with self._handle.reading() as pointer:
            return monitor.prometheus(pointer, name)

    def lists(self) -> monitor.Lists:
        """How the vectors are spread over the lists of an inverted file."""
        with self._handle.reading() as pointer:
            return monitor.lists(pointer)

    @property
    def tags(self) -> monitor.Tags:
        """Named strings that are saved with the index: ``index.tags["model"] = "v2"``."""
        return monitor.Tags(self._handle)

    @property
    def note(self) -> str:
        """A remark on the file that the index was opened from: that an append was not completed, or that so much was
        appended that the index should be saved anew. Empty if there is none."""
        with self._handle.reading() as pointer:
            return lib.index_note(pointer).decode("utf-8", "replace")

    @property
    def file(self) -> monitor.FileState:
        """The state of the file that the index was opened from; NotFoundError if there is none."""
        with self._handle.reading() as pointer:
            return monitor.file_state(pointer)

    # ---- files and copies ----

    def save(self, path: str | os.PathLike[str] | BinaryIO, *, overwrite: bool = False) -> None:
        """Save to a file, which appears complete or not at all; or write to an object that has write(bytes).
        If the index was opened from this file, and the file was appended to or replaced since, the call raises
        StaleError unless overwrite is true."""
        if hasattr(path, "write"):
            with self._handle.reading() as pointer:
                _streams.write_file(pointer, path)
            return
        name = _arrays.path_of(path)
        with self._handle.reading() as pointer:
            options = SaveOptions(size=ctypes.sizeof(SaveOptions), overwrite=bool(overwrite))
            _calls.call(lib.index_save_as, pointer, name, ctypes.addressof(options),
                        work=_calls.LONG if self._handle.size else 0)

    def export_faiss(self, path: str | os.PathLike[str]) -> None:
        """Write a file for FAISS's read_index. (open() also reads FAISS's files.)"""
        name = _arrays.path_of(path)
        with self._handle.reading() as pointer:
            _calls.call(lib.index_export_faiss, pointer, name, work=_calls.LONG if self._handle.size else 0)

    def append(self, path: str | os.PathLike[str]) -> None:
        """Append all changes since the last append, or since opening with update=True, to the index's file."""
        name = _arrays.path_of(path)
        with self._handle.changing() as pointer:
            _calls.call(lib.index_append, pointer, name, work=_calls.LONG)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | BinaryIO, *, mmap: bool = False, verify: bool = False, readonly: bool = False,
             update: bool = False, generation: int = 0) -> Index:
        """Open a file of kith or of FAISS; or read an index from an object that has read(n), seek() and tell().

        mmap        map the file into memory instead of reading it
        verify      check all checksums first
        readonly    refuse changes of the index
        update      record changes, for append()
        generation  the generation of an earlier FileState; StaleError if the file does not have all of its changes
        """
        flags = mmap * MMAP | verify * VERIFY | readonly * READONLY | update * UPDATE
        if hasattr(path, "read"):
            if generation:
                raise ValueError("generation: only a file that is opened by its name has a generation")
            return cls._of(_streams.read_file(path, flags))
        return cls._of(open_handle(path, flags, generation))

    @classmethod
    def _of(cls, handle: Handle) -> Index:
        index = cls.__new__(cls)
        index._handle = handle
        return index

    def tobytes(self) -> bytes:
        """The bytes of the file that save() writes."""
        size = ctypes.c_size_t()
        with self._handle.reading() as pointer:
            lib.index_to_bytes(pointer, None, 0, ctypes.byref(size))
            data = ctypes.create_string_buffer(size.value)
            _calls.call(lib.index_to_bytes, pointer, ctypes.addressof(data), size.value, ctypes.byref(size),
                        work=_calls.LONG if self._handle.size else 0)
        return data.raw

    @classmethod
    def frombytes(cls, data: Any) -> Index:
        """The index whose tobytes() gave this data."""
        return cls._of(handle_of_bytes(data))

    def clone(self) -> Index:
        """An independent copy."""
        with self._handle.reading() as pointer:
            return type(self)._of(Handle(lib.index_clone, pointer))

    def __copy__(self) -> Index:
        return self.clone()

    def __deepcopy__(self, memo: Any) -> Index:
        return self.clone()

    def __reduce__(self) -> Any:
        return type(self).frombytes, (self.tobytes(),)

    def close(self) -> None:
        """Free the memory as soon as all running calls have ended. Later calls raise InvalidError."""
        self._handle.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _join_ranges(parts: list[tuple[Array, Ranges]], nq: int) -> Ranges:
    """The results of all nq queries in order, from parts that are each about some of the queries."""
    counts = np.zeros(nq, np.int64)
    for rows, part in parts:
        counts[rows] = np.diff(part.lims)
    lims = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    found = Ranges(lims, np.empty(lims[-1], np.float32), np.empty(lims[-1], np.int64))
    for rows, part in parts:
        to = np.repeat(lims[rows] - part.lims[:-1], np.diff(part.lims)) + np.arange(len(part.ids))
        found.distances[to], found.ids[to] = part.distances, part.ids
    return found


def _name(index: Index) -> str:
    return f"kith.{type(index).__name__}"


def _copy_ranges(ranges: ctypes.c_void_p, nq: int) -> Ranges:
    total = lib.ranges_total(ranges)
    found = Ranges(np.zeros(nq + 1, np.int64), np.empty(total, np.float32), np.empty(total, np.int64))
    n, dist, ids = ctypes.c_int64(), ctypes.c_void_p(), ctypes.c_void_p()
    out = ctypes.byref(n), ctypes.byref(dist), ctypes.byref(ids)
    at = 0
    to_dist, to_ids = _arrays.address(found.distances), _arrays.address(found.ids)
    for query in range(nq):
        lib.ranges_get(ranges, query, *out)
        ctypes.memmove(to_dist + 4 * at, dist, 4 * n.value)
        ctypes.memmove(to_ids + 8 * at, ids, 8 * n.value)
        at += n.value
        found.lims[query + 1] = at
    return found


def new_handle(spec: str, dim: int, metric: str) -> Handle:
    return make_handle(spec, dim, _arrays.metric_named(metric))


def open_handle(path: Any, flags: int = 0, generation: int = 0) -> Handle:
    name, generation = _arrays.path_of(path), _arrays.count(generation, "generation", 0, 2**64 - 1)
    with missing_files():
        return Handle(lib.index_open_at, name, flags, generation)


def handle_of_bytes(data: Any) -> Handle:
    try:
        data = bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"data is {_arrays.short(data)}; it must be bytes") from None
    return Handle(lib.index_from_bytes, data, len(data), 0)


def shards(indexes: Iterable[Index]) -> Index:
    """One index made of several, which must have the same dimension, metric and element type, and no ids in common.
    The new index owns them: the given ones are closed."""
    handles = [index._handle for index in indexes]
    if len({id(handle) for handle in handles}) != len(handles):
        raise ValueError("an index is given twice")
    held: list[Handle] = []
    try:
        for handle in sorted(handles, key=id):
            handle.gate.enter_alone()
            held.append(handle)
        pointers = (ctypes.c_void_p * len(handles))(*(handle.pointer for handle in handles))
        made = Index._of(Handle(lib.index_wrap_shards, len(handles), pointers))
        for handle in handles:
            handle.give()
        return made
    finally:
        for handle in held:
            handle.gate.leave_alone()
