"""A graph index."""
import json

import faiss
import numpy as np

d, nb, nq, k = 32, 10000, 200, 10
random = np.random.RandomState(13)
xb = random.random_sample((nb, d)).astype("float32")
xq = random.random_sample((nq, d)).astype("float32")

flat = faiss.IndexFlatL2(d)
flat.add(xb)
_, truth = flat.search(xq, k)

index = faiss.IndexHNSWFlat(d, 32)
index.hnsw.efConstruction = 100
index.add(xb)
scores = {}
for ef in (16, 256):
    index.hnsw.efSearch = ef
    _, found = index.search(xq, k)
    scores[f"HNSW {ef}"] = float(np.mean([len(set(a) & set(b)) / k for a, b in zip(found, truth)]))
print(json.dumps({"scores": scores}))
