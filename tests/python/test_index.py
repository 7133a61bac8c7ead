"""kith.Index: the native interface."""
import numpy as np
import pytest

import kith
from conftest import DIM, exact, recall


@pytest.fixture
def index(base):
    with kith.Index("Flat", DIM) as made:
        made.add(base)
        yield made


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine", "l1", "linf", "lp3", "lp0.5", "canberra", "braycurtis"])
def test_search_is_exact(base, queries, metric):
    index = kith.Index("Flat", dim=DIM, metric=metric)
    index.add(base)
    distances, ids = index.search(queries, k=10)
    truth, order = exact(base, queries, 10, metric)
    assert (ids == order).all()
    np.testing.assert_allclose(distances, truth, rtol=1e-5, atol=1e-5)


def test_one_query(index, base):
    found = index.search(base[7], k=3)
    assert found.ids.shape == found.distances.shape == (3,)
    assert found.ids[0] == 7 and found.distances[0] == 0


def test_short_results(base):
    index = kith.Index("Flat", DIM)
    index.add(base[:2])
    distances, ids = index.search(base[:1], k=4)
    assert ids[0, 2:].tolist() == [-1, -1] and np.isposinf(distances[0, 2:]).all()
    empty = kith.Index("Flat", DIM, "ip")
    distances, ids = empty.search(base[:1], k=1)
    assert ids[0, 0] == -1 and np.isneginf(distances[0, 0])
    assert index.search(np.empty((0, DIM), "f4"), 3).ids.shape == (0, 3)


def test_range_search(index, base, queries):
    radius = float(exact(base, queries, 10)[0][:, -1].mean())
    lims, distances, ids = index.range_search(queries, radius)
    truth = ((queries[:, None].astype("f8") - base[None]) ** 2).sum(2)
    for i in range(len(queries)):
        assert set(ids[lims[i]:lims[i + 1]]) == set(np.flatnonzero(truth[i] <= radius))
        assert (np.diff(distances[lims[i]:lims[i + 1]]) >= 0).all()
    assert lims[-1] == len(ids) == len(distances) > 0


def test_ids_update_remove(index, base):
    index.add(base[:3] + 1, ids=[5000, 7000, 6000])
    assert len(index) == index.size == len(base) + 3
    assert 7000 in index and 4000 not in index
    index.update([7000], base[:1] + 2)
    np.testing.assert_array_equal(index.get(7000), base[0] + 2)
    np.testing.assert_array_equal(index.get([5000, 6000]), base[[0, 2]] + 1)
    assert index.remove([5000, 9999]) == 1
    assert index.remove(range(6000, 8000)) == 2
    assert index.ids().tolist() == list(range(len(base)))
    with pytest.raises(kith.NotFoundError, match="5000"):
        index.get(5000)
    with pytest.raises(LookupError):
        index.update([5000], base[:1])
    with pytest.raises(kith.InvalidError, match="in the index"):
        index.add(base[:1], ids=[3])


@pytest.mark.parametrize("convert", [
    lambda x: x.astype("f8"), lambda x: x.astype(">f4"), np.asfortranarray, lambda x: np.repeat(x, 2, 1)[:, ::2],
    lambda x: np.frombuffer(b"1" + x.tobytes(), np.uint8)[1:].view("f4").reshape(x.shape), lambda x: x[::-1][::-1], lambda x: x.tolist(), lambda x: np.ma.masked_array(x), lambda x: np.float32(x).T.copy().T])
def test_other_layouts_are_converted(index, queries, convert):
    expected = index.search(queries, 5)
    found = index.search(convert(queries), 5)
    assert (found.ids == expected.ids).all() and (found.distances == expected.distances).all()


def test_half_and_integers(base):
    x = np.round(base * 10)
    for dtype in ("f2", "i2", "i4", "i8", "f4"):
        index = kith.Index("Flat", DIM)
        index.add(x.astype(dtype))
        assert (index.get(np.arange(len(x))) == x).all()


@pytest.mark.parametrize("dtype, spec", [("u1", "SQ8_direct"), ("i1", "SQ8_direct_signed"), ("u1", "Flat"), ("i1", "Flat")])
def test_bytes(dtype, spec):
    x = np.random.default_rng(3).integers(0, 100, (500, DIM)).astype(dtype)
    index = kith.Index(spec, DIM)
    index.add(x)
    assert index.dtype == (np.float32 if spec == "Flat" else np.dtype(dtype))
    distances, ids = index.search(x[:20], 3)
    truth, order = exact(x, x[:20], 3)
    assert (ids == order).all() and (distances == truth).all()
    assert index.range_search(x[:2], 0).lims.tolist() == [0, 1, 2]


def test_no_copy(base, monkeypatch):
    """What the library reads is the caller's array itself."""
    seen = []
    original = kith._arrays.vectors
    monkeypatch.setattr(kith._arrays, "vectors", lambda x, *a: seen.append(original(x, *a)) or seen[-1])
    kith.Index("Flat", DIM).add(base)
    assert seen[0] is base


@pytest.mark.parametrize("bad, error, words", [
    (np.zeros((3, DIM + 1), "f4"), ValueError, r"\(3, 17\).*\(n, 16\)"),
    (np.zeros((DIM, 3, 2), "f4"), ValueError, r"\(16, 3, 2\)"),
    (np.float32(3), ValueError, r"shape"),
    (np.zeros((3, DIM), "c8"), TypeError, "complex64.*float32"),
    (np.zeros((3, DIM), "?"), TypeError, "bool"),
    (np.zeros((3, DIM), "O"), TypeError, "object"),
    ([["a"] * DIM], TypeError, "<U1"),
    (None, TypeError, "object"),
    ([[1.0], [1.0, 2.0]], (TypeError, ValueError), "x"),
    (np.full((1, DIM), np.nan, "f4"), kith.InvalidError, "nan"),
    (np.full((1, DIM), 1e300), kith.InvalidError, "inf"),
])
def test_bad_vectors(index, bad, error, words):
    before = len(index)
    with pytest.raises(error, match=words):
        index.add(bad)
    assert len(index) == before
    with pytest.raises(Exception):
        index.search(bad)


@pytest.mark.parametrize("k, error", [(0, ValueError), (-1, ValueError), (2**20 + 1, ValueError), (2**70, ValueError),
                                      (1.5, TypeError), ("3", TypeError), (None, TypeError)])
def test_bad_k(index, base, k, error):
    with pytest.raises(error, match="k is"):
        index.search(base[:1], k)


def test_bad_ids(index, base):
    for ids, error, words in [([1, 2], ValueError, r"shape \(2,\).*\(1,\)"), ([1.5], TypeError, "float64"),
                              ([2**63], ValueError, "below 2"), (["a"], TypeError, "<U1"), ([-1], ValueError, "-1")]:
        with pytest.raises(error, match=words):
            index.add(base[:1], ids)


def test_bad_indexes():
    with pytest.raises(kith.InvalidError, match="PQ17"):
        kith.Index("PQ17", 128)
    with pytest.raises(ValueError, match="metric is 'l3'"):
        kith.Index("Flat", 4, "l3")
    with pytest.raises(ValueError, match="NUL"):
        kith.Index("Flat\0", 4)
    with pytest.raises(kith.UntrainedError):
        kith.Index("IVF4,Flat", 4).add(np.zeros((1, 4)))
    with pytest.raises(TypeError, match="'nprob'"):
        kith.Index("Flat", 4).search(np.zeros((1, 4)), 1, nprob=3)
    with pytest.raises(AttributeError):
        kith.Index("Flat", 4).nprob = 3


def test_every_error_is_a_kith_error_and_a_builtin():
    for kind, builtin in [(kith.InvalidError, ValueError), (kith.NotFoundError, LookupError), (kith.FileError, OSError),
                          (kith.FormatError, ValueError), (kith.UnsupportedError, NotImplementedError),
                          (kith.NoMemoryError, MemoryError), (kith.UntrainedError, RuntimeError)]:
        assert issubclass(kind, kith.KithError) and issubclass(kind, builtin) and issubclass(kind, RuntimeError)
        assert str(kind("what it says")) == "what it says"


def test_trained_index(base, queries):
    index = kith.Index("IVF16,PQ8,RFlat", dim=DIM)
    assert not index.trained
    stages = []
    index.train(base, seed=7, progress=lambda stage, done, total: stages.append((stage, done, total)))
    assert index.trained and stages and all(0 <= done <= total for _, done, total in stages)
    index.add(base)
    _, order = exact(base, queries, 10)
    stats = kith.SearchStats()
    low = recall(index.search(queries, 10, nprobe=1).ids, order)
    high = recall(index.search(queries, 10, nprobe=16, k_factor=10, stats=stats).ids, order)
    assert low < high and high > 0.95
    assert stats.pairs >= len(base) * len(queries)
    again = kith.Index("IVF16,PQ8,RFlat", dim=DIM)
    again.train(base, seed=7, threads=1)
    again.add(base, threads=1)
    assert again.tobytes() == index.tobytes()


def test_compact(index, base, function_available):
    function_available("index_compact")
    index.remove(range(0, 100))
    index.compact()
    assert len(index) == len(base) - 100 and index.search(base[200], 1).ids[0] == 200


def test_reorder(base, queries, function_available):
    function_available("index_reorder")
    index, stages = kith.Index("HNSW4", DIM), []
    index.add(base)
    before, file = index.search(queries, 5), index.tobytes()
    index.reorder(progress=lambda stage, done, total: stages.append((stage, done, total)))
    assert stages[-1] == ("reorder", len(base), len(base))
    after = index.search(queries, 5)
    assert (before.distances == after.distances).all() and (before.ids == after.ids).all()
    assert index.tobytes() != file and (index.ids() == np.arange(len(base))).all()
    moved = index.tobytes()
    with pytest.raises(kith.CancelledError):
        index.reorder(progress=lambda stage, done, total: True)
    index.reorder()
    assert index.tobytes() == moved
    flat = kith.Index("Flat", DIM)
    flat.add(base)
    file = flat.tobytes()
    flat.reorder()
    assert flat.tobytes() == file


def test_closed(base, tmp_path):
    index = kith.Index("Flat", DIM)
    index.add(base)
    index.close()
    index.close()
    assert index.closed and repr(index) == "<kith.Index closed>"
    for use in (lambda: index.search(base[:1]), lambda: index.add(base), lambda: index.size, lambda: len(index),
                lambda: index.save(tmp_path / "x"), lambda: index.clone(), lambda: index.tobytes(), lambda: index.spec,
                lambda: index.get(0), lambda: 0 in index, lambda: index.remove([0]), lambda: index.range_search(base, 1)):
        with pytest.raises(kith.InvalidError, match="closed"):
            use()


def test_shards(base, queries):
    parts = [kith.Index("Flat", DIM) for _ in range(3)]
    for number, part in enumerate(parts):
        part.add(base[number::3], np.arange(number, len(base), 3))
    with pytest.raises(ValueError, match="twice"):
        kith.shards([parts[0], parts[0]])
    whole = kith.shards(parts)
    assert (whole.search(queries, 5).ids == exact(base, queries, 5)[1]).all()
    assert all(part.closed for part in parts)
    with pytest.raises(kith.InvalidError):
        kith.shards([])


def test_merge(base, queries, function_available):
    function_available("index_merge")
    first = kith.Index("IVF8,Flat", DIM)
    first.train(base)
    second = first.clone()
    first.add(base[:1000])
    second.add(base[1000:])
    first.merge(second, shift=1000)
    assert len(first) == len(base) and len(second) == 0
    assert (first.search(queries, 5, nprobe=8).ids == exact(base, queries, 5)[1]).all()
    with pytest.raises(ValueError, match="itself"):
        first.merge(first)


def test_properties(index):
    assert (index.dim, index.metric, index.spec, index.trained, index.dtype) == (DIM, "l2", "Flat", True, np.float32)
    assert index.memory >= 2000 * DIM * 4
    index.reserve(5000)
    assert "isa" in kith.info() and kith.__version__


def test_threads_setting(index, queries):
    before = kith.get_threads()
    try:
        kith.set_threads(1)
        assert kith.get_threads() == 1
        one = index.search(queries, 5)
        two = index.search(queries, 5, threads=2)
        assert (one.distances == two.distances).all()
    finally:
        kith.set_threads(0)
    assert kith.get_threads() == before
    with pytest.raises(ValueError):
        kith.set_threads(-1)
