"""Every name of FAISS's interface beside FAISS itself: the same calls, in both, give the same.

CASES is the table. A case gets the module (kith or FAISS), vectors and queries, and returns what it found; `like` says
how alike both must be: "same", "close" (floats), or "score" (at least as good, but for chance).
"""
import tempfile

import numpy as np
import pytest

import kith
from conftest import DIM, exact, recall

CASES = []
K = 10


def case(names, like="same"):
    """Declare a case: the names it goes through, and how alike the results must be."""
    def declare(function):
        CASES.append(pytest.param(function, like, id=function.__name__))
        function.names = names.split()
        return function
    return declare


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    kith.omp_set_num_threads(1)
    try:
        import faiss
        faiss.omp_set_num_threads(1)
    except ImportError:
        pass
    yield
    kith.set_threads(0)


def score(f, index, x, q, **search):
    """Recall of an index that is trained and filled here."""
    index.train(x)
    index.add(x)
    return recall(index.search(q, K, **search)[1], exact(x, q, K)[1])


# ---- flat ----

@case("METRIC_Lp METRIC_Canberra METRIC_BrayCurtis METRIC_JensenShannon METRIC_Jaccard METRIC_NaNEuclidean metric_arg", "close")
def metrics_of_whole_floats(f, x, q):
    found = []
    x, q = abs(x), abs(q)
    for metric, p in ((f.METRIC_Lp, 3), (f.METRIC_Lp, 1.75), (f.METRIC_Canberra, 0), (f.METRIC_BrayCurtis, 0),
                      (f.METRIC_JensenShannon, 0), (f.METRIC_Jaccard, 0), (f.METRIC_NaNEuclidean, 0)):
        index = f.IndexFlat(DIM, metric)
        if p:
            index.metric_arg = p
        index.add(x)
        D, I = index.search(q, K)
        again = f.deserialize_index(f.serialize_index(index))
        radius = float(np.median(D))
        found += [D, I, index.metric_type, again.metric_arg, again.search(q, K)[0], f.is_similarity_metric(metric),
                  f.pairwise_distances(q, x[:20], metric, p), np.diff(index.range_search(q[:5], radius)[0])]
    q[:, 3] = x[::7, 5] = np.nan
    index = f.IndexFlat(DIM, f.METRIC_NaNEuclidean)
    index.add(x)
    return found + list(index.search(q, K))


@case("IndexFlatL2 IndexFlatIP IndexFlat METRIC_L2 METRIC_INNER_PRODUCT d ntotal is_trained metric_type")
def flat(f, x, q):
    found = []
    for index in (f.IndexFlatL2(DIM), f.IndexFlatIP(DIM), f.IndexFlat(DIM), f.IndexFlat(DIM, f.METRIC_INNER_PRODUCT)):
        index.add(x)
        found += [index.d, index.ntotal, index.is_trained, index.metric_type, index.search(q, K)[1]]
    return found


def other_metrics(f):
    return f.METRIC_L1, f.METRIC_Linf


@case("METRIC_L1 METRIC_Linf")
def flat_of_other_metrics(f, x, q):
    found = []
    for metric in other_metrics(f):
        for index in (f.IndexFlat(DIM, metric), f.index_factory(DIM, "IDMap,Flat", metric)):
            if hasattr(index, "id_map"):
                index.add_with_ids(x, np.arange(len(x)) + 7)
            else:
                index.add(x)
            lims, _, ids = index.range_search(q[:5], 5.0)
            found += [index.metric_type, index.search(q, K)[1], lims,
                      [sorted(ids[a:b]) for a, b in zip(lims, lims[1:])]]
        found += [f.knn(q, x, K, metric=metric)[1]]
    return found


@case("pairwise_distances get_distance_computer", "close")
def distances_of_other_metrics(f, x, q):
    found = []
    for metric in other_metrics(f):
        index = f.IndexFlat(DIM, metric)
        index.add(x)
        found += [index.search(q, K)[0], f.pairwise_distances(q, x[:20], metric)]
    return found


@case("IndexIVFFlat quantizer nprobe")
def lists_of_other_metrics(f, x, q):
    found = []
    for metric in other_metrics(f):
        coarse = f.IndexFlat(DIM, metric)
        coarse.add(x[:16])
        index = f.IndexIVFFlat(coarse, DIM, 16, metric)
        index.train(x)
        index.add(x)
        index.nprobe = 3
        found += [index.metric_type, index.search(q, K)[1], index.quantizer.search(q, 2)[1]]
    return found


@case("search", "close")
def flat_distances(f, x, q):
    index = f.IndexFlatL2(DIM)
    index.add(x)
    return index.search(q, K)[0], f.knn(q, x, K)[0], f.knn(q, x, K, metric=f.METRIC_INNER_PRODUCT)[0]


@case("knn")
def knn(f, x, q):
    return f.knn(q, x, K)[1], f.knn(q, x, K, f.METRIC_INNER_PRODUCT)[1]


@case("normalize_L2", "close")
def normalize(f, x, q):
    copy = x.copy()
    f.normalize_L2(copy)
    return copy


@case("reset reconstruct reconstruct_n reconstruct_batch assign search_and_reconstruct")
def flat_calls(f, x, q):
    index = f.IndexFlatL2(DIM)
    index.add(x)
    found = [index.reconstruct(7), index.reconstruct_n(3, 5), index.reconstruct_batch(np.array([5, 3])),
             index.assign(q, 3), *index.search_and_reconstruct(q, 3)[1:]]
    index.reset()
    return found + [index.ntotal]


@case("range_search")
def ranges(f, x, q):
    index = f.IndexFlatL2(DIM)
    index.add(x)
    lims, _, ids = index.range_search(q, 3.0)
    return lims, [np.sort(ids[a:b]) for a, b in zip(lims, lims[1:])]


@case("remove_ids IDSelectorBatch IDSelectorRange IDSelectorArray add_with_ids IndexIDMap IndexIDMap2")
def removing(f, x, q):
    found = []
    for kind in (f.IndexIDMap, f.IndexIDMap2):
        index = kind(f.IndexFlatL2(DIM))
        index.add_with_ids(x, np.arange(len(x)) * 3 + 100)
        found += [index.remove_ids(np.array([100, 103, 104])), index.remove_ids(f.IDSelectorRange(500, 900)), index.ntotal,
                  index.search(q, K)[1]]
    return found + [index.reconstruct(1000), np.sort(f.vector_to_array(index.id_map))]


@case("IDSelectorNot IDSelectorAnd IDSelectorOr IDSelectorXOr IDSelectorBitmap IDSelectorAll SearchParameters")
def selectors(f, x, q):
    index = f.IndexFlatL2(DIM)
    index.add(x)
    a, b = f.IDSelectorRange(100, 900), f.IDSelectorBatch(np.arange(0, 2000, 7))
    kinds = [a, b, f.IDSelectorNot(a), f.IDSelectorArray(np.arange(50, 90)), f.IDSelectorAll(),
             f.IDSelectorBitmap(np.packbits(np.arange(2000) % 3 == 0, bitorder="little")),
             *(getattr(f, name)(a, b) for name in ("IDSelectorAnd", "IDSelectorOr", "IDSelectorXOr"))]
    return [index.search(q, K, params=f.SearchParameters(sel=sel))[1] for sel in kinds]


@case("IndexScalarQuantizer ScalarQuantizer code_size sa_code_size", "score")
def scalar(f, x, q):
    found = {}
    for qtype in ("QT_8bit", "QT_6bit", "QT_4bit", "QT_fp16", "QT_8bit_uniform"):
        index = f.IndexScalarQuantizer(DIM, getattr(f.ScalarQuantizer, qtype))
        found[qtype] = score(f, index, x, q)
        found[f"{qtype} bytes"] = -index.code_size
    return found


@case("IndexPQ pq M nbits dsub ksub centroids ProductQuantizer compute_codes decode", "score")
def product(f, x, q):
    index = f.IndexPQ(DIM, 8, 6)
    found = {"recall": score(f, index, x, q), "bytes": -index.code_size}
    assert (index.pq.M, index.pq.nbits, index.pq.dsub, index.pq.ksub, index.pq.d) == (8, 6, 2, 64, DIM)
    assert f.vector_to_array(index.pq.centroids).size == 8 * 64 * 2
    pq = f.ProductQuantizer(DIM, 8, 6)
    pq.train(x)
    for each in (pq, index.pq):
        found[f"{len(found)}"] = -float(((each.decode(each.compute_codes(x)) - x) ** 2).mean())
    assert pq.code_size == 6
    return found


@case("sa_encode sa_decode", "score")
def codes(f, x, q):
    found = {}
    for description in ("SQ8", "SQfp16", "PQ8x4", "IVF8,PQ8x4", "IVF8,SQ8", "PCA8,SQ8", "Flat"):
        index = f.index_factory(DIM, description)
        index.train(x)
        code = index.sa_encode(x)
        assert code.shape == (len(x), index.sa_code_size()) and code.dtype == np.uint8
        found[description] = -float(((index.sa_decode(code) - x) ** 2).mean())
        found[description + " bytes"] = -index.sa_code_size()
    return found


# ---- inverted files ----

@case("IndexIVFFlat nprobe nlist quantizer invlists list_size imbalance_factor make_direct_map merge_from")
def inverted(f, x, q):
    quantizer = f.IndexFlatL2(DIM)
    index = f.IndexIVFFlat(quantizer, DIM, 16, f.METRIC_L2)
    found = [index.nprobe, index.nlist, index.is_trained]
    index.cp.niter, index.cp.seed = 20, 5
    index.train(x)
    half = f.clone_index(index)
    index.add(x[:1000])
    half.add_with_ids(x[1000:], np.arange(1000, 2000))
    index.merge_from(half, 0)
    index.nprobe = 16
    found += [half.ntotal, index.ntotal, quantizer.ntotal, index.search(q, K)[1], index.code_size,
              index.invlists.nlist, sum(index.invlists.list_size(i) for i in range(16)), index.quantizer.ntotal,
              index.invlists.imbalance_factor() >= 1, index.get_list_size(3) == index.invlists.list_size(3)]
    index.make_direct_map()
    ids = index.quantizer.search(x, 1)[1][:, 0]
    index.nprobe = 1
    return found + [index.reconstruct(1500), (np.bincount(ids, minlength=16) ==
                                              [index.invlists.list_size(i) for i in range(16)]).all()]


@case("IndexIVFFlat IndexIVFPQ IndexIVFScalarQuantizer SearchParametersIVF sel by_residual", "score")
def compressed(f, x, q):
    found = {}
    kinds = {"Flat": lambda d: f.IndexIVFFlat(d, DIM, 16), "PQ": lambda d: f.IndexIVFPQ(d, DIM, 16, 8, 6),
             "SQ": lambda d: f.IndexIVFScalarQuantizer(d, DIM, 16, f.ScalarQuantizer.QT_8bit)}
    for name, make in kinds.items():
        index = make(f.IndexFlatL2(DIM))
        found[f"{name} 4"] = score(f, index, x, q, params=f.SearchParametersIVF(nprobe=4))
        index.nprobe = 8
        found[f"{name} 8"] = recall(index.search(q, K)[1], exact(x, q, K)[1])
        sel = f.IDSelectorRange(0, 500)
        some = index.search(q, K, params=f.SearchParametersIVF(sel=sel, nprobe=16))[1]
        found[f"{name} selected"] = recall(some, exact(x[:500], q, K)[1])
    whole = f.IndexIVFPQ(f.IndexFlatL2(DIM), DIM, 16, 8, 6)
    whole.by_residual = False
    found["whole"] = score(f, whole, x, q, params=f.SearchParametersIVF(nprobe=8))
    assert not whole.by_residual
    return found


# ---- graphs ----

@case("IndexHNSWFlat IndexHNSWSQ IndexHNSWPQ hnsw efSearch efConstruction SearchParametersHNSW", "score")
def graphs(f, x, q):
    found = {}
    kinds = {"Flat": lambda: f.IndexHNSWFlat(DIM, 16), "SQ": lambda: f.IndexHNSWSQ(DIM, f.ScalarQuantizer.QT_8bit, 16),
             "PQ": lambda: f.IndexHNSWPQ(DIM, 8, 16)}
    for name, make in kinds.items():
        index = make()
        assert (index.hnsw.efSearch, index.hnsw.efConstruction) == (16, 40)
        index.hnsw.efConstruction, index.hnsw.efSearch = 60, 64
        found[name] = score(f, index, x, q)
        found[name + " params"] = recall(index.search(q, K, params=f.SearchParametersHNSW(efSearch=128))[1],
                                         exact(x, q, K)[1])
    inner = f.IndexHNSWFlat(DIM, 16, f.METRIC_INNER_PRODUCT)
    inner.add(x)
    found["inner product"] = recall(inner.search(q, K)[1], exact(x, q, K, "ip")[1])
    return found


# ---- around others ----

@case("IndexPreTransform PCAMatrix OPQMatrix RandomRotationMatrix NormalizationTransform prepend_transform", "score")
def transforms(f, x, q):
    kinds = {"PCA": lambda: f.IndexPreTransform(f.PCAMatrix(DIM, 12), f.IndexFlatL2(12)),
             "PCAWR": lambda: f.IndexPreTransform(f.PCAMatrix(DIM, 12, -0.5, True), f.IndexFlatL2(12)),
             "OPQ": lambda: f.IndexPreTransform(f.OPQMatrix(DIM, 4), f.IndexPQ(DIM, 4, 6)),
             "RR": lambda: f.IndexPreTransform(f.RandomRotationMatrix(DIM, DIM), f.IndexFlatL2(DIM)),
             "norm": lambda: f.IndexPreTransform(f.NormalizationTransform(DIM), f.IndexFlatL2(DIM))}
    return {name: score(f, make(), x, q) for name, make in kinds.items()}


@case("PCAMatrix apply reverse_transform A b RandomRotationMatrix", "close")
def transforms_alone(f, x, q):
    pca = f.PCAMatrix(DIM, 6)
    pca.train(x)
    y = pca.apply(x)
    assert f.vector_to_array(pca.A).size == 6 * DIM and pca.is_trained and (pca.d_in, pca.d_out) == (DIM, 6)
    rotation = f.RandomRotationMatrix(DIM, DIM)
    rotation.init(3)
    f.vector_to_array(pca.b)
    return np.abs(y), np.linalg.norm(rotation.apply(x), axis=1), f.NormalizationTransform(DIM).apply(x)


@case("reverse_transform reverse_chain apply_chain chain", "score")
def back(f, x, q):
    """kith's way back from fewer dimensions goes through the mean, FAISS's through the origin."""
    index = f.IndexPreTransform(f.PCAMatrix(DIM, 8), f.IndexFlatL2(8))
    index.train(x)
    again = index.reverse_chain(index.apply_chain(x)) if f is kith else index.chain.at(0).reverse_transform(
        f.downcast_VectorTransform(index.chain.at(0)).apply(x))
    return {"error": -float(((again - x) ** 2).mean()), "transforms": index.chain.size()}


@case("IndexRefineFlat IndexRefine k_factor IndexRefineSearchParameters", "score")
def refined(f, x, q):
    index = f.IndexRefineFlat(f.IndexPQ(DIM, 4, 6))
    index.k_factor = 8
    found = {"k_factor": score(f, index, x, q)}
    other = f.IndexRefine(f.IndexPQ(DIM, 4, 6), f.IndexScalarQuantizer(DIM, f.ScalarQuantizer.QT_8bit))
    other.k_factor = 8
    found["SQ"] = score(f, other, x, q)
    params = f.IndexRefineSearchParameters(k_factor=4.0)
    found["params"] = recall(index.search(q, K, params=params)[1], exact(x, q, K)[1])
    return found


@case("IndexShards add_shard count at successive_ids threaded")
def shards(f, x, q):
    index = f.IndexShards(DIM, False, True)
    parts = [f.IndexFlatL2(DIM) for _ in range(3)]
    for part, rows in zip(parts, np.array_split(x, 3)):
        part.add(rows)
        index.add_shard(part)
    return index.ntotal, index.count(), index.d, index.search(q, K)[1]


@case("index_factory ParameterSpace extract_index_ivf downcast_index set_index_parameters", "score")
def factory(f, x, q):
    found = {}
    for description in ("Flat", "IVF16,Flat", "IVF16,PQ8x4", "PCA12,IVF16,SQ8", "OPQ4,IVF16,PQ4x4", "PQ8x4", "SQ8", "HNSW16",
                        "L2norm,Flat", "IVF16,PQ4x4,RFlat", "PQ8x4fs", "SQfp16"):
        made = f.index_factory(DIM, description)  # FAISS frees it with its last name
        index = f.downcast_index(made)
        found[description] = 0
        space = f.ParameterSpace()
        index.train(x)
        index.add(x)
        if "IVF" in description and "RFlat" not in description:
            f.extract_index_ivf(index).nprobe = 8
            space.set_index_parameter(index, "nprobe", 12)
            assert f.extract_index_ivf(index).nprobe == 12
        if "RFlat" in description:
            space.set_index_parameters(index, "k_factor_rf=4")
        found[description] = recall(index.search(q, K)[1], exact(x, q, K)[1])
    return found


@case("read_index write_index serialize_index deserialize_index clone_index IO_FLAG_MMAP PyCallbackIOWriter VectorIOWriter")
def keeping(f, x, q):
    index = f.index_factory(DIM, "IVF16,Flat")
    index.train(x)
    index.add(x)
    index.nprobe = 16
    made = [f.clone_index(index), f.deserialize_index(f.serialize_index(index))]
    with tempfile.TemporaryDirectory() as folder:
        f.write_index(index, folder + "/index")
        made += [f.read_index(folder + "/index"), f.read_index(folder + "/index", f.IO_FLAG_MMAP)]
        writer = f.VectorIOWriter()
        f.write_index(index, writer)
        reader = f.VectorIOReader()
        f.copy_array_to_vector(f.vector_to_array(writer.data), reader.data)
        made.append(f.read_index(reader))
        parts = []
        f.write_index(index, f.PyCallbackIOWriter(parts.append))
        data = b"".join(parts)
        at = [0]

        def read(n):
            at[0] += n
            return data[at[0] - n:at[0]]

        made.append(f.read_index(f.PyCallbackIOReader(read)))
        for each in made:
            each.nprobe = 16
        return [each.search(q, K)[1] for each in made]


# ---- clustering and small things ----

@case("Kmeans train index centroids obj assign", "score")
def kmeans(f, x, q):
    found = {}
    for keywords in (dict(niter=15, nredo=10), dict(niter=15, spherical=True)):
        clusters = f.Kmeans(DIM, 30, seed=3, **keywords)
        objective = clusters.train(x)
        assert clusters.centroids.shape == (30, DIM) and 1 < clusters.obj.shape[0] <= keywords["niter"]
        assert objective == clusters.obj[-1] and clusters.index.ntotal == 30
        assert (clusters.assign(x)[1] == clusters.index.search(x, 1)[1][:, 0]).all()
        if not keywords.get("spherical"):
            found[str(keywords)] = -float(objective) / len(x)
    return found


@case("Clustering ClusteringParameters iteration_stats vector_float_to_array", "score")
def clustering(f, x, q):
    clusters = f.Clustering(DIM, 30)
    clusters.niter, clusters.seed, clusters.verbose, clusters.max_points_per_centroid = 15, 4, False, 10000
    clusters.nredo = 10
    index = f.IndexFlatL2(DIM)
    clusters.train(x, index)
    centroids = f.vector_float_to_array(clusters.centroids).reshape(30, DIM)
    assert (index.reconstruct_n(0, 30) == centroids).all()
    stats = clusters.iteration_stats
    return {"objective": -stats.at(stats.size() - 1).obj / len(x)}


@case("rand randn randint")
def random(f, x, q):
    return f.rand((50, 40)), f.rand(7, 3), f.randint(3000), f.randint(5, 9, 100)


@case("randn kmin kmax pairwise_distances merge_knn_results", "close")
def numbers(f, x, q):
    D1, I1 = f.knn(q, x[:1000], K)
    D2, I2 = f.knn(q, x[1000:], K)
    both = f.merge_knn_results(np.stack([D1, D2]), np.stack([I1, I2 + 1000]))
    return (f.randn((30, 50)), *f.kmin(q, 3), *f.kmax(q, 3), f.pairwise_distances(q, x),
            f.pairwise_distances(q, x, f.METRIC_INNER_PRODUCT), both[0])


@case("eval_intersection ResultHeap merge_knn_results")
def results(f, x, q):
    D1, I1 = f.knn(q, x[:1000], K)
    D2, I2 = f.knn(q, x[1000:], K)
    heap = f.ResultHeap(len(q), K)
    heap.add_result(D1, I1)
    heap.add_result(D2, I2 + 1000)
    heap.finalize()
    both = f.merge_knn_results(np.stack([D1, D2]), np.stack([I1, I2 + 1000]))
    return heap.I, both[1], f.eval_intersection(heap.I, I1)


@case("OneRecallAtRCriterion IntersectionCriterion OperatingPoints explore optimal_pts", "score")
def exploring(f, x, q):
    index = f.index_factory(DIM, "IVF16,Flat")
    index.train(x)
    index.add(x)
    found = {}
    truth = f.knn(q, x, K)[1]
    for name in ("OneRecallAtRCriterion", "IntersectionCriterion"):
        criterion = getattr(f, name)(len(q), 1 if name.startswith("One") else K)
        criterion.set_groundtruth(None, truth)
        criterion.nnn = K
        space = f.ParameterSpace()
        space.verbose = False
        space.initialize(index)
        points = space.explore(index, q, criterion)
        best = f.OperatingPoints()
        best.merge_with(points, "IVF16 ")
        last = best.optimal_pts.at(best.optimal_pts.size() - 1)
        assert last.key.startswith("IVF16 nprobe=") and last.t > 0
        found[name] = last.perf
    return found


@case("omp_set_num_threads omp_get_max_threads get_num_gpus is_similarity_metric __version__")
def library(f, x, q):
    before = f.omp_get_max_threads()
    f.omp_set_num_threads(2)
    threads = f.omp_get_max_threads()
    f.omp_set_num_threads(before)
    assert f.get_compile_options() and f.__version__
    return threads, f.METRIC_L2, f.METRIC_INNER_PRODUCT


def alike(ours, theirs, like):
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert ours[name] >= value - max(0.04, 0.03 * abs(value)), f"{name}: {ours[name]}, FAISS {value}"
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            alike(a, b, like)
    elif like == "same":
        np.testing.assert_array_equal(ours, theirs)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("function, like", CASES)
def test_case(function, like, base, queries):
    """kith first, so that a name that it lacks fails; then FAISS, unless that is too old to have it."""
    ours = function(kith, base, queries)
    faiss = pytest.importorskip("faiss", reason="ran; FAISS is not installed (Debian: python3-faiss)")
    try:
        theirs = function(faiss, base, queries)
    except AttributeError as error:
        pytest.skip(f"ran; FAISS {faiss.__version__} is too old: {error}")
    alike(ours, theirs, like)


@case("IndexFlatCodes IndexFlatL2Panorama get_FlatCodesDistanceComputer codes", "close")
def flat_codes(f, x, q):
    found = []
    for index in (f.IndexFlatL2(DIM), f.IndexScalarQuantizer(DIM, f.ScalarQuantizer.QT_8bit)):
        index.train(x)
        index.add(x)
        computer = index.get_FlatCodesDistanceComputer()
        computer.set_query(f.swig_ptr(q[0]))
        found += [isinstance(index, f.IndexFlatCodes), [computer(i) for i in range(10)],
                  f.vector_to_array(index.codes).astype("f4")[:100]]
    index = f.IndexFlatL2Panorama(DIM, 4, 128)
    index.add(x)
    return [*found, *index.search(q, K)]


@case("IndexIVFFlatPanorama IndexShardsIVF", "score")
def more_inverted_files(f, x, q):
    coarse, shared = f.IndexFlatL2(DIM), f.IndexFlatL2(DIM)  # which FAISS does not hold on to
    panorama = f.IndexIVFFlatPanorama(coarse, DIM, 16, 4)
    panorama.nprobe = 4
    shards = f.IndexShardsIVF(shared, 16, False, False)
    parts = [f.index_factory(DIM, "IVF16,Flat") for _ in range(3)]
    for part in parts:
        part.nprobe = 4
        shards.add_shard(part)
    return score(f, panorama, x, q) + score(f, shards, x, q)


@case("IndexIVFStats HNSWStats cvar")
def statistics(f, x, q):
    index = f.index_factory(DIM, "IVF16,Flat")
    index.train(x)
    index.add(x)
    stats = f.cvar.indexIVF_stats
    stats.reset()
    index.search(q, K, params=f.SearchParametersIVF(nprobe=16))
    graph = f.IndexHNSWFlat(DIM, 8)
    graph.add(x)
    f.cvar.hnsw_stats.reset()
    graph.search(q, K)
    return [isinstance(stats, f.IndexIVFStats), stats.nq, stats.nlist, stats.ndis,
            isinstance(f.cvar.hnsw_stats, f.HNSWStats), f.cvar.hnsw_stats.n1]


@case("IDSelectorTranslated PyCallbackIDSelector")
def translated_selectors(f, x, q):
    index = f.IndexIDMap(f.IndexFlatL2(DIM))
    index.add_with_ids(x, np.arange(len(x)) * 2)
    translated = f.IDSelectorTranslated(index, f.IDSelectorRange(100, 900))
    return [index.search(q, K, params=f.SearchParameters(sel=sel))[1]
            for sel in (translated, f.IDSelectorRange(100, 900), f.PyCallbackIDSelector(lambda id: id < 80))]


def test_all_names_have_a_case():
    """What the interface promises by name."""
    covered = set().union(*(each.values[0].names for each in CASES))
    classes = {name for name in kith.compat.__all__ if name.startswith(("Index", "IDSelector"))}
    bases = {"IndexHNSW", "IndexIVF", "IDSelector"}
    assert classes - bases - covered == {"IndexPQFastScan", "IndexIVFPQFastScan"}


@pytest.mark.parametrize("spec", ["IDMap,Flat", "IDMap2,Flat", "PCA8,IDMap,SQ8", "IVF8,Flat", "IDMap,HNSW8,Flat", "IDMap2,IVF8,PQ4x4"])
def test_files_with_any_ids(spec, base, queries, tmp_path):
    """Each reads what the other wrote: the same classes, ids that are negative and repeated, results, parameters."""
    faiss = pytest.importorskip("faiss", reason="FAISS is not installed (Debian: python3-faiss)")
    path, ids = str(tmp_path / "index"), np.concatenate([[7, 7, -5], np.arange(100, 97 + len(base))])
    for writer, reader in ((kith, faiss), (faiss, kith)):
        index = writer.index_factory(DIM, spec)
        index.train(base)
        index.add_with_ids(base, ids)
        ivf = writer.downcast_index(index.index) if spec.startswith("IDMap") else index
        if "IVF" in spec:
            ivf.nprobe = 8
        if writer is kith:
            kith.write_index(index, path, format="faiss")
        else:
            faiss.write_index(index, path)
        again = reader.read_index(path)
        inner = reader.downcast_index(again.index) if hasattr(again, "index") else again
        assert type(again).__name__ == type(index).__name__
        assert (again.search(queries, 5)[1] == index.search(queries, 5)[1]).mean() > 0.99  # ties
        assert set(again.search(base[:3], 1)[1].ravel()) <= {7, -5}
        if "IVF" in spec:
            assert inner.nprobe == 8
