"""A big index made of small ones: train once, fill and save parts in a loop, read and merge them."""
import json
import os
import tempfile

import faiss
import numpy as np

d, nb, nq, k, parts = 16, 8000, 100, 10, 4
random = np.random.RandomState(14)
xb = random.random_sample((nb, d)).astype("float32")
xq = random.random_sample((nq, d)).astype("float32")

with tempfile.TemporaryDirectory() as folder:
    trained = faiss.index_factory(d, "IVF32,Flat")
    trained.train(xb[:4000])
    faiss.write_index(trained, os.path.join(folder, "trained.index"))
    for part in range(parts):
        index = faiss.read_index(os.path.join(folder, "trained.index"))
        first, last = nb * part // parts, nb * (part + 1) // parts
        index.add_with_ids(xb[first:last], np.arange(first, last))
        faiss.write_index(index, os.path.join(folder, f"part{part}.index"))
    whole = faiss.read_index(os.path.join(folder, "trained.index"))
    for part in range(parts):
        whole.merge_from(faiss.read_index(os.path.join(folder, f"part{part}.index")), 0)

assert whole.ntotal == nb
whole.nprobe = 32
D, I = whole.search(xq, k)
print(json.dumps({"exact": {"ids": I.tolist()}, "close": {"D": D.tolist()}}))
