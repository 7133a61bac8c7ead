"""What llama-index's two stores do with an index: one adds nodes one at a time and knows them by number, the other keeps
a map of ids of its own and deletes by them."""
import json
import os
import tempfile

import faiss
import numpy as np

random = np.random.RandomState(5)
nodes = random.random_sample((60, 48)).astype("float32")
query = nodes[7] + 0.01

plain = faiss.IndexFlatL2(48)
numbers = []
for node in nodes:
    numbers.append(str(plain.ntotal))
    plain.add(np.array([node.tolist()], dtype="float32"))
assert numbers == [str(i) for i in range(60)]
dists, indices = plain.search(np.array([query.tolist()], dtype="float32"), 5)
found = [(str(i), float(d)) for d, i in zip(list(dists[0]), indices[0]) if i >= 0]

mapped = faiss.IndexIDMap2(faiss.IndexFlatIP(48))
assert isinstance(mapped, (faiss.IndexIDMap, faiss.IndexIDMap2)) and not isinstance(plain, faiss.IndexIDMap)
names = {}
for i, node in enumerate(nodes):
    number = np.array([len(names)], dtype=np.int64)
    mapped.add_with_ids(np.array([node], dtype="float32"), number)
    names[int(number[0])] = f"node-{i}"
gone = [i for i, name in names.items() if name in ("node-3", "node-58")]
assert mapped.remove_ids(np.array(gone, dtype=np.int64)) == 2
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "default__vector_store.json")
    faiss.write_index(mapped, path)
    again = faiss.read_index(path)
assert isinstance(again, (faiss.IndexIDMap, faiss.IndexIDMap2)) and again.ntotal == 58
_, kept = again.search(query[None], 58)
assert sorted(names[i] for i in kept[0]) == sorted(f"node-{i}" for i in range(60) if i not in (3, 58))
assert np.array_equal(again.reconstruct(7), nodes[7])
print(json.dumps({"exact": {"plain": [i for i, _ in found], "mapped": [names[i] for i in kept[0, :10]]},
                  "close": {"plain": [d for _, d in found]}}))
