"""Tables with an index: recall, filters, changes, transactions, other connections and processes, damage."""
import json
import os
import random
import sqlite3
import subprocess
import sys
import unittest

import support
from support import Case, blob, connect, distance, floats

DIM = 8


class Indexes(Case):
    def make(self, index, n=2500, c=None, columns="n INTEGER, s TEXT", seed=1):
        self.rng = random.Random(seed)
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[%d]%s, %s)" % (DIM, " INDEX '%s'" % index if index else "", columns), c=c)
        self.vectors = {}
        self.rows("BEGIN", c=c)
        for i in range(n):
            self.put(i, c)
        self.rows("COMMIT", c=c)

    def vector(self):
        return tuple(floats(blob([self.rng.gauss(0, 1) for _ in range(DIM)])))

    def put(self, i, c=None, verb="INSERT"):
        self.vectors[i] = self.vector()
        self.rows(verb + " INTO docs(rowid, e, n, s) VALUES(?, ?, ?, ?)", i, blob(self.vectors[i]), i % 1000, "ab"[i % 2], c=c)

    def truth(self, q, k, passes=lambda i: True):
        return [i for _, i in sorted((distance("L2", q, v), i) for i, v in self.vectors.items() if passes(i))[:k]]

    def recall(self, condition="true", passes=lambda i: True, k=10, queries=12, c=None, more=""):
        hit = all_ = 0
        for _ in range(queries):
            q = self.vector()
            want = self.truth(q, k, passes)
            got = self.rows("SELECT rowid, distance FROM docs WHERE e MATCH ? AND k = ? AND %s%s" % (condition, more), blob(q), k, c=c)
            self.assertEqual(len(got), len(want), condition)
            self.assertEqual(got, sorted(got, key=lambda r: (r[1], r[0])))
            for rowid, d in got:
                self.assertTrue(passes(rowid), condition)
                self.assertAlmostEqual(d, distance("L2", q, self.vectors[rowid]), 9)
            hit += len({r[0] for r in got} & set(want))
            all_ += len(want)
        return hit / all_ if all_ else 1

    def explain(self, c=None):
        return json.loads(self.rows("SELECT kith_explain('docs')", c=c)[0][0])

    def test_recall_under_conditions(self):
        for index in ("HNSW16", "HNSW16,SQ8", "IVF16,Flat", "IVF16,PQ4", "HNSW16,SQ8,RFlat", "SQ8", "PCA4,HNSW16"):
            with self.subTest(index=index):
                self.make(index)
                self.assertGreaterEqual(self.recall(), 0.9)
                self.assertEqual(self.explain()["strategy"], "index")
                for condition, passes in (("n < 500", lambda i: i % 1000 < 500), ("n < 100", lambda i: i % 1000 < 100),
                                          ("n = 7", lambda i: i % 1000 == 7), ("n = -1", lambda i: False),
                                          ("s = 'a' AND n > 20", lambda i: i % 2 == 0 and i % 1000 > 20),
                                          ("filter = 'n % 3 = 0 OR s = ''b'''", lambda i: i % 1000 % 3 == 0 or i % 2 == 1)):
                    self.assertGreaterEqual(self.recall(condition, passes), 0.9, condition)
                self.integrity()
                self.rows("DROP TABLE docs")

    def test_changes(self):
        self.make("HNSW16,SQ8")
        for step in range(6):
            for i in list(self.vectors)[step::7]:
                del self.vectors[i]
                self.rows("DELETE FROM docs WHERE rowid = ?", i)
            for i in range(3000 + 200 * step, 3200 + 200 * step):
                self.put(i)
            for i in list(self.vectors)[step::11]:
                self.put(i, verb="REPLACE")
            self.assertGreaterEqual(self.recall(), 0.9)
            self.integrity()
        self.rows("UPDATE docs SET rowid = rowid + 100000 WHERE rowid % 5 = 0")
        self.vectors = {i + (100000 if i % 5 == 0 else 0): v for i, v in self.vectors.items()}
        self.assertGreaterEqual(self.recall(), 0.9)
        self.rows("DELETE FROM docs")
        self.vectors = {}
        self.recall()
        self.integrity()
        self.assertEqual(self.column("SELECT count(*) FROM docs_idx"), [0])

    def test_transactions(self):
        self.make("HNSW16")
        kept = dict(self.vectors)
        self.assertGreaterEqual(self.recall(), 0.9)
        for _ in range(2):
            self.rows("BEGIN")
            for i in list(self.vectors)[:150]:
                self.put(i, verb="REPLACE")
            self.rows("DELETE FROM docs WHERE rowid BETWEEN 200 AND 250")
            self.vectors = {i: v for i, v in self.vectors.items() if not 200 <= i <= 250}
            self.assertGreaterEqual(self.recall(), 0.9)
            self.assertEqual(self.explain()["strategy"], "index")
            self.assertGreater(self.explain()["pending"], 200)
            middle = dict(self.vectors)
            self.rows("SAVEPOINT s")
            for i in range(9000, 9100):
                self.put(i)
            self.assertGreaterEqual(self.recall(), 0.9)
            self.rows("ROLLBACK TO s")
            self.vectors = middle
            self.assertGreaterEqual(self.recall(), 0.9)
            self.rows("ROLLBACK")
            self.vectors = dict(kept)
            self.assertGreaterEqual(self.recall(), 0.9)
            self.assertEqual(self.explain()["pending"], 0)
            self.integrity()

    def test_connections_and_snapshots_of_readers(self):
        a = connect(self.path())
        self.rows("PRAGMA journal_mode = WAL", c=a)
        self.make("HNSW16", c=a)
        b = connect(self.path())
        self.assertGreaterEqual(self.recall(c=b), 0.9)
        self.rows("BEGIN", c=b)
        self.rows("SELECT count(*) FROM docs", c=b)
        old = dict(self.vectors)
        for i in range(0, 1000, 3):
            self.put(i, a, "REPLACE")
        new = self.vectors
        for _ in range(3):
            self.assertGreaterEqual(self.recall(c=a), 0.9)
            self.vectors = old
            self.assertGreaterEqual(self.recall(c=b), 0.9)
            self.vectors = new
        self.rows("COMMIT", c=b)
        self.assertGreaterEqual(self.recall(c=b), 0.9)
        self.assertEqual(self.explain(c=b)["strategy"], "index")
        self.rows("BEGIN", c=a)
        for i in range(1, 1900, 3): # enough for another snapshot
            self.put(i, a, "REPLACE")
        self.rows("COMMIT", c=a)
        self.assertGreaterEqual(self.recall(c=b), 0.9)
        self.integrity(c=b)
        d = connect()
        a.backup(d)
        a.close()
        b.close()
        self.assertGreaterEqual(self.recall(c=d), 0.9)
        self.put(1, d, "REPLACE")
        self.assertGreaterEqual(self.recall(c=d), 0.9)

    def test_another_history_under_the_same_name(self):
        c = connect(self.path())
        self.make("HNSW16", c=c)
        other = connect()
        c.backup(other)
        then = dict(self.vectors)
        for i in range(200):
            self.put(i, c, "REPLACE")
        now = dict(self.vectors)
        self.vectors = dict(then)
        for i in range(150, 400):
            self.put(i, other, "REPLACE")
        there = dict(self.vectors)
        self.vectors = now
        self.assertGreaterEqual(self.recall(c=c), 0.9)
        self.vectors = there
        self.assertGreaterEqual(self.recall(c=other), 0.9)
        other.backup(c)
        for _ in range(12):
            self.assertGreaterEqual(self.recall(c=c, queries=2), 0.9)
        self.integrity(c=c)

    def test_another_process(self):
        script = """
import sys
sys.path.insert(0, sys.argv[2])
import support
c = support.connect(sys.argv[1])
q = support.blob([0.1] * %d)
near = "SELECT rowid FROM docs WHERE e MATCH ? AND k = 5"
print([r[0] for r in c.execute(near, (q,))], c.execute("SELECT kith_explain('docs')").fetchone()[0], sep="|")
c.execute("INSERT INTO docs(rowid, e) VALUES(77777, ?)", (q,))
c.execute("DELETE FROM docs WHERE rowid = (SELECT rowid FROM docs WHERE e MATCH ? AND k = 1 AND rowid <> 77777)", (q,))
print([r[0] for r in c.execute(near, (q,))])
""" % DIM
        c = connect(self.path())
        self.make("HNSW16", c=c)
        q = blob([0.1] * DIM)
        near = "SELECT rowid FROM docs WHERE e MATCH ? AND k = 5"
        before = self.column(near, q, c=c)
        out = subprocess.run([sys.executable, "-c", script, self.path(), os.path.dirname(os.path.abspath(__file__))], capture_output=True, text=True, check=True).stdout.split("\n")
        ids, plan = out[0].split("|")
        self.assertEqual(json.loads(ids), before)
        self.assertEqual(json.loads(plan)["strategy"], "index")
        after = self.column(near, q, c=c)
        self.assertEqual(after, json.loads(out[1]))
        self.assertEqual(after[0], 77777)
        self.assertNotIn(before[0], after)
        self.assertEqual(self.explain(c=c)["pending"], 0) # few changes are added to the index at once
        for i in range(100):
            self.put(i, connect(self.path()), "REPLACE")
        self.vectors[77777] = tuple(floats(q))
        del self.vectors[before[0]]
        self.rows(near, blob(self.vector()), c=c)
        self.assertGreater(self.explain(c=c)["pending"], 80) # many wait, and are compared one by one
        self.assertGreaterEqual(self.recall(c=c, queries=20), 0.9)
        self.assertEqual(self.explain(c=c)["pending"], 0)

    def stat(self, name, c=None):
        text = self.rows("SELECT kith_stats('docs')", c=c)[0][0]
        return [int(line.split()[-1]) for line in text.split("\n") if line.startswith("kith_sql_%s{" % name)]

    def test_memory(self):
        a, b = connect(self.path()), connect(self.path())
        self.make("HNSW16", 4000, c=a, columns="n INTEGER, s TEXT, p INTEGER PARTITION KEY")
        self.rows("UPDATE docs SET p = rowid % 4", c=a)
        self.rows("INSERT INTO docs(docs, rank) VALUES('index-from', 500)", c=a)
        ask = lambda p, c: self.column("SELECT rowid FROM docs WHERE e MATCH ? AND k = 5 AND p = ?", blob([0.1] * DIM), p, c=c)
        before = [ask(p, c) for p in range(4) for c in (a, b)]
        all_ = self.stat("index_memory_bytes", b)[0]
        self.assertEqual(self.stat("index_memory_limit_bytes", b), [])
        self.rows("INSERT INTO docs(docs, rank) VALUES('memory', ?)", all_ // 2, c=a)
        self.assertEqual(self.stat("index_memory_limit_bytes", b), [all_ // 2])
        self.assertLessEqual(self.stat("index_memory_bytes", b)[0], all_ // 2)
        for _ in range(2):
            self.assertEqual([ask(p, c) for p in range(4) for c in (a, b)], before)
            self.assertEqual(self.explain(c=b)["strategy"], "index")
            self.assertLessEqual(self.stat("index_memory_bytes", b)[0], all_ // 2)
        self.rows("INSERT INTO docs(docs, rank) VALUES('memory', 0)", c=a)
        self.assertEqual(self.stat("index_memory_bytes", a), [0])
        self.assertEqual(ask(3, a), before[-1]) # the one in use stays
        self.assertGreater(self.stat("index_memory_bytes", a)[0], 100_000)
        for wrong in (-1, "much", 1.5, b"1"):
            self.refused("number of bytes", "INSERT INTO docs(docs, rank) VALUES('memory', ?)", wrong, c=a)
        self.rows("INSERT INTO docs(docs, rank) VALUES('memory', NULL)", c=a)
        [ask(p, b) for p in range(4)]
        self.assertGreater(self.stat("index_memory_bytes", b)[0], 400_000)

    def test_ties(self):
        for index in ("HNSW16", "HNSW16,SQ8", "IVF8,Flat"):
            with self.subTest(index=index):
                self.make(index, 1500)
                tied = [i for i in range(1500) if i % 37 == 5]
                for i in tied[::-1]:
                    self.rows("UPDATE docs SET e = ? WHERE rowid = ?", blob([0.25] * DIM), i)
                self.rows("INSERT INTO docs(docs) VALUES('rebuild')")
                for k in (1, 3, 10, 30):
                    got = self.rows("SELECT rowid, distance FROM docs WHERE e MATCH ? AND k = ?", blob([0.25] * DIM), k)
                    self.assertEqual(got, [(i, 0.0) for i in tied[:k]])
                    self.assertEqual(self.column("SELECT rowid FROM docs WHERE e MATCH ? AND k = ? AND n >= 0", blob([0.25] * DIM), k), tied[:k])
                self.rows("DROP TABLE docs")

    def test_commands(self):
        self.make("", 1500)
        self.assertEqual(self.recall(), 1)
        self.assertEqual(self.explain()["strategy"], "all")
        for index in ("HNSW16", "e=IVF8,Flat", "Flat", "HNSW8"):
            self.rows("INSERT INTO docs(docs, rank) VALUES('index', ?)", index)
            self.assertGreaterEqual(self.recall(), 0.9)
            self.assertEqual(self.explain()["strategy"], "all" if index == "Flat" else "index")
        self.put(5, verb="REPLACE")
        for command in ("merge", "optimize", "rebuild", "integrity-check"):
            self.rows("INSERT INTO docs(docs) VALUES(?)", command)
            self.assertEqual(self.column("SELECT count(*) FROM docs_changes"), [0])
        self.rows("BEGIN")
        self.rows("INSERT INTO docs(docs, rank) VALUES('index', 'Flat')")
        self.rows("ROLLBACK")
        self.assertGreaterEqual(self.recall(), 0.9)
        self.assertEqual(self.explain()["strategy"], "index")
        self.rows("INSERT INTO docs(docs, rank) VALUES('index-from', 1501)")
        self.assertEqual(self.recall(), 1)
        self.put(10 ** 6)
        self.recall()
        self.assertEqual(self.explain()["strategy"], "index")
        for command, rank in (("nonsense", None), ("index", None), ("index", "Flatt"), ("index", "PQ3"), ("index", "x=HNSW8"), ("index-from", 0)):
            self.refused("index|unknown command", "INSERT INTO docs(docs, rank) VALUES(?, ?)", command, rank)
        self.rows("ALTER TABLE docs RENAME TO d2")
        self.rows("ALTER TABLE d2 RENAME TO docs")
        self.assertGreaterEqual(self.recall(), 0.9)
        self.integrity()

    def test_options(self):
        self.make("IVF64,Flat", 3000)
        low = self.recall(more=" AND recall = 0.3", queries=30)
        high = self.recall(more=" AND recall = 0.99", queries=30)
        self.assertLess(low, high)
        self.assertGreaterEqual(high, 0.9)
        self.recall(more=" AND nprobe = 33", queries=1)
        self.assertEqual(self.explain()["effort"], 33)
        text = self.rows("SELECT kith_stats('docs')")[0][0]
        self.assertRegex(text, 'kith_sql_searches_total{table="docs"} 61\n')
        self.assertRegex(text, 'kith_sql_index_memory_bytes{table="docs"} [1-9]')
        self.refused("no kith table", "SELECT kith_stats('nosuch')")
        sweep = json.loads(self.rows("SELECT kith_tune('docs')")[0][0])
        self.assertTrue(sweep)
        self.assertEqual({one["column"] for one in sweep}, {"e"})
        efforts = [one["nprobe"] for one in sweep if one["part"] == sweep[0]["part"]]
        self.assertEqual(efforts, sorted(efforts))
        self.assertGreaterEqual(sweep[-1]["recall"], 0.95)

    def test_streaming_bounds_and_pages(self):
        self.make("HNSW16")
        q = self.vector()
        want = self.truth(q, 10000)
        got = self.column("SELECT rowid FROM docs WHERE e MATCH ?", blob(q))
        self.assertEqual(sorted(got), sorted(want))
        got = self.column("SELECT rowid FROM docs WHERE e MATCH ? AND n %% 7 = 1 LIMIT 40" .replace("%%", "%"), blob(q))
        self.assertGreaterEqual(len(set(got) & set(self.truth(q, 40, lambda i: i % 1000 % 7 == 1))), 37)
        at = [distance("L2", q, self.vectors[i]) for i in want]
        self.assertEqual(self.column("SELECT rowid FROM docs WHERE e MATCH ? AND distance < ?", blob(q), at[300]), want[:300])
        self.assertEqual(self.column("SELECT rowid FROM docs WHERE e MATCH ? AND k = 50 AND distance < ?", blob(q), at[20]), want[:20])
        page = self.column("SELECT rowid FROM docs WHERE e MATCH ? AND k = 20 AND distance > ?", blob(q), at[99])
        self.assertEqual(len(page), 20)
        self.assertGreaterEqual(len(set(page) & set(want[100:120])), 17)

    def test_partitions(self):
        self.rng = random.Random(4)
        self.vectors = {}
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[%d] INDEX 'HNSW8', t TEXT PARTITION KEY, n INT)" % DIM)
        self.rows("INSERT INTO docs(docs, rank) VALUES('index-from', 300)")
        tenants = {}
        self.rows("BEGIN")
        for i in range(3000):
            tenants[i] = "abcdefgh"[min(7, int(self.rng.expovariate(0.6)))]
            self.vectors[i] = self.vector()
            self.rows("INSERT INTO docs(rowid, e, t, n) VALUES(?, ?, ?, ?)", i, blob(self.vectors[i]), tenants[i], i % 1000)
        self.rows("COMMIT")
        for t in "abgh":
            self.assertGreaterEqual(self.recall("t = '%s'" % t, lambda i: tenants[i] == t), 0.9)
        self.assertGreaterEqual(self.recall(), 0.9)
        self.assertGreaterEqual(self.recall("t IN ('a', 'h') AND n < 500", lambda i: tenants[i] in "ah" and i % 1000 < 500), 0.9)
        self.rows("UPDATE docs SET t = 'a' WHERE t = 'b' AND n < 300")
        for i in tenants:
            tenants[i] = "a" if tenants[i] == "b" and i % 1000 < 300 else tenants[i]
        for t in "ab":
            self.assertGreaterEqual(self.recall("t = '%s'" % t, lambda i: tenants[i] == t), 0.9)
        self.integrity()
        # A row that has gone to another part is not found in both.
        near = self.truth([0] * DIM, 5)
        for i in near:
            self.rows("UPDATE docs SET t = 'c' WHERE rowid = ?", i)
            got = self.column("SELECT rowid FROM docs WHERE e MATCH ? AND k = 20", blob([0] * DIM))
            self.assertEqual(len(set(got)), 20)

    def test_too_few_to_train(self):
        self.make("IVF1500,Flat", 1100)
        self.assertEqual(self.recall(), 1)
        self.integrity()

    def test_two_columns(self):
        self.rng = random.Random(4)
        self.rows("CREATE VIRTUAL TABLE docs USING kith(a FLOAT[8] INDEX 'HNSW8', b FLOAT[8] COSINE INDEX 'IVF8,SQ8', c INT8[8])")
        self.vectors = {i: self.vector() for i in range(1500)}
        self.rows("BEGIN")
        for i, v in self.vectors.items():
            self.rows("INSERT INTO docs(rowid, a, b, c) VALUES(?, ?, ?, '[1,2,3,4,5,6,7,8]')", i, blob(v), blob(v))
        self.rows("COMMIT")
        for column, metric in (("a", "L2"), ("b", "COSINE")):
            q = self.vector()
            want = {i for _, i in sorted((distance(metric, q, v), i) for i, v in self.vectors.items())[:20]}
            got = set(self.column("SELECT rowid FROM docs WHERE %s MATCH ? AND k = 20" % column, blob(q)))
            self.assertGreaterEqual(len(got & want), 18)
            self.assertEqual(self.explain()["strategy"], "index")
        self.refused("name a vector column", "INSERT INTO docs(docs, rank) VALUES('index', 'HNSW8')")
        self.rows("INSERT INTO docs(docs, rank) VALUES('index', 'b=Flat')")
        self.integrity()

    def test_damaged_snapshots(self):
        self.make("HNSW8,SQ8", 1200)
        self.put(3, verb="REPLACE")
        image = self.c.serialize()
        for seed in range(2000 if os.environ.get("KITH_TEST_LONG") else 60):
            r = random.Random(seed)
            c = connect()
            c.deserialize(image)
            table, column = r.choice([("idx", "data"), ("idx", "data"), ("idx", "data"), ("idx", "piece"), ("changes", "id"), ("changes", "seq"),
                                      ("changes", "mark"), ("parts", "kith_base"), ("parts", "kith_seq"), ("parts", "kith_base_mark")])
            old = self.rows("SELECT %s FROM docs_%s" % (column, table), c=c)[0][0]
            if isinstance(old, bytes):
                b = bytearray(old)
                for _ in range(r.randint(1, 4)):
                    at = r.choice([r.randrange(len(b)), r.randrange(64), r.randrange(20000)])
                    b[at] = r.randrange(256)
                new = bytes(b if r.random() < 0.8 else b[:r.randrange(len(b))])
            else:
                new = r.choice([0, -1, 1, 1 << 40, (1 << 63) - 1, -(1 << 63), old + 1, old - 1 if old > 0 else 5])
            try:
                self.rows("UPDATE docs_%s SET %s = ?" % (table, column), new, c=c)
            except sqlite3.Error:
                pass
            for sql in ("SELECT rowid FROM docs WHERE e MATCH ? AND k = 5", "SELECT rowid FROM docs WHERE e MATCH ? AND k = 5 AND n < 500"):
                try:
                    self.rows(sql, blob([0] * DIM), c=c)
                except sqlite3.DatabaseError as error:
                    self.assertRegex(str(error), "damaged|malformed|index")
            try:
                self.rows("INSERT INTO docs(docs) VALUES('integrity-check')", c=c)
            except sqlite3.DatabaseError:
                pass
            self.rows("INSERT INTO docs(docs) VALUES('rebuild')", c=c)
            self.integrity(c=c)
            self.assertEqual(len(self.rows("SELECT rowid FROM docs WHERE e MATCH ? AND k = 5", blob([0] * DIM), c=c)), 5)

    def test_size(self):
        dim, n = 384, 1500
        c = connect(self.path())
        self.rng = random.Random(3)
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[%d] INDEX 'HNSW16,SQ8')" % dim, c=c)
        self.rows("BEGIN", c=c)
        for i in range(n):
            self.rows("INSERT INTO docs(e) VALUES(?)", blob([self.rng.gauss(0, 1) for _ in range(dim)]), c=c)
        self.rows("COMMIT", c=c)
        self.assertLessEqual(os.path.getsize(self.path()), 1.8 * n * dim * 4)


if __name__ == "__main__":
    unittest.main()
