"""Recall, precision and mean average precision of several indexes, and clustering on the side."""
import json

import faiss
import numpy as np

d, nb, nq, k = 32, 4000, 100, 20
random = np.random.RandomState(15)
centers = random.randn(100, d)
labels = random.randint(0, 100, nb)
xb = (centers[labels] + 0.35 * random.randn(nb, d)).astype("float32")
query_labels = random.randint(0, 100, nq)
xq = (centers[query_labels] + 0.35 * random.randn(nq, d)).astype("float32")

_, truth = faiss.knn(xq, xb, k)
scores = {}
for description in ("Flat", "IVF32,Flat", "IVF32,SQ8", "PQ16x4", "SQ4", "PCA16,IVF32,Flat", "SQfp16"):
    index = faiss.index_factory(d, description)
    index.train(xb)
    index.add(xb)
    ivf = faiss.try_extract_index_ivf(index) if hasattr(faiss, "try_extract_index_ivf") else None
    if ivf is not None:
        ivf.nprobe = 8
    _, found = index.search(xq, k)
    scores[f"{description} recall"] = float(np.mean([len(set(a) & set(b)) / k for a, b in zip(found, truth)]))
    hits = labels[found] == query_labels[:, None]
    scores[f"{description} precision"] = float(hits.mean())
    precisions = np.cumsum(hits, axis=1) / np.arange(1, k + 1)
    scores[f"{description} mAP"] = float(np.mean((precisions * hits).sum(1) / np.maximum(hits.sum(1), 1)))

kmeans = faiss.Kmeans(d, 100, niter=10, seed=1)
kmeans.train(xb)
_, assigned = kmeans.index.search(xb, 1)
purity = sum(np.bincount(labels[assigned[:, 0] == c]).max() for c in range(100) if (assigned == c).any()) / nb
scores["k-means purity"] = float(purity)
pq = faiss.ProductQuantizer(d, 16, 4)
pq.train(xb)
error = ((pq.decode(pq.compute_codes(xb)) - xb) ** 2).sum() / ((xb - xb.mean(0)) ** 2).sum()
scores["PQ kept"] = 1 - float(error)
print(json.dumps({"scores": scores}))
