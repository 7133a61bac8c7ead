"""Calls that FAISS refuses are refused here by the same kinds of errors, which are kith's as well; and calls that FAISS
answers are answered."""
import numpy as np
import pytest

import kith as faiss
from conftest import DIM

SQ = faiss.ScalarQuantizer


def filled(spec, base):
    index = faiss.index_factory(DIM, spec)
    index.train(base)
    index.add(base)
    return index


def refuses(kind, call, match=None):
    """Both kinds of errors, and no crash or silence."""
    with pytest.raises(kind, match=match) as caught:
        call()
    assert isinstance(caught.value, faiss.KithError), caught.value


SPECS = ["Flat", "SQ8", "PQ4x4", "IVF8,Flat", "IVF8,PQ4x4", "IVF8,SQ8", "HNSW8", "PCA8,Flat", "OPQ4_8,PQ4x4", "L2norm,Flat",
         "PQ4x4,RFlat", "IDMap2,Flat", "RR8,IVF8,Flat"]


@pytest.mark.parametrize("spec", SPECS)
def test_shapes(spec, base):
    new = faiss.index_factory(DIM, spec)
    for bad in (base[:, :5], np.hstack([base, base]), base[0], base[:6].reshape(2, 3, DIM), np.zeros((0, 0), "f4")):
        refuses((AssertionError, ValueError), lambda: new.train(bad))
    index = filled(spec, base)
    for call in (index.train, index.add, lambda x: index.search(x, 3), lambda x: index.range_search(x, 1.0),
                 lambda x: index.assign(x, 1), index.sa_encode, lambda x: index.search_and_reconstruct(x, 1)):
        for bad in (base[:, :5], base[0]):
            refuses((AssertionError, ValueError), lambda: call(bad))
    assert index.ntotal == len(base)


@pytest.mark.parametrize("spec", SPECS)
def test_numbers_of_ids(spec, base):
    index = filled(spec, base)
    for ids in (np.arange(3), np.arange(9), np.arange(5).reshape(5, 1)):
        refuses(AssertionError, lambda: index.add_with_ids(base[:5], ids), "ids")
    for ids in (np.array(["a"] * 5), 5, np.full(5, 1.5)):
        refuses(TypeError, lambda: index.add_with_ids(base[:5], ids))
    refuses(AssertionError, lambda: index.remove_ids(np.arange(4).reshape(2, 2)))
    for which in (None, "abc", 3, np.array([1.5])):
        refuses(TypeError, lambda: index.remove_ids(which))
    assert index.ntotal == len(base)
    index.add_with_ids(base[:5], np.arange(5.0) + 9000)  # as FAISS converts them
    assert index.ntotal == len(base) + 5 and index.ids()[-5:].tolist() == list(range(9000, 9005))
    assert index.remove_ids(np.array([9001.0])) == 1


@pytest.mark.parametrize("spec", ["Flat", "SQ8", "PQ4x4", "IVF8,Flat", "IVF8,PQ4x4", "PCA8,SQ4", "IDMap2,Flat"])
def test_codes(spec, base):
    index = filled(spec, base)
    size = index.sa_code_size()
    refuses(AssertionError, lambda: index.sa_decode(np.zeros((3, size + 1), "u1")), "codes")
    refuses(TypeError, lambda: index.sa_decode(np.zeros((3, size), "f4")), "codes")
    refuses(ValueError, lambda: index.sa_decode(np.zeros(size, "u1")), "codes")
    assert index.sa_encode(base[:0]).shape == (0, size)
    assert index.sa_decode(np.zeros((0, size), "u1")).shape == (0, DIM)
    if "PCA" not in spec:
        refuses(AssertionError, lambda: index.add_sa_codes(np.zeros((3, size + 1), "u1")))
        refuses(AssertionError, lambda: index.add_sa_codes(index.sa_encode(base[:3]), np.arange(4)))
    pq = faiss.ProductQuantizer(DIM, 4, 4)
    pq.train(base)
    refuses(AssertionError, lambda: pq.decode(np.zeros((3, 5), "u1")))
    refuses(TypeError, lambda: pq.decode(np.zeros((3, 2), "f4")))


@pytest.mark.parametrize("spec", ["Flat", "SQ8", "PQ4x4", "IVF8,Flat", "HNSW8", "PCA8,Flat", "PQ4x4,RFlat"])
def test_vectors_that_are_not_there(spec, base):
    index, n = filled(spec, base), len(base)
    for call in (lambda: index.reconstruct_n(0, n + 1), lambda: index.reconstruct_n(n, 1), lambda: index.reconstruct_n(-1, 3),
                 lambda: index.reconstruct_n(5, -2), lambda: index.reconstruct(n), lambda: index.reconstruct(-1),
                 lambda: index.reconstruct_batch([0, n])):
        refuses(RuntimeError, call)
    for call in (lambda: index.reconstruct("a"), lambda: index.reconstruct(1.5), lambda: index.reconstruct(None)):
        refuses(TypeError, call)
    assert index.reconstruct_n(n, 0).shape == (0, DIM) and index.reconstruct_batch(3).shape == (1, DIM)


def test_parts_that_do_not_fit(base):
    flat, eight = lambda: faiss.IndexFlatL2(DIM), lambda: faiss.IndexFlatL2(8)
    full = filled("Flat", base)
    for call in (lambda: faiss.IndexIVFFlat(eight(), DIM, 8), lambda: faiss.IndexIVFPQ(eight(), DIM, 8, 4, 4),
                 lambda: faiss.IndexPreTransform(faiss.PCAMatrix(DIM, 8), faiss.IndexFlatL2(9)),
                 lambda: faiss.IndexRefine(flat(), eight()), lambda: faiss.IndexRefine(flat(), faiss.IndexFlatIP(DIM)),
                 lambda: faiss.IndexRefine(full, flat()), lambda: faiss.IndexRefineFlat(full, base[:5]),
                 lambda: faiss.IndexShards(DIM).add_shard(eight()), lambda: faiss.index_factory(DIM, "PCA32,Flat"),
                 lambda: faiss.index_factory(DIM, "PQ5"), lambda: faiss.index_factory(DIM, None),
                 lambda: faiss.IndexPQ(DIM, 0, 8), lambda: faiss.ProductQuantizer(DIM, 0, 8),
                 lambda: faiss.IndexPQFastScan(DIM, 4, 8), lambda: full.merge_from(eight()),
                 lambda: faiss.IndexIDMap2(flat()).merge_from(flat()), lambda: faiss.clone_index(None)):
        refuses(RuntimeError, call)
    for call in (lambda: faiss.IndexIVFFlat("Flat", DIM, 8), lambda: faiss.IndexIVFFlat(3, DIM, 8),
                 lambda: faiss.IndexPreTransform(3, flat()), lambda: faiss.IndexPreTransform(faiss.PCAMatrix(DIM, 8), None),
                 lambda: faiss.IndexIDMap(3), lambda: faiss.IndexRefineFlat(3), lambda: faiss.IndexFlatL2("a"),
                 lambda: faiss.IndexFlatL2(2.5), lambda: faiss.IndexFlatL2(None), lambda: faiss.index_factory("a", "Flat"),
                 lambda: faiss.IndexFlat(DIM, None), lambda: faiss.IndexPQ(DIM, -1, 8), lambda: faiss.IndexPQ(DIM, 2.5, 8),
                 lambda: faiss.IndexScalarQuantizer(DIM, "a"), lambda: faiss.ProductQuantizer(DIM, 4, -1),
                 lambda: faiss.clone_index(3), lambda: faiss.serialize_index(3), lambda: faiss.write_index(3, "x"),
                 lambda: faiss.downcast_index(3), lambda: faiss.IDSelectorNot(3), lambda: full.merge_from(None),
                 lambda: faiss.IDSelectorBatch("abc"), lambda: faiss.read_index(3),
                 lambda: full.search(base[:1], 1, params=faiss.SearchParameters(sel=3)),
                 lambda: faiss.omp_set_num_threads("a")):
        refuses(TypeError, call)
    full.reconstruct(3)  # nothing was lost
    assert full.ntotal == len(base)


def test_shards_and_kmeans(base):
    kmeans = faiss.Kmeans(DIM, 4)
    refuses(AssertionError, lambda: kmeans.train(base[:, :5]))
    refuses(AssertionError, lambda: kmeans.train(base, weights=np.ones(3, "f4")))
    refuses(RuntimeError, lambda: kmeans.train(base[:2]))
    refuses(AssertionError, lambda: faiss.Kmeans(DIM, 4).assign(base))
    kmeans.train(base)
    refuses(AssertionError, lambda: kmeans.assign(base[:, :5]))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(DIM), DIM, 8)
    with pytest.raises(AttributeError):  # it would be of another number of lists
        index.nlist = 4


def test_arrays_that_faiss_converts(base, queries):
    """Truth values and objects that are numbers, as a column of a table is."""
    index = faiss.IndexFlatL2(DIM)
    index.add(base.astype(object))
    np.testing.assert_array_equal(index.reconstruct_n(), base)
    np.testing.assert_array_equal(index.search(queries.astype(object), 3)[1], index.search(queries, 3)[1])
    index.add(base[:5] > 0)
    np.testing.assert_array_equal(index.reconstruct(len(base)), base[0] > 0)
    for bad in (np.array([["a"] * DIM], object), base[:2].astype("c8"), "abc", None):
        refuses(TypeError, lambda: index.add(bad))


def test_no_index_is_written_and_read(tmp_path):
    faiss.write_index(None, str(tmp_path / "none"))
    assert faiss.read_index(str(tmp_path / "none")) is None
    assert faiss.deserialize_index(faiss.serialize_index(None)) is None


def test_shards_say_what_they_are_not(base, queries):
    shards = faiss.IndexShards(DIM)
    for _ in range(2):
        lists = faiss.index_factory(DIM, "IVF8,Flat")
        lists.train(base)
        shards.add_shard(lists)
    shards.add(base)
    faiss.ParameterSpace().set_index_parameters(shards, "nprobe=8")
    assert shards.at(0).nprobe == shards.at(1).nprobe == 8
    np.testing.assert_array_equal(shards.search(queries, 3)[1], faiss.knn(queries, base, 3).ids)
    for call in (shards.sa_code_size, lambda: shards.sa_encode(base), lambda: shards.sa_decode(np.zeros((1, 64), "u1")),
                 lambda: shards.merge_from(faiss.IndexFlatL2(DIM)), lambda: faiss.serialize_index(shards),
                 lambda: shards.add_sa_codes(np.zeros((1, 64), "u1")),
                 lambda: faiss.ParameterSpace().set_index_parameters(shards, "efSearch=8")):
        refuses(RuntimeError, call)
    refuses(TypeError, lambda: shards.search(queries, 3, params={"nprobe": 3}))
    computer = shards.get_distance_computer()
    computer.set_query(queries[0])
    assert np.isclose(computer(3), ((queries[0] - base[3])**2).sum(), rtol=1e-5)
    shards.is_trained = True
    with pytest.raises(AttributeError, match="nothing_like_it"):
        shards.nothing_like_it


def test_codes_of_a_refinement_are_those_of_both(base):
    index = filled("PQ4x4,RFlat", base)
    codes = index.sa_encode(base[:5])
    assert index.sa_code_size() == 2 + 4 * DIM and codes.shape == (5, 2 + 4 * DIM)
    np.testing.assert_array_equal(codes[:, :2], index.base_index.sa_encode(base[:5]))
    np.testing.assert_array_equal(index.sa_decode(codes), base[:5])


def test_fast_scans_without_lists_have_no_nprobe(base):
    index = faiss.IndexPQFastScan(DIM, 4, 4)
    assert not hasattr(index, "nprobe")
    index.nprobe = 3  # as FAISS's tutorial does
    assert not hasattr(index, "nprobe")
    refuses(TypeError, lambda: setattr(index, "nprobe", "many"))
    assert faiss.IndexIVFPQFastScan(faiss.IndexFlatL2(DIM), DIM, 8, 4, 4).nprobe == 1


def test_gpus_are_not_there():
    for name in ("StandardGpuResources", "index_cpu_to_gpu", "index_cpu_to_all_gpus", "index_gpu_to_cpu"):
        assert not hasattr(faiss, name)
        refuses(AttributeError, lambda: getattr(faiss, name), "kith runs on CPUs")
    assert faiss.get_num_gpus() == 0
