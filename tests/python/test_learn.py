"""k-means, product quantizers and exact neighbours without an index; vector files."""
import numpy as np
import pytest

import kith
from conftest import DIM, exact


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_knn(base, queries, metric):
    distances, ids = kith.knn(queries, base, 7, metric)
    truth, order = exact(base, queries, 7, metric)
    assert (ids == order).all()
    np.testing.assert_allclose(distances, truth, rtol=1e-5, atol=1e-5)
    some = kith.knn(queries, base, 3, metric, filter=range(100, 200)).ids
    assert ((some >= 100) & (some < 200)).all()


def test_knn_of_bytes_and_mixed_types(base):
    x = (base * 20).astype("i1")
    assert (kith.knn(x[:9], x, 3).ids == exact(x, x[:9], 3)[1]).all()
    assert (kith.knn(x[:9].astype("f4"), x, 3).ids == exact(x, x[:9], 3)[1]).all()
    with pytest.raises(ValueError, match=r"xq has shape \(5, 3\).*\(n, 16\)"):
        kith.knn(np.zeros((5, 3)), base, 1)
    with pytest.raises(ValueError, match="xb has shape"):
        kith.knn(base, base[0], 1)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_knn_of_blocks(base, queries, metric):
    found = kith.knn_blocks(queries, (base[at:at + 300] for at in range(0, len(base), 300)), 7, metric)
    whole = kith.knn(queries, base, 7, metric)
    assert (found.ids == whole.ids).all() and (found.distances == whole.distances).all()
    some = kith.knn_blocks(queries, [base[:1000], base[1000:]], 3, metric, filter=lambda id: id % 2 == 1)
    assert (some.ids % 2 == 1).all()
    assert (kith.knn_blocks(queries, [], 2).ids == -1).all()
    with pytest.raises(ValueError, match="a block has shape"):
        kith.knn_blocks(queries, [base[:, 1:]], 3)
    with pytest.raises(TypeError, match="uint8.*float32"):
        kith.knn_blocks(queries, [base, base.astype("u1")], 3)
    with pytest.raises(ZeroDivisionError):
        kith.knn_blocks(queries, (1 / 0 for _ in range(3)), 3)
    with pytest.raises(kith.CancelledError):
        kith.knn_blocks(base, [base], 3, progress=lambda *_: True)


def test_kmeans(base):
    found = kith.kmeans(base, 50, iterations=20, seed=3, restarts=2)
    assert found.centroids.shape == (50, DIM) and found.labels.shape == (len(base),)
    nearest = exact(found.centroids, base, 1)
    assert (found.labels == nearest[1][:, 0]).mean() > 0.999
    np.testing.assert_allclose(found.objective, nearest[0].sum(), rtol=1e-4)
    assert (np.diff(found.objectives) <= 1e-3 * found.objectives[0]).all()
    again = kith.kmeans(base, 50, iterations=20, seed=3, restarts=2, threads=1)
    assert (again.centroids == found.centroids).all()


def test_kmeans_options(base):
    given = kith.kmeans(base, 3, init=base[:3], iterations=0)
    assert (given.centroids == base[:3]).all()
    assert kith.kmeans(base[:5], 8, fewer=True).centroids.shape == (5, DIM)
    weights = np.zeros(len(base), "f4")
    weights[:10] = 1
    np.testing.assert_allclose(kith.kmeans(base, 1, weights=weights).centroids[0], base[:10].mean(0), rtol=1e-4, atol=1e-5)
    unit = kith.kmeans(base, 9, spherical=True, init="k-means++").centroids
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)
    for bad in (dict(k=0), dict(k=5000), dict(init="best"), dict(init=base[:2]), dict(weights=[1.0]), dict(seed=-1)):
        with pytest.raises(ValueError):
            kith.kmeans(base, **{"k": 4, **bad})


def test_product_quantizer(base):
    pq = kith.ProductQuantizer(DIM, 4, 6)
    assert (pq.d, pq.M, pq.nbits, pq.dsub, pq.ksub, pq.code_size) == (DIM, 4, 6, 4, 64, 3)
    assert not pq.is_trained and len(pq.centroids) == 0
    with pytest.raises(kith.UntrainedError):
        pq.compute_codes(base)
    pq.train(base)
    codes = pq.compute_codes(base)
    assert codes.dtype == np.uint8 and codes.shape == (len(base), 3)
    decoded = pq.decode(codes)
    assert ((base - decoded) ** 2).sum() < 0.2 * ((base - base.mean(0)) ** 2).sum()
    tables = pq.compute_distance_tables(base[:2])
    np.testing.assert_allclose(
        tables, ((base[:2].reshape(2, 4, 1, 4) - pq.centroids[None]) ** 2).sum(3), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pq.distances(tables[1], codes), ((decoded - base[1]) ** 2).sum(1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(pq.symmetric_distances(codes[:50], codes[50:100]),
                               ((decoded[:50] - decoded[50:100]) ** 2).sum(1), rtol=1e-4, atol=1e-4)
    for bad in (lambda: pq.distances(tables, codes), lambda: pq.symmetric_distances(codes, codes[1:])):
        with pytest.raises(ValueError):
            bad()
    other = kith.ProductQuantizer(DIM, 4, 6)
    other.centroids = pq.centroids
    assert (other.compute_codes(base) == codes).all()
    with pytest.raises(kith.InvalidError):
        kith.ProductQuantizer(DIM, 5)
    with pytest.raises(ValueError, match="uint8"):
        pq.decode(codes[:, :2])


def test_vector_files(base, tmp_path):
    kith.write_vectors(tmp_path / "x.fvecs", base)
    assert (kith.read_vectors(tmp_path / "x.fvecs") == base).all()
    assert (kith.read_vectors(tmp_path / "x.fvecs", 10, 5) == base[10:15]).all()
    kith.write_vectors(tmp_path / "x.ivecs", np.arange(12, dtype="i4").reshape(3, 4))
    assert kith.read_vectors(tmp_path / "x.ivecs")[2, 3] == 11
    kith.write_vectors(tmp_path / "x.bvecs", np.ones((2, 3), "u1"))
    assert kith.read_vectors(tmp_path / "x.bvecs").dtype == np.uint8
    with pytest.raises(kith.NotFoundError):
        kith.read_vectors(tmp_path / "none.fvecs")
    with pytest.raises(ValueError, match="first is 2001"):
        kith.read_vectors(tmp_path / "x.fvecs", 2001)
    with pytest.raises(kith.UnsupportedError):
        kith.write_vectors(tmp_path / "x.unknown", base)


def test_metrics_have_names():
    """FAISS's numbers are for what has FAISS's names; knn has both."""
    x = np.eye(4, 8, dtype=np.float32)
    for metric in (kith.METRIC_L2, kith.METRIC_INNER_PRODUCT):
        with pytest.raises(ValueError, match="FAISS's numbers"):
            kith.knn_blocks(x, [x], 2, metric)
        with pytest.raises(ValueError, match="FAISS's numbers"):
            kith.Index("Flat", 8, metric)
    assert (kith.knn(x, x, 2, kith.METRIC_INNER_PRODUCT)[1] == kith.knn(x, x, 2, "ip")[1]).all()
    assert (kith.knn(x, x, 2)[0] == kith.knn(x, x, 2, "L2")[0]).all()
    with pytest.raises(ValueError, match="'cosine'"):
        kith.knn(x, x, 2, 7)


def test_filters_of_rows(base, queries):
    assert (kith.knn(queries, base, 3, filter=range(5, 8)).ids >= 5).all()
    for function in (kith.knn, lambda q, x, k, filter: kith.knn_blocks(q, [x], k, filter=filter)):
        for each in ([[1], [2]], np.ones((len(queries), len(base)), bool), [kith.Filter.range(0, 3), None]):
            with pytest.raises(ValueError, match="filter is a list with a filter for each query; knn"):
                function(queries, base, 3, filter=each)
        for what in ("abc", 3, np.array([1.5])):
            with pytest.raises(TypeError, match="filter"):
                function(queries, base, 3, filter=what)
    with pytest.raises(ValueError, match="50 elements; a boolean array needs 2000, one for each row of xb"):
        kith.knn(queries, base, 3, filter=np.ones(50, bool))
