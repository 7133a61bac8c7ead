"""Methods of inverted files that take lists or codes of the caller's choice."""
# mypy: warn-return-any=False
from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from .. import _arrays, _calls, _codes, _options
from .._errors import ArgumentError, InvalidError, UntrainedError
from .._learned import learned
from .._lib import lib
from .._types import Codes, Floats, Ids, Limits
from ..filter import Filter
from ..index import _copy_ranges
from ..learn import knn
from . import arguments as args
from .metrics import name_of, same_metric
from .naming import by_name, owners


class Searches:
    """Methods of IndexIVF: searches of given lists, encoding and adding codes, and copying subsets."""

    __slots__ = ()

    # ---- searches of given lists ----

    def _probes(self: Any, x: Any, Iq: Any, params: Any) -> tuple[Any, Any, Any]:
        """(queries, options for a search of the lists Iq [nq × n], the objects that the options point to)."""
        x = args.vectors(x, self.d, "x")
        given = np.asarray(Iq)
        if given.ndim != 2 or len(given) != len(x) or given.dtype.kind not in "iu" or not given.shape[1]:
            raise ArgumentError(f"Iq is {given.dtype} of shape {given.shape}; it must be numbers of lists of shape "
                                f"({len(x)}, nprobe)")
        if len(given) and not (-1 <= given.min() and given.max() < self.nlist):
            raise InvalidError(f"Iq has numbers from {given.min()} to {given.max()}; the lists are 0 … {self.nlist - 1}, "
                               "and -1 stands for none")
        if given.shape[1] > self.nlist:
            given = np.sort(given, axis=1)  # repeated lists become −1, and are then sorted to the front and cut off
            given = np.where(np.diff(given, axis=1, prepend=-2) == 0, -1, given)
            given = np.sort(given, axis=1)[:, -self.nlist:]
        given = _arrays.plain(given, np.int32)
        values, chosen = self._options(params)
        values["nprobe"] = given.shape[1]
        options = _options.new_search_options(None, values)
        options.probes = _arrays.address(given)
        naming = self._naming()
        if chosen is not None:
            chosen = chosen if naming is None else naming.filter(chosen, self._handle)
            options.filter = chosen.pointer()
        return x, options, (given, chosen)

    def search_preassigned(self: Any, x: Any, k: int, Iq: Any, Dq: Any = None, *, params: Any = None, D: Any = None,
                           I: Any = None) -> tuple[Floats, Ids]:
        """Search only the lists Iq [nq × n] (−1: none). Dq, the distances to their centroids, is not needed."""
        x, options, kept = self._probes(x, Iq, params)
        k = args.k_of(k)
        D, I = args.output(D, (len(x), k), np.float32, "D"), args.output(I, (len(x), k), np.int64, "I")
        with self._source()._handle.reading() as pointer:
            _calls.call(lib.index_search_as, pointer, _arrays.TYPES[x.dtype], len(x), _arrays.address(x), k,
                        _arrays.address(D), _arrays.address(I), ctypes.byref(options),
                        work=float(x.size) * self._handle.size, watch=_options.watch(options),
                        calls_python=kept[1] is not None and kept[1].calls_python)
        naming = self._naming()
        if naming is not None:
            I[:] = naming.to_names(I, self._handle)
        return D, I

    def range_search_preassigned(self: Any, x: Any, thresh: float, Iq: Any, Dq: Any = None, *, params: Any = None
                                 ) -> tuple[Limits, Floats, Ids]:
        """range_search() of only the lists Iq [nq × n]."""
        x, options, kept = self._probes(x, Iq, params)
        ranges = ctypes.c_void_p()
        try:
            with self._source()._handle.reading() as pointer:
                _calls.call(lib.index_range_as, pointer, _arrays.TYPES[x.dtype], len(x), _arrays.address(x),
                            args.real(thresh, "thresh"), ctypes.byref(ranges), ctypes.byref(options),
                            work=float(x.size) * self._handle.size, watch=_options.watch(options),
                            calls_python=kept[1] is not None and kept[1].calls_python)
            lims, D, I = _copy_ranges(ranges, len(x))
        finally:
            lib.ranges_free(ranges)
        naming = self._naming()
        return by_name(lims, D, I if naming is None else naming.to_names(I, self._handle))

    def search_and_return_codes(self: Any, x: Any, k: int, *, include_listnos: bool = False, params: Any = None,
                                D: Any = None, I: Any = None, codes: Any = None) -> tuple[Floats, Ids, Codes]:
        """search(), and the codes of the vectors found [nq × k × code_size], preceded by the numbers of their lists with
        include_listnos. Codes are zero where no vector was found."""
        D, I = self.search(x, k, params=params, D=D, I=I)
        size = self.code_size + (self.coarse_code_size() if include_listnos else 0)
        codes = args.output(codes, (*I.shape, size), np.uint8, "codes")
        codes[:] = 0
        wanted = np.unique(I[I >= 0])
        rows = np.zeros((len(wanted), size), np.uint8)
        for number in range(self.nlist):
            ids = self.invlists.get_ids(number)
            _, at, among = np.intersect1d(wanted, ids, return_indices=True)
            if len(at):
                found = self.invlists.get_codes(number)[among]
                listnos = self._encoded_numbers(np.full(len(at), number))
                rows[at] = np.hstack([listnos, found]) if include_listnos else found
        there = I >= 0
        codes[there] = rows[np.searchsorted(wanted, I[there])]
        return D, I, codes

    # ---- searches that depend on their own results: ensure_topk_full and max_empty_result_buckets ----

    def search(self: Any, x: Any, k: int, *, params: Any = None, D: Any = None, I: Any = None,
               numeric_type: Any = None) -> tuple[Floats, Ids]:
        D, I = super().search(x, k, params=params, D=D, I=I)  # type: ignore[misc]
        missing = (I[:, -1] < 0) if getattr(params, "ensure_topk_full", False) else None
        if missing is not None and missing.any() and params.max_codes:
            free = type(params)(sel=params.sel, nprobe=params.nprobe, quantizer_params=params.quantizer_params)
            D[missing], I[missing] = super().search(  # type: ignore[misc]
                np.asarray(x)[missing], k, params=free)
        return D, I

    def range_search(self: Any, x: Any, thresh: float, *, params: Any = None) -> tuple[Limits, Floats, Ids]:
        found = super().range_search(x, thresh, params=params)  # type: ignore[misc]
        max_empty = args.count(getattr(params, "max_empty_result_buckets", 0), "max_empty_result_buckets")
        if not max_empty:
            return found
        if self.parallel_mode:
            raise InvalidError(f"max_empty_result_buckets: parallel_mode is {self.parallel_mode}; it must be 0")
        x = args.floats(x, self.d, "x")
        nprobe = self._params.options(params, self)["nprobe"]
        order = knn(x, self.centroids(), min(nprobe, self.nlist), name_of(same_metric(self._metric))).ids
        return self._stop_after_empty(found, order, max_empty)

    def _stop_after_empty(self: Any, found: tuple[Limits, Floats, Ids], order: Ids, max_empty: int
                          ) -> tuple[Limits, Floats, Ids]:
        """The results of a range search without those of lists that come after max_empty consecutive lists without a
        result. order [nq × nprobe]: the order in which lists are searched."""
        lims, D, I = found
        ids = [self.invlists.get_ids(number) for number in range(self.nlist)]
        every, numbers = np.concatenate(ids), np.repeat(np.arange(self.nlist), [len(each) for each in ids])
        by_id = np.argsort(every, kind="stable")
        of_result = numbers[by_id][np.searchsorted(every[by_id], I)] if len(I) else np.empty(0, np.int64)
        keep = np.zeros(len(I), bool)
        for query, visited in enumerate(order):
            mine = slice(lims[query], lims[query + 1])
            empty = 0
            for number in visited:
                hits = of_result[mine] == number
                keep[mine] |= hits
                empty = 0 if hits.any() else empty + 1
                if empty >= max_empty:
                    break
        counts = np.bincount(owners(lims)[keep], minlength=len(order))
        return np.concatenate([[0], np.cumsum(counts)]).astype(lims.dtype), D[keep], I[keep]

    # ---- codes ----

    def coarse_code_size(self: Any) -> int:
        """The bytes of a list's number in a code."""
        return (max(self.nlist - 1, 0).bit_length() + 7) // 8

    def _encoded_numbers(self: Any, numbers: Ids) -> Codes:
        """The numbers of lists, encoded as the first bytes of codes."""
        wide = np.ascontiguousarray(numbers, "<i8").view(np.uint8).reshape(len(numbers), 8)
        return wide[:, :self.coarse_code_size()]

    def _split(self: Any, codes: Any) -> tuple[Ids, Codes]:
        """Split codes [n × sa_code_size()] to the numbers of their lists and the remaining bytes."""
        codes = args.codes_of(codes, self.sa_code_size())
        coarse = self.coarse_code_size()
        wide = np.zeros((len(codes), 8), np.uint8)
        wide[:, :coarse] = codes[:, :coarse]
        numbers = wide.view("<i8")[:, 0]
        if numbers.size and numbers.max() >= self.nlist:
            raise ArgumentError(f"codes: a code is of list {numbers.max()}; the index has {self.nlist} lists")
        return numbers, np.ascontiguousarray(codes[:, coarse:])

    def sa_code_size(self: Any) -> int:
        return self.coarse_code_size() + self.code_size

    def _assigned(self: Any, x: Floats) -> Ids:
        """The number of each vector's list."""
        return knn(x, self.centroids(), 1, name_of(same_metric(self._metric))).ids[:, 0]

    def _encode(self: Any, x: Floats, numbers: Ids) -> Codes:
        """The codes of vectors in the lists with these numbers."""
        return _codes.encode(self._part_handle(), x - self.centroids()[numbers] if self.by_residual else x)

    def encode_vectors(self: Any, x: Any, list_nos: Any, include_listnos: bool = False) -> Codes:
        """The codes [n × code_size] of the rows of x in the lists with the numbers list_nos [n]."""
        x, numbers = args.floats(x, self.d, "x"), args.ids(list_nos, len(x), "list_nos")
        codes = self._encode(x, numbers)
        return np.hstack([self._encoded_numbers(numbers), codes]) if include_listnos else codes

    def sa_encode(self: Any, x: Any) -> Codes:
        x = args.floats(x, self.d, "x")
        return self.encode_vectors(x, self._assigned(x), True)

    def sa_decode(self: Any, codes: Any) -> Floats:
        numbers, rest = self._split(codes)
        x = _codes.decode(self._part_handle(), rest)
        return x + self.centroids()[numbers] if self.by_residual else x

    def compute_residual_n(self: Any, x: Any, keys: Any) -> Floats:
        """The residuals [n × d]: the rows of x minus the centroids of the lists `keys` [n]."""
        x = args.floats(x, self.d, "x")
        return x - self.centroids()[args.ids(keys, len(x), "keys")]

    # ---- adding ----

    def add_core(self: Any, n: int, x: Any, ids: Any, list_nos: Any) -> None:
        """Add n rows of x to the lists with the numbers list_nos; rows with −1 are not added. ids [n]; None: numbering
        continues."""
        n = args.count(n, "n")
        x = args.floats(np.asarray(x).reshape(-1, self.d)[:n], self.d, "x")
        numbers = args.ids(np.asarray(list_nos).reshape(-1)[:n], n, "list_nos")
        if n and not (-1 <= numbers.min() and numbers.max() < self.nlist):
            raise InvalidError(f"list_nos has numbers from {numbers.min()} to {numbers.max()}; the lists are 0 … "
                               f"{self.nlist - 1}, and -1 stands for none")
        if not self.is_trained:
            raise UntrainedError("the index must be trained before vectors are added")
        there = numbers >= 0
        wanted = self._next_ids(n) if ids is None else self._given(np.asarray(ids).reshape(-1)[:n], n)
        self._take_codes(self._encode(x[there], numbers[there]), wanted[there], numbers[there])

    def add_sa_codes(self: Any, codes: Any, ids: Any = None) -> None:
        """Add vectors by their codes [n × sa_code_size()], with ids [n]. Without ids, numbering continues."""
        numbers, rest = self._split(codes)
        wanted = self._next_ids(len(rest)) if ids is None else self._given(ids, len(rest))
        self._take_codes(rest, wanted, numbers)

    # ---- subsets ----

    def copy_subset_to(self: Any, other: Any, subset_type: int, a1: int, a2: int) -> None:
        """Copy some of the vectors to another index, which must have been trained the same. subset_type 0: ids a1 …
        a2 − 1; 1: ids with id % a1 == a2; 2: the part of each list from a1 / ntotal to a2 / ntotal of its length; 3: part
        a2 of a1 equal parts of each list; 4: lists a1 … a2 − 1."""
        subset_type = args.count(subset_type, "subset_type", 0, 4)
        if not isinstance(other, Searches) or other is self:
            raise ArgumentError(f"other is {_arrays.short(other)}; it must be another inverted file")
        if subset_type in (1, 3):
            a1 = args.count(a1, "a1", 1)
        chosen = self._subset(subset_type, a1, a2)
        part, target = self.clone(), other  # type: Any, Any
        everything = part._ids()
        part._remove(Filter.ids(everything[~np.isin(everything, chosen)]), False)
        target.merge_from(part)

    def _subset(self: Any, kind: int, a1: int, a2: int) -> Ids:
        """The ids of the library of the vectors in a subset (copy_subset_to)."""
        every, naming = self._ids(), self._naming()
        if kind < 2:
            names = every if naming is None else naming.all(self._handle)
            return every[(names >= a1) & (names < a2) if kind == 0 else names % a1 == a2]
        with learned(self._handle) as parts:
            sizes, slots = parts.array("SIZE", self._node, np.int64), parts.array("SLOT", self._node, np.uint32)
        if sizes is None or slots is None:
            raise UntrainedError("copy_subset_to: the index must be trained first")
        ends = np.cumsum(sizes)
        starts, total = ends - sizes, max(int(ends[-1]), 1)
        if kind == 2:
            first, last = (np.diff(ends * a // total, prepend=0) for a in (a1, a2))
        elif kind == 3:
            first, last = sizes * a2 // a1, sizes * (a2 + 1) // a1
        else:
            within = (np.arange(len(sizes)) >= a1) & (np.arange(len(sizes)) < a2)
            first, last = np.zeros_like(sizes), sizes * within
        rows = [np.arange(s + f, s + l) for s, f, l in zip(starts, first, last)]
        return every[slots[np.concatenate(rows)]]

    def check_ids_sorted(self: Any) -> bool:
        """Whether the ids within each list are in ascending order."""
        return all((np.diff(self.invlists.get_ids(i)) > 0).all() for i in range(self.nlist))


def try_extract_index_ivf(index: Any) -> Any:
    """The inverted file within an index; None if there is none."""
    return next((part for part in index._tree() if isinstance(part, Searches)), None)


def extract_index_ivf(index: Any) -> Any:
    """The inverted file within an index; raises if there is none."""
    found = try_extract_index_ivf(index)
    if found is None:
        raise InvalidError(f"{index!r} does not contain an inverted file")
    return found


def check_compatible_for_merge(index0: Any, index1: Any) -> None:
    """Raise unless one index can be merged into the other."""
    index0.check_compatible_for_merge(index1)


def merge_into(index0: Any, index1: Any, shift_ids: bool) -> None:
    """Move the vectors of the second index to the first. shift_ids: add the first's ntotal to their ids."""
    extract_index_ivf(index0)
    index0.merge_from(index1, index0.ntotal if shift_ids else 0)


def search_centroid(index: Any, x: Any) -> Ids:
    """The number of the list of each row of x. If the inverted file is behind transforms, they are applied to x."""
    chain = getattr(index, "apply_chain", None)
    x = args.vectors(x, index.d, "x")
    ivf = extract_index_ivf(index)
    return ivf._assigned(args.floats(chain(x) if chain else x, ivf.d, "x"))
