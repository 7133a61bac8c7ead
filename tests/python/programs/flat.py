"""Exact search."""
import json

import faiss
import numpy as np

d, nb, nq, k = 32, 5000, 100, 5
random = np.random.RandomState(11)
xb = random.random_sample((nb, d)).astype("float32")
xb[:, 0] += np.arange(nb) / 1000.0
xq = random.random_sample((nq, d)).astype("float32")
xq[:, 0] += np.arange(nq) / 1000.0

index = faiss.IndexFlatL2(d)
assert index.is_trained
index.add(xb)
assert index.ntotal == nb
D, I = index.search(xb[:5], k)
assert I[:, 0].tolist() == [0, 1, 2, 3, 4] and (D[:, 0] < 1e-5).all()
D, I = index.search(xq, k)

normed = xb.copy()
faiss.normalize_L2(normed)
cosine = faiss.IndexFlatIP(d)
cosine.add(normed)
cosine_d, cosine_i = cosine.search(normed[:20], k)
lims, range_d, range_i = index.range_search(xq, 2.5)
knn_d, knn_i = faiss.knn(xq, xb, k)
print(json.dumps({"exact": {"ids": I.tolist(), "cosine": cosine_i.tolist(), "knn": knn_i.tolist(), "lims": lims.tolist(),
                            "range": [sorted(range_i[a:b].tolist()) for a, b in zip(lims, lims[1:])]},
                  "close": {"D": D.tolist(), "cosine": cosine_d.tolist()}}))
