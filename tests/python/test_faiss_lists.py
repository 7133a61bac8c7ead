"""Inverted files of FAISS's interface: given lists, codes from outside, subsets, merging, statistics."""
import numpy as np
import pytest

import kith as faiss
from conftest import DIM, exact

SPECS = ["IVF16,Flat", "IVF16,SQ8", "IVF16,PQ4x4np", "IVF16,PQ4"]


def filled(spec, base, metric=faiss.METRIC_L2):
    index = faiss.index_factory(DIM, spec, metric)
    index.train(base)
    index.add(base)
    return index


def distances(q, x, metric=faiss.METRIC_L2):
    q, x = q.astype(np.float64), x.astype(np.float64)
    return ((q[:, None] - x[None])**2).sum(2) if metric == faiss.METRIC_L2 else q @ x.T


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
def test_given_lists(spec, metric, base, queries):
    index = filled(spec, base, metric)
    lists = np.tile([3, 7, -1, 7], (len(queries), 1))
    members = np.concatenate([index.invlists.get_ids(3), index.invlists.get_ids(7)])
    D, I = index.search_preassigned(queries, 5, lists)
    scores = distances(queries, index.reconstruct_batch(members), metric)
    order = np.sort(scores, axis=1)[:, :5] if metric == faiss.METRIC_L2 else -np.sort(-scores, axis=1)[:, :5]
    np.testing.assert_allclose(D, order, rtol=1e-4, atol=1e-4)
    assert np.isin(I, members).all()
    limit = float(np.median(D[:, -1]))
    lims, rD, rI = index.range_search_preassigned(queries, limit, lists)
    for q in range(len(queries)):
        near = scores[q] <= limit if metric == faiss.METRIC_L2 else scores[q] >= limit
        unsure = np.abs(scores[q] - limit) < 1e-3
        found = set(rI[lims[q]:lims[q + 1]])
        assert set(members[near & ~unsure]) <= found <= set(members[near | unsure])
    chosen = index.search_preassigned(queries, 5, lists, params=faiss.SearchParametersIVF(sel=members[:2]))[1]
    assert np.isin(chosen[:, :2], members[:2]).all() and (chosen[:, 2:] == -1).all()


@pytest.mark.parametrize("spec", SPECS)
def test_given_lists_of_the_quantizer(spec, base, queries):
    index = filled(spec, base)
    index.nprobe = 5
    Dq, Iq = index.quantizer.search(queries, 5)
    for expected, found in zip(index.search(queries, 7), index.search_preassigned(queries, 7, Iq, Dq)):
        np.testing.assert_array_equal(expected, found)


def test_given_lists_behind_a_transform(base, queries):
    from kith.contrib.ivf_tools import range_search_preassigned, search_preassigned
    index = filled("PCA8,IVF16,Flat", base)
    ivf = faiss.extract_index_ivf(index)
    ivf.nprobe = 4
    lists = ivf.quantizer.search(index.apply_chain(queries), 4)[1]
    np.testing.assert_array_equal(search_preassigned(index, queries, 5, lists)[1], index.search(queries, 5)[1])
    for expected, found in zip(index.range_search(queries, 1.0), range_search_preassigned(index, queries, 1.0, lists)):
        np.testing.assert_array_equal(expected, found)


def test_given_lists_of_named_vectors(base, queries):
    index = faiss.index_factory(DIM, "IVF16,Flat")
    index.train(base)
    index.add_with_ids(base, np.arange(len(base)) % 100 - 50 + (np.arange(len(base)) % 100 == 49))
    every = np.tile(np.arange(16), (len(queries), 1))
    index.nprobe = 16
    np.testing.assert_array_equal(index.search_preassigned(queries, 5, every)[1], index.search(queries, 5)[1])


@pytest.mark.parametrize("lists, message", [
    (np.full((50, 2), 16), "Iq"), (np.full((50, 2), -2), "Iq"), (np.zeros((3, 2), int), "Iq"), (np.zeros((50, 2)), "Iq")])
def test_lists_that_are_not_there(lists, message, base, queries):
    with pytest.raises(RuntimeError, match=message):
        filled("IVF16,Flat", base).search_preassigned(queries, 5, lists)


@pytest.mark.parametrize("spec", SPECS)
def test_codes_of_lists(spec, base):
    index = filled(spec, base)
    for number in (0, 5, 15):
        ids, codes = index.invlists.get_ids(number), index.invlists.get_codes(number)
        assert codes.shape == (len(ids), index.code_size)
        coarse = np.full((len(ids), index.coarse_code_size()), number, np.uint8)
        decoded = index.sa_decode(np.hstack([coarse, codes]))
        np.testing.assert_allclose(decoded, index.reconstruct_batch(ids), rtol=1e-5, atol=1e-5)
    assert index.check_ids_sorted()


@pytest.mark.parametrize("spec", SPECS)
def test_search_and_return_codes(spec, base, queries):
    index = filled(spec, base)
    index.nprobe = 4
    D, I, codes = index.search_and_return_codes(queries, 6, include_listnos=True)
    np.testing.assert_array_equal(I, index.search(queries, 6)[1])
    for q in range(len(queries)):
        np.testing.assert_allclose(index.sa_decode(codes[q]), index.reconstruct_batch(I[q]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spec", [*SPECS, "IVF16_HNSW8,SQ8"])
@pytest.mark.parametrize("with_ids", [False, True])
def test_adding_codes(spec, with_ids, base, queries):
    index = filled(spec, base[:1000])
    index.nprobe = 16
    ids = np.random.RandomState(5).permutation(5000)[:500] + 1000 if with_ids else None
    again = faiss.clone_index(index)
    index.add_with_ids(base[1000:1500], ids) if with_ids else index.add(base[1000:1500])
    again.add_sa_codes(again.sa_encode(base[1000:1500]), ids)
    assert again.ntotal == 1500
    expected, found = index.search(queries, 10), again.search(queries, 10)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-4)
    assert (found[1] == expected[1]).mean() > 0.98  # k-nearest codes may tie
    if with_ids:
        repeated = np.array([7, 7, -3])
        again.add_sa_codes(again.sa_encode(base[1500:1503]), repeated)
        assert set(repeated) <= set(again.ids())


@pytest.mark.parametrize("spec", SPECS)
def test_lists_chosen_by_the_caller(spec, base):
    index = faiss.index_factory(DIM, spec)
    index.train(base)
    numbers = np.arange(300) % 16
    numbers[7] = -1
    index.add_core(300, faiss.swig_ptr(base[:300]), None, numbers)
    assert index.ntotal == 299
    for number in range(16):
        assert set(index.invlists.get_ids(number)) == set(np.flatnonzero(numbers == number))
    kept = np.flatnonzero(numbers >= 0)
    if spec.endswith("Flat"):
        np.testing.assert_array_equal(index.reconstruct_batch(kept), base[:300][kept])
    else:
        expected = index.sa_decode(index.encode_vectors(base[:300][kept], numbers[kept], True))
        np.testing.assert_allclose(index.reconstruct_batch(kept), expected, rtol=1e-5, atol=1e-5)


def subset(index, kind, a1, a2):
    """Which ids FAISS's documentation says that copy_subset_to copies."""
    if kind < 2:
        ids = index.ids()
        return set(ids[(ids >= a1) & (ids < a2)] if kind == 0 else ids[ids % a1 == a2])
    lists = [index.invlists.get_ids(i) for i in range(index.nlist)]
    if kind == 4:
        return set(np.concatenate(lists[a1:a2]))
    found, before = [], [0, 0, 0]
    for ids in lists:
        n = len(ids)
        if kind == 3:
            found.append(ids[n * a2 // a1:n * (a2 + 1) // a1])
            continue
        after = [before[0] + n] + [(before[0] + n) * a // index.ntotal for a in (a1, a2)]
        found.append(ids[after[1] - before[1]:after[2] - before[2]])
        before = after
    return set(np.concatenate(found))


@pytest.mark.parametrize("kind, a1, a2", [(0, 100, 900), (1, 7, 3), (2, 500, 1500), (3, 3, 1), (4, 2, 9)])
@pytest.mark.parametrize("spec", ["IVF16,Flat", "IVF16,PQ4x4"])
def test_subsets(kind, a1, a2, spec, base):
    index = filled(spec, base)
    other = faiss.clone_index(index)
    other.reset()
    index.copy_subset_to(other, kind, a1, a2)
    assert index.ntotal == len(base) and set(other.ids()) == subset(index, kind, a1, a2)
    some = np.array(sorted(other.ids()))[::17]
    np.testing.assert_array_equal(other.reconstruct_batch(some), index.reconstruct_batch(some))


def test_merge_into(base, queries):
    one, two = filled("PCA8,IVF16,Flat", base), None
    one.reset()
    two = faiss.clone_index(one)
    one.add(base[:600])
    two.add(base[600:1000])
    faiss.merge_into(one, two, shift_ids=True)
    assert (one.ntotal, two.ntotal) == (1000, 0)
    faiss.extract_index_ivf(one).nprobe = 16
    x = one.apply_chain(base[:1000])
    np.testing.assert_array_equal(one.search(queries, 5)[1], exact(x, one.apply_chain(queries), 5)[1])
    with pytest.raises(RuntimeError):
        faiss.merge_into(one, filled("IVF16,Flat", base), shift_ids=True)


def test_stopping_early_and_late(base, queries):
    index = filled("IVF16,Flat", base)
    tight = faiss.SearchParametersIVF(nprobe=16, max_codes=1)
    assert (index.search(queries, 400, params=tight)[1] == -1).any()
    tight.ensure_topk_full = True
    assert (index.search(queries, 400, params=tight)[1] >= 0).all()
    few = faiss.SearchParametersIVF(nprobe=16, max_lists_num=2)
    np.testing.assert_array_equal(index.search(queries, 5, params=few)[1],
                                  index.search(queries, 5, params=faiss.SearchParametersIVF(nprobe=2))[1])


def test_range_search_stops_after_empty_lists(base, queries):
    index = filled("IVF16,Flat", base)
    radius = 4.0
    order = index.quantizer.search(queries, 16)[1]
    scores = distances(queries, base)
    params = faiss.SearchParametersIVF(nprobe=16, max_empty_result_buckets=2)
    lims, D, I = index.range_search(queries, radius, params=params)
    for q in range(len(queries)):
        expected, empty = set(), 0
        for number in order[q]:
            ids = index.invlists.get_ids(int(number))
            hits = set(ids[scores[q][ids] < radius])
            expected |= hits
            empty = 0 if hits else empty + 1
            if empty == 2:
                break
        assert set(I[lims[q]:lims[q + 1]]) == expected
    index.parallel_mode = 1
    with pytest.raises(RuntimeError, match="parallel_mode"):
        index.range_search(queries, radius, params=params)


def test_statistics(base, queries):
    index, stats = filled("IVF16,Flat", base), faiss.cvar.indexIVF_stats
    stats.reset()
    index.search(queries, 5, params=faiss.SearchParametersIVF(nprobe=3))
    lists = index.quantizer.search(queries, 3)[1]
    lengths = np.array([index.get_list_size(i) for i in range(16)])
    assert (stats.nq, stats.nlist, stats.ndis) == (len(queries), 3 * len(queries), lengths[lists].sum())
    assert stats.search_time > 0
    with pytest.raises(AttributeError, match="nheap_updates"):
        stats.nheap_updates
    graph, stats = faiss.IndexHNSWFlat(DIM, 8), faiss.cvar.hnsw_stats
    graph.add(base)
    stats.reset()
    graph.search(queries, 5)
    assert stats.n1 == len(queries) and 5 * len(queries) < stats.ndis < len(queries) * len(base)


def test_quantizers_that_are_graphs(base, queries):
    index = filled("IVF64_HNSW8,Flat", base)
    assert isinstance(index.quantizer, faiss.IndexHNSWFlat) and index.quantizer.ntotal == 64
    np.testing.assert_array_equal(index.quantizer.reconstruct_n(), index.centroids())
    assert index.quantizer.hnsw.efSearch == 16
    index.quantizer.hnsw.efSearch = 33
    assert faiss.deserialize_index(faiss.serialize_index(index)).quantizer.hnsw.efSearch == 33
    faiss.ParameterSpace().set_index_parameter(index, "quantizer_efSearch", 21)
    assert index.quantizer.hnsw.efSearch == 21
    made = faiss.IndexIVFFlat(faiss.IndexHNSWFlat(DIM, 8), DIM, 16)
    made.quantizer.hnsw.efSearch = 40
    made.train(base)
    made.add(base)
    made.nprobe = 16
    np.testing.assert_array_equal(made.search(queries, 5)[1], exact(base, queries, 5)[1])
    assert made.quantizer.hnsw.efSearch == 40


@pytest.mark.parametrize("quantizer", ["SQ8", "IVF4,Flat", "HNSW8,SQ8", "PCA8,Flat"])
def test_quantizers_of_any_kind(quantizer, base, queries):
    index = faiss.index_factory(DIM, f"IVF16({quantizer}),SQ8")
    index.train(base)
    index.add(base)
    found = index.quantizer
    assert found.ntotal == 16 and type(found) is type(faiss.index_factory(DIM, quantizer))
    np.testing.assert_array_equal(found.reconstruct_n(), index.centroids())
    index.nprobe = 16
    pairs = zip(index.search(queries, 5)[1], exact(base, queries, 5)[1])
    assert np.mean([len(np.intersect1d(*pair)) for pair in pairs]) > 4.5
    again = faiss.deserialize_index(faiss.serialize_index(index))
    np.testing.assert_array_equal(again.search(queries, 5)[1], index.search(queries, 5)[1])
    np.testing.assert_array_equal(again.quantizer.reconstruct_n(), index.centroids())


def test_given_quantizers_of_any_kind(base, queries):
    quantizer = faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_8bit)
    index = faiss.IndexIVFFlat(quantizer, DIM, 16)
    index.train(base)
    index.add(base)
    assert index.quantizer is quantizer and quantizer.ntotal == 16
    np.testing.assert_array_equal(quantizer.reconstruct_n(), index.centroids())
    index.nprobe = 16
    np.testing.assert_array_equal(index.search(queries, 5)[1], exact(base, queries, 5)[1])
    with pytest.raises(NotImplementedError, match="metric"):
        faiss.IndexIVFFlat(quantizer, DIM, 16, faiss.METRIC_INNER_PRODUCT)
    with pytest.raises(NotImplementedError, match="'SQ8'"):
        faiss.IndexIVFFlat(faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_8bit), DIM, 16).quantizer = (
            faiss.IndexFlatL2(DIM))


def test_settings_of_faiss(base):
    index = filled("IVF16,PQ4x4np", base)
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    assert index.direct_map.type == faiss.DirectMap.Hashtable and not index.direct_map.no()
    index.make_direct_map()
    assert index.direct_map.type == faiss.DirectMap.Array
    with pytest.raises(ValueError):
        index.set_direct_map_type(9)
    faiss.ParameterSpace().set_index_parameters(index, "nprobe=4,ht=10")
    assert index.polysemous_ht == 10 and index.nprobe == 4
    with pytest.raises(RuntimeError, match="merge_from"):
        index.replace_invlists(filled("IVF16,PQ4x4np", base).invlists)
    assert faiss.index_factory(DIM, "IVF8,PQ4").do_polysemous_training
    assert not index.do_polysemous_training


def test_shards_with_one_quantizer(base, queries):
    quantizer = faiss.IndexFlatL2(DIM)
    shards = faiss.IndexShardsIVF(quantizer, 16, False, False)
    for _ in range(3):
        shards.add_shard(faiss.index_factory(DIM, "IVF16,Flat"))
    shards.train(base)
    shards.add(base)
    assert shards.ntotal == len(base)
    alone = faiss.IndexIVFFlat(quantizer, DIM, 16)
    assert alone.is_trained
    alone.add(base)
    for nprobe in (1, 5):
        alone.nprobe = nprobe
        params = faiss.SearchParametersIVF(nprobe=nprobe)
        for expected, found in zip(alone.search(queries, 5), shards.search(queries, 5, params=params)):
            np.testing.assert_array_equal(expected, found)
