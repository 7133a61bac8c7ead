"""Parameters of searches. FAISS keeps them as attributes of indexes; here they are kept beside an index, one set for
the whole tree of indexes that it is made of, and handed over with each call. Files carry them (base.py)."""
from __future__ import annotations

import threading
from typing import Any, NamedTuple

from .._errors import ArgumentError, InvalidError, UnsupportedError
from .._lib import Preset
from ..filter import Filter
from . import arguments as args
from .naming import Labels

# Parameters, and their values in FAISS as long as nobody sets them.
DEFAULTS: dict[str, Any] = {"nprobe": 1, "max_codes": 0, "efSearch": 16, "k_factor": 1.0}
LEAST = {"nprobe": 1, "max_codes": 0, "efSearch": 0, "k_factor": 1.0}


def checked(name: str, value: Any) -> Any:
    """A value of a parameter that a search takes."""
    try:
        number = args.real(value, name) if name == "k_factor" else args.count(value, name, -2**63)
    except TypeError:
        if not isinstance(value, float) or value != int(value):
            raise
        number = int(value)
    if not number >= LEAST[name]:
        raise InvalidError(f"{name} is {number}; it must be {LEAST[name]} or more")
    return number


class Kind(NamedTuple):
    """What FAISS would say of an index's codes: the block size of its fast scans, 0 for others; whether it is to train
    codes that serve as hashes as well (kith compares all codes by tables anyway)."""

    bbs: int = 0
    polysemous: bool = False


class Parameters:
    """What an index and its parts share: search parameters (`used`: those that it has), what vectors are called, where
    that is not by their ids, and what FAISS would say of the codes."""

    __slots__ = ("used", "values", "efConstruction", "labels", "numbered", "lock", "kind", "ht", "search_type", "coarse")

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.values = dict(DEFAULTS)
        self.efConstruction: int | None = None
        self.labels: Labels | None = None
        self.numbered: bool | None = None  # whether ids are 0, 1, 2, … as vectors are stored; None: not known
        self.kind = Kind()
        self.ht = 0           # FAISS's threshold of Hamming distances
        self.search_type = 0  # and its way of comparing codes
        self.coarse = False   # these are of the quantizer of an inverted file, whose efSearch may be 0: as it sees fit
        self.lock = threading.RLock()  # of adding, removing, merging: ids and vectors change together

    def use(self, *names: str) -> None:
        self.used.update(names)

    def take(self, other: Parameters) -> None:
        """The search parameters of another index, and what FAISS would say of its codes."""
        self.values.update(other.values)
        self.efConstruction, self.kind = other.efConstruction, other.kind
        self.ht, self.search_type = other.ht, other.search_type

    def take_preset(self, preset: Preset) -> None:
        """Those that a file carries."""
        for name in self.used:
            if getattr(preset, name):
                self.values[name] = getattr(preset, name)
        if preset.efConstruction:
            self.efConstruction = preset.efConstruction
        self.ht, self.search_type = preset.polysemous_ht, preset.search_type

    def options(self, given: SearchParameters | None = None, index: Any = None) -> dict[str, Any]:
        """Keyword arguments of kith's search, `given` ones before the index's own."""
        values = {name: self.values[name] for name in self.used}
        if given is not None:
            if not isinstance(given, SearchParameters):
                raise ArgumentError(f"params is a {type(given).__name__}; it must be SearchParameters")
            mine = given.options()
            if mine and self.used and not self.used.intersection(mine):
                raise InvalidError(f"params is a {type(given).__name__}, which sets {', '.join(mine)}; {index!r} has "
                                   f"{', '.join(sorted(self.used))}")
            values.update({name: value for name, value in mine.items() if name in self.used})
        if values.get("efSearch") == 0 and "nprobe" not in values:
            values["efSearch"] = DEFAULTS["efSearch"] if self.coarse else 1  # as many candidates as results; 0 is the library's word for its default
        return values


def parameter(name: str) -> Any:
    """A property of an index that is one of its search parameters."""

    def get(self: Any) -> Any:
        return self._params.values[name]

    def put(self: Any, value: Any) -> None:
        self._params.values[name] = checked(name, value)

    return property(get, put)


class SearchParameters:
    """Parameters of one search. sel: which ids it may return."""

    # Attributes that are search parameters, and attributes that hold the parameters of an inner index.
    _names: tuple[str, ...] = ()
    _inner: tuple[str, ...] = ()
    _more: dict[str, Any] = {}    # attributes that say how, and their values as long as nobody sets them
    _others: dict[str, Any] = {}  # attributes that FAISS has and kith does not need, with their only value

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
            raise AttributeError(f"{type(self).__name__} has no parameter {name!r}; there are {known}")
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
        """The selector, of these parameters or of inner ones."""
        if self.sel is not None:
            return args.chosen(self.sel, "sel")
        inner = (getattr(self, name) for name in self._inner)
        return next((found for found in (p.filter() for p in inner if p is not None) if found is not None), None)


class SearchParametersIVF(SearchParameters):
    """max_lists_num: no more lists than that, 0: nprobe; ensure_topk_full: do not stop at max_codes before k vectors are
    found; max_empty_result_buckets: a range search stops after so many lists without a result, 0: it does not."""

    _names = ("nprobe", "max_codes")
    _inner = ("quantizer_params",)
    _more = {"max_lists_num": 0, "ensure_topk_full": False, "max_empty_result_buckets": 0, "inverted_list_context": None}

    def options(self) -> dict[str, Any]:
        found = super().options()
        most = args.count(self.max_lists_num, "max_lists_num")  # type: ignore[attr-defined]
        if most:
            found["nprobe"] = min(found["nprobe"], most)
        return found


class SearchParametersHNSW(SearchParameters):
    _names = ("efSearch",)
    _others = {"check_relative_distance": True, "bounded_queue": True}


class SearchParametersPQ(SearchParameters):
    """search_type and polysemous_ht are FAISS's ways of comparing fewer codes; kith compares all of them."""

    _more = {"search_type": 0, "polysemous_ht": 0}


class SearchParametersPreTransform(SearchParameters):
    _inner = ("index_params",)


class IndexRefineSearchParameters(SearchParameters):
    _names = ("k_factor",)
    _inner = ("base_index_params",)


SearchParametersIVFPQ = IVFPQSearchParameters = IVFSearchParameters = SearchParametersIVF
