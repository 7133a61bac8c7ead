"""Inverted files: trained, filled, searched with more and more lists."""
import json

import faiss
import numpy as np

d, nb, nq, nlist, k = 32, 6000, 100, 64, 10
random = np.random.RandomState(12)
centers = random.randn(100, d)
xb = (centers[random.randint(0, 100, nb)] + 0.4 * random.randn(nb, d)).astype("float32")
xq = (centers[random.randint(0, 100, nq)] + 0.4 * random.randn(nq, d)).astype("float32")

flat = faiss.IndexFlatL2(d)
flat.add(xb)
_, truth = flat.search(xq, k)


def recall(found):
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(found, truth)]))


scores = {}
quantizer = faiss.IndexFlatL2(d)
index = faiss.IndexIVFFlat(quantizer, d, nlist, faiss.METRIC_L2)
assert not index.is_trained
index.train(xb)
assert index.is_trained
index.add(xb)
for nprobe in (1, 4, 64):
    index.nprobe = nprobe
    scores[f"IVFFlat {nprobe}"] = recall(index.search(xq, k)[1])
assert scores["IVFFlat 64"] > 0.999
assert sum(index.invlists.list_size(i) for i in range(nlist)) == nb

index = faiss.IndexIVFPQ(faiss.IndexFlatL2(d), d, nlist, 16, 4)
index.train(xb)
index.add(xb)
for nprobe in (1, 16):
    index.nprobe = nprobe
    scores[f"IVFPQ {nprobe}"] = recall(index.search(xq, k)[1])

refined = faiss.IndexRefineFlat(faiss.index_factory(d, "IVF64,PQ16x4"))
refined.train(xb)
refined.add(xb)
refined.k_factor = 10
faiss.ParameterSpace().set_index_parameter(refined, "nprobe", 16)
scores["IVFPQ refined"] = recall(refined.search(xq, k)[1])
print(json.dumps({"scores": scores}))
