"""Random statements on a table and on a plain one with the same rows, whose distances are computed in float64:
after each both must give the same, whether it succeeded, failed, or was rolled back.

KITH_TEST_LONG=1: 100,000 statements; KITH_SEED=n chooses others.
"""
import os
import random
import sqlite3
import unittest

from support import Case, blob, connect, distance, floats

DIM = 4
METRICS = ("L2", "IP", "COSINE")
COLUMNS = ("id TEXT", "part INTEGER", "t TEXT", "n INTEGER", "r REAL", "x", "body TEXT")


class Differential(Case):
    rows_ = 60 # rowids are below

    def begin(self, r, metric, index=""):
        self.metric = metric
        self.rows("DROP TABLE IF EXISTS docs")
        self.rows("DROP TABLE IF EXISTS twin")
        key = r.random() < 0.5
        self.key = key
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[%d] %s%s, id TEXT%s, part INTEGER%s, t TEXT COLLATE NOCASE, n INTEGER, r REAL%s, x, +body TEXT)"
                  % (DIM, metric, index, " PRIMARY KEY" if key else "", r.choice(["", " PARTITION KEY"]), r.choice(["", " INDEXED"])))
        self.rows("CREATE TABLE twin(rowid INTEGER PRIMARY KEY, e BLOB NOT NULL, id TEXT%s, part INTEGER, t TEXT COLLATE NOCASE, n INTEGER, r REAL, x, body TEXT)"
                  % (" NOT NULL UNIQUE" if key else ""))

    def vector(self, r):
        # Some collide, so that there are ties; the others are far from any rounding.
        return blob([r.randint(-3, 3) if r.random() < 0.5 else r.uniform(-3, 3) for _ in range(DIM)])

    def value(self, r, column):
        name = column.split()[0]
        choices = {"id": lambda: "k%d" % r.randrange(self.rows_), "part": lambda: r.choice([1, 2, "2", 3.0, None]),
                   "t": lambda: r.choice(["a", "A", "b", "", "7", 7, None]), "n": lambda: r.choice([1, 2, "2", 2.5, 2 ** 60, None]),
                   "r": lambda: r.choice([0.5, 1, "1.5", -1e300, None]), "x": lambda: r.choice([1, "1", b"1", 1.0, None, "text"]),
                   "body": lambda: r.choice(["long " * 9, None, "a", "A"])}
        return choices[name]()

    def condition(self, r):
        one = lambda: r.choice([
            lambda: ("t = ?", [r.choice(["a", "B", "7", 7])]), lambda: ("n < ?", [r.choice([2, "2", 2.5])]), lambda: ("n IS ?", [r.choice([None, 2])]),
            lambda: ("part IN (?, ?)", [1, r.choice([2, 3, None, "2"])]), lambda: ("part = ?", [r.choice([1, 2, 3])]), lambda: ("r >= ?", [r.choice([0, 1, "0.5"])]),
            lambda: ("x = ?", [r.choice([1, "1", b"1"])]), lambda: ("rowid > ?", [r.randrange(self.rows_)]), lambda: ("body LIKE ?", [r.choice(["long%", "a"])]),
            lambda: ("rowid IN (SELECT value FROM json_each(?))", [str([r.randrange(self.rows_) for _ in range(9)])]), lambda: ("t <> ?", ["a"]),
            lambda: ("n IS NOT NULL", []), lambda: ("id IN (?, ?, ?)", ["k%d" % r.randrange(self.rows_) for _ in range(3)]), lambda: ("t GLOB ?", ["[aA]"])])()
        parts = [one() for _ in range(r.choice([0, 1, 1, 2, 3]))]
        return " AND ".join(p[0] for p in parts) or "true", [v for p in parts for v in p[1]]

    def both(self, sql, values):
        out = []
        for table in ("docs", "twin"):
            try:
                self.rows(sql.replace("TABLE", table), *values)
                out.append("fine")
            except sqlite3.IntegrityError:
                out.append("constraint")
        self.assertEqual(out[0], out[1], (sql, values))

    def change(self, r):
        what = r.randrange(8)
        condition, values = self.condition(r)
        if what < 4:
            names = [c.split()[0] for c in COLUMNS]
            rowid = r.choice([None, r.randrange(-5, self.rows_)])
            verb = r.choice(["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE"])
            if rowid is None: # both choose the same: the largest and one more
                rowid = self.rows("SELECT coalesce(max(rowid), 0) + 1 FROM twin")[0][0]
            self.both("%s INTO TABLE(rowid, e, %s) VALUES(%s)" % (verb, ", ".join(names), ", ".join("?" * (len(names) + 2))),
                      [rowid, self.vector(r)] + [self.value(r, c) for c in COLUMNS])
        elif what == 4:
            self.both("DELETE FROM TABLE WHERE %s AND rowid %% 3 = %d" % (condition, r.randrange(3)), values)
        else:
            column = r.choice(COLUMNS)
            name = column.split()[0]
            if what == 5:
                self.both("UPDATE TABLE SET e = ? WHERE " + condition, [self.vector(r)] + values)
            elif what == 6 and name == "id" and self.key:
                self.both("UPDATE TABLE SET id = ? WHERE rowid = ?", [self.value(r, column), r.randrange(self.rows_)])
            elif what == 6:
                self.both("UPDATE TABLE SET %s = ? WHERE %s" % (name, condition), [self.value(r, column)] + values)
            else:
                self.both("UPDATE OR %s TABLE SET rowid = ? WHERE rowid = ?" % r.choice(["REPLACE", "IGNORE", "ABORT"]),
                          [r.randrange(self.rows_), r.randrange(self.rows_)])

    def compare(self, r):
        condition, values = self.condition(r)
        q = self.vector(r)
        k = r.choice([1, 3, 10, 1000])
        order = sorted((distance(self.metric, floats(q), floats(e)), rowid)
                       for rowid, e in self.rows("SELECT rowid, e FROM twin WHERE " + condition, *values))
        got = self.rows("SELECT distance, rowid FROM docs WHERE e MATCH ? AND k = %d AND %s" % (k, condition), q, *values)
        ordered = r.random() < 0.7
        if not ordered:
            got = self.rows("SELECT distance, rowid FROM docs WHERE e MATCH ? AND (%s) ORDER BY distance LIMIT %d" % (condition, k), q, *values)
        if self.index:
            self.fits(got, order, k, ordered, (condition, values))
            return
        self.same(got, order, k, (condition, values))
        if r.random() < 0.2 and order:
            at = order[r.randrange(len(order))]
            bound = got[-1][0]
            got = self.rows("SELECT distance, rowid FROM docs WHERE e MATCH ? AND k = 5 AND %s AND distance > ?" % condition, q, *values, bound)
            after = [o for o in order if o[0] > bound + 1e-9]
            self.assertTrue(all(g[0] > bound for g in got))
            self.same([g for g in got if g[0] > bound + 1e-9][:len(after)], after, 5, condition)
            self.assertIsNotNone(at)
        names = ", ".join(["rowid", "e"] + [c.split()[0] for c in COLUMNS])
        sql = "SELECT %s FROM %%s WHERE %s ORDER BY rowid" % (names, condition)
        self.assertEqual(self.rows(sql % "docs", *values), self.rows(sql % "twin", *values), condition)

    def same(self, got, order, k, what):
        """The same distances, and the same rows but for those that float64 cannot tell apart."""
        self.assertEqual(len(got), min(k, len(order)), what)
        for (a, row), (b, _) in zip(got, order):
            self.assertAlmostEqual(a, b, 9, what)
        at = {row: d for d, row in order}
        for (a, row), (_, want) in zip(got, order):
            self.assertIn(row, at, what)
            if row != want:
                self.assertTrue(0 < abs(at[row] - at[want]) < 1e-9, (what, row, want))

    def fits(self, got, order, k, ordered, what):
        """As many rows as there should be, all of which pass, in order, with their distances. Most are the nearest. Without k
        those come late that the index had overlooked."""
        self.assertEqual(len(got), min(k, len(order)), what)
        self.assertEqual(len({row for _, row in got}), len(got), what)
        if ordered:
            self.assertEqual(got, sorted(got), what)
        else:
            self.assertLessEqual(sum(a > b for a, b in zip(got, got[1:])), 1 + len(got) // 20, what)
        at = {row: d for d, row in order}
        for d, row in got:
            self.assertAlmostEqual(d, at[row], 9, what)
        self.wanted += len(got)
        self.found += sum(d <= order[len(got) - 1][0] + 1e-9 for d, _ in got)

    def session(self, seed, statements, index=""):
        r = random.Random(seed)
        self.index = index
        self.wanted = self.found = 0
        self.begin(r, METRICS[seed % 3], index)
        if index:
            self.rows("INSERT INTO docs(docs, rank) VALUES('index-from', 100)")
            for i in range(self.rows_):
                self.both("INSERT INTO TABLE(rowid, e, id, part, n) VALUES(?, ?, ?, ?, ?)", [i, self.vector(r), "i%d" % i, i % 2, i % 5])
        depth = 0
        for i in range(statements):
            what = r.random()
            if what < 0.1 and depth < 3:
                self.rows("SAVEPOINT s%d" % depth)
                depth += 1
            elif what < 0.2 and depth > 0:
                depth -= 1
                if r.random() < 0.4:
                    self.rows("ROLLBACK TO s%d" % depth)
                self.rows("RELEASE s%d" % depth)
            elif what < 0.7:
                self.change(r)
            else:
                self.compare(r)
            if i % 200 == 199:
                self.rows("INSERT INTO docs(docs) VALUES('integrity-check')")
        for level in range(depth, 0, -1):
            self.rows("RELEASE s%d" % (level - 1))
        self.integrity()

    def test_random_statements_with_an_index(self):
        self.rows_ = 700
        long = os.environ.get("KITH_TEST_LONG")
        first = int(os.environ.get("KITH_SEED", "1"))
        for seed in range(first, first + (60 if long else 5)):
            with self.subTest(seed=seed):
                self.session(seed, 300, [" INDEX 'HNSW8'", " INDEX 'HNSW8,SQ8'", " INDEX 'IVF4,Flat'"][seed // 3 % 3])
                self.assertGreaterEqual(self.found, 0.9 * self.wanted)

    def test_random_statements(self):
        long = os.environ.get("KITH_TEST_LONG")
        first = int(os.environ.get("KITH_SEED", "1"))
        for seed in range(first, first + (200 if long else 12)):
            with self.subTest(seed=seed):
                self.session(seed, 500)


if __name__ == "__main__":
    unittest.main()
