"""Parts of indexes stay what they are after they were wrapped; copies have all that was set."""
import pickle

import numpy as np
import pytest

import kith as faiss
from conftest import DIM

SQ = faiss.ScalarQuantizer


def coarse():
    return faiss.IndexPQ(DIM, 4, 4)


FINE = {"flat": lambda: faiss.IndexFlatL2(DIM), "SQ8": lambda: faiss.IndexScalarQuantizer(DIM, SQ.QT_8bit),
        "PQ": lambda: faiss.IndexPQ(DIM, 8, 8), "fast": lambda: faiss.IndexPQFastScan(DIM, 8, 4)}


@pytest.mark.parametrize("state", ["empty", "trained", "filled"])
@pytest.mark.parametrize("kind", FINE)
def test_both_parts_of_a_refinement_stay_alive(kind, state, base, queries):
    first, fine, alone = coarse(), FINE[kind](), FINE[kind]()
    alone.train(base)
    alone.add(base)
    if state != "empty":
        first.train(base)
        fine.train(base)
    if state == "filled":
        first.add(base)
        fine.add(base)
    whole = faiss.IndexRefine(first, fine)
    assert whole.refine_index is fine and whole.base_index is first
    if state == "empty":
        assert fine.ntotal == 0 and fine.is_trained == (kind == "flat")
        whole.train(base)
    if state != "filled":
        assert fine.is_trained and fine.ntotal == 0 and (fine.search(queries, 2)[1] == -1).all()
        whole.add(base)
    for part in (fine, whole.refine_index):
        assert part.ntotal == len(base) and type(part) is type(alone)
        D, I = part.search(queries, 5)
        np.testing.assert_array_equal(I, alone.search(queries, 5)[1])
        np.testing.assert_array_equal(D, alone.search(queries, 5)[0])
        np.testing.assert_array_equal(part.reconstruct_n(3, 9), alone.reconstruct_n(3, 9))
        np.testing.assert_array_equal(part.range_search(queries, 2.0)[2], alone.range_search(queries, 2.0)[2])
        np.testing.assert_array_equal(part.sa_encode(base[:5]), alone.sa_encode(base[:5]))
        np.testing.assert_array_equal(part.codes, alone.codes)
        if hasattr(alone, "pq"):
            np.testing.assert_array_equal(part.pq.centroids, alone.pq.centroids)
    assert first.search(queries, 5)[1].shape == (len(queries), 5) and first.ntotal == len(base)
    for change in (lambda: fine.add(base), lambda: fine.train(base), lambda: fine.reset(), lambda: fine.remove_ids([1])):
        with pytest.raises(NotImplementedError, match="part of another"):
            change()
    whole.add(base[:7])
    assert fine.ntotal == len(base) + 7 and fine.search(base[:1], 3)[1].shape == (1, 3)
    taken = faiss.clone_index(fine)
    del whole, first
    taken.add(base[:2])
    assert taken.ntotal == len(base) + 9 and fine.ntotal == len(base) + 7


def test_what_refines_knows_vectors_by_their_numbers(base, queries):
    whole = faiss.IndexRefineFlat(faiss.index_factory(DIM, "SQ4"))
    whole.train(base)
    whole.add_with_ids(base[:100], np.arange(100)[::-1] * 3)
    flat = faiss.IndexFlatL2(DIM)
    flat.add(base[:100])
    np.testing.assert_array_equal(whole.refine_index.search(queries, 5)[1], flat.search(queries, 5)[1])
    sel = faiss.SearchParameters(sel=faiss.IDSelectorRange(10, 13))
    assert set(whole.refine_index.search(queries, 3, params=sel)[1].ravel()) == {10, 11, 12}
    # Deeper in, and around: under a transform, under names.
    fine = faiss.IndexFlatL2(8)
    inner = faiss.IndexRefine(faiss.IndexPQ(8, 4, 4), fine)
    transform = faiss.PCAMatrix(DIM, 8)
    named = faiss.IndexIDMap(faiss.IndexPreTransform(transform, inner))
    named.train(base)
    named.add_with_ids(base, np.arange(len(base)) + 5000)
    seen = transform.apply(queries)
    exact = faiss.knn(seen, transform.apply(base), 4)
    np.testing.assert_array_equal(fine.search(seen, 4)[1], exact.ids)
    np.testing.assert_array_equal(named.index.index.refine_index.search(seen, 4)[1], exact.ids)
    assert (named.search(queries, 4)[1] >= 5000).all()
    again = faiss.deserialize_index(faiss.serialize_index(named))
    np.testing.assert_array_equal(again.index.index.refine_index.search(seen, 4)[1], exact.ids)


def test_other_parts_stay_alive(base, queries):
    transform, inner = faiss.PCAMatrix(DIM, 8), faiss.IndexFlatL2(8)
    whole = faiss.IndexPreTransform(transform, inner)
    whole.train(base)
    whole.add(base)
    for part in (inner, whole.index):
        np.testing.assert_array_equal(part.search(transform.apply(queries), 3)[1], whole.search(queries, 3)[1])
    quantizer = faiss.IndexFlatL2(DIM)
    lists = faiss.IndexIVFFlat(quantizer, DIM, 16)
    lists.train(base)
    lists.add(base)
    assert quantizer is lists.quantizer and quantizer.ntotal == 16
    np.testing.assert_array_equal(quantizer.search(queries, 16)[1], lists.quantizer.assign(queries, 16))
    flat = faiss.IndexFlatL2(DIM)
    named = faiss.IndexIDMap2(flat)
    named.add_with_ids(base, np.arange(len(base)) + 70)
    np.testing.assert_array_equal(flat.search(queries, 3)[1] + 70, named.search(queries, 3)[1])
    shards, parts = faiss.IndexShards(DIM), [faiss.IndexFlatL2(DIM) for _ in range(2)]
    for part in parts:
        shards.add_shard(part)
    shards.add(base)
    for number, part in enumerate(parts):
        np.testing.assert_array_equal(part.search(queries, 3)[1], shards.at(number).search(queries, 3)[1])


# ---- copies ----

def settings_of(index):
    return index.cp.niter, index.cp.seed, index.cp.spherical, index.parallel_mode, index.verbose, index.direct_map.type


def test_a_clone_of_an_inverted_file_has_what_was_set(base):
    for make in (lambda q: faiss.IndexIVFPQ(q, DIM, 8, 4, 4), lambda q: faiss.IndexIVFPQFastScan(q, DIM, 8, 4, 4),
                 lambda q: faiss.IndexIVFFlat(q, DIM, 8)):
        index = make(faiss.IndexFlatL2(DIM))
        index.cp.niter, index.cp.seed, index.parallel_mode, index.verbose = 3, 77, 1, True
        index.make_direct_map()
        if hasattr(index, "polysemous_ht"):
            index.polysemous_ht, index.do_polysemous_training = 12, True
        if hasattr(index, "implem"):
            index.implem = 12
        for _ in range(2):  # untrained and filled
            made = faiss.clone_index(index)
            assert type(made) is type(index) and settings_of(made) == (3, 77, False, 1, True, 1)
            if hasattr(index, "polysemous_ht"):
                assert made.polysemous_ht == 12 and made.do_polysemous_training
            if hasattr(index, "implem"):
                assert made.implem == 12
            made.cp.niter = 9  # its own
            assert index.cp.niter == 3
            if not index.ntotal:
                index.train(base)
                index.add(base)
        # FAISS's files keep none of these.
        assert settings_of(faiss.deserialize_index(faiss.serialize_index(index)))[:2] == (10, 1234)
        named = faiss.IndexIDMap(index)
        assert settings_of(faiss.clone_index(named).index) == (3, 77, False, 1, True, 1)
        alone = faiss.clone_index(index)  # which is a part now
        assert type(alone) is type(index) and settings_of(alone) == (3, 77, False, 1, True, 1)


def test_a_copy_of_a_part_has_nothing_of_the_whole(base, queries):
    flat = faiss.IndexFlatL2(DIM)
    named = faiss.IndexIDMap(flat)
    named.add_with_ids(base[:4], np.array([7, 7, -3, 2**62]))
    faiss.serialize_index(named)  # which has it carry names
    named.add_with_ids(base[4:6], np.array([7, 1]))
    for made in (faiss.clone_index(flat), faiss.deserialize_index(faiss.serialize_index(flat))):
        assert type(made) is faiss.IndexFlatL2 and made.ids().tolist() == list(range(6))
        np.testing.assert_array_equal(made.search(queries, 3)[1], flat.search(queries, 3)[1])


def test_a_clone_keeps_centroids_that_are_given(base):
    quantizer = faiss.IndexFlatL2(DIM)
    quantizer.add(base[:8])
    index = faiss.clone_index(faiss.IndexIVFPQ(quantizer, DIM, 8, 4, 4))
    assert (index.quantizer.reconstruct_n() == base[:8]).all() and index.quantizer is not quantizer
    index.train(base)
    assert (index.centroids() == base[:8]).all()


def test_a_clone_of_other_kinds_has_what_was_set(base):
    graph = faiss.IndexHNSWFlat(DIM, 8)
    graph.hnsw.search_bounded_queue = graph.hnsw.check_relative_distance = False
    graph.add(base[:100])
    made = faiss.clone_index(graph)
    assert not made.hnsw.search_bounded_queue and not made.hnsw.check_relative_distance
    codes = coarse()
    codes.polysemous_ht, codes.search_type, codes.polysemous_training.n_iter = 9, faiss.IndexPQ.ST_polysemous, 5
    made = faiss.clone_index(codes)
    assert (made.polysemous_ht, made.search_type, made.polysemous_training.n_iter) == (9, faiss.IndexPQ.ST_polysemous, 5)
    for kind in (faiss.IndexFlat(DIM), faiss.IndexFlatL2Panorama(DIM, 4),
                 faiss.IndexRefine(faiss.IndexFlatL2(DIM), faiss.IndexFlatL2(DIM)),
                 faiss.IndexIVFFlatPanorama(faiss.IndexFlatL2(DIM), DIM, 4, 2)):
        assert type(faiss.clone_index(kind)) is type(kind)
    assert faiss.clone_index(faiss.IndexFlatL2Panorama(DIM, 4)).n_levels == 4
    refined = faiss.IndexRefine(coarse(), faiss.IndexPQFastScan(DIM, 8, 4))
    assert type(faiss.clone_index(refined).refine_index) is faiss.IndexPQFastScan


def test_a_clone_has_the_same_transforms(base, queries):
    for transform in (faiss.PCAMatrix(DIM, 8), faiss.OPQMatrix(DIM, 4, 8), faiss.CenteringTransform(DIM),
                      faiss.RemapDimensionsTransform(DIM, 8)):
        if isinstance(transform, faiss.OPQMatrix):
            transform.niter = 7
        transform.train(base)
        index = faiss.IndexPreTransform(transform, faiss.IndexFlatL2(transform.d_out))
        index.add(base)
        made = faiss.clone_index(index)
        copied = made.chain.at(0)
        assert type(copied) is type(transform) and copied is not transform
        np.testing.assert_array_equal(copied.apply(queries), transform.apply(queries))
        np.testing.assert_array_equal(made.search(queries, 3)[1], index.search(queries, 3)[1])
        if isinstance(transform, faiss.OPQMatrix):
            assert copied.niter == 7
        if isinstance(transform, faiss.PCAMatrix):
            np.testing.assert_array_equal(copied.mean, transform.mean)


@pytest.mark.parametrize("spec", ["PQ4x4", "IVF4,PQ4x4", "PCA8,PQ4x4", "IDMap2,PQ4x4"])
def test_files_keep_how_codes_would_be_compared(spec, base, tmp_path):
    """FAISS's files have places for both in an IndexPQ, kith's in every index."""
    index = faiss.index_factory(DIM, spec)
    index.train(base)
    codes = faiss.downcast_index(index.index) if hasattr(index, "index") else index
    codes.polysemous_ht = 11
    if isinstance(codes, faiss.IndexPQ):
        codes.search_type = faiss.IndexPQ.ST_polysemous
    index.add_with_ids(base[:50], np.arange(50)) if "IDMap" in spec else index.add(base[:50])
    faiss.write_index(index, str(tmp_path / "i.faiss"))
    index.save(tmp_path / "i.kith")
    for made in (faiss.read_index(str(tmp_path / "i.faiss")), faiss.read_index(str(tmp_path / "i.kith")),
                 pickle.loads(pickle.dumps(index)), faiss.deserialize_index(faiss.serialize_index(index))):
        inner = faiss.downcast_index(made.index) if hasattr(made, "index") else made
        assert inner.polysemous_ht == 11
        assert getattr(inner, "search_type", None) == getattr(codes, "search_type", None)
