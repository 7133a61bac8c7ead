"""What txtai does: any factory string, ids of its own, appended and deleted, parameters where an index has them, opened
mapped or not, and added to again."""
import json
import tempfile

import faiss
import numpy as np
from numpy import int64

random = np.random.RandomState(1)
x = random.normal(size=(1500, 32)).astype("float32")
x /= np.linalg.norm(x, axis=1, keepdims=True)
queries = x[100:300]
faiss.omp_set_num_threads(1)
assert faiss.index_binary_factory and faiss.read_index_binary and faiss.write_index_binary and faiss.IndexBinaryIDMap
exact, scores = {}, {}
for spec in ("IDMap,Flat", "IDMap,SQ8", "IDMap,SQ4", "IDMap,SQfp16", "IVF16,Flat", "IVF16,SQ8", "PCA16,IDMap,SQ8", "IDMap,HNSW32,Flat",
             "IVF16,PQ8x4fs"):
    index = faiss.index_factory(32, spec, faiss.METRIC_INNER_PRODUCT)
    index.train(x)
    index.add_with_ids(x, np.arange(1500, dtype=int64))
    index.add_with_ids(x[:5], np.arange(1500, 1505, dtype=int64))
    if "HNSW" not in spec:  # FAISS removes nothing from graphs
        index.remove_ids(np.array([3, 4], dtype=int64))
        assert index.ntotal == 1503
    if hasattr(index, "nprobe"):
        index.nprobe = 12
    S, I = index.search(queries, 3)
    with tempfile.TemporaryDirectory() as folder:
        faiss.write_index(index, folder + "/embeddings")
        mapped = faiss.read_index(folder + "/embeddings", faiss.IO_FLAG_MMAP)
        assert np.array_equal(mapped.search(queries, 3)[1], I)  # nprobe is in the file
        again = faiss.read_index(folder + "/embeddings", 0)
    assert isinstance(again, type(index))
    again.add_with_ids(2 * x[:1], np.array([9000], dtype=int64))
    assert again.search(x[:1], 3)[1][0, 0] in (9000, 0, 1500) and again.ntotal == index.ntotal + 1
    if spec in ("IDMap,Flat", "IDMap,SQfp16"):
        exact[spec] = I[:20, :1].tolist()
    scores[spec] = float((I[:, 0] == np.arange(100, 300)).mean())
print(json.dumps({"exact": exact, "scores": scores}))
