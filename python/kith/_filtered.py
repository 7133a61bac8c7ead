"""Filter arguments of searches: the values that are accepted as a filter, and one filter per query.

Element i of a boolean array is about id i. An array that does not cover all ids of the index is refused as a mistake:
most likely it is about the rows of another table. Queries that share a filter are searched together.
"""
from __future__ import annotations

from typing import AbstractSet as Set, Any, Callable, Iterator, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike

from . import _arrays, _options
from ._lib import SearchStats
from ._types import Array
from .filter import Filter, as_filter

OneFilter = Union[Filter, ArrayLike, range, Set[int], Callable[[int], Any]]
FilterLike = Union[OneFilter, Sequence[Union[OneFilter, None]]]

WHAT = "ids, a boolean array, a range, a set of ids, a function of an id, or a kith.Filter"


ROWS_OF = (" (for rows in the order of ids(), use index.ids()[rows]; for a table with more rows, kith.Filter.mask)")


def row_filter(value: Any, n: int | None, name: str) -> Filter | None:
    """A filter of the rows of an array, which is the same for all queries. n: the number of rows; None: unknown."""
    each = (value.ndim > 1 if isinstance(value, np.ndarray) else
            isinstance(value, (list, tuple)) and any(_is_filter(element) for element in value))
    if each:
        raise ValueError(f"filter is a list with a filter for each query; {name} takes one filter for all queries: {WHAT} "
                         "(of rows). kith.Index(\"Flat\").search takes a list of filters")
    rows = -1 if n is None else n
    return one_filter(value, None if n is None else lambda: rows, what="for each row of xb")


def one_filter(value: Any, width: Callable[[], int] | None, name: str = "filter",
               what: str = "for each id from 0 to the largest" + ROWS_OF) -> Filter | None:
    """The Filter for any value that is accepted as one; None stays None. width() gives the number of elements that a
    boolean array must have; if width is None, any number is accepted."""
    if value is None or isinstance(value, (Filter, range, Set)) or callable(value):
        return as_filter(value)
    array = None if isinstance(value, (str, bytes, dict)) else _array(value)
    if array is None or array.ndim == 0:
        raise TypeError(f"{name} is {_arrays.short(value)}; it must be {WHAT}")
    if array.dtype == np.bool_ and array.ndim == 1:
        wanted = len(array) if width is None else width()
        if len(array) != wanted:
            raise ValueError(f"{name} has {_arrays.counted(len(array), 'element')}; a boolean array needs {wanted}, one {what}")
    elif array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}, and ids are integers; it must be {WHAT}")
    return as_filter(array)


def _array(value: Any) -> Array | None:
    try:
        return np.asarray(value)
    except ValueError:  # rows of different lengths
        return None


def put(options: Any, filter: Any, stats: SearchStats | None, width: Callable[[], int]) -> Filter | None:
    """Put a filter for all queries, and statistics, into options. The returned filter must live as long as they do."""
    chosen = put_filter(options, one_filter(filter, width))
    if stats is not None:
        options.stats = _options.stats_pointer(stats)
    return chosen


def put_filter(options: Any, chosen: Filter | None) -> Filter | None:
    if chosen is not None:
        options.filter = chosen.pointer()
    return chosen


def by_query(value: Any, nq: int) -> list[Any] | None:
    """A list with the filter of each query, if `value` is a list of filters or a boolean array [nq × n]; None if it is
    one filter for all queries."""
    if isinstance(value, np.ndarray):
        if value.ndim != 2:
            return None
        if value.dtype != np.bool_:
            raise TypeError(f"filter is {value.dtype} of shape {value.shape}; with two axes it must be bool, a row for each "
                            "query")
        filters: list[Any] = list(value)
    elif isinstance(value, (list, tuple)) and any(_is_filter(element) for element in value):
        filters = list(value)
    else:
        return None
    if len(filters) != nq:
        raise ValueError(f"filter has {_arrays.counted(len(filters), 'filter')} for {nq} {'query' if nq == 1 else 'queries'}")
    return filters


def _is_filter(element: Any) -> bool:
    """Whether an element of a list is itself a filter, and not an id."""
    return element is None or callable(element) or isinstance(element, (Filter, range, Set, list, tuple, np.ndarray))


def groups(filters: list[Any], stats: SearchStats | None) -> Iterator[tuple[Any, Array]]:
    """Each filter with the numbers of its queries. The caller searches for them at each step and passes stats, in which
    the statistics of all these searches are added up."""
    queries: dict[int, list[int]] = {}
    for number, chosen in enumerate(filters):
        queries.setdefault(id(chosen), []).append(number)
    total = dict.fromkeys((name for name, *_ in SearchStats._fields_ if name != "size"), 0)
    for numbers in queries.values():
        yield filters[numbers[0]], np.array(numbers)
        for name in total if stats is not None else ():
            total[name] += getattr(stats, name)
            setattr(stats, name, total[name])
