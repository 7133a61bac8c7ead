"""What Haystack's document store does: an index of a kind that is asked for, parameters of graphs, an index that is empty
and still there, emptied and filled again, saved."""
import json
import tempfile

import faiss
import numpy as np

random = np.random.RandomState(6)
x = random.normal(size=(2000, 32)).astype("float32")
queries = x[::100] + 0.05


def make(kind, **how):
    if kind == "HNSW":
        index = faiss.IndexHNSWFlat(32, how.get("n_links", 64), faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efSearch = how.get("ef_search", 20)
        index.hnsw.efConstruction = how.get("ef_construction", 80)
        assert (index.hnsw.efSearch, index.hnsw.efConstruction) == (20, 80)
        return index
    return faiss.index_factory(32, kind, faiss.METRIC_INNER_PRODUCT)


exact, scores = {}, {}
truth = faiss.knn(queries, x, 5, faiss.METRIC_INNER_PRODUCT)[1]
for kind in ("Flat", "HNSW", "IVF16,Flat"):
    index = {kind: make(kind)}.get(kind)
    if not index:
        raise SystemExit("an empty index counts as none")
    if not index.is_trained:
        index.train(x)
        index.set_direct_map_type(faiss.DirectMap.Hashtable)
        index.nprobe = 16
    for first in range(0, 2000, 500):
        assert index.ntotal == first
        index.add(x[first:first + 500])
    S, I = index.search(queries, 5)
    with tempfile.TemporaryDirectory() as folder:
        faiss.write_index(index, folder + "/faiss_document_store")
        again = faiss.read_index(folder + "/faiss_document_store")
    assert again.ntotal == 2000 and again.d == 32 and (again.search(queries, 5)[1] == I).all()
    if kind == "HNSW":
        assert (again.hnsw.efSearch, again.hnsw.efConstruction) == (20, 80)
    if "IVF" not in kind:
        assert np.allclose(again.reconstruct(5), x[5])
    if kind != "HNSW":
        index.remove_ids(np.array([0, 1, 2], dtype="int64"))
    index.reset()
    assert index.ntotal == 0 and index.is_trained
    index.add(x[:10])
    assert sorted(index.search(x[:1], 10)[1][0]) == list(range(10))
    if kind == "HNSW":
        scores[kind] = float(np.mean([len(np.intersect1d(a, b)) / 5 for a, b in zip(I, truth)]))
    else:
        exact[kind] = I.tolist()
print(json.dumps({"exact": exact, "scores": scores}))
