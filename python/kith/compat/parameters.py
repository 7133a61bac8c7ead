"""Search parameters. FAISS stores them as attributes of each index; here all indexes of a tree share one set, which is
passed to the library with each call. They are saved in files (FaissIndex._store_settings)."""
from __future__ import annotations

import threading
from typing import Any, NamedTuple

from .._errors import ArgumentError, InvalidError, UnsupportedError
from .._lib import Preset
from ..filter import Filter
from . import arguments as args
from .naming import Labels

# The parameters with FAISS's default values, and their smallest allowed values.
DEFAULTS: dict[str, Any] = {"nprobe": 1, "max_codes": 0, "efSearch": 16, "k_factor": 1.0}
MINIMUM = {"nprobe": 1, "max_codes": 0, "efSearch": 0, "k_factor": 1.0}


def checked(name: str, value: Any) -> Any:
    """The value of a search parameter, if it is allowed; raises otherwise."""
    try:
        number = args.real(value, name) if name == "k_factor" else args.count(value, name, -2**63)
    except TypeError:
        if not isinstance(value, float) or value != int(value):
            raise
        number = int(value)
    if not number >= MINIMUM[name]:
        raise InvalidError(f"{name} is {number}; it must be {MINIMUM[name]} or more")
    return number


class Kind(NamedTuple):
    """Properties of an index's codes that only FAISS distinguishes. bbs: the block size of a FastScan class, 0 for other
    classes; polysemous: do_polysemous_training."""

    bbs: int = 0
    polysemous: bool = False


class Parameters:
    """Settings that an index and its parts share: search parameters (used: those that affect the index), labels, and
    properties that only FAISS distinguishes."""

    __slots__ = ("used", "values", "efConstruction", "labels", "numbered", "lock", "kind", "ht", "search_type", "coarse")

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.values = dict(DEFAULTS)
        self.efConstruction: int | None = None
        self.labels: Labels | None = None
        self.numbered: bool | None = None  # whether ids are 0, 1, 2, … in the order of vectors; None: not known
        self.kind = Kind()
        self.ht = 0           # polysemous_ht
        self.search_type = 0  # IndexPQ.search_type
        self.coarse = False   # whether this is a coarse quantizer, whose efSearch may be 0 (chosen automatically)
        self.lock = threading.RLock()  # held while adding, removing and merging change ids and vectors together

    def use(self, *names: str) -> None:
        self.used.update(names)

    def take(self, other: Parameters) -> None:
        """Copy the search parameters of another index, and the properties that only FAISS distinguishes."""
        self.values.update(other.values)
        self.efConstruction, self.kind = other.efConstruction, other.kind
        self.ht, self.search_type = other.ht, other.search_type

    def take_preset(self, preset: Preset) -> None:
        """Take the settings that are stored in a file."""
        for name in self.used:
            if getattr(preset, name):
                self.values[name] = getattr(preset, name)
        if preset.efConstruction:
            self.efConstruction = preset.efConstruction
        self.ht, self.search_type = preset.polysemous_ht, preset.search_type

    def options(self, given: SearchParameters | None = None, index: Any = None) -> dict[str, Any]:
        """Keyword arguments of kith's search: the index's parameters, replaced by those that are `given`."""
        values = {name: self.values[name] for name in self.used}
        if given is not None:
            if not isinstance(given, SearchParameters):
                raise ArgumentError(f"params is a {type(given).__name__}; it must be SearchParameters")
            mine = given.options()
            if mine and self.used and not self.used.intersection(mine):
                raise InvalidError(f"params is a {type(given).__name__}, which sets {', '.join(mine)}; the parameters of "
                                   f"{index!r} are {', '.join(sorted(self.used))}")
            values.update({name: value for name, value in mine.items() if name in self.used})
        if values.get("efSearch") == 0 and "nprobe" not in values:
            # FAISS's 0 means no more candidates than results, which is 1 here: the library's 0 stands for its default.
            values["efSearch"] = DEFAULTS["efSearch"] if self.coarse else 1
        return values


def parameter(name: str) -> Any:
    """A property of an index that reads and sets one of its search parameters."""

    def get(self: Any) -> Any:
        return self._params.values[name]

    def put(self: Any, value: Any) -> None:
        self._params.values[name] = checked(name, value)

    return property(get, put)


class SearchParameters:
    """Parameters of one search. sel: a selector of the ids that may be found."""

    _names: tuple[str, ...] = ()  # attributes that are parameters of the library's search
    _inner: tuple[str, ...] = ()  # attributes that hold the SearchParameters of a wrapped index
    _more: dict[str, Any] = {}    # further attributes, with their default values
    _others: dict[str, Any] = {}  # attributes of FAISS that have only one value in kith, with this value

    def __init__(self, sel: Any = None, **values: Any) -> None:
        self.sel = sel
        for name in self._names:
            setattr(self, name, values.pop(name, DEFAULTS[name]))
        for name in self._inner:
            setattr(self, name, values.pop(name, None))
        for name, value in {**self._more, **self._others}.items():
            setattr(self, name, values.pop(name, value))
        if values:
            raise ArgumentError(f"{type(self).__name__} has no parameter {', '.join(values)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._others:
            if value != self._others[name]:
                raise UnsupportedError(f"{type(self).__name__}: {name} is always {self._others[name]!r} in kith; "
                                       "leave it out")
        elif name != "sel" and name not in (*self._names, *self._inner, *self._more):
            known = ", ".join(("sel", *self._names, *self._inner, *self._more))
            raise AttributeError(f"{type(self).__name__} has no parameter {name!r}; its parameters are {known}")
        super().__setattr__(name, value)

    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self._inner:
            inner = getattr(self, name)
            if inner is not None:
                found.update(inner.options())
        found.update({name: checked(name, getattr(self, name)) for name in self._names})
        return found

    def filter(self) -> Filter | None:
        """The filter of these parameters' selector, or of the first inner parameters that have one."""
        if self.sel is not None:
            return args.chosen(self.sel, "sel")
        inner = (getattr(self, name) for name in self._inner)
        return next((found for found in (p.filter() for p in inner if p is not None) if found is not None), None)


class SearchParametersIVF(SearchParameters):
    """Parameters of inverted files. max_lists_num: an upper bound of nprobe, 0: none; ensure_topk_full: ignore max_codes
    for queries with fewer than k results; max_empty_result_buckets: a range search stops after so many consecutive lists
    without a result, 0: never."""

    _names = ("nprobe", "max_codes")
    _inner = ("quantizer_params",)
    _more = {"max_lists_num": 0, "ensure_topk_full": False, "max_empty_result_buckets": 0, "inverted_list_context": None}

    def options(self) -> dict[str, Any]:
        found = super().options()
        max_lists = args.count(self.max_lists_num, "max_lists_num")  # type: ignore[attr-defined]
        if max_lists:
            found["nprobe"] = min(found["nprobe"], max_lists)
        return found


class SearchParametersHNSW(SearchParameters):
    _names = ("efSearch",)
    _others = {"check_relative_distance": True, "bounded_queue": True}


class SearchParametersPQ(SearchParameters):
    """search_type and polysemous_ht, by which FAISS skips codes, have no effect: kith compares all codes."""

    _more = {"search_type": 0, "polysemous_ht": 0}


class SearchParametersPreTransform(SearchParameters):
    _inner = ("index_params",)


class IndexRefineSearchParameters(SearchParameters):
    _names = ("k_factor",)
    _inner = ("base_index_params",)


SearchParametersIVFPQ = IVFPQSearchParameters = IVFSearchParameters = SearchParametersIVF
