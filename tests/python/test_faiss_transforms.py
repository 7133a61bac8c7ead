"""Transforms and quantizers by themselves, and graphs looked into."""
import numpy as np
import pytest

import kith as faiss
from conftest import DIM, exact
from kith.contrib.inspect_tools import get_LinearTransform_matrix, make_LinearTransform_matrix

RANDOM = np.random.RandomState(3)
A, B = RANDOM.rand(6, DIM).astype("f4"), RANDOM.rand(6).astype("f4")


def linear(bias=True):
    return make_LinearTransform_matrix(A, B if bias else None)


def rotation():
    made = faiss.RandomRotationMatrix(DIM, DIM)
    made.init(5)
    return made


MADE = {
    "linear": (linear, lambda x: x @ A.T.astype("f8") + B),
    "without bias": (lambda: linear(False), lambda x: x @ A.T.astype("f8")),
    "spread": (lambda: faiss.RemapDimensionsTransform(DIM, 20, True), lambda x: np.stack(
        [x[:, j] if j >= 0 else 0 * x[:, 0] for j in [0, 1, 2, 3, -1, 4, 5, 6, 7, -1, 8, 9, 10, 11, -1, 12, 13, 14, 15,
                                                      -1]], 1)),
    "cut": (lambda: faiss.RemapDimensionsTransform(DIM, 4, False), lambda x: x[:, :4]),
    "thinned": (lambda: faiss.RemapDimensionsTransform(DIM, 4, True), lambda x: x[:, [0, 4, 8, 12]]),
    "mapped": (lambda: faiss.RemapDimensionsTransform(DIM, 3, np.array([5, -1, 2])), lambda x: np.stack(
        [x[:, 5], 0 * x[:, 0], x[:, 2]], 1)),
}


@pytest.mark.parametrize("name", list(MADE))
def test_transforms(name, base, queries):
    make, expected = MADE[name]
    vt = make()
    assert vt.is_trained
    np.testing.assert_allclose(vt.apply(queries), expected(queries), rtol=1e-5, atol=1e-5)
    index = faiss.IndexPreTransform(vt, faiss.IndexFlatL2(vt.d_out))
    index.train(base)
    index.add(base)
    np.testing.assert_array_equal(index.search(queries, 3)[1],
                                  exact(vt.apply(base).astype("f4"), vt.apply(queries).astype("f4"), 3)[1])
    again = faiss.deserialize_index(faiss.serialize_index(index))
    np.testing.assert_array_equal(again.search(queries, 3)[1], index.search(queries, 3)[1])
    np.testing.assert_allclose(again.apply_chain(queries), vt.apply(queries), rtol=1e-6, atol=1e-6)


def test_backwards(base):
    back = faiss.RemapDimensionsTransform(DIM, 20, True)
    np.testing.assert_array_equal(back.reverse_transform(back.apply(base)), base)
    turned = rotation()
    np.testing.assert_allclose(turned.reverse_transform(turned.apply(base)), base, atol=1e-5)
    vt = linear()
    y = vt.apply(base)
    np.testing.assert_allclose(vt.apply(vt.reverse_transform(y)), y, rtol=1e-3, atol=1e-3)


def test_matrices_that_are_given(base):
    vt = faiss.LinearTransform(DIM, 6, True)
    assert not vt.is_trained
    with pytest.raises(RuntimeError, match="A"):
        vt.is_trained = True
    faiss.copy_array_to_vector(A.ravel(), vt.A)
    faiss.copy_array_to_vector(B, vt.b)
    vt.is_trained = True
    vt.set_is_orthonormal()
    assert not vt.is_orthonormal
    matrix, bias = get_LinearTransform_matrix(vt)
    np.testing.assert_array_equal(matrix, A)
    np.testing.assert_array_equal(bias, B)
    faiss.copy_array_to_vector(2 * A.ravel(), vt.A)  # another one later
    np.testing.assert_allclose(vt.apply(base), 2 * base @ A.T + B, rtol=1e-5)
    with pytest.raises(ValueError, match="A"):
        faiss.copy_array_to_vector(A[0], vt.A)
    index = faiss.IndexPreTransform(vt, faiss.IndexFlatL2(6))
    with pytest.raises(NotImplementedError, match="part of an index"):
        faiss.copy_array_to_vector(A.ravel(), index.chain.at(0).A)


def test_centering(base):
    vt = faiss.CenteringTransform(DIM)
    vt.train(base)
    np.testing.assert_allclose(vt.mean, base.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(vt.apply(base).mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(vt.reverse_transform(vt.apply(base)), base, atol=1e-5)


def test_what_a_pca_saw(base):
    pca = faiss.PCAMatrix(DIM, 4)
    pca.train(base)
    values = np.linalg.eigvalsh(np.cov(base.T, bias=True))[::-1]
    np.testing.assert_allclose(faiss.vector_to_array(pca.eigenvalues), values, rtol=1e-4)
    np.testing.assert_allclose(pca.mean, base.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(pca.apply(base).var(0), values[:4], rtol=1e-3)


@pytest.mark.parametrize("make", [linear, rotation, lambda: faiss.RemapDimensionsTransform(DIM, 20, True),
                                  lambda: faiss.NormalizationTransform(DIM), "pca", "white", "centre", "pad"])
def test_files_of_transforms(make, base, tmp_path):
    if isinstance(make, str):
        vt = {"pca": lambda: faiss.PCAMatrix(DIM, 5), "white": lambda: faiss.PCAMatrix(DIM, 5, -0.5, True),
              "centre": lambda: faiss.CenteringTransform(DIM),
              "pad": lambda: faiss.index_factory(DIM, "Pad20,Flat").chain.at(0)}[make]()
        vt.train(base)
    else:
        vt = make()
    path = str(tmp_path / "transform")
    faiss.write_VectorTransform(vt, path)
    again = faiss.read_VectorTransform(path)
    assert (again.d_in, again.d_out, again.is_trained) == (vt.d_in, vt.d_out, True)
    np.testing.assert_array_equal(again.apply(base), vt.apply(base))
    data = open(path, "rb").read()
    for cut in (0, 3, 10, len(data) - 1):
        with pytest.raises(RuntimeError):
            faiss.read_VectorTransform(faiss.PyCallbackIOReader(__import__("io").BytesIO(data[:cut]).read))
    with pytest.raises(RuntimeError, match="nowhere"):
        faiss.read_VectorTransform(str(tmp_path / "nowhere"))


def test_files_go_to_faiss_and_back(faiss, base, tmp_path):
    import kith
    for name, make in {"pca": lambda f: f.PCAMatrix(DIM, 5, -0.5), "rotation": lambda f: f.RandomRotationMatrix(DIM, 7),
                       "centre": lambda f: f.CenteringTransform(DIM), "norm": lambda f: f.NormalizationTransform(DIM),
                       "remap": lambda f: f.RemapDimensionsTransform(DIM, 20, True)}.items():
        for writer, reader in ((faiss, kith), (kith, faiss)):
            vt, path = make(writer), str(tmp_path / name)
            if not vt.is_trained:
                vt.train(base)
            writer.write_VectorTransform(vt, path)
            again = reader.read_VectorTransform(path)
            assert type(again).__name__ == type(vt).__name__
            np.testing.assert_allclose(again.apply(base), vt.apply(base), rtol=1e-4, atol=1e-5)
    for writer, reader in ((faiss, kith), (kith, faiss)):
        pq = writer.ProductQuantizer(DIM, 4, 5)
        pq.train(base)
        writer.write_ProductQuantizer(pq, str(tmp_path / "pq"))
        again = reader.read_ProductQuantizer(str(tmp_path / "pq"))
        np.testing.assert_array_equal(reader.vector_to_array(again.centroids), writer.vector_to_array(pq.centroids))


# ---- quantizers ----

def test_product_quantizer(base):
    pq = faiss.ProductQuantizer(DIM, 4, 6)
    pq.cp.niter = 4
    pq.train(base)
    codes, books = pq.compute_codes(base), np.array(pq.centroids)
    assert books.shape == (4, 64, 4)
    x = base[:30]
    for metric, call in ((faiss.METRIC_L2, pq.compute_distance_tables), (0, pq.compute_inner_prod_tables)):
        tables = np.zeros((30, 4, 64), "f4")
        call(30, faiss.swig_ptr(x), faiss.swig_ptr(tables))
        parts = x.reshape(30, 4, 1, 4)
        expected = ((parts - books)**2).sum(3) if metric else (parts * books).sum(3)
        np.testing.assert_allclose(tables, expected, rtol=1e-4, atol=1e-5)
    pq.compute_sdc_table()
    expected = ((books[:, :, None] - books[:, None])**2).sum(3)
    np.testing.assert_allclose(faiss.vector_to_array(pq.sdc_table).reshape(4, 64, 64), expected, rtol=1e-3, atol=1e-4)
    again = faiss.ProductQuantizer(DIM, 4, 6)
    faiss.copy_array_to_vector(books.ravel(), again.centroids)
    np.testing.assert_array_equal(again.compute_codes(base), codes)
    out = np.empty_like(codes)
    again.compute_codes_with_assign_index(faiss.swig_ptr(base), faiss.swig_ptr(out), len(base))
    np.testing.assert_array_equal(out, codes)
    np.testing.assert_array_equal(faiss.clone_Quantizer(again).decode(codes), pq.decode(codes))


@pytest.mark.parametrize("spec", ["PQ4x4", "IVF16,PQ4"])
def test_codebooks_that_are_given(spec, base, queries):
    index = faiss.index_factory(DIM, spec)
    index.train(base)
    if spec.startswith("PQ"):
        other = faiss.IndexPQ(DIM, 4, 4)
    else:
        other = faiss.IndexIVFPQ(index.quantizer, DIM, 16, 4, 8)
    other.pq = index.pq
    other.is_trained = True
    for each in (index, other):
        each.add(base)
        if not spec.startswith("PQ"):
            each.nprobe = 4
    np.testing.assert_array_equal(other.search(queries, 5)[1], index.search(queries, 5)[1])
    with pytest.raises(RuntimeError, match="holds vectors"):
        other.pq = index.pq
    with pytest.raises(RuntimeError, match="M="):
        faiss.IndexPQ(DIM, 8, 4).pq = index.pq


@pytest.mark.parametrize("kind", ["QT_8bit", "QT_4bit", "QT_6bit", "QT_8bit_uniform", "QT_4bit_uniform", "QT_fp16", "QT_bf16"])
def test_scalar_quantizer(kind, base):
    qtype = getattr(faiss.ScalarQuantizer, kind)
    sq = faiss.ScalarQuantizer(DIM, qtype)
    sq.train(base)
    index = faiss.IndexScalarQuantizer(DIM, qtype)
    index.train(base)
    index.add(base)
    codes = sq.compute_codes(base)
    assert codes.shape == (len(base), sq.code_size) and sq.code_size == (DIM * sq.bits + 7) // 8
    np.testing.assert_array_equal(codes.ravel(), index.codes)
    np.testing.assert_allclose(sq.decode(codes), index.reconstruct_n(), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(faiss.clone_Quantizer(sq).compute_codes(base), codes)
    np.testing.assert_array_equal(index.sq.compute_codes(base), codes)


# ---- flat indexes ----

@pytest.mark.parametrize("spec", ["Flat", "SQ8", "SQ6", "SQfp16", "PQ4x4", "PQ4", "PQ5x6"])
def test_codes(spec, base):
    d = 20 if spec == "PQ5x6" else DIM
    x = np.pad(base, ((0, 0), (0, d - DIM)), mode="wrap")
    index = faiss.index_factory(d, spec)
    index.train(x)
    index.add(x[:301])
    assert isinstance(index, faiss.IndexFlatCodes)
    codes = faiss.vector_to_array(index.codes).reshape(301, index.code_size)
    np.testing.assert_array_equal(codes, index.sa_encode(x[:301]))
    other = faiss.clone_index(index)
    other.reset()
    other.add_sa_codes(codes)
    np.testing.assert_array_equal(other.reconstruct_n(), index.reconstruct_n())
    named = faiss.IndexIDMap2(faiss.clone_index(other))
    named.reset()
    named.add_sa_codes(codes[:3], np.array([70, -6, 70]))
    assert named.ids().tolist() == [70, -6, 70]
    np.testing.assert_array_equal(named.reconstruct(-6), index.reconstruct(1))


@pytest.mark.parametrize("spec", ["Flat", "SQ8", "PQ4x4", "IVF16,PQ4x4", "HNSW8", "PCA8,SQ8"])
@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
def test_distance_computer(spec, metric, base, queries):
    index = faiss.index_factory(DIM, spec, metric)
    index.train(base)
    index.add(base)
    D, I = index.search(queries, 4)
    computer = index.get_distance_computer()
    for q in range(5):
        computer.set_query(faiss.swig_ptr(queries[q]))
        np.testing.assert_allclose([computer(int(i)) for i in I[q]], D[q], rtol=2e-4, atol=2e-4)
    a, b = (index.reconstruct(i) for i in (3, 4))
    if not spec.startswith("PCA"):
        expected = ((a - b)**2).sum() if metric == faiss.METRIC_L2 else a @ b
        assert abs(computer.symmetric_dis(3, 4) - expected) < 1e-3


def test_fast_scans(base, queries):
    for plain, fast in (("PQ4x4", faiss.IndexPQFastScan), ("IVF16,PQ4x4", faiss.IndexIVFPQFastScan)):
        index = faiss.index_factory(DIM, plain)
        index.train(base)
        index.add(base)
        copy = fast(index, 64)
        assert copy.bbs == 64 and copy.implem == 0
        copy.implem = 12
        np.testing.assert_array_equal(copy.search(queries, 5)[1], index.search(queries, 5)[1])
        copy.add(base[:3])
        assert (copy.ntotal, index.ntotal) == (len(base) + 3, len(base))
        made = faiss.index_factory(DIM, plain + "fs_64")
        made.train(base)
        for again in (copy, made, faiss.clone_index(made), faiss.deserialize_index(faiss.serialize_index(made))):
            assert isinstance(again, fast) and again.bbs == 64
        assert not isinstance(index, fast)
    with pytest.raises(RuntimeError, match="bbs"):
        faiss.IndexPQFastScan(DIM, 4, 4, faiss.METRIC_L2, 33)
    assert faiss.index_factory(DIM, "IVF16,PQ4x4fsr").by_residual


# ---- graphs ----

@pytest.mark.parametrize("spec", ["HNSW8", "HNSW8,SQ8", "HNSW8,PQ4x4np"])
def test_inside_a_graph(spec, base, queries):
    index = faiss.index_factory(DIM, spec)
    assert index.hnsw.max_level == -1 and index.storage.ntotal == 0
    index.train(base)
    index.add(base)
    hnsw = index.hnsw
    levels = hnsw.levels
    assert len(levels) == len(base) and levels.max() - 1 == hnsw.max_level
    assert levels[hnsw.entry_point] == levels.max()
    assert (hnsw.nb_neighbors(0), hnsw.nb_neighbors(1), hnsw.cum_nneighbor_per_level.at(1)) == (16, 8, 16)
    begin, end = hnsw.neighbor_range(17, 0)
    links = hnsw.neighbors[begin:end]
    assert end - begin == 16 and (links[links >= 0] < len(base)).all() and 17 not in links
    storage = index.storage
    assert storage.ntotal == len(base) and not isinstance(storage, faiss.IndexHNSW)
    np.testing.assert_array_equal(storage.reconstruct_n(), index.reconstruct_n())
    index.hnsw.efSearch = 200
    assert np.isclose(index.search(queries, 5)[0], storage.search(queries, 5)[0], rtol=1e-4).mean() > 0.9
    index.hnsw.search_bounded_queue = False
    with pytest.raises(RuntimeError, match="storage"):
        index.storage = faiss.IndexFlatL2(DIM)


STORAGE = {"L1": lambda: faiss.IndexFlat(DIM, faiss.METRIC_L1), "IP": lambda: faiss.IndexFlatIP(DIM),
           "fp16": lambda: faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_fp16),
           "SQ8": lambda: faiss.IndexScalarQuantizer(DIM), "PQ": lambda: faiss.IndexPQ(DIM, 4, 4)}


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("kind", STORAGE)
def test_a_graph_of_a_storage(kind, trained, base, queries):
    storage, alone = STORAGE[kind](), STORAGE[kind]()
    alone.train(base)
    alone.add(base)
    if trained:
        storage.train(base)
    index = faiss.IndexHNSW(storage, 8)
    assert index.storage is storage and index.is_trained == storage.is_trained and index.hnsw.nb_neighbors(1) == 8
    assert index.metric_type == storage.metric_type == alone.metric_type and index.ntotal == storage.ntotal == 0
    index.train(base)
    index.add(base[:100])
    assert storage.ntotal == 100 and storage.is_trained
    index.add(base[100:])
    np.testing.assert_array_equal(storage.reconstruct_n(), index.reconstruct_n())
    np.testing.assert_array_equal(index.reconstruct_n(), alone.reconstruct_n())
    np.testing.assert_array_equal(storage.codes, alone.codes)
    found = storage.search(queries, 5)
    np.testing.assert_array_equal(found[0], alone.search(queries, 5)[0])
    index.hnsw.efSearch = 200
    assert np.isclose(index.search(queries, 5)[0], found[0], rtol=1e-4).mean() > 0.9
    assert type(storage.clone()) is type(storage) and type(index.clone()) is faiss.IndexHNSW
    with pytest.raises(RuntimeError, match="part of another index"):
        storage.add(base)
    named = faiss.IndexIDMap(index.clone())
    assert named.index.ntotal == len(base) and named.index.storage.ntotal == len(base)


def test_the_storage_of_a_graph_must_be_an_empty_flat_index(base):
    with pytest.raises(TypeError, match="IndexHNSWFlat"):
        faiss.IndexHNSW(DIM, 8)
    with pytest.raises(RuntimeError, match="it must be an IndexFlat, IndexPQ or"):
        faiss.IndexHNSW(faiss.IndexIVFFlat(faiss.IndexFlatL2(DIM), DIM, 4), 8)
    with pytest.raises(RuntimeError, match="cosine"):
        faiss.IndexHNSW(faiss.IndexFlat(DIM, "cosine"), 8)
    filled = faiss.IndexFlatL2(DIM)
    filled.add(base)
    with pytest.raises(RuntimeError, match="it must be empty"):
        faiss.IndexHNSW(filled, 8)
    assert filled.ntotal == len(base)
    with pytest.raises(RuntimeError, match="part of another index"):
        faiss.IndexHNSW(faiss.IndexHNSW(faiss.IndexFlatL2(DIM)).storage, 8)


@pytest.mark.parametrize("spec, fine", [("PQ4x4,RFlat", "IndexFlatL2"), ("IVF16,PQ4x4,Refine(SQ8)", "IndexScalarQuantizer")])
def test_what_refines(spec, fine, base):
    index = faiss.index_factory(DIM, spec)
    assert type(index.refine_index).__name__ == fine
    index.train(base)
    index.add(base)
    refining = index.refine_index
    assert type(refining).__name__ == fine and refining.ntotal == len(base)
    np.testing.assert_array_equal(refining.reconstruct_n(), index.reconstruct_n())
