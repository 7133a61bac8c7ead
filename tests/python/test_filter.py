"""Filters."""
import gc

import numpy as np
import pytest

import kith
from kith import Filter
from conftest import DIM


@pytest.fixture
def index(base):
    made = kith.Index("Flat", DIM)
    made.add(base[:100])
    return made


CASES = [
    (Filter.range(10, 20), lambda i: 10 <= i < 20), (range(10, 20), lambda i: 10 <= i < 20),
    (range(0, 90, 7), lambda i: i % 7 == 0 and i < 90), (Filter.ids([5, 3, 3]), lambda i: i in (3, 5)),
    ({3, 5}, lambda i: i in (3, 5)), (np.array([3, 5], "u2"), lambda i: i in (3, 5)), ([], lambda i: False),
    (Filter.mask(np.arange(50) % 2 == 0), lambda i: i < 50 and i % 2 == 0),
    (np.arange(100) % 6 == 0, lambda i: i % 6 == 0),
    (Filter.bitmap(np.array([0b101, 1], "u1")), lambda i: i in (0, 2, 8)),
    (lambda i: i % 3 == 1, lambda i: i % 3 == 1),
    (~Filter.range(10, 95), lambda i: not 10 <= i < 95),
    (Filter.range(10, 50) & ~Filter.ids([11, 12]) | Filter.callback(lambda i: i == 77),
     lambda i: (10 <= i < 50 and i not in (11, 12)) or i == 77),
]


@pytest.mark.parametrize("given, rule", CASES)
def test_search_and_range_search(index, base, given, rule):
    expected = {i for i in range(100) if rule(i)}
    found = index.search(base[:3], 100, filter=given).ids
    assert all(set(row[row >= 0]) == expected for row in found)
    lims, _, ids = index.range_search(base[:1], 1e9, filter=given)
    assert set(ids) == expected


@pytest.mark.parametrize("given, rule", CASES)
def test_remove(index, given, rule):
    assert index.remove(given) == sum(map(rule, range(100)))
    assert set(index.ids()) == {i for i in range(100) if not rule(i)}


def test_membership_and_reuse(index, base):
    part = Filter.ids([1, 2])
    both = part & Filter.range(2, 9)
    del part
    gc.collect()
    assert 2 in both and 1 not in both and -5 not in both
    for _ in range(3):
        assert index.search(base[:1], 1, filter=both).ids[0, 0] == 2


def test_an_exception_in_a_callback_is_raised(index, base):
    def fail(id):
        raise KeyError(id)

    for call in (lambda: index.search(base[:1], 3, filter=fail), lambda: index.range_search(base[:1], 3, filter=fail),
                 lambda: 3 in Filter.callback(fail)):
        with pytest.raises(KeyError):
            call()
    with pytest.raises(KeyError):
        index.remove(fail)
    assert len(index) == 100


def test_bad_filters(index, base):
    for bad, error in [("abc", TypeError), (["a"], TypeError), (3.5, TypeError), ([[1], [2]], ValueError), ([1.5], TypeError)]:
        with pytest.raises(error):
            index.search(base[:1], 1, filter=bad)
    with pytest.raises(TypeError):
        Filter.range("a", 3)
    with pytest.raises(TypeError):
        Filter.mask([1, 2])
    with pytest.raises(TypeError):
        index.remove(None)
    with pytest.raises(TypeError):
        Filter.range(1, 2) & 3
