"""kith.Index beyond searching: upsert and delete, a dimension that comes with the first vectors, what stands for a
filter, and a filter for each query."""
import re
import subprocess
import sys

import kith
import numpy as np
import pytest
from conftest import DIM, exact


@pytest.fixture
def index(base):
    made = kith.Index("Flat")
    made.add(base)
    return made


# ---- dimension and metric ----

@pytest.mark.parametrize("metric, name", [("L2", "l2"), ("Ip", "ip"), ("COSINE", "cosine"), ("L1", "l1"), ("Linf", "linf"),
                                          ("LP1.50", "lp1.5"), ("Canberra", "canberra")])
def test_first_vectors_set_the_dimension(base, metric, name):
    made = kith.Index("IVF4,Flat", metric=metric)
    assert len(made) == made.size == 0 and not made.closed and "without a dimension" in repr(made)
    with pytest.raises(kith.InvalidError, match="no dimension yet"):
        made.search(base[:1], 1)
    with pytest.raises(ValueError, match="shape"):
        made.add(base[0])
    made.train(base)
    assert (made.dim, made.metric) == (DIM, name)
    made.add(base)
    with pytest.raises(ValueError, match="must be .n, 16"):
        made.add(base[:, :3])
    assert len(made) == len(base)


def test_a_failed_first_add_leaves_no_dimension(base):
    made = kith.Index("IVF4,Flat")
    with pytest.raises(kith.UntrainedError):
        made.add(base)
    with pytest.raises(kith.InvalidError, match="PQ5"):
        kith.Index("PQ5").train(base)
    made.train(base[:, :8])
    assert made.dim == 8
    made.close()
    assert made.closed
    kith.Index("Flat").close()


def test_metrics_are_named():
    with pytest.raises(ValueError, match="metric is 1; .*'cosine'"):
        kith.Index("Flat", 4, 1)
    with pytest.raises(ValueError, match="metric is 'l3'"):
        kith.Index("Flat", metric="l3")
    assert kith.knn(np.eye(3), np.eye(3), 1, "COSINE").ids.ravel().tolist() == [0, 1, 2]


# ---- changes ----

@pytest.mark.parametrize("spec", ["Flat", "HNSW8", "IVF4,Flat"])
def test_upsert(base, spec):
    made = kith.Index(spec)
    if spec.startswith("IVF"):
        made.train(base)
    assert made.upsert(np.arange(300), base[:300]) == 300
    assert made.upsert([7, 900, 7, 901], base[[1000, 1001, 1002, 1003]]) == 2
    assert len(made) == 302
    np.testing.assert_array_equal(made.get([7, 900, 901, 8]), base[[1002, 1001, 1003, 8]])
    assert made.upsert([], base[:0]) == 0
    with pytest.raises(ValueError, match="-1"):
        made.upsert([-1, 950], base[:2])
    with pytest.raises(kith.InvalidError, match="x"):
        made.upsert([950, 951], np.full((2, DIM), np.nan, np.float32))
    assert len(made) == 302 and 950 not in made


def test_delete_is_remove(index, base):
    assert index.delete([3, 4, 5000]) == 2
    assert index.delete(kith.Filter.range(0, 10)) == 8
    assert len(index) == len(base) - 10
    mask = np.zeros(len(base), bool)
    mask[20:30] = True
    assert index.delete(mask) == 10
    with pytest.raises(TypeError, match="which is None"):
        index.delete(None)


# ---- filters ----

@pytest.mark.parametrize("bad", ["abc", b"abc", 3, 2.5, {"id": 3}, [1.5], np.array(["a"]), [object()], np.array(True)])
def test_filters_that_are_none(index, queries, bad):
    for call in (lambda: index.search(queries, 3, filter=bad), lambda: index.range_search(queries, 1.0, filter=bad),
                 lambda: index.remove(bad), lambda: kith.knn(queries, queries, 3, filter=bad)):
        with pytest.raises(TypeError, match="it must be ids, a boolean array"):
            call()


def test_masks_cover_the_ids(index, base, queries):
    mask = np.arange(len(base)) % 7 == 0
    found = index.search(queries, 5, filter=mask).ids
    assert (found % 7 == 0).all()
    for wrong in (mask[:-1], np.append(mask, True), mask[:0]):
        with pytest.raises(ValueError, match=f"needs {len(base)}"):
            index.search(queries, 5, filter=wrong)
        with pytest.raises(ValueError, match="boolean array needs"):
            kith.knn(queries, base, 5, filter=wrong)
    np.testing.assert_array_equal(index.search(queries, 5, filter=kith.Filter.mask(np.append(mask, True))).ids, found)
    mine = kith.Index("Flat")
    mine.add(base, np.arange(len(base)) + 50)
    with pytest.raises(ValueError, match=f"needs {len(base) + 50}"):
        mine.search(queries, 5, filter=mask)


@pytest.mark.parametrize("spec", ["Flat", "HNSW8", "IVF4,Flat"])
def test_a_filter_for_each_query(base, queries, spec):
    made = kith.Index(spec, metric="l2")
    if spec.startswith("IVF"):
        made.train(base)
    made.add(base)
    odd = kith.Filter.callback(lambda id: id % 2 == 1)
    mask = np.arange(len(base)) < 500
    filters = [odd, None, [5, 6, 7], mask, range(100, 200), {1, 2}, lambda id: id > 1900, odd] + [None] * (len(queries) - 8)
    stats = kith.SearchStats()
    found = made.search(queries, 4, filter=filters, nprobe=4, stats=stats)
    ranges = made.range_search(queries, 6.0, filter=filters, nprobe=4)
    for i, chosen in enumerate(filters):
        one = made.search(queries[i], 4, filter=chosen, nprobe=4)
        np.testing.assert_array_equal(found.ids[i], one.ids)
        np.testing.assert_array_equal(found.distances[i], one.distances)
        alone = made.range_search(queries[i:i + 1], 6.0, filter=chosen, nprobe=4)
        at = slice(*ranges.lims[i:i + 2])
        np.testing.assert_array_equal(ranges.ids[at], alone.ids)
        np.testing.assert_array_equal(ranges.distances[at], alone.distances)
    assert stats.tested >= 6 * len(base) and stats.passed > 0


def test_masks_for_each_query(index, base, queries):
    masks = np.random.default_rng(5).random((len(queries), len(base))) < 0.05
    distances, ids = index.search(queries, 3, filter=masks)
    for i, mask in enumerate(masks):
        truth = exact(base[mask], queries[i:i + 1], 3)[1][0]
        np.testing.assert_array_equal(ids[i], np.flatnonzero(mask)[truth])
    with pytest.raises(ValueError, match="49 filters for 50 queries"):
        index.search(queries, 3, filter=masks[:-1])
    with pytest.raises(TypeError, match="two axes"):
        index.search(queries, 3, filter=masks.astype(int))


# ---- names ----

def test_no_name_leaks():
    assert set(dir(kith)) == set(kith.__all__)
    run = subprocess.run([sys.executable, "-c", "from kith import *; print(sorted(n for n in dir() if n[0] != '_'))"],
                         capture_output=True, text=True, check=True)
    assert "'Any'" not in run.stdout and "'np'" not in run.stdout and "'annotations'" not in run.stdout


def test_messages_are_for_people_who_write_python(tmp_path):
    """They name what Python calls things, and counts agree with their nouns."""
    x = np.eye(3, 8, dtype=np.float32)
    index = kith.Index("Flat", 8)
    index.add(x)
    index.save(tmp_path / "i.kith")
    with pytest.raises(kith.KithError, match="READONLY") as caught:
        kith.open(tmp_path / "i.kith", readonly=True).add(x)
    said = [str(caught.value)]
    for call in (lambda: kith.kmeans(x[:1], 2), lambda: kith.Index("IVF2,Flat", 8).train(x[:1]),
                 lambda: kith.Index("PCA4,Flat", 8).train(x[:1]), lambda: kith.open(tmp_path / "i.kith").append(tmp_path / "i.kith"),
                 lambda: index.search(x[:1], 1, filter=[kith.Filter.range(0, 1)] * 2)):
        with pytest.raises((kith.KithError, ValueError)) as caught:
            call()
        said.append(str(caught.value))
    for text in said:
        assert "KITH_" not in text and "kith_" not in text, text
        assert not re.search(r"\b1 (rows|vectors|filters|queries|points|training vectors)\b", text), text
