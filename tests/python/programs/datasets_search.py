"""What Hugging Face's datasets does with an index of a column: made from a factory string or a class, filled in batches,
searched, saved to any file system through buffered callbacks."""
import json
import tempfile

import faiss
import numpy as np

random = np.random.RandomState(3)
column = random.random_sample((3000, 32)).astype("float32")
column[:, 0] += np.arange(3000) / 300
queries = column[::300] + 0.003


def verbose(index, how):
    index.verbose = how
    for name in ("index", "quantizer", "clustering_index"):
        if getattr(index, name, None) is not None:
            getattr(index, name).verbose = how


def build(factory=None, metric=None, train=None):
    if factory:
        index = faiss.index_factory(32, factory) if metric is None else faiss.index_factory(32, factory, metric)
    else:
        index = faiss.IndexFlat(32) if metric is None else faiss.IndexFlat(32, metric)
    if train is not None:
        verbose(index, False)
        index.train(column[:train])
    for first in range(0, len(column), 1000):
        index.add(column[first:first + 1000])
    return index


exact, scores = {}, {}
truth = faiss.knn(queries, column, 10)[1]
for name, arguments in {"flat": {}, "ip": {"metric": faiss.METRIC_INNER_PRODUCT}, "lists": {"factory": "IVF16,Flat", "train": 2000},
                        "pca": {"factory": "PCA16,IVF8,Flat", "train": 3000}, "map": {"factory": "IDMap,Flat"}}.items():
    if name == "map":
        index = faiss.index_factory(32, "IDMap,Flat")
        index.add_with_ids(column, np.arange(3000))
    else:
        index = build(**arguments)
    if name in ("lists", "pca"):
        faiss.extract_index_ivf(index).nprobe = 4
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/index.faiss", "wb") as file:
            faiss.write_index(index, faiss.BufferedIOWriter(faiss.PyCallbackIOWriter(file.write)))
        with open(folder + "/index.faiss", "rb") as file:
            again = faiss.read_index(faiss.BufferedIOReader(faiss.PyCallbackIOReader(file.read)))
    assert not hasattr(again, "device") and isinstance(again, type(index))
    S, I = again.search(queries, 10)
    assert (I == index.search(queries, 10)[1]).all()
    one = again.search(queries[0].reshape(1, -1), 10)
    assert one[1][0].astype(int).tolist() == I[0].tolist()
    if name in ("flat", "ip", "map"):
        exact[name] = I.tolist()
    else:
        scores[name] = float(np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(I, truth)]))
print(json.dumps({"exact": exact, "scores": scores}))
