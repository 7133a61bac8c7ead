"""Factory strings in FAISS's words, names of its module, and its packages."""
import importlib
import re

import numpy as np
import pytest

import kith as faiss
from conftest import DIM

CHAINS = {
    "Flat,IDMap": "IndexIDMap IndexFlatL2",
    "IDMap2,Flat": "IndexIDMap2 IndexFlatL2",
    "PCA8,IDMap,SQ8": "IndexPreTransform IndexIDMap IndexScalarQuantizer",
    "IDMap,PCA8,SQ8": "IndexIDMap IndexPreTransform IndexScalarQuantizer",
    "PCA8,SQ8,IDMap2": "IndexIDMap2 IndexPreTransform IndexScalarQuantizer",
    "IDMap,PQ4x4fs,RFlat": "IndexIDMap IndexRefineFlat IndexPQFastScan",
    "PCA8,IDMap,PQ4x4,RFlat": "IndexRefineFlat IndexPreTransform IndexIDMap IndexPQ",
    "IDMap,Flat,Refine(SQ8)": "IndexIDMap IndexRefine IndexFlatL2",
    "IDMap,HNSW8,Flat": "IndexIDMap IndexHNSWFlat",
    "L2Norm,IVF8,PQ4np": "IndexPreTransform IndexIVFPQ",
}


def chain(index):
    """Classes from the outside in."""
    names = [type(index).__name__]
    while hasattr(index, "index") or hasattr(index, "base_index"):
        index = index.index if hasattr(index, "index") else index.base_index
        names.append(type(index).__name__)
    return " ".join(names)


@pytest.mark.parametrize("spec", list(CHAINS))
def test_chains(spec, base):
    index = faiss.index_factory(DIM, spec)
    assert chain(index) == CHAINS[spec]
    index.train(base)
    index.add_with_ids(base[:100], np.arange(100) + 5)
    again = faiss.deserialize_index(faiss.serialize_index(index))
    assert chain(again) == CHAINS[spec] and set(again.search(base[:100], 1)[1].ravel()) <= set(range(5, 105))


def test_chains_as_in_faiss(request):
    real = request.getfixturevalue("faiss")
    for spec, names in CHAINS.items():
        parts, found = [real.index_factory(DIM, spec)], []  # the outermost owns the others
        while parts[-1] is not None:
            parts.append(real.downcast_index(parts[-1]))
            found.append(type(parts[-1]).__name__)
            parts.append(getattr(parts[-1], "index", None) or getattr(parts[-1], "base_index", None))
        assert " ".join(found).replace("FlatL2", "Flat") == names.replace("FlatL2", "Flat"), spec


@pytest.mark.parametrize("spec, nlist", [("IVF3k,Flat", 3072), ("IVF1M,Flat", 1 << 20), ("IVF1M_HNSW,Flat", 1 << 20),
                                         ("IVF2k(HNSW8),SQ8", 2048)])
def test_many_lists(spec, nlist):
    assert faiss.index_factory(4, spec).nlist == nlist


@pytest.mark.parametrize("spec", ["IMI2x4,PQ8", "NSG32", "LSHrt", "RQ4x8", "PQ8+16", "SQ1", "IVF8,TQ4", "IVF8(RQ4x8),Flat",
                                  "IVF8,FlatDedup", "ITQ8,LSHt", "HR,Flat"])
def test_words_that_are_refused(spec):
    with pytest.raises(NotImplementedError, match="use|refine|finds"):
        faiss.index_factory(DIM, spec)


@pytest.mark.parametrize("spec", ["RaBitQ", "RaBitQ4", "IVF4,RaBitQ", "IVF4,RaBitQfs", "IVF4,RaBitQfs_64", "IVF4,RaBitQfs4_64,RFlat"])
def test_rabitq(spec, base):
    index = faiss.index_factory(DIM, spec)
    index.train(base)
    index.add(base)
    found = index.search(base[:20], 1)[1][:, 0]
    assert (found == np.arange(20)).mean() > .5


@pytest.mark.parametrize("name", ["IndexBinaryFlat", "IndexLSH", "IndexReplicas", "IndexRaBitQ", "OnDiskInvertedLists",
                                  "index_binary_factory", "read_index_binary", "IndexIVFResidualQuantizerFastScan"])
def test_names_that_are_refused_when_used(name, base):
    assert hasattr(faiss, name)
    found = getattr(faiss, name)
    if isinstance(found, type):
        assert not isinstance(faiss.IndexFlatL2(DIM), found)
    with pytest.raises(NotImplementedError, match=f"kith has no {name}: "):
        found(DIM)


@pytest.mark.parametrize("name", ["GOWER"])
def test_metrics_that_are_refused_when_used(name):
    metric = getattr(faiss, "METRIC_" + name)
    for make in (lambda: faiss.IndexFlat(DIM, metric), lambda: faiss.index_factory(DIM, "SQ8", metric),
                 lambda: faiss.knn(np.eye(3), np.eye(3), 1, metric=metric)):
        with pytest.raises(NotImplementedError, match=f"METRIC_{name}; kith has METRIC_L2"):
            make()


def test_kinds_of_scalar_quantizers_that_are_refused():
    for make in (faiss.IndexScalarQuantizer, faiss.ScalarQuantizer):
        with pytest.raises(NotImplementedError, match="QT_4bit_tqmse.*kith has"):
            make(DIM, faiss.ScalarQuantizer.QT_4bit_tqmse)
        with pytest.raises(ValueError, match="qtype is 99"):
            make(DIM, 99)


def test_imbalance():
    assert faiss.imbalance_factor(np.array([0, 1, 2, 3]), 4) == 1
    assert faiss.imbalance_factor(np.array([2, 2, 2]), 4) == 4
    assert faiss.imbalance_factor(np.array([0, 0, 0, 1]), 2) == pytest.approx(2 * 10 / 16)


def test_versions():
    assert tuple(int(part) for part in faiss.__version__.split(".")) >= (1, 7)
    assert faiss.version == faiss.info()["version"]
    assert faiss.FAISS_VERSION_MAJOR == 1


def test_swigfaiss():
    module = importlib.import_module("kith.swigfaiss")
    assert module.Index is faiss.Index and module.IndexFlatL2 is faiss.IndexFlatL2


def test_instruction_sets(base, queries):
    before = faiss.SIMDConfig.get_level()
    index = faiss.index_factory(DIM, "IVF16,PQ4x4")
    index.train(base)
    index.add(base)
    expected = index.search(queries, 5)
    assert faiss.SIMDConfig.is_simd_level_available(faiss.SIMDLevel_NONE)
    try:
        for level in range(faiss.SIMDLevel_COUNT):
            if faiss.SIMDConfig.is_simd_level_available(level):
                faiss.SIMDConfig.set_level(level)
                assert faiss.SIMDConfig.get_level() == faiss.SIMDConfig.level == level
                for a, b in zip(expected, index.search(queries, 5)):
                    np.testing.assert_array_equal(a, b)
            else:
                with pytest.raises(RuntimeError, match="level"):
                    faiss.SIMDConfig.set_level(level)
    finally:
        faiss.SIMDConfig.set_level(before)
    assert faiss.SIMDConfig.get_level_name() in ("NONE", "AVX2", "AVX512", "AVX512_SPR", "ARM_NEON")


def test_pointers_and_vectors():
    x = np.arange(6, dtype=np.float32)
    assert faiss.swig_ptr(x) is x and (faiss.rev_swig_ptr(x, 4) == x[:4]).all()
    with pytest.raises(ValueError):
        faiss.swig_ptr(x[::2])
    out = np.zeros(3, np.float32)
    faiss.memcpy(faiss.swig_ptr(out), faiss.swig_ptr(x), 8)
    assert out.tolist() == [0, 1, 0]
    vector = faiss.Float32Vector()
    faiss.copy_array_to_vector(x, vector)
    vector.push_back(9)
    assert vector.size() == 7 and vector.at(6) == 9 and faiss.vector_to_array(vector).tolist() == [*x, 9]
    pointers = faiss.InvertedListsPtrVector()
    pointers.push_back(faiss.index_factory(DIM, "IVF4,Flat").invlists)
    assert pointers.size() == 1
    index = faiss.IndexFlatL2(DIM)
    assert index.this.own()
    index.this.disown()
    assert not index.thisown


def test_selectors(base, queries):
    index = faiss.IndexFlatL2(DIM)
    index.add(base)
    ids = np.array([4, 8, 15, 16])
    bits = np.packbits(np.isin(np.arange(24), ids), bitorder="little")
    for sel in (faiss.IDSelectorBatch(3, faiss.swig_ptr(ids)), faiss.IDSelectorBitmap(24, faiss.swig_ptr(bits)),
                faiss.PyCallbackIDSelector(lambda id: id in ids)):
        found = index.search(queries, 4, params=faiss.SearchParameters(sel=sel))[1]
        expected = ids[:3] if type(sel) is faiss.IDSelectorBatch else ids
        assert set(found.ravel()) - {-1} == set(expected)
    bounds = np.zeros(2, np.uint64)
    faiss.IDSelectorRange(5, 16, True).find_sorted_ids_bounds(4, ids, bounds[:1], bounds[1:])
    assert bounds.tolist() == [1, 3]
    named = faiss.IndexIDMap(faiss.IndexFlatL2(DIM))
    named.add_with_ids(base[:50], np.arange(50) * 3)
    sel = faiss.IDSelectorBatch(np.array([30, 60]))
    for each in (sel, faiss.IDSelectorTranslated(named, sel)):
        assert set(named.search(queries, 2, params=faiss.SearchParameters(sel=each))[1].ravel()) == {30, 60}
    inner = named.index.search(queries, 2, params=faiss.SearchParameters(sel=faiss.IDSelectorTranslated(named, sel)))[1]
    assert set(inner.ravel()) == {10, 20}


def test_streams(tmp_path, base):
    index = faiss.IndexFlatL2(DIM)
    index.add(base)
    path = str(tmp_path / "index")
    faiss.write_index(index, faiss.FileIOWriter(path))
    again = faiss.read_index(faiss.BufferedIOReader(faiss.FileIOReader(path), 1234))
    np.testing.assert_array_equal(again.reconstruct_n(), base)
    data = faiss.serialize_index(index)
    again = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(data), data.size))
    np.testing.assert_array_equal(again.reconstruct_n(), base)
    writer, reader = faiss.VectorIOWriter(), faiss.VectorIOReader()
    faiss.write_index(None, writer)
    reader.data.swap(writer.data)
    assert faiss.read_index(reader) is None and not writer.data
    out = np.zeros(4)
    faiss.BufferedIOReader(faiss.PyCallbackIOReader(__import__("io").BytesIO(np.arange(4.0).tobytes()).read))(out, 8, 4)
    assert out.tolist() == [0, 1, 2, 3]


# ---- kith.contrib ----

def test_contrib_data_and_results(faiss=faiss):
    from kith.contrib import datasets, evaluation, exhaustive_search
    data = datasets.SyntheticDataset(32, 300, 500, 20)
    data.check_sizes()
    truth = data.get_groundtruth(10)
    scores = ((data.get_queries()[:, None].astype("f8") - data.get_database())**2).sum(2)
    np.testing.assert_array_equal(truth, np.argsort(scores, axis=1, kind="stable")[:, :10])
    D, I = exhaustive_search.knn_ground_truth(data.get_queries(), data.database_iterator(bs=77), 10)
    evaluation.check_ref_knn_with_draws(D, I, np.take_along_axis(scores, truth, 1).astype("f4"), truth, rtol=1e-4)
    with pytest.raises(AssertionError):
        evaluation.check_ref_knn_with_draws(D, I, D, (I + 1) % 500)
    radius = float(np.median(D[:, -1]))
    lims, rD, rI = exhaustive_search.range_ground_truth(data.get_queries(), data.database_iterator(bs=77), radius)
    np.testing.assert_array_equal(np.diff(lims.astype(int)), (scores < radius).sum(1))
    assert evaluation.range_PR(lims, rI, lims, rI) == (1, 1)
    half = evaluation.filter_range_results(lims, rD, rI, radius / 2)
    precision, recall = evaluation.range_PR(lims, rI, half[0], half[2])
    assert precision == 1 and recall == pytest.approx((scores < radius / 2).sum() / (scores < radius).sum())
    index = faiss.IndexFlatL2(32)
    index.add(data.get_database())
    batches = exhaustive_search.exponential_query_iterator(data.get_queries(), 4)
    shrunk, lims, _, _ = exhaustive_search.range_search_max_results(index, batches, radius, max_results=60)
    assert shrunk < radius and lims[-1] <= 60
    assert evaluation.knn_intersection_measure(I, I[:, ::-1]) == 1


def test_contrib_files(tmp_path):
    from kith.contrib import vecs_io
    x = np.random.RandomState(1).rand(7, 5).astype("f4")
    vecs_io.fvecs_write(tmp_path / "x.fvecs", x)
    np.testing.assert_array_equal(vecs_io.fvecs_read(tmp_path / "x.fvecs"), x)
    np.testing.assert_array_equal(faiss.read_vectors(tmp_path / "x.fvecs"), x)
    vecs_io.ivecs_write(tmp_path / "x.ivecs", (9 * x).astype("i4"))
    np.testing.assert_array_equal(vecs_io.ivecs_mmap(tmp_path / "x.ivecs"), (9 * x).astype("i4"))
    with pytest.raises(ValueError):
        (tmp_path / "y.fvecs").write_bytes(b"\3\0\0\0abc")
        vecs_io.fvecs_read(tmp_path / "y.fvecs")


def test_contrib_tools(base):
    from kith.contrib import factory_tools, inspect_tools
    assert factory_tools.get_code_size(50, "IVF32,Flat,Refine(PQ25x12)") == 50 * 4 + (25 * 12 + 7) // 8
    assert factory_tools.get_code_size(32, "HNSW16") == 32 * 4 + 2 * 16 * 4
    index = faiss.index_factory(DIM, "IVF8,PQ4x4")
    index.train(base)
    index.add(base)
    sizes = inspect_tools.get_invlist_sizes(index.invlists)
    assert sizes.sum() == len(base)
    ids, codes = inspect_tools.get_invlist(index.invlists, 3)
    assert len(ids) == len(codes) == sizes[3]
    assert inspect_tools.get_pq_centroids(index.pq).shape == (4, 16, 4)
    assert factory_tools.reverse_index_factory(faiss.index_factory(DIM, "IDMap,IVF8,Flat")) == "IDMap,IVF8,Flat"
    flat = faiss.IndexFlatL2(DIM)
    flat.add(base)
    np.testing.assert_array_equal(inspect_tools.get_flat_data(flat), base)


@pytest.mark.parametrize("written, meant", [
    ("IVFFlat", "IVF1024,Flat"), ("IndexIVFPQ", "IVF1024,PQ16"), ("IVF16Flat", "IVF1024,Flat"), ("HNSWFlat", "HNSW32"),
    ("IndexFlatL2", "'Flat'"), ("PQ", "PQ16"), ("SQ", "SQ8"), ("IVF16,PQ", "PQ16"), ("IDMap", "IDMap,Flat"),
    ("PQ8,Refine", "RFlat"), ("IVF16(Flat)", "IVF16(Flat),Flat"), ("Flatt", "Flat"), ("HSNW32", "HNSW32"), ("flat", "Flat")])
def test_what_was_meant(written, meant):
    with pytest.raises(RuntimeError, match=re.escape(meant)):
        faiss.index_factory(DIM, written)


def test_centroids_that_are_flat_are_said_to_be():
    index = faiss.index_factory(DIM, "IVF16(Flat),Flat")
    assert type(index) is faiss.IndexIVFFlat and index.spec == "IVF16,Flat"
