"""Collections: conditions, writing and searching against plain Python over the same records."""
import random
import sqlite3
import threading

import numpy as np
import pytest

import kith
from kith import _sqlite

try:
    _sqlite.connect(":memory:").close()
except kith.UnsupportedError as error:
    pytest.skip(str(error), allow_module_level=True)

DIM = 4
VALUES = [0, 1, 2, 1.0, 2.5, -3, True, False, "a", "b", "ab", "Ä", "1", "", "it's", 2**53 + 1, 1e-300]
KEYS = ["n", "kind", "a.b", "with space", "opt"]


def number(x):
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def equal(a, b):
    return (number(a) and number(b) or type(a) is type(b)) and a == b


def before(a, b):
    return (number(a) and number(b) or isinstance(a, str) and isinstance(b, str)) and a < b


def meets(where, metadata):
    """What a condition means, once more."""
    for key, operand in where.items():
        if key in ("$and", "$or"):
            good = (all if key == "$and" else any)(meets(one, metadata) for one in operand)
        else:
            value = (metadata or {}).get(key)
            operators = operand if isinstance(operand, dict) else {"$eq": operand}
            good = all(meets_one(op, value, x) for op, x in operators.items())
        if not good:
            return False
    return True


def meets_one(op, value, x):
    if op in ("$ne", "$nin", "$not_contains"):
        return not meets_one({"$ne": "$eq", "$nin": "$in", "$not_contains": "$contains"}[op], value, x)
    if op == "$exists":
        return (value is not None) == x
    if value is None:
        return False
    if op == "$in":
        return any(equal(value, one) for one in x)
    if op == "$contains":
        return x in value if isinstance(value, (str, list)) else False
    same = equal(value, x) and not isinstance(value, bool)
    return {"$eq": equal(value, x), "$lt": before(value, x), "$gt": before(x, value), "$lte": before(value, x) or same,
            "$gte": before(x, value) or same}[op]


def random_where(rng, depth=0):
    if depth < 2 and rng.random() < 0.3:
        return {rng.choice(["$and", "$or"]): [random_where(rng, depth + 1) for _ in range(rng.randrange(3))]}
    where = {}
    for _ in range(rng.randrange(1, 3)):
        op = rng.choice(["$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$exists", "$contains", "$not_contains", None])
        value = rng.choice(VALUES)
        if op in ("$in", "$nin"):
            value = rng.sample(VALUES, rng.randrange(4))
        elif op == "$exists":
            value = rng.random() < 0.5
        elif op in ("$contains", "$not_contains"):
            value = rng.choice(["a", "b", "Ä", "'"])
        where[rng.choice(KEYS)] = value if op is None else {op: value}
    return where


def records(rng, n):
    metadatas = [{key: rng.choice([*VALUES, ["a", "b"], ["Ä"]]) for key in KEYS if rng.random() < 0.6} if rng.random() < 0.9 else None for _ in range(n)]
    vectors = np.array([[rng.randrange(-8, 9) for _ in range(DIM)] for _ in range(n)], dtype=np.float32)
    return [f"id{i}" for i in range(n)], vectors, metadatas


@pytest.mark.parametrize("fields", [{}, {"n": float, "kind": str, "with space": str}], ids=["plain", "fields"])
def test_conditions(fields):
    rng = random.Random(7)
    ids, vectors, metadatas = records(rng, 60)
    docs = kith.Collection(":memory:", "docs", metric="l2", fields=fields)
    docs.add(ids, vectors, metadatas)
    for _ in range(400):
        where = random_where(rng)
        want = [i for i in range(len(ids)) if meets(where, metadatas[i])]
        found = docs.get(where=where)
        assert found["ids"] == [ids[i] for i in want], where
        assert [m or {} for m in found["metadatas"]] == [metadatas[i] or {} for i in want]
        assert docs.count(where=where) == len(want)
        q = vectors[rng.randrange(60)] + 0.5
        want.sort(key=lambda i: (float(((vectors[i] - q)**2).sum()), i))
        assert docs.query([q], n_results=7, where=where)["ids"] == [[ids[i] for i in want[:7]]], where


def test_documents():
    texts = ["An apple", "Äpfel", "100%", "under_score", None, ""]
    docs = kith.Collection(":memory:", dim=2)
    docs.add(list("abcdef"), np.eye(6, 2), documents=texts)
    for part in ("apple", "APPLE", "Ä", "ä", "%", "r_s", "", "'"):
        want = [id for id, text in zip("abcdef", texts) if text is not None and part in text]
        assert docs.get(where_document={"$contains": part})["ids"] == want
        assert docs.get(where_document={"$not_contains": part})["ids"] == [id for id in "abcdef" if id not in want]
    both = {"$or": [{"$contains": "apple"}, {"$and": [{"$contains": "1"}, {"$contains": "%"}]}]}
    assert docs.get(where_document=both)["documents"] == ["An apple", "100%"]


def test_writing():
    docs = kith.Collection(":memory:", dim=2, metric="l2")
    docs.add(["a", "b"], [[0, 0], [1, 0]], [{"n": 1, "m": "x"}, None], ["A", None])
    with pytest.raises(ValueError, match="'b' is already in the collection"):
        docs.add(["c", "b"], [[2, 0], [3, 0]])
    with pytest.raises(ValueError, match="'c' is given more than once"):
        docs.upsert(["c", "c"], [[2, 0], [3, 0]])
    assert docs.get()["ids"] == ["a", "b"], "all or nothing"
    docs.upsert(["b", "c"], [[5, 0], [6, 0]], [{"n": 2}, {"n": 3}], ["B", "C"])
    docs.update(["a", "nobody"], metadatas=[{"m": None, "o": True}, {"n": 9}])
    docs.update(["c"], documents=[None])
    found = docs.get(include=["embeddings", "metadatas", "documents"])
    assert found["ids"] == ["a", "b", "c"] and found["documents"] == ["A", "B", None]
    assert found["metadatas"] == [{"n": 1, "o": True}, {"n": 2}, {"n": 3}]
    assert np.array_equal(found["embeddings"], [[0, 0], [5, 0], [6, 0]])
    with pytest.raises(ValueError, match="'d' is new"):
        docs.upsert(["a", "d"], metadatas=[{"n": 100}, None])
    assert docs.get(ids=["a"])["metadatas"] == [{"n": 1, "o": True}]
    docs.delete(ids=["a", "b"], where={"n": 2})
    assert docs.get()["ids"] == ["a", "c"] and len(docs) == 2
    with pytest.raises(ValueError, match="clear"):
        docs.delete()
    docs.clear()
    assert docs.count() == 0


def test_namespaces():
    docs = kith.Collection(":memory:", dim=2)
    for name in ("", "a", "1:", "it's"):
        docs.add(["k"], [[1, len(name)]], [{"from": name}], namespace=name)
    assert docs.namespaces() == ["", "1:", "a", "it's"]
    for name in docs.namespaces():
        found = docs.query([[1, 1]], 9, namespace=name)
        assert found["ids"] == [["k"]] and found["metadatas"] == [[{"from": name}]]
    docs.delete(ids=["k"], namespace="a")
    assert docs.count(namespace="a") == 0 and len(docs) == 3


@pytest.mark.parametrize("metric", ["l2", "cosine", "ip", "l1", "linf"])
def test_distances(metric, tmp_path):
    rng = np.random.default_rng(3)
    x, q = rng.normal(size=(300, 5)).astype(np.float32), rng.normal(size=(4, 5))
    y = x.astype(float)
    want = {"l2": ((q[:, None] - y)**2).sum(2), "ip": -(q @ y.T), "l1": abs(q[:, None] - y).sum(2), "linf": abs(q[:, None] - y).max(2),
            "cosine": 1 - q @ y.T / np.sqrt((q**2).sum(1)[:, None] * (y**2).sum(1))}[metric]
    with kith.Collection(tmp_path / "d.db", "it's \"d\"", metric=metric) as docs:
        docs.add([str(i) for i in range(300)], x)
        found = docs.query(q, 6)
        assert found["ids"] == [[str(i) for i in row] for row in np.argsort(want, axis=1)[:, :6]]
        assert np.allclose(found["distances"], np.sort(want, axis=1)[:, :6], atol=1e-12)
        rough = docs.query(q.astype(np.float32), 6, include=["distances"])
        assert list(rough) == ["ids", "distances"] and np.allclose(rough["distances"], found["distances"], atol=1e-5)
    with kith.Collection(tmp_path / "d.db", "it's \"d\"") as docs:
        assert (docs.dim, docs.metric, len(docs)) == (5, metric, 300)
        assert docs.query(q, 6) == found
    with pytest.raises(ValueError, match="dim is 6"):
        kith.Collection(tmp_path / "d.db", "it's \"d\"", dim=6)
    with pytest.raises(ValueError, match="metric is"):
        kith.Collection(tmp_path / "d.db", "it's \"d\"", metric="l2" if metric != "l2" else "ip")


def test_texts_become_vectors():
    docs = kith.Collection(":memory:", embedding_function=lambda texts: [[text.count("a"), text.count("b"), 1] for text in texts])
    docs.add(["x", "y"], documents=["aaa", "bbb"])
    assert docs.dim == 3 and docs.query(query_texts=["ab b b"], n_results=1)["ids"] == [["y"]]
    with pytest.raises(ValueError, match="embedding_function"):
        kith.Collection(":memory:", dim=3).query(query_texts=["a"])


def test_words_and_vectors(tmp_path):
    with kith.Collection(tmp_path / "h.db", "it's", dim=2, full_text=True) as docs:
        docs.add(["a", "b", "c", "d"], [[1, 0], [0.9, 0.1], [0, 1], [-1, 0]], [{"n": i} for i in range(4)],
                 ["red apple", "green pear", 'red "cherry" AND', None])
        assert docs.hybrid("cherry", [0, -1], 1, alpha=0)["ids"] == ["c"]
        found = docs.hybrid("red apple", [1, 0], 3, include=["documents", "embeddings"])
        assert found["ids"][0] == "a" and found["scores"] == sorted(found["scores"], reverse=True)
        assert found["documents"][0] == "red apple" and np.array_equal(found["embeddings"][0], [1, 0])
        assert "a" not in docs.hybrid("red", [1, 0], 4, where={"n": {"$gt": 0}})["ids"]
        assert docs.hybrid('"AND" (', [1, 0], 1, alpha=0)["ids"] == ["c"], "operators are words"
        assert docs.hybrid("red NOT apple", [1, 0], 4, alpha=0, syntax=True)["ids"] == ["c"]
        docs.update(["a"], documents=["yellow banana"])
        docs.upsert(["d", "e"], [[0, -1], [1, 1]], documents=["red rose", None])
        docs.add(["a"], [[1, 0]], documents=["red in another namespace"], namespace="other")
        docs.delete(ids=["c"])
    with kith.Collection(tmp_path / "h.db", "it's") as docs:
        assert docs.hybrid("red", [1, 0], 9, alpha=0)["ids"] == ["d"]
        assert docs.hybrid("banana", [1, 0], 9, alpha=0)["ids"] == ["a"]
        assert docs.hybrid("red", [1, 0], 9, namespace="other")["ids"] == ["a"]
        docs.connection.execute("INSERT INTO \"it's_text\"(\"it's_text\") VALUES('integrity-check')")
        docs.drop()
        assert docs.connection.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'it''s%'").fetchone() == (0,)
    with pytest.raises(ValueError, match="full_text"):
        kith.Collection(":memory:", dim=2).hybrid("a", [1, 0])


def test_evaluate():
    """Texts find what is wanted of the first query, vectors of the second; both together of both."""
    docs = kith.Collection(":memory:", dim=2, full_text=True)
    docs.add(["a", "b", "c", "d"], [[0, 1], [1, 0], [-1, 0], [0.9, 0.1]], documents=["apple", "pear", "apple tart with plums", "plum"])
    judgements = [("apple", [-1, 0.1], {"a": 1, "c": 2}), ("plums", [1, 0.2], {"d": 3, "b": 1})]
    results = {(one.fusion, one.alpha): one for one in docs.evaluate(judgements, 2)}
    assert len(results) == 22 and all(0 <= one.ndcg <= 1 and 0 <= one.recall <= 1 for one in results.values())
    found = [docs.hybrid(text, q, 2, alpha=0.3, fusion="relative")["ids"] for text, q, _ in judgements]
    discount = 1 / np.log2(3)
    want = []
    for ids, (_, _, gains) in zip(found, judgements):
        best = sorted(gains.values(), reverse=True)
        want.append(sum(gains.get(id, 0) * d for id, d in zip(ids, (1, discount))) / (best[0] + best[1] * discount))
    assert results["relative", 0.3].ndcg == pytest.approx(np.mean(want))
    assert results["relative", 0.3].recall == np.mean([len(set(ids) & set(gains)) / 2 for ids, (_, _, gains) in zip(found, judgements)])
    order = [one.ndcg for one in docs.evaluate(judgements, 2)]
    assert order == sorted(order, reverse=True) and order[0] > order[-1]
    with pytest.raises(ValueError, match="judgements"):
        docs.evaluate([])


def test_a_connection_of_the_callers():
    db = sqlite3.connect(":memory:", isolation_level=None)
    docs = kith.Collection(db, "docs", dim=2)
    docs.add(["a"], [[1, 0]])
    db.execute("BEGIN")
    docs.add(["b"], [[0, 1]])
    with pytest.raises(ValueError):
        docs.add(["c", "a"], [[0, 1], [1, 1]])
    assert len(docs) == 2 and db.in_transaction, "what failed is taken back, what was before it stays"
    db.execute("ROLLBACK")
    docs.close()
    assert db.execute("SELECT key FROM docs").fetchall() == [("0:a",)]
    db.execute("CREATE TABLE plain(x)")
    with pytest.raises(ValueError, match="not a collection"):
        kith.Collection(db, "plain")


def test_threads(tmp_path):
    docs = kith.Collection(tmp_path / "t.db", dim=2, metric="l2")

    def work(t):
        for i in range(20):
            docs.add([f"{t}-{i}"], [[t, i]])
            assert docs.query([[t, i]], 1, where={"none": {"$exists": False}})["distances"] == [[0]]

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(docs) == 80


@pytest.mark.parametrize("call, says", [
    (lambda d: d.add("ab", [[1, 2]] * 2), "ids"), (lambda d: d.add(["", "b"], [[1, 2]] * 2), "ids"),
    (lambda d: d.add([1], [[1, 2]]), "ids"), (lambda d: d.add(["a"], [[1, 2, 3]]), "embeddings"),
    (lambda d: d.add(["a"], [1, 2]), "embeddings"), (lambda d: d.add(["a"], [[1, float("nan")]]), "embeddings"),
    (lambda d: d.add(["a", "b"], [[1, 2]]), "embeddings"), (lambda d: d.add(["a"]), "embeddings"),
    (lambda d: d.add(["a"], [[1, 2]], [{"x": {}}]), "metadatas"), (lambda d: d.add(["a"], [[1, 2]], {"x": 1}), "metadatas"),
    (lambda d: d.add(["a"], [[1, 2]], [{"x": float("inf")}]), "metadatas"), (lambda d: d.add(["a"], [[1, 2]], [{"x": 2**63}]), "metadatas"),
    (lambda d: d.add(["a"], [[1, 2]], [{"$x": 1}]), "metadata key"), (lambda d: d.add(["a"], [[1, 2]], documents=[5]), "documents"),
    (lambda d: d.add(["a"], [[1, 2]], namespace=None), "namespace"), (lambda d: d.query(), "query_embeddings"),
    (lambda d: d.query([[1, 2, 3]]), "query_embeddings"), (lambda d: d.query([[1, 2]], include=["all"]), "include"),
    (lambda d: d.get(where={"x": {"$like": "a"}}), "unknown operator"), (lambda d: d.get(where={"$and": {"x": 1}}), "list"),
    (lambda d: d.get(where={"x": None}), "compared with None"), (lambda d: d.get(where={'x"': 1}), "metadata key"),
    (lambda d: d.get(where={"x": {"$in": 5}}), "list"), (lambda d: d.get(where={"x": {"$gt": float("nan")}}), "nan"),
    (lambda d: d.get(where_document={"$eq": "a"}), "where_document"), (lambda d: d.get(where_document={"$contains": 1}), "where_document"),
    (lambda d: kith.Collection(":memory:", metric="dot"), "metric"), (lambda d: kith.Collection(":memory:", fields={"key": str}), "fields"),
    (lambda d: kith.Collection(":memory:", fields={"x": dict}), "fields"), (lambda d: kith.Collection(":memory:", ""), "name"),
])
def test_bad_arguments(call, says):
    docs = kith.Collection(":memory:", dim=2)
    with pytest.raises(kith.InvalidError, match=says):
        call(docs)
    assert len(docs) == 0


def test_what_is_quoted_stays_text():
    docs = kith.Collection(":memory:", "x'; DROP TABLE y; --", dim=2, fields={"it's": str})
    nasty = "') OR 1 = 1 --"
    docs.add([nasty, "b"], [[1, 0], [0, 1]], [{"it's": nasty, "o'k": nasty}, {"it's": "b"}], [nasty, "b"], namespace=nasty)
    assert docs.get(ids=[nasty], namespace=nasty)["ids"] == [nasty]
    for where in ({"it's": nasty}, {"o'k": nasty}, {"it's": {"$in": [nasty, "'"]}}, {"o'k": {"$contains": nasty}}):
        assert docs.get(where=where, namespace=nasty)["ids"] == [nasty]
    assert docs.get(where_document={"$contains": nasty}, namespace=nasty)["ids"] == [nasty]
    assert docs.query([[1, 0]], 1, where={"o'k": {"$ne": nasty}}, namespace=nasty)["ids"] == [["b"]]
    docs.drop()
    assert docs.count() == 0
