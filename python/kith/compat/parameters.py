"""Parameters of searches. FAISS keeps them as attributes of indexes; here they are kept beside an index, one set for
the whole tree of indexes that it is made of, and handed over with each call."""
from __future__ import annotations

from typing import Any

from ..filter import Filter, as_filter

# Parameters, and their values in FAISS as long as nobody sets them.
DEFAULTS: dict[str, Any] = {"nprobe": 1, "max_codes": 0, "efSearch": 16, "k_factor": 1.0}


class Parameters:
    """Search parameters of an index and its parts. `used`: those that it has."""

    __slots__ = ("used", "values", "efConstruction")

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.values = dict(DEFAULTS)
        self.efConstruction: int | None = None

    def use(self, *names: str) -> None:
        self.used.update(names)

    def options(self, given: SearchParameters | None = None) -> dict[str, Any]:
        """Keyword arguments of kith's search, `given` ones before the index's own."""
        values = {name: self.values[name] for name in self.used}
        if given is not None:
            if not isinstance(given, SearchParameters):
                raise TypeError(f"params is a {type(given).__name__}; it must be SearchParameters")
            values.update({name: value for name, value in given.options().items() if name in self.used})
        return values


def parameter(name: str) -> Any:
    """A property of an index that is one of its search parameters."""

    def get(self: Any) -> Any:
        return self._params.values[name]

    def put(self: Any, value: Any) -> None:
        self._params.values[name] = value

    return property(get, put)


class SearchParameters:
    """Parameters of one search. sel: which ids it may return."""

    # Attributes that are search parameters, and attributes that hold the parameters of an inner index.
    _names: tuple[str, ...] = ()
    _inner: tuple[str, ...] = ()
    _others: dict[str, Any] = {}  # attributes that FAISS has and kith does not need, with their only value

    def __init__(self, sel: Any = None, **values: Any) -> None:
        self.sel = sel
        for name in self._names:
            setattr(self, name, values.pop(name, DEFAULTS[name]))
        for name in self._inner:
            setattr(self, name, values.pop(name, None))
        for name, only in self._others.items():
            if values.pop(name, only) != only:
                raise NotImplementedError(f"{type(self).__name__}: {name} is always {only!r} in kith; leave it out")
        if values:
            raise TypeError(f"{type(self).__name__} has no parameter {', '.join(values)}")

    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self._inner:
            inner = getattr(self, name)
            if inner is not None:
                found.update(inner.options())
        found.update({name: getattr(self, name) for name in self._names})
        return found

    def filter(self) -> Filter | None:
        """The selector, of these parameters or of inner ones."""
        if self.sel is not None:
            return as_filter(self.sel)
        inner = (getattr(self, name) for name in self._inner)
        return next((found for found in (p.filter() for p in inner if p is not None) if found is not None), None)


class SearchParametersIVF(SearchParameters):
    _names = ("nprobe", "max_codes")
    _inner = ("quantizer_params",)


class SearchParametersHNSW(SearchParameters):
    _names = ("efSearch",)
    _others = {"check_relative_distance": True, "bounded_queue": True}


class SearchParametersPQ(SearchParameters):
    pass


class SearchParametersPreTransform(SearchParameters):
    _inner = ("index_params",)


class IndexRefineSearchParameters(SearchParameters):
    _names = ("k_factor",)
    _inner = ("base_index_params",)


SearchParametersIVFPQ = IVFPQSearchParameters = IVFSearchParameters = SearchParametersIVF
