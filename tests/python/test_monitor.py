"""Counters, lists, tuning."""
import math

import numpy as np
import pytest

import kith
from conftest import DIM, clusters, recall


@pytest.fixture(scope="module")
def inverted(base):
    index = kith.Index("IVF32,PQ8,RFlat", DIM)
    index.train(base)
    index.add(base)
    return index


def test_counters(base, queries):
    index = kith.Index("Flat", DIM)
    index.add(base)
    index.search(queries, 3)
    index.search(queries[:1], 3, filter=range(100))
    with pytest.raises(kith.InvalidError):
        index.search(np.full((1, DIM), np.nan), 3)
    counters = index.counters()
    assert (counters.searches, counters.queries, counters.failures) == (2, 51, 1)
    assert counters.filter_hits == 100 and counters.vectors == 2000 and counters.memory == index.memory
    assert sum(counters.latency) == 2 and 0 < counters.seconds < 60
    assert 0 < counters.quantile(0.5) <= counters.quantile(1) < 60 and math.isnan(counters.quantile(7))
    text = index.prometheus("my \"index\"")
    assert 'index="my \\"index\\""' in text and "# TYPE" in text
    assert len(index.prometheus("x" * 5000)) > 5000
    with pytest.raises(TypeError):
        index.prometheus(3)
    index.reset_counters()
    assert index.counters().searches == 0 and index.counters().vectors == 2000
    assert math.isnan(index.counters().quantile(0.5))


def test_lists(base, inverted):
    index = kith.Index("IVF8,Flat", DIM)
    with pytest.raises(kith.UnsupportedError):
        index.lists()
    index.train(base)
    index.add(base)
    lists = index.lists()
    assert lists.lists == 8 and lists.mean == len(base) / 8 and lists.imbalance >= 1
    assert lists.shortest <= lists.mean <= lists.longest
    with pytest.raises(kith.UnsupportedError):
        kith.Index("Flat", DIM).lists()


def test_options(inverted):
    assert inverted.options == ("nprobe", "max_codes", "k_factor")
    assert kith.Index("HNSW8", DIM).options == ("efSearch",)
    assert kith.Index("Flat", DIM).options == ()


def test_tune(base, inverted):
    sample = clusters(400, DIM, 8)
    truth = kith.knn(sample, base, 5).ids
    tuned = inverted.tune(sample, truth, 0.9, certainty=0)
    assert set(tuned.options) <= {"nprobe", "k_factor"} and tuned.recall >= 0.9 and tuned.settings > 1
    assert tuned.seconds > 0 and tuned.codes > 0
    assert recall(inverted.search(sample, 5, **tuned.options).ids, truth) == pytest.approx(tuned.recall, abs=1e-6)
    fixed = inverted.tune(sample, truth, 0.5, batch=1, runs=1, threads=1, filter=lambda id: True)
    assert fixed.recall >= 0.5
    coarse = kith.Index("PQ2x4", DIM)
    coarse.train(base)
    coarse.add(base)
    with pytest.raises(kith.NotFoundError, match="recall"):
        coarse.tune(sample, truth, 0.99)
    with pytest.raises(ZeroDivisionError):
        inverted.tune(sample, truth, 0.9, progress=lambda *_: 1 / 0)
    for bad in (dict(truth=truth[:3]), dict(truth=truth * 1.0), dict(truth=truth[0]), dict(recall=2), dict(runs=0),
                dict(q=sample[:, 1:]), dict(certainty=-1)):
        with pytest.raises(ValueError):
            inverted.tune(**{"q": sample, "truth": truth, "recall": 0.9, **bad})
