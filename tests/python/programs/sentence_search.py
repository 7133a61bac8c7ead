"""What sentence-transformers does: exact search over embeddings of floats and of bytes, lists over unit vectors, hard
negatives among the neighbours of an answer."""
import json

import faiss
import numpy as np

random = np.random.RandomState(9)
corpus = random.normal(size=(4000, 64)).astype("float32")
queries = (corpus[:50] + 0.2 * random.normal(size=(50, 64))).astype("float32")

flat = faiss.IndexFlatIP(64)
assert not isinstance(flat, (faiss.IndexBinaryFlat, faiss.IndexBinaryIVF))
flat.add(corpus)
D, I = flat.search(queries, k=8)

unit = corpus / np.linalg.norm(corpus, axis=1)[:, None]
quantizer = faiss.IndexFlatIP(64)
lists = faiss.IndexIVFFlat(quantizer, 64, 32, faiss.METRIC_INNER_PRODUCT)
lists.nprobe = 8
lists.train(unit)
lists.add(unit)
_, near = lists.search(np.expand_dims(unit[17], axis=0), 3)
assert near[0, 0] == 17 and lists.nprobe == 8

low, high = corpus.min(0), corpus.max(0)
whole = ((corpus - low) / (high - low) * 255).astype("uint8")
coded = faiss.IndexScalarQuantizer(64, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
coded.train(whole.astype("float32"))
coded.add(whole.astype("float32"))
_, rough = coded.search(whole[:50].astype("float32"), k=4 * 8)
order = np.argsort(-np.einsum("qd,qkd->qk", whole[:50].astype("float32"), corpus[rough]), axis=1)[:, :8]

answers = np.arange(50)
negatives = [[int(i) for i in row if i != answer][:5] for row, answer in zip(I, answers)]
hits = float((I[:, 0] == answers).mean())
print(json.dumps({"exact": {"flat": I.tolist(), "negatives": negatives}, "close": {"flat": D.tolist()},
                  "scores": {"hits": hits, "rescored": float(np.isfinite(order).mean())}}))
