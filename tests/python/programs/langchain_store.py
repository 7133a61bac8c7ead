"""What LangChain's vector store does with an index: documents in a dict by position, deleted and merged, saved beside a
pickle of the dict."""
import json
import pickle
import tempfile
import uuid

import faiss
import numpy as np

random = np.random.RandomState(7)
texts = [f"text {i}" for i in range(40)]
embedded = {text: random.random_sample(24).astype("float32").tolist() for text in texts}


class Store:
    def __init__(self, unit=False):
        self.index = faiss.IndexFlatIP(24) if unit else faiss.IndexFlatL2(24)
        self.unit, self.documents, self.names = unit, {}, {}

    def _vectors(self, some):
        x = np.array([embedded[text] for text in some], dtype=np.float32)
        if self.unit:
            faiss.normalize_L2(x)
        return x

    def add(self, some):
        self.index.add(self._vectors(some))
        names = [str(uuid.UUID(int=random.randint(2**31))) for _ in some]
        first = len(self.names)
        self.documents.update(zip(names, some))
        self.names.update({first + i: name for i, name in enumerate(names)})
        return names

    def find(self, text, k, far=None):
        scores, at = self.index.search(self._vectors([text]), k)
        return [(self.documents[self.names[i]], float(score)) for i, score in zip(at[0], scores[0])
                if i != -1 and (far is None or score <= far)]

    def delete(self, names):
        at = {name: i for i, name in self.names.items()}
        gone = {at[name] for name in names}
        self.index.remove_ids(np.fromiter(gone, dtype=np.int64))
        for name in names:
            del self.documents[name]
        self.names = dict(enumerate(name for i, name in sorted(self.names.items()) if i not in gone))

    def merge(self, other):
        first = len(self.names)
        self.index.merge_from(other.index)
        self.names.update({first + i: name for i, name in other.names.items()})
        self.documents.update(other.documents)


exact, close = {}, {}
for unit in (False, True):
    store = Store(unit)
    names = store.add(texts[:20])
    assert [store.find(text, 1)[0][0] for text in texts[:20]] == texts[:20]
    assert len(store.find(texts[0], 100)) == 20  # fewer than were asked for
    store.delete([names[3], names[0], names[19]])
    left = [text for i, text in enumerate(texts[:20]) if i not in (0, 3, 19)]
    assert [store.find(text, 1)[0][0] for text in left] == left
    store.add(texts[20:30])
    other = Store(unit)
    other.add(texts[30:])
    store.merge(other)
    left += texts[20:]
    assert [store.find(text, 1)[0][0] for text in left] == left and other.index.ntotal == 0
    with tempfile.TemporaryDirectory() as folder:
        faiss.write_index(store.index, folder + "/index.faiss")
        with open(folder + "/index.pkl", "wb") as file:
            pickle.dump((store.documents, store.names), file)
        store.index = faiss.read_index(folder + "/index.faiss")
        with open(folder + "/index.pkl", "rb") as file:
            store.documents, store.names = pickle.load(file)
    found = store.find(texts[5], 4)
    again = store.index.reconstruct(int(store.index.search(store._vectors([texts[5]]), 1)[1][0, 0]))
    assert np.allclose(again, store._vectors([texts[5]])[0])
    exact[str(unit)] = [text for text, _ in found]
    close[str(unit)] = [score for _, score in found]
print(json.dumps({"exact": exact, "close": close}))
