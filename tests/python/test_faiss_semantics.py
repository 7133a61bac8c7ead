"""Where a program written for FAISS would meet another answer, or lose something, if kith did not do as FAISS does."""
import copy
import io
import pickle
import socket
import threading

import numpy as np
import pytest

import kith as faiss
from conftest import DIM, exact, recall


def filled(spec, base, metric=faiss.METRIC_L2):
    index = faiss.index_factory(DIM, spec, metric)
    index.train(base)
    index.add(base)
    return index


def copies(index, folder):
    """All ways that an index takes through a file or memory."""
    path = str(folder / "index")
    faiss.write_index(index, path)
    yield faiss.read_index(path)
    yield faiss.read_index(path, faiss.IO_FLAG_MMAP)
    faiss.write_index(index, path, format="faiss")
    yield faiss.read_index(path)
    yield faiss.deserialize_index(faiss.serialize_index(index))
    yield pickle.loads(pickle.dumps(index))
    yield faiss.clone_index(index)
    yield copy.copy(index)
    yield copy.deepcopy(index)
    stream = io.BytesIO()
    faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write))
    stream.seek(0)
    yield faiss.read_index(faiss.PyCallbackIOReader(stream.read))


# ---- what an index keeps ----

@pytest.mark.parametrize("spec", ["Flat", "IVF16,Flat", "HNSW8", "PCA8,Flat", "IDMap2,Flat", "Flat,RFlat"])
@pytest.mark.parametrize("metric", [faiss.METRIC_L1, faiss.METRIC_Linf, faiss.METRIC_Lp, faiss.METRIC_Canberra,
                                    faiss.METRIC_BrayCurtis, faiss.METRIC_NaNEuclidean])
def test_metrics_travel(spec, metric, base, queries, tmp_path):
    if metric == faiss.METRIC_NaNEuclidean and "PCA" in spec:
        pytest.skip("a transform would have to know what is missing")
    index = faiss.index_factory(DIM, spec, metric)
    index.train(base)
    index.add_with_ids(base, np.arange(len(base)) + 3) if "IDMap" in spec else index.add(base)
    D, I = index.search(queries, 5)
    for copied in copies(index, tmp_path):
        assert copied.metric_type == metric
        found = copied.search(queries, 5)
        assert np.array_equal(found[0], D) and np.array_equal(found[1], I)


@pytest.mark.parametrize("spec", ["IVF16,Flat", "IVF16,PQ4x4,RFlat", "HNSW8", "PCA8,IVF16,SQ8", "HNSW8,SQ8,RFlat",
                                  "IDMap2,IVF16,Flat", "IVF16_HNSW8,Flat"])
def test_parameters_travel(spec, base, queries, tmp_path):
    index = filled(spec, base) if "IDMap" not in spec else faiss.index_factory(DIM, spec)
    if "IDMap" in spec:
        index.train(base)
        index.add_with_ids(base, np.arange(len(base)) * 3)
    for part in index._tree():
        if isinstance(part, faiss.IndexIVF):
            part.nprobe = 9
        if isinstance(part, faiss.IndexHNSW):
            part.hnsw.efSearch, part.hnsw.efConstruction = 77, 99
        if isinstance(part, faiss.IndexRefine):
            part.k_factor = 3.5
    D, I = index.search(queries, 5)
    for made in copies(index, tmp_path):
        for part in made._tree():
            if isinstance(part, faiss.IndexIVF):
                assert part.nprobe == 9
            if isinstance(part, faiss.IndexHNSW):
                assert (part.hnsw.efSearch, part.hnsw.efConstruction) == (77, 99)
            if isinstance(part, faiss.IndexRefine):
                assert part.k_factor == 3.5
        assert type(made) is type(index)
        assert (made.search(queries, 5)[1] == I).all()


def test_an_untouched_index_keeps_defaults(base, tmp_path):
    for made in copies(filled("IVF16,Flat", base), tmp_path):
        assert made.nprobe == 1
    assert faiss.index_factory(DIM, "HNSW8").hnsw.efConstruction == 40
    native = faiss.Index("IVF16,Flat", DIM)  # says nothing of parameters
    native.train(base)
    native.save(tmp_path / "native")
    assert faiss.read_index(str(tmp_path / "native")).nprobe == 1


def test_the_native_interface_does_not_search_by_them(base, queries, tmp_path):
    index = filled("IVF16,Flat", base)
    index.nprobe = 16
    faiss.write_index(index, str(tmp_path / "index"))
    native = faiss.open(tmp_path / "index")
    assert (native.search(queries, 5).ids == native.search(queries, 5, nprobe=8).ids).all()


@pytest.mark.parametrize("name, value", [("nprobe", 0), ("nprobe", -3), ("max_codes", -1), ("k_factor", 0), ("k_factor", 0.5)])
def test_parameters_that_search_nothing(name, value, base):
    index = filled("IVF16,SQ8,RFlat", base)
    ivf = faiss.extract_index_ivf(index)
    with pytest.raises(RuntimeError, match=name):
        setattr(index if name == "k_factor" else ivf, name, value)
    made = faiss.IndexRefineSearchParameters if name == "k_factor" else faiss.SearchParametersIVF
    with pytest.raises(RuntimeError, match=name):
        index.search(base[:1], 1, params=made(**{name: value}))
    with pytest.raises(RuntimeError):
        faiss.ParameterSpace().set_index_parameter(index, name, value)


def test_unknown_parameters(base):
    with pytest.raises(AssertionError, match="nprob"):
        faiss.SearchParametersIVF(nprob=3)
    params = faiss.SearchParametersIVF(nprobe=3)
    with pytest.raises(AttributeError, match="nprob"):
        params.nprob = 4
    with pytest.raises(RuntimeError, match="efSearch"):  # of another kind of index
        filled("IVF16,Flat", base).search(base[:1], 1, params=faiss.SearchParametersHNSW(efSearch=3))


# ---- numbers of vectors ----

@pytest.mark.parametrize("spec", ["Flat", "SQ8", "PQ4x4", "PCA8,Flat", "L2norm,Flat", "SQ8,RFlat"])
def test_flat_indexes_number_anew(spec, base):
    index = filled(spec, base[:300])
    kept = np.delete(np.arange(300), [2, 5, 299])
    before = index.reconstruct_n(0, 300)[kept]
    assert index.remove_ids(np.array([2, 5, 299, 1000])) == 3
    assert (index.reconstruct_n(0, index.ntotal) == before).all()
    index.add(base[300:310])
    assert index.ids().tolist() == list(range(307))
    assert index.remove_ids(faiss.IDSelectorRange(0, 100)) == 100 and index.ids().tolist() == list(range(207))
    index.reset()
    index.add(base[:3])
    assert index.ids().tolist() == [0, 1, 2]


def test_documents_beside_a_flat_index(base):
    """A list of documents, from which those at the same numbers are deleted."""
    index, documents = faiss.IndexFlatL2(DIM), list(range(50))
    index.add(base[:50])
    random = np.random.default_rng(3)
    for _ in range(5):
        gone = random.choice(len(documents), 4, replace=False)
        index.remove_ids(gone)
        documents = [d for i, d in enumerate(documents) if i not in gone]
        documents += [documents_end := max(documents) + 50]
        index.add(base[documents_end:documents_end + 1])
        assert [documents[i] for i in index.search(base[documents], 1)[1][:, 0]] == documents


def test_inverted_files_and_maps_keep_ids(base):
    index = filled("IVF16,Flat", base[:300])
    index.remove_ids(np.array([2, 5]))
    assert index.ids().tolist() == [0, 1, 3, 4, *range(6, 300)]
    index.add(base[300:302])  # counts from ntotal, as FAISS does: 298 and 299 are there twice
    assert index.ids().tolist()[-2:] == [298, 299] and index.ntotal == 300
    mapped = faiss.IndexIDMap(faiss.IndexFlatL2(DIM))
    mapped.add_with_ids(base[:4], np.arange(4))
    mapped.remove_ids([1])
    assert mapped.ids().tolist() == [0, 2, 3]


# ---- ids that the library does not have ----

STRANGE = np.array([7, 7, -5, 2**63 - 1, -2**63, 0, 7, 3])


@pytest.mark.parametrize("make", [lambda: faiss.IndexIDMap(faiss.IndexFlatL2(DIM)),
                                  lambda: faiss.IndexIDMap2(faiss.IndexFlatL2(DIM)),
                                  lambda: faiss.index_factory(DIM, "IVF4,Flat"),
                                  lambda: faiss.index_factory(DIM, "PCA16,IDMap,SQfp16"),
                                  lambda: faiss.IndexIDMap2(faiss.index_factory(DIM, "HNSW8"))])
def test_any_ids(make, base, queries, tmp_path):
    index = make()
    index.train(base)
    faiss.ParameterSpace().set_index_parameter(index, "nprobe", 4) if "IVF" in index.spec else None
    x = base[:8] * 100
    index.add_with_ids(base[100:400], np.arange(100, 400))
    index.add_with_ids(x, STRANGE)
    assert index.ntotal == 308 and index.ids().tolist() == [*range(100, 400), *STRANGE]
    assert sorted(index.search(x, 1)[1][:, 0]) == sorted(STRANGE)
    np.testing.assert_allclose(index.reconstruct(7), x[6], atol=2)  # the last that was added
    np.testing.assert_allclose(index.reconstruct_batch([3, -5, 150]), [x[7], x[2], base[150]], atol=2)
    with pytest.raises(RuntimeError, match="-6"):
        index.reconstruct(-6)
    assert 2**63 - 1 in index and 8 not in index
    for sel, want in ((faiss.IDSelectorBatch([7, -5]), {7, -5}), (faiss.IDSelectorRange(-10, 8), {7, -5, 0, 3}),
                      (faiss.IDSelectorNot(faiss.IDSelectorRange(-2**62, 400)), {2**63 - 1, -2**63}),
                      (faiss.IDSelectorAnd(faiss.IDSelectorArray([0, 3, 5]), faiss.IDSelectorRange(1, 9)), {3})):
        params = faiss.SearchParametersIVF(sel=sel, nprobe=4) if "IVF" in index.spec else faiss.SearchParameters(sel=sel)
        assert set(index.search(x, 8, params=params)[1].ravel()) - {-1} == want
    lims, D, I = index.range_search(x[2:3], 1.0)
    assert I.tolist() == [-5]
    for made in copies(index, tmp_path):
        assert made.ids().tolist() == index.ids().tolist() or sorted(made.ids()) == sorted(index.ids())
        assert (made.search(x, 3)[1] == index.search(x, 3)[1]).all() and type(made) is type(index)
    assert index.remove_ids(np.array([7, 100])) == 4
    assert index.ids().tolist() == [*range(101, 400), -5, 2**63 - 1, -2**63, 0, 3]
    index.add_with_ids(x[:2], np.array([7, 8]))
    np.testing.assert_allclose(index.reconstruct(7), x[0], atol=2)
    if hasattr(index, "update_vectors"):
        index.update_vectors(np.array([8]), x[5:6])
        np.testing.assert_allclose(index.reconstruct(8), x[5], atol=2)
    for bad in ([-1], [1, -1]):
        with pytest.raises(RuntimeError, match="-1"):
            index.add_with_ids(x[:len(bad)], np.array(bad))
    index.reset()
    index.add_with_ids(x[:2], np.array([5, 6]))
    assert index.ids().tolist() == [5, 6]


def test_what_a_map_is_around_counts(base, queries):
    flat = faiss.IndexFlatL2(DIM)
    mapped = faiss.IndexIDMap2(flat)
    mapped.add_with_ids(base[:50], 1000 - np.arange(50))
    assert (mapped.search(base[:50], 1)[1][:, 0] == 1000 - np.arange(50)).all()
    assert (flat.search(base[:50], 1)[1][:, 0] == np.arange(50)).all() and flat.ntotal == 50
    assert (flat.reconstruct_n(0, 50) == base[:50]).all()
    params = faiss.SearchParameters(sel=faiss.IDSelectorRange(3, 5))
    assert set(flat.search(base[:2], 5, params=params)[1].ravel()) == {3, 4, -1}
    mapped.remove_ids([1000, 999])
    assert (flat.search(base[2:50], 1)[1][:, 0] == np.arange(48)).all()
    with pytest.raises(NotImplementedError, match="part of another"):
        flat.add(base)
    alone = faiss.clone_index(flat)
    assert alone.ids().tolist() == list(range(48)) and type(alone) is faiss.IndexFlatL2
    ivf = faiss.IndexIVFFlat(faiss.IndexFlatL2(DIM), DIM, 4)
    around = faiss.IndexIDMap(ivf)
    ivf.train(base)  # by either name
    around.add_with_ids(base[:9], np.arange(9) + 70)
    assert around.is_trained and around.search(base[:1], 1)[1][0, 0] == 70


def test_merging_takes_any_ids(base):
    for spec in ("IVF4,Flat", "IVF4,SQ8,RFlat", "PCA8,IVF4,Flat"):
        one = faiss.index_factory(DIM, spec)
        one.train(base)
        two = faiss.clone_index(one)
        one.add(base[:100])
        two.add(base[100:200])
        one.merge_from(two)  # the same ids again
        assert one.ntotal == 200 and two.ntotal == 0 and one.ids().tolist() == [*range(100), *range(100)]
        two.add(base[:3])
        assert two.ids().tolist() == [0, 1, 2]
        one.merge_from(two, -500)
        assert one.ids().tolist()[-3:] == [-500, -499, -498]
    for spec in ("Flat", "PCA8,Flat", "SQ8", "SQ8,RFlat"):
        one = faiss.index_factory(DIM, spec)
        one.train(base)
        two = faiss.clone_index(one)
        one.add(base[:100])
        two.add(base[100:200])
        one.merge_from(two)
        assert one.ids().tolist() == list(range(200)) and two.ntotal == 0
        assert (one.search(base[:200], 1)[1][:, 0] == np.arange(200)).mean() > 0.9
    with pytest.raises(RuntimeError, match="cannot be merged"):
        one.merge_from(filled("Flat", base))


# ---- parts that are trained and filled ----

def test_refining_a_filled_index(base, queries):
    truth = exact(base, queries, 5)[1]
    for spec in ("PQ4x4", "IVF8,SQ4", "HNSW8,SQ8", "PCA8,Flat"):
        index = filled(spec, base)
        refined = faiss.IndexRefineFlat(index, base)
        refined.k_factor = 100
        if "IVF" in spec:
            index.nprobe = 8
        assert recall(refined.search(queries, 5)[1], truth) > 0.99
        alone = index.search(queries, 5)[1]  # by itself, coarser
        assert index.ntotal == refined.ntotal and (alone != truth).any()
        refined.add(base[:1] + 50)
        assert index.search(base[:1] + 50, 1)[1][0, 0] == len(base)
        with pytest.raises(NotImplementedError, match="part of another"):
            index.add(base)
    fine = faiss.IndexFlatL2(DIM)
    fine.add(base)
    refined = faiss.IndexRefine(filled("PQ4x4", base), fine)
    refined.k_factor = 100
    assert recall(refined.search(queries, 5)[1], truth) > 0.99
    with pytest.raises(RuntimeError):
        faiss.IndexRefine(filled("PQ4x4", base), faiss.IndexFlatL2(DIM))
    with pytest.raises(RuntimeError):
        faiss.IndexRefineFlat(filled("PQ4x4", base), base[:-1])


def test_transforms_that_are_trained(base, queries):
    pca = faiss.PCAMatrix(DIM, 8)
    pca.train(base)
    flat = faiss.IndexFlatL2(8)
    flat.add(pca.apply(base))
    index = faiss.IndexPreTransform(pca, flat)
    assert index.is_trained and index.ntotal == len(base)
    want = faiss.knn(pca.apply(queries), pca.apply(base), 5)[1]
    assert (index.search(queries, 5)[1] == want).all()
    assert (flat.search(pca.apply(queries), 5)[1] == want).all()
    # A trained transform stays when the rest is trained, also through a file.
    ivf = faiss.IndexIVFPQ(faiss.IndexFlatL2(8), 8, 4, 4, 4)
    again = faiss.PCAMatrix(DIM, 8)
    again.train(base)
    index = faiss.IndexPreTransform(again, ivf)
    assert again.is_trained and not index.is_trained
    index = faiss.deserialize_index(faiss.serialize_index(index))
    index.train(base[:500])
    assert index.is_trained and (index.chain.at(0).apply(queries) == pca.apply(queries)).all()
    index.prepend_transform(faiss.NormalizationTransform(DIM))
    assert index.chain.size() == 2 and index.search(queries, 1)[1].shape == (len(queries), 1)


def test_quantizers_that_have_centroids(base, queries):
    centroids = base[::100].copy()
    for make in (faiss.IndexFlatL2, lambda d: faiss.IndexHNSWFlat(d, 8)):
        quantizer = make(DIM)
        quantizer.add(centroids)
        index = faiss.IndexIVFFlat(quantizer, DIM, len(centroids))
        assert index.is_trained
        index.train(base)  # changes nothing
        index.add(base)
        assert (index.centroids() == centroids).all() and quantizer.ntotal == len(centroids)
        assert (index.search(centroids, 1)[1][:, 0] == np.arange(0, len(base), 100)).all()
        coded = faiss.IndexIVFPQ(index.quantizer, DIM, len(centroids), 4, 4)  # shared
        assert not coded.is_trained
        coded.train(base)
        assert (coded.centroids() == centroids).all()
    quantizer = faiss.IndexFlatL2(DIM)
    one, two = (faiss.IndexIVFFlat(quantizer, DIM, 8) for _ in range(2))
    one.train(base)
    two.train(base[::-1])
    assert (one.centroids() == two.centroids()).all() and quantizer.ntotal == 8


# ---- streams ----

class Dribble:
    """Gives few bytes at a time, as sockets do."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def __call__(self, n):
        part = self.data[self.at:self.at + min(n, 1000)]
        self.at += len(part)
        return part


@pytest.mark.parametrize("format", ["kith", "faiss"])
def test_several_indexes_in_a_stream(format, base, queries):
    specs = ["Flat", "IVF16,PQ4x4", "HNSW8", "PCA8,IVF16,SQ8,RFlat", "IDMap2,Flat"]
    made = [filled(spec, base) if "IDMap" not in spec else faiss.index_factory(DIM, spec) for spec in specs]
    made[-1].add_with_ids(base[:5], np.array([3, 3, -9, 1, 2]))
    stream = io.BytesIO()
    writer = faiss.BufferedIOWriter(faiss.PyCallbackIOWriter(stream.write, 10000), 3000)
    for index in made:
        faiss.write_index(index, writer, format=format)
    stream.write(b"and more")
    for read in (Dribble(stream.getvalue()), io.BytesIO(stream.getvalue()).read):
        for wrap in (lambda reader: reader, faiss.BufferedIOReader):
            if isinstance(read, Dribble):
                read.at = 0
            else:
                read.__self__.seek(0)
            reader = wrap(faiss.PyCallbackIOReader(read, 5000))
            for index in made:
                again = faiss.read_index(reader)
                assert type(again) is type(index) and (again.search(queries, 3)[1] == index.search(queries, 3)[1]).all()
            assert read(100) == b"and more"
    vector = faiss.VectorIOReader()
    faiss.copy_array_to_vector(np.frombuffer(stream.getvalue(), np.uint8), vector.data)
    assert [faiss.read_index(vector).ntotal for _ in made] == [index.ntotal for index in made]
    with pytest.raises(RuntimeError):
        faiss.read_index(vector)  # b"and more"


@pytest.mark.parametrize("format", ["kith", "faiss"])
def test_a_connection_that_stays_open(format, base):
    index = filled("IVF16,Flat", base)
    here, there = socket.socketpair()
    found = []
    reader = threading.Thread(target=lambda: found.append(faiss.read_index(faiss.PyCallbackIOReader(there.recv))))
    reader.start()
    faiss.write_index(index, faiss.PyCallbackIOWriter(here.sendall), format=format)
    reader.join(60)
    assert found and found[0].ntotal == index.ntotal
    here.close()
    there.close()


def test_streams_that_end_early(base):
    for format in ("kith", "faiss"):
        stream = io.BytesIO()
        faiss.write_index(filled("IVF16,Flat", base), stream, format=format)
        for n in (0, 3, 10, 100, len(stream.getvalue()) - 1):
            with pytest.raises(RuntimeError):
                faiss.read_index(faiss.PyCallbackIOReader(io.BytesIO(stream.getvalue()[:n]).read))


# ---- errors, order, truth ----

def test_errors_are_of_faiss_kinds(base, tmp_path):
    index = filled("Flat", base)
    for call in (lambda: index.add(base[:, :3]), lambda: index.search(base[:, :3], 1), lambda: index.search(base, 0),
                 lambda: index.search(base, -1), lambda: index.range_search(base[:, :3], 1.0),
                 lambda: index.train(base[:, :3]), lambda: index.search(base[:2], 3, D=np.empty((2, 2), "f4")),
                 lambda: index.assign(base[:, :3], 1), lambda: index.search_and_reconstruct(base, 0)):
        with pytest.raises(AssertionError):
            call()
    for missing in (tmp_path / "missing", tmp_path / "no" / "folder"):
        for error in (RuntimeError, OSError, FileNotFoundError):
            with pytest.raises(error, match="missing|folder"):
                faiss.read_index(str(missing))
    with pytest.raises(RuntimeError):
        faiss.read_index(str(tmp_path))  # a folder
    with pytest.raises(OSError):
        faiss.open(tmp_path / "missing")
    with pytest.raises(RuntimeError):
        faiss.index_factory(DIM, "IVF16,Flat").add(base)
    with pytest.raises(RuntimeError):
        index.reconstruct(len(base))
    with pytest.raises(RuntimeError, match="finite"):
        index.add(np.full((1, DIM), np.nan, "f4"))


def test_an_index_is_true():
    for index in (faiss.IndexFlatL2(4), faiss.index_factory(4, "IVF4,Flat"), faiss.IndexShards(4),
                  faiss.IndexIDMap(faiss.IndexFlatL2(4))):
        assert index and len(index) == 0


@pytest.mark.parametrize("spec", ["Flat", "IVF16,Flat", "HNSW8", "PCA16,Flat", "SQ8,RFlat"])
def test_ranges_in_the_order_of_ids(spec, base, queries):
    index = filled(spec, base)
    lims, D, I = index.range_search(queries, 2.0)
    assert lims[-1] > len(queries) and lims.dtype == np.uint64  # FAISS's size_t
    for a, b in zip(lims, lims[1:]):
        assert (np.diff(I[a:b]) > 0).all()
    if spec == "Flat":
        full = ((queries[:, None].astype("f8") - base[None])**2).sum(2)
        np.testing.assert_allclose(D[:lims[1]], full[0, I[:lims[1]]], rtol=1e-5)


# ---- k-means ----

def test_clustering_by_inner_product(base):
    x = base * np.random.default_rng(0).uniform(0.2, 5, (len(base), 1)).astype("f4")
    clustering, index = faiss.Clustering(DIM, 10), faiss.IndexFlatIP(DIM)
    clustering.niter = 8
    clustering.train(x, index)
    centroids = clustering.centroids.reshape(10, DIM)
    assert index.ntotal == 10 and (index.reconstruct_n(0, 10) == centroids).all()
    assert not np.allclose(np.linalg.norm(centroids, axis=1), 1, atol=0.1)
    # The next step of Lloyd's algorithm by inner products, by hand.
    labels = (x.astype("f8") @ centroids.T.astype("f8")).argmax(1)
    more = faiss.Clustering(DIM, 10)
    more.centroids, more.niter = clustering.centroids, 1
    more.train(x, faiss.IndexFlatIP(DIM))
    for c in range(10):
        if (labels == c).any():
            np.testing.assert_allclose(more.centroids.reshape(10, DIM)[c], x[labels == c].mean(0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(more.obj[0], (x * centroids[labels]).sum(), rtol=1e-4)


def test_objectives_of_kmeans(base):
    fields = ["obj", "time", "time_search", "imbalance_factor", "nsplit"]
    for keywords in ({}, {"spherical": True}, {"nredo": 2}, {"int_centroids": True}, {"init_method": 1}):
        kmeans = faiss.Kmeans(DIM, 10, niter=5, **keywords)
        objective = kmeans.train(base)
        assert objective > 0 and list(kmeans.iteration_stats[0]) == fields
        rising = keywords.get("spherical")
        assert (kmeans.obj[-1] > kmeans.obj[0]) if rising else (kmeans.obj[-1] < kmeans.obj[0])
        assert all(s["time"] > 0 and 1 <= s["imbalance_factor"] < 10 and s["nsplit"] >= 0 for s in kmeans.iteration_stats)
    clustering = faiss.Clustering(DIM, 10)
    clustering.train(base, faiss.IndexFlatL2(DIM))
    assert all(hasattr(clustering.iteration_stats.at(0), field) for field in fields)


def test_kmeans_stops_when_it_stands_still():
    x = np.array([[0], [1], [10], [11]], "f4")
    kmeans = faiss.Kmeans(1, 2, niter=100)
    kmeans.train(x)
    assert len(kmeans.obj) < 10 and kmeans.obj[-1] == kmeans.obj[-2]
    early = faiss.Kmeans(1, 2, niter=100, early_stop_threshold=1.0)
    early.train(x)
    assert len(early.obj) == 2


def test_centroids_that_are_given(base):
    kmeans = faiss.Kmeans(DIM, 10, frozen_centroids=True, niter=3)
    kmeans.train(base, init_centroids=base[:4])
    assert (kmeans.centroids[:4] == base[:4]).all() and kmeans.centroids.shape == (10, DIM)
    kmeans = faiss.Kmeans(DIM, 10, int_centroids=True, update_index=True, niter=3)
    kmeans.train(base * 10)
    assert (kmeans.centroids == np.rint(kmeans.centroids)).all()
    weights = np.where(np.arange(len(base)) < 1000, 1, 0).astype("f4")
    one = faiss.Kmeans(DIM, 4, niter=3, int_centroids=True, max_points_per_centroid=10**6)
    one.train(base * 10, weights=weights, init_centroids=base[:4] * 10)
    two = faiss.Kmeans(DIM, 4, niter=3, int_centroids=True, max_points_per_centroid=10**6)
    two.train(base[:1000] * 10, init_centroids=base[:4] * 10)
    assert (one.centroids == two.centroids).all()
    assert faiss.Kmeans(DIM, 20).train(base[:20]) == 0


def test_vectors_without_labels_are_noticed(tmp_path):
    x, path = np.random.default_rng(5).normal(size=(9, DIM)).astype(np.float32), str(tmp_path / "labelled.kith")
    index = faiss.IndexIDMap2(faiss.IndexFlatL2(DIM))
    index.add_with_ids(x[:5], np.array([7, 7, 8, -2, 3]))
    faiss.write_index(index, path)
    with faiss.open(path) as native:
        native.add(x[5:])
        native.save(path)
    with pytest.raises(RuntimeError, match="4 of the index's vectors have no label"):
        faiss.read_index(path)


def test_shapes_are_asserted_everywhere():
    x = np.random.default_rng(6).normal(size=(600, DIM)).astype(np.float32)
    bad, pq, pca = x[:, :5], faiss.ProductQuantizer(DIM, 4, 8), faiss.PCAMatrix(DIM, 4)
    pq.train(x)
    pca.train(x)
    rotation = faiss.RandomRotationMatrix(DIM, 8)
    rotation.init(3)
    for call in (lambda: pq.train(bad), lambda: pq.compute_codes(bad), lambda: pca.train(bad), lambda: pca.apply(bad),
                 lambda: pca.reverse_transform(bad), lambda: rotation.apply(bad), lambda: faiss.knn(x, bad, 3),
                 lambda: faiss.knn(x, x, 0), lambda: faiss.pairwise_distances(x, bad),
                 lambda: faiss.ScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_8bit).train(bad)):
        with pytest.raises(AssertionError):
            call()
    space = faiss.ParameterSpace()
    with pytest.raises(RuntimeError, match="nprobe"):
        space.set_index_parameter(faiss.IndexFlatL2(DIM), "nprobe", 3)
    with pytest.raises(RuntimeError, match="NAME=NUMBER"):
        space.set_index_parameters(faiss.index_factory(DIM, "IVF4,Flat"), "nprobe:3")
