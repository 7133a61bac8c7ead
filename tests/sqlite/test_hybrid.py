"""kith_hybrid beside the rules of fusion, written down once more."""
import json
import math
import random
import sqlite3
import unittest

from support import Case, blob, distance, floats

WORDS = "red green apple pie pear blue sky tree bird song".split()


def ranks(side):
    values = sorted(side.values(), reverse=True)
    return {i: values.index(x) + 1 for i, x in side.items()}


def normalised(side, fusion, k):
    if not side:
        return {}
    values = list(side.values())
    if fusion == "rrf":
        return {i: 1 / (k + r) for i, r in ranks(side).items()}
    if fusion == "relative":
        low, high = min(values), max(values)
        return {i: (x - low) / (high - low) if high > low else 1.0 for i, x in side.items()}
    mean = math.fsum(values) / len(values)
    sigma = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / len(values))
    return {i: min(1.0, max(0.0, (x - mean + 3 * sigma) / (6 * sigma))) if sigma else 0.5 for i, x in side.items()}


def fuse(text, vector, fusion, alpha, k):
    t, v = normalised(text, fusion, k), normalised(vector, fusion, k)
    wt, wv = (1, 1) if alpha is None else (1 - alpha, alpha)
    scores = {i: wt * t.get(i, 0) + wv * v.get(i, 0) for i in {**t, **v}}
    return sorted(((i, s) for i, s in scores.items() if s > 0), key=lambda x: (-x[1], x[0]))


class Hybrid(Case):
    def setUp(self):
        super().setUp()
        try:
            self.rows("CREATE VIRTUAL TABLE fts USING fts5(title, body)")
        except sqlite3.OperationalError:
            self.skipTest("SQLite was built without FTS5")
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[3], cat TEXT, f FLOAT[2] COSINE)")
        r = self.rng = random.Random(3)
        self.vectors = {}
        for i in range(1, 80):
            self.vectors[i] = [round(r.gauss(0, 1), 2) for _ in range(3)]
            self.vectors[i] = list(floats(blob(self.vectors[i])))
            self.rows("INSERT INTO docs(rowid, e, cat, f) VALUES(?, ?, ?, ?)", i, blob(self.vectors[i]), "xyz"[i % 3], blob([i, 1]))
            self.rows("INSERT INTO fts(rowid, title, body) VALUES(?, ?, ?)", i, r.choice(WORDS), " ".join(r.choices(WORDS, k=r.randint(2, 9))))

    def sides(self, text, q, depth, passes, match="fts", bm25="bm25(fts)"):
        t = {i: -s for i, s in self.rows("SELECT rowid, %s FROM fts WHERE fts MATCH ?" % bm25, text) if passes(i)} if text else {}
        v = {i: -distance("L2", q, x) for i, x in self.vectors.items() if passes(i)}
        cut = lambda side: dict(sorted(side.items(), key=lambda x: (-x[1], x[0]))[:depth])
        return cut(t), cut(v)

    def hybrid(self, text, q, k, **options):
        return self.rows("SELECT rowid, score, text_score, vector_score FROM kith_hybrid('docs', 'fts', ?, ?, ?, ?)", text,
                         blob(q) if q else None, k, json.dumps(options))

    def check(self, text, q, k, passes=lambda i: True, bm25="bm25(fts)", plain=None, **options):
        t, v = self.sides(plain or text, q, options.get("depth", 100), passes, bm25=bm25)
        fusion, alpha = options.get("fusion", "rrf"), options.get("alpha")
        want = fuse(t, v, fusion, 0.5 if alpha is None and fusion != "rrf" else alpha, options.get("rrf_k", 60))[:k]
        got = self.hybrid(text, q, k, **options)
        self.assertEqual([r[0] for r in got], [w[0] for w in want], options)
        for (i, score, ts, vs), (_, s) in zip(got, want):
            self.assertAlmostEqual(score, s, 12)
            for mine, side in ((ts, t), (vs, v)):
                if i in side:
                    self.assertAlmostEqual(mine, side[i], 9)
                else:
                    self.assertIsNone(mine)

    def test_every_fusion(self):
        q = list(floats(blob([0.1, -0.4, 0.7])))
        for fusion in ("rrf", "relative", "dbsf"):
            for alpha in (None, 0, 0.3, 1):
                for text in ("apple", "sky OR tree NOT pie", "nosuchword"):
                    for k, depth in ((5, 100), (100, 10)):
                        options = {"fusion": fusion, "depth": depth, **({} if alpha is None else {"alpha": alpha})}
                        self.check(text, q, k, **options)
        self.check("apple", q, 10, rrf_k=1)

    def test_filter_fields_and_column(self):
        q = [1, 0, 0]
        self.check("bird OR pie", q, 20, lambda i: i % 3 == 1, filter="cat = ?1", filter_args=["y"])
        self.check("bird OR pie", q, 20, plain="{title body} : (bird OR pie)", bm25="bm25(fts, 5.5, 1)", fields=["title^5.5", "body"])
        self.check("bird OR pie", q, 20, plain="{title} : (bird OR pie)", bm25="bm25(fts, 1, 0)", fields=["title"])
        near = [r[0] for r in self.hybrid("nosuchword", [1, 0], 3, column="f")]
        self.assertEqual(near, [79, 78, 77])

    def test_one_side(self):
        self.assertEqual([r[0] for r in self.hybrid("", [0, 0, 0], 5)],
                         self.column("SELECT rowid FROM docs WHERE e MATCH '[0,0,0]' AND k = 5"))
        self.assertEqual([r[0] for r in self.hybrid("apple", None, 5)],
                         self.column("SELECT rowid FROM fts WHERE fts MATCH 'apple' ORDER BY bm25(fts), rowid LIMIT 5"))
        self.assertEqual(self.hybrid("apple", [0, 0, 0], 0), [])
        self.assertEqual(self.rows("SELECT count(*) FROM kith_hybrid('docs', 'fts', 'apple', '[0,0,0]')"), [(10,)])

    def test_what_is_refused(self):
        for options, pattern in (({"fusion": "sum"}, "fusion"), ({"alpha": 2}, "alpha"), ({"depth": 0}, "depth"), ({"detph": 5}, "unknown option 'detph'"),
                                 ({"fields": ["nosuch"]}, "fields"), ({"filter": "1) OR (1"}, "filter"), ({"rrf_k": "x"}, "rrf_k")):
            with self.assertRaisesRegex(sqlite3.OperationalError, pattern):
                self.hybrid("apple", [0, 0, 0], 5, **options)
        for text in ('"', "AND", "nosuch:b", "*"):
            with self.assertRaisesRegex(sqlite3.OperationalError, "kith_hybrid"):
                self.hybrid(text, [0, 0, 0], 5)
        self.refused("k must be", "SELECT * FROM kith_hybrid('docs', 'fts', 'a', '[0,0,0]', -1)")
        self.refused("JSON", "SELECT * FROM kith_hybrid('docs', 'fts', 'a', '[0,0,0]', 1, 'nonsense')")
        self.refused("no such table", "SELECT * FROM kith_hybrid('nosuch', 'fts', 'a', '[0,0,0]', 1)")
        self.refused("takes a table", "SELECT * FROM kith_hybrid('docs')")
        self.rows("CREATE VIEW v AS SELECT * FROM kith_hybrid('docs', 'fts', 'a', '[0,0,0]', 1)")
        self.refused("unsafe|prohibited", "SELECT * FROM v")


if __name__ == "__main__":
    unittest.main()
