"""The names of FAISS's interface, each doing what it does in FAISS. kith by its other name."""
import pickle

import numpy as np
import pytest

import kith as faiss
from conftest import DIM, exact, recall

NAMES = """
Index IndexFlat IndexFlatL2 IndexFlatIP IndexIVFFlat IndexIVFPQ IndexHNSWFlat IndexHNSWSQ IndexHNSWPQ IndexPQ
IndexScalarQuantizer IndexIVFScalarQuantizer IndexIDMap IndexIDMap2 IndexPreTransform PCAMatrix OPQMatrix
RandomRotationMatrix NormalizationTransform IndexRefineFlat IndexShards index_factory read_index write_index
serialize_index deserialize_index clone_index Kmeans ProductQuantizer knn normalize_L2 ParameterSpace SearchParameters
SearchParametersIVF SearchParametersHNSW SearchParametersPQ SearchParametersPreTransform IndexRefineSearchParameters
IDSelectorRange IDSelectorArray IDSelectorBatch IDSelectorBitmap IDSelectorNot IDSelectorAnd IDSelectorOr
METRIC_L2 METRIC_INNER_PRODUCT omp_set_num_threads omp_get_max_threads ScalarQuantizer vector_to_array downcast_index
extract_index_ivf IO_FLAG_MMAP get_num_gpus __version__
""".split()


@pytest.mark.parametrize("name", NAMES)
def test_name(name):
    assert getattr(faiss, name) is not None


def flat_l2():
    return faiss.IndexFlatL2(DIM)


MADE = {
    "IndexFlatL2": flat_l2,
    "IndexFlatIP": lambda: faiss.IndexFlatIP(DIM),
    "IndexFlat": lambda: faiss.IndexFlat(DIM, faiss.METRIC_INNER_PRODUCT),
    "IndexPQ": lambda: faiss.IndexPQ(DIM, 8, 8),
    "IndexScalarQuantizer": lambda: faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_8bit),
    "IndexScalarQuantizer fp16": lambda: faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_fp16),
    "IndexIVFFlat": lambda: faiss.IndexIVFFlat(flat_l2(), DIM, 16, faiss.METRIC_L2),
    "IndexIVFPQ": lambda: faiss.IndexIVFPQ(flat_l2(), DIM, 16, 8, 8),
    "IndexIVFScalarQuantizer": lambda: faiss.IndexIVFScalarQuantizer(
        flat_l2(), DIM, 16, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2),
    "IndexHNSWFlat": lambda: faiss.IndexHNSWFlat(DIM, 16),
    "IndexHNSWSQ": lambda: faiss.IndexHNSWSQ(DIM, faiss.ScalarQuantizer.QT_8bit, 16),
    "IndexHNSWPQ": lambda: faiss.IndexHNSWPQ(DIM, 8, 16),
    "IndexIDMap": lambda: faiss.IndexIDMap(flat_l2()),
    "IndexIDMap2": lambda: faiss.IndexIDMap2(faiss.IndexFlatIP(DIM)),
    "IndexPreTransform PCA": lambda: faiss.IndexPreTransform(faiss.PCAMatrix(DIM, 12), faiss.IndexFlatL2(12)),
    "IndexPreTransform OPQ": lambda: faiss.IndexPreTransform(
        faiss.OPQMatrix(DIM, 4), faiss.IndexIVFPQ(flat_l2(), DIM, 16, 4, 8)),
    "IndexPreTransform RR": lambda: faiss.IndexPreTransform(faiss.RandomRotationMatrix(DIM, DIM), flat_l2()),
    "IndexPreTransform norm": lambda: faiss.IndexPreTransform(
        faiss.NormalizationTransform(DIM), faiss.IndexFlatIP(DIM)),
    "IndexRefineFlat": lambda: faiss.IndexRefineFlat(faiss.IndexPQ(DIM, 4, 8)),
    "IndexRefineFlat IVF": lambda: faiss.IndexRefineFlat(faiss.IndexIVFPQ(flat_l2(), DIM, 16, 4, 8)),
    "IndexRefine": lambda: faiss.IndexRefine(
        faiss.IndexPQ(DIM, 4, 8), faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_8bit)),
    "transform of a refinement": lambda: faiss.IndexPreTransform(
        faiss.PCAMatrix(DIM, 8), faiss.IndexRefineFlat(faiss.IndexPQ(8, 4))),
}


def make(name):
    try:
        return MADE[name]()
    except faiss.UnsupportedError as error:
        pytest.skip(str(error))


def widen(index):
    """Make searches look at nearly everything."""
    space = faiss.ParameterSpace()
    for part in index._tree():
        for name, value in (("nprobe", 16), ("k_factor_rf", 20), ("efSearch", 128)):
            try:
                space.set_index_parameter(part, name, value)
            except ValueError:
                pass


@pytest.mark.parametrize("name", list(MADE))
def test_life_of_an_index(name, base, queries, tmp_path):
    index = make(name)
    assert isinstance(index, faiss.Index) and index.d == DIM and index.ntotal == 0
    index.train(base)
    assert index.is_trained
    index.add(base)
    assert index.ntotal == len(base)
    widen(index)
    D, I = index.search(queries, 10)
    assert D.shape == I.shape == (len(queries), 10) and D.dtype == np.float32 and I.dtype == np.int64
    metric = "l2" if index.metric_type == faiss.METRIC_L2 else "ip"
    if "norm" in name:
        metric = "cosine"
    assert recall(I, exact(base, queries, 10, metric)[1]) > 0.5

    out_d, out_i = np.empty_like(D), np.empty_like(I)
    index.search(queries, 10, D=out_d, I=out_i)
    assert (out_i == I).all() and (out_d == D).all()
    assert (index.assign(queries, 10) == I).all()
    rD, rI, R = index.search_and_reconstruct(queries, 3)
    assert (rI == I[:, :3]).all() and (R[0, 1] == index.reconstruct(int(I[0, 1]))).all()
    assert (index.reconstruct_n(5, 4) == index.reconstruct_batch([5, 6, 7, 8])).all()
    assert index.reconstruct_n(0, -1).shape == base.shape

    lims, rangeD, rangeI = index.range_search(queries, float(D[:, 4].mean()))
    assert lims.shape == (len(queries) + 1,) and lims[-1] == len(rangeD) == len(rangeI)
    sel = faiss.IDSelectorRange(100, 300)
    params = (faiss.IndexRefineSearchParameters(sel=sel, k_factor=50) if hasattr(index, "k_factor") else
              faiss.SearchParametersIVF(sel=sel, nprobe=16) if hasattr(index, "nprobe") else
              faiss.SearchParameters(sel=sel))
    found = index.search(queries, 5, params=params)[1]
    assert ((found == -1) | ((found >= 100) & (found < 300))).all() and (found >= 0).mean() > 0.5

    faiss.write_index(index, str(tmp_path / "index"))
    for made in (faiss.read_index(str(tmp_path / "index")), faiss.clone_index(index),
                 faiss.deserialize_index(faiss.serialize_index(index)), pickle.loads(pickle.dumps(index))):
        assert isinstance(made, type(index)) or isinstance(index, faiss.IndexIDMap)
        widen(made)
        assert (made.search(queries, 10)[1] == I).all()

    code = index.sa_encode(base[:20])
    assert code.shape == (20, index.sa_code_size()) and code.dtype == np.uint8
    np.testing.assert_allclose(index.sa_decode(code), index.reconstruct_n(0, 20), atol=2e-5, rtol=1e-4)

    assert index.remove_ids(np.arange(50)) == 50
    moved = not isinstance(index, faiss.IndexIDMap) and "IVF" not in index.spec and "HNSW" not in index.spec
    removed = 3 if moved else 2  # flat indexes have a vector 1 again
    assert index.remove_ids(faiss.IDSelectorBatch([60, 61, 1])) == removed
    assert index.ntotal == len(base) - 50 - removed
    index.reset()
    assert index.ntotal == 0 and index.is_trained
    index.add(base[:10])
    assert index.search(base[3:4], 1)[1][0, 0] == 3
    index.add_with_ids(base[:2] + 100, np.array([1000, 2000]))
    index.add(base[:1] + 200)
    follows = 2001 if isinstance(index, (faiss.IndexIDMap, faiss.IndexHNSW)) else 12
    assert index.ids().tolist() == [*range(10), 1000, 2000, follows]


def test_graph_as_quantizer(base, queries):
    quantizer = faiss.IndexHNSWFlat(DIM, 8)
    index = faiss.IndexIVFFlat(quantizer, DIM, 64)
    index.train(base)
    index.add(base)
    index.nprobe = 8
    plain = faiss.IndexIVFFlat(faiss.IndexFlatL2(DIM), DIM, 64)
    plain.train(base)
    plain.add(base)
    plain.nprobe = 8
    assert quantizer.ntotal == 64 and index.quantizer is quantizer
    wanted = plain.search(queries, 10)[1]
    assert (index.search(queries, 10)[1] == wanted).all()
    faiss.ParameterSpace().set_index_parameter(index, "quantizer_efSearch", 64)
    assert (index.search(queries, 10)[1] == wanted).all()
    params = faiss.SearchParametersIVF(nprobe=8, quantizer_params=faiss.SearchParametersHNSW(efSearch=8))
    assert recall(index.search(queries, 10, params=params)[1], wanted) > 0.8
    assert isinstance(faiss.index_factory(DIM, "IVF64_HNSW32,PQ4"), faiss.IndexIVFPQ)


def test_attributes_of_ivf(base):
    quantizer = faiss.IndexFlatL2(DIM)
    index = faiss.IndexIVFPQ(quantizer, DIM, 16, 4, 8)
    assert not index.is_trained and index.nprobe == 1 and index.nlist == 16
    index.train(base)
    assert quantizer.ntotal == 16 and index.quantizer is quantizer
    index.add(base)
    assert (index.pq.M, index.pq.nbits, index.pq.dsub, index.pq.ksub, index.code_size) == (4, 8, 4, 256, 4)
    assert index.pq.centroids.shape == (4, 256, 4)
    sizes = [index.invlists.list_size(i) for i in range(16)]
    assert sum(sizes) == len(base) == index.invlists.compute_ntotal()
    lists = quantizer.search(base, 1)[1][:, 0]
    assert (np.bincount(lists, minlength=16) == sizes).all()
    assert set(index.invlists.get_ids(3)) == set(np.flatnonzero(lists == 3))
    assert index.invlists.imbalance_factor() >= 1
    index.nprobe = 7
    assert faiss.extract_index_ivf(index) is index and index.nprobe == 7
    assert index.by_residual
    index.by_residual = True
    with pytest.raises(NotImplementedError, match="before the index is trained"):
        index.by_residual = False
    whole = faiss.IndexIVFPQ(faiss.IndexFlatL2(DIM), DIM, 16, 4, 8)
    whole.by_residual = False
    assert not whole.by_residual and whole.spec == "IVF16_whole,PQ4"
    whole.train(base)
    whole.add(base)
    again = faiss.deserialize_index(faiss.serialize_index(whole))
    assert not again.by_residual and again.nlist == 16 and isinstance(again, faiss.IndexIVFPQ)
    with pytest.raises(NotImplementedError):
        faiss.IndexIVFFlat(faiss.IndexFlatL2(DIM), DIM, 16).by_residual = True
    with pytest.raises(AttributeError):
        index.nprob = 3
    with pytest.raises(ValueError, match="list_no is 16"):
        index.invlists.list_size(16)


def test_parts_share_parameters(base, queries):
    inner = faiss.IndexIVFFlat(faiss.IndexFlatL2(8), 8, 16)
    index = faiss.IndexPreTransform(faiss.PCAMatrix(DIM, 8), inner)
    index.train(base)
    index.add(base)
    assert inner.ntotal == index.ntotal and inner.is_trained and inner.quantizer.ntotal == 16
    few = index.search(queries, 10)[1]
    inner.nprobe = 16
    many = index.search(queries, 10)[1]
    assert (few != many).any()
    pca = index.chain.at(0)
    assert index.chain.size() == 1 and (index.apply_chain(base[:3]) == pca.apply(base[:3])).all()
    truth = exact(pca.apply(base), pca.apply(queries), 10)[1]
    assert recall(many, truth) > 0.999
    assert (inner.search(pca.apply(queries), 10)[1] == many).all()
    with pytest.raises(NotImplementedError, match="part of another"):
        inner.add(base[:1, :8])
    read = faiss.deserialize_index(faiss.serialize_index(index))
    faiss.extract_index_ivf(read).nprobe = 16
    assert (read.search(queries, 10)[1] == many).all()
    twice = faiss.index_factory(DIM, "PCA12,RR8,IVF4,Flat")
    twice.train(base)
    assert twice.chain.size() == 2 and twice.apply_chain(base[:4]).shape == (4, 8)


def test_transforms_by_themselves(base):
    for vt in (faiss.PCAMatrix(DIM, 6), faiss.OPQMatrix(DIM, 4), faiss.RandomRotationMatrix(DIM, DIM),
               faiss.PCAMatrix(DIM, 6, -0.5, True)):
        assert not vt.is_trained
        with pytest.raises(faiss.UntrainedError):
            vt.apply(base)
        vt.train(base)
        assert vt.is_trained
        y = vt.apply(base)
        assert y.shape == (len(base), vt.d_out)
        back = vt.reverse_transform(y)
        assert ((base - back) ** 2).sum() < 0.6 * ((base - base.mean(0)) ** 2).sum()
        assert vt.A.shape == (vt.d_out * vt.d_in,) and vt.b.shape == (vt.d_out,)
    whitened = vt.apply(base)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(6), atol=0.05)
    unit = faiss.NormalizationTransform(DIM)
    np.testing.assert_allclose(np.linalg.norm(unit.apply(base), axis=1), 1, rtol=1e-5)
    pca = faiss.PCAMatrix(DIM, 6)
    pca.train(base)
    centered = base - base.mean(0)
    variance = np.linalg.eigvalsh(centered.T @ centered)[::-1][:6].sum()
    np.testing.assert_allclose((pca.apply(base) ** 2).sum(), variance, rtol=1e-3)
    index = faiss.IndexPreTransform(pca, faiss.IndexFlatL2(6))
    before = pca.apply(base)
    assert index.is_trained
    index.train(base[:100])
    assert (pca.apply(base) == before).all()


def test_selectors(base):
    index = faiss.IndexFlatL2(DIM)
    index.add(base[:64])
    bits = np.packbits(np.arange(64) % 2 == 0, bitorder="little")
    a, b = faiss.IDSelectorBatch([1, 2, 3]), faiss.IDSelectorRange(3, 10)
    cases = {a: {1, 2, 3}, b: set(range(3, 10)), faiss.IDSelectorArray([5, 6]): {5, 6},
             faiss.IDSelectorArray(1, np.array([5, 6])): {5}, faiss.IDSelectorBitmap(bits): set(range(0, 64, 2)),
             faiss.IDSelectorNot(b): set(range(64)) - set(range(3, 10)), faiss.IDSelectorAnd(a, b): {3},
             faiss.IDSelectorOr(a, b): set(range(1, 10)), faiss.IDSelectorXOr(a, b): {1, 2} | set(range(4, 10)),
             faiss.IDSelectorAll(): set(range(64))}
    for selector, expected in cases.items():
        found = index.search(base[:1], 64, params=faiss.SearchParameters(sel=selector))[1][0]
        assert set(found[found >= 0]) == expected
        assert selector.is_member(min(expected)) and not selector.is_member(1000 if 1000 not in expected else -1) \
            or isinstance(selector, (faiss.IDSelectorAll, faiss.IDSelectorNot))


def test_parameters(base, queries):
    index = faiss.index_factory(DIM, "IVF16,PQ4,RFlat")
    index.train(base)
    index.add(base)
    faiss.ParameterSpace().set_index_parameters(index, "nprobe=16,k_factor_rf=8,verbose=0")
    assert faiss.extract_index_ivf(index).nprobe == 16 and index.k_factor == 8
    wide = index.search(queries, 10)[1]
    narrow = index.search(queries, 10, params=faiss.IndexRefineSearchParameters(
        k_factor=1, base_index_params=faiss.SearchParametersIVF(nprobe=1)))[1]
    truth = exact(base, queries, 10)[1]
    assert recall(narrow, truth) < recall(wide, truth)
    for bad, error in (("nprobe", ValueError), ("nprobe=x", ValueError), ("unknown=3", NotImplementedError),
                       ("efSearch=3", ValueError)):
        with pytest.raises(error):
            faiss.ParameterSpace().set_index_parameters(index, bad)
    with pytest.raises(TypeError):
        faiss.SearchParametersIVF(nprob=3)
    with pytest.raises(TypeError):
        index.search(queries, 3, params={"nprobe": 3})


def test_hnsw_parameters(base, queries):
    index = make("IndexHNSWFlat")
    index.hnsw.efConstruction = 80
    index.add(base)
    index.hnsw.efSearch = 10
    low = recall(index.search(queries, 10)[1], exact(base, queries, 10)[1])
    index.hnsw.efSearch = 200
    assert index.hnsw.efConstruction == 80 and recall(index.search(queries, 10)[1], exact(base, queries, 10)[1]) >= low
    found = index.search(queries, 10, params=faiss.SearchParametersHNSW(efSearch=200))[1]
    assert recall(found, exact(base, queries, 10)[1]) > 0.99


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("successive", [False, True])
def test_shards(base, queries, threaded, successive):
    index = faiss.IndexShards(DIM, threaded, successive)
    for part in range(3):
        shard = faiss.IndexFlatL2(DIM)
        rows = slice(part * 600, part * 600 + 600)
        if successive:
            shard.add(base[rows])
        else:
            shard.add_with_ids(base[rows], np.arange(1800)[rows])
        index.add_shard(shard)
    assert index.ntotal == 1800 and index.count() == 3 and index.is_trained
    D, I = index.search(queries, 10)
    truth, order = exact(base[:1800], queries, 10)
    assert (I == order).all()
    np.testing.assert_allclose(D, truth, rtol=1e-5, atol=1e-5)
    lims, _, ids = index.range_search(queries, float(truth[:, 5].mean()))
    assert [set(ids[a:b]) for a, b in zip(lims, lims[1:])] == [
        set(np.flatnonzero(((q.astype("f8") - base[:1800]) ** 2).sum(1) <= float(truth[:, 5].mean()))) for q in queries]
    assert (index.reconstruct_batch([5, 700, 1799]) == base[[5, 700, 1799]]).all()
    assert "size=1800" in repr(index) and not index.closed
    with pytest.raises(AttributeError, match="use its shards"):
        index.counters()


def test_kmeans(base):
    kmeans = faiss.Kmeans(DIM, 50, niter=10, seed=5, verbose=False)
    objective = kmeans.train(base)
    assert kmeans.centroids.shape == (50, DIM) and kmeans.obj.shape == (10,) and objective == kmeans.obj[-1]
    assert (np.diff(kmeans.obj) <= 1e-6 * kmeans.obj[0]).all() and kmeans.iteration_stats[0]["obj"] == kmeans.obj[0]
    D, I = kmeans.assign(base)
    assert (I == kmeans.index.search(base, 1)[1][:, 0]).all()
    np.testing.assert_allclose(D.sum(), kmeans.obj[-1], rtol=0.05)
    with pytest.raises(NotImplementedError):
        faiss.Kmeans(DIM, 5, gpu=True)
    with pytest.raises(NotImplementedError):
        faiss.Kmeans(DIM, 5, init_method=2)
    with pytest.raises(AttributeError):
        faiss.Kmeans(DIM, 5, nitter=4)
    same = faiss.Kmeans(DIM, 50, niter=1)
    same.train(base, init_centroids=kmeans.centroids)
    np.testing.assert_allclose(same.obj[0], kmeans.obj[-1], rtol=0.05)


def test_normalize_in_place(base):
    x = base.copy()
    x[3] = 0
    faiss.normalize_L2(x)
    np.testing.assert_allclose(np.delete(np.linalg.norm(x, axis=1), 3), 1, rtol=1e-6)
    assert (x[3] == 0).all()
    for bad in (base.astype("f8"), base[0], [[1.0]], None):
        with pytest.raises(TypeError):
            faiss.normalize_L2(bad)


def test_merge_from(base, queries, function_available):
    function_available("index_merge")
    trained = faiss.index_factory(DIM, "IVF16,Flat")
    trained.train(base)
    whole = faiss.clone_index(trained)
    for first in range(0, len(base), 500):
        part = faiss.clone_index(trained)
        part.add_with_ids(base[first:first + 500], np.arange(first, first + 500))
        whole.merge_from(part, 0)
        assert part.ntotal == 0
    whole.nprobe = 16
    assert (whole.search(queries, 10)[1] == exact(base, queries, 10)[1]).all()
    one, two = faiss.IndexFlatL2(DIM), faiss.IndexFlatL2(DIM)
    one.add(base[:100])
    two.add(base[100:])
    one.merge_from(two)
    assert (one.search(queries, 10)[1] == exact(base, queries, 10)[1]).all()


def test_files_of_faiss(base, queries, faiss_file, function_available):
    function_available("index_import_faiss")
    path, expected = faiss_file
    index = faiss.read_index(path)
    assert (index.search(queries, 10)[1] == expected).all()


@pytest.fixture
def faiss_file(base, queries, tmp_path):
    """A file that FAISS wrote, and what it finds."""
    peer = pytest.importorskip("faiss")
    index = peer.IndexFlatL2(DIM)
    index.add(base)
    peer.write_index(index, str(tmp_path / "peer.faiss"))
    return str(tmp_path / "peer.faiss"), index.search(queries, 10)[1]


def test_writing_files_of_faiss(base, queries, tmp_path, function_available):
    function_available("index_export_faiss")
    index = faiss.IndexFlatL2(DIM)
    index.add(base)
    faiss.write_index(index, tmp_path / "kith.faiss", format="faiss")
    assert (faiss.read_index(tmp_path / "kith.faiss").search(queries, 10)[1] == index.search(queries, 10)[1]).all()


def test_fast_scans(base, queries):
    index = faiss.IndexPQFastScan(DIM, 8, 4, faiss.METRIC_L2, 32)
    index.nprobe = 10  # as FAISS's tutorial does
    refined = faiss.IndexRefineFlat(index)
    refined.train(base)
    refined.add(base)
    found = refined.search(queries, 10, params=faiss.IndexRefineSearchParameters(k_factor=10))[1]
    assert recall(found, exact(base, queries, 10)[1]) > 0.9
    inverted = faiss.IndexIVFPQFastScan(faiss.IndexFlatL2(DIM), DIM, 8, 8, 4)
    assert inverted.pq.nbits == 4
    with pytest.raises(ValueError, match="4 bits"):
        faiss.IndexPQFastScan(DIM, 8, 8)


def test_bytes_of_faiss(base, queries):
    peer = pytest.importorskip("faiss")
    index = peer.IndexFlatL2(DIM)
    index.add(base)
    ours = faiss.deserialize_index(peer.serialize_index(index))
    assert (ours.search(queries, 5)[1] == index.search(queries, 5)[1]).all()
    written = []
    faiss.write_index(ours, faiss.PyCallbackIOWriter(written.append, 1000), format="faiss")
    assert max(map(len, written)) == 1000
    again = peer.deserialize_index(np.frombuffer(b"".join(written), np.uint8))
    assert (again.search(queries, 5)[1] == index.search(queries, 5)[1]).all()
    with pytest.raises(faiss.FormatError):
        faiss.deserialize_index(b"x")


def test_what_there_is_not():
    assert not hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() == 0
    with pytest.raises(NotImplementedError, match="IndexHNSWFlat"):
        faiss.IndexNSGFlat(DIM, 3)
    with pytest.raises(AttributeError, match="no attribute 'IndexNonsense'"):
        faiss.IndexNonsense
    with pytest.raises(NotImplementedError, match="quantizer: it must have the same metric"):
        faiss.IndexIVFFlat(faiss.IndexPQ(DIM, 4), DIM, 4, faiss.METRIC_INNER_PRODUCT)
    filled = faiss.IndexFlatL2(DIM)
    filled.add(np.eye(DIM, dtype="f4"))
    with pytest.raises(RuntimeError, match="has 16 vectors"):
        faiss.IndexRefineFlat(filled)
    with pytest.raises(NotImplementedError):
        faiss.write_index(faiss.IndexShards(DIM), "nowhere")


def test_threads_setting():
    try:
        faiss.omp_set_num_threads(1)
        assert faiss.omp_get_max_threads() == 1
    finally:
        faiss.set_threads(0)
