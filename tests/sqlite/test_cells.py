"""Conditions that are tried on columns in memory, beside SQLite's own answers: all types, NULL, affinities, collations,
lists; changes of this connection, of others, rolled back; columns that change their type as they go."""
import random
import unittest

from support import Case, blob, connect

DIM = 4
COLUMNS = "small INTEGER, large INTEGER, r REAL, s TEXT, c TEXT COLLATE NOCASE, many TEXT, x, v NUMERIC"
NAMES = [c.split()[0] for c in COLUMNS.split(", ")]
NUMBERS = [-2 ** 63, -2 ** 53 - 1, -3, -1, 0, 1, 2, 2.0, 2.5, 3, 7, 40, 2 ** 31 - 1, -2 ** 31, 2 ** 31, 2 ** 53, 2 ** 53 + 1, 2 ** 63 - 1, 0.1, 1e300, -1e300, float("inf"),
           -float("inf"), "2", "2.5", "x", b"2", None]
TEXTS = ["", "a", "A", "b", "B", "ab", "aB ", "ab ", "\u00e9", "7", 7, 7.5, b"a", None]


class Kept(Case):
    rows_ = 1600

    def value(self, r, name):
        return {"small": lambda: r.choice([None, r.randrange(-5, 50)]), "large": lambda: r.choice([None, r.randrange(50), 2 ** 40 + r.randrange(3), -2 ** 62]),
                "r": lambda: r.choice([None, r.randrange(50), 0.1, 2.5, r.random(), 1e300, float("inf")]), "s": lambda: r.choice(["", "a", "A", "b", "ab", "ab ", "\u00e9", "7", None]),
                "c": lambda: r.choice(["a", "A", "b", "B", "aB", "ab ", None]), "many": lambda: "text %d" % r.randrange(900),
                "x": lambda: r.choice([1, 2, 2.5, None, 2 ** 53]), "v": lambda: r.choice([1, 2.5, "3", None])}[name]()

    def condition(self, r):
        name = r.choice(NAMES + ["rowid"])
        values = TEXTS + ["text 7", "text 70"] if name in ("s", "c", "many") else NUMBERS
        pick = lambda: r.choice(values)
        kind = r.randrange(8)
        if kind == 0:
            return "%s IS NULL" % name, []
        if kind == 1:
            return "%s IS NOT NULL" % name, []
        if kind == 2:
            list_ = [pick() for _ in range(r.randrange(1, 6))]
            return "%s IN (%s)" % (name, ", ".join("?" * len(list_))), list_
        if kind == 3 and name in ("s", "c", "many"):
            return r.choice([("%s LIKE ?" % name, [r.choice(["a%", "text 7%", "_"])]), ("%s GLOB ?" % name, ["[aA]*"]),
                             ("%s = ? COLLATE NOCASE" % name, [pick()]), ("%s < ? COLLATE RTRIM" % name, [pick()]), ("kith_contains(%s, ?)" % name, ["a"])])
        if kind == 4:
            return "%s BETWEEN ? AND ?" % name, [pick(), pick()]
        return "%s %s ?" % (name, r.choice(["=", "<", "<=", ">", ">=", "<>", "IS", "IS NOT"])), [pick()]

    def put(self, r, rowid, c=None):
        values = [rowid, blob([r.gauss(0, 1) for _ in range(DIM)])] + [self.value(r, n) for n in NAMES]
        for table in ("docs", "twin"):
            self.rows("INSERT OR REPLACE INTO %s(rowid, e, %s) VALUES(%s)" % (table, ", ".join(NAMES), ", ".join("?" * len(values))), *values, c=c)

    def make(self, r, index, c=None, more=""):
        self.rows("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[%d] INDEX '%s', %s%s)" % (DIM, index, COLUMNS, more), c=c)
        self.rows("CREATE TABLE twin(rowid INTEGER PRIMARY KEY, e BLOB, %s%s)" % (COLUMNS, more.replace("PARTITION KEY", "")), c=c)
        self.rows("BEGIN", c=c)
        for i in range(self.rows_):
            self.put(r, i, c)
        self.rows("COMMIT", c=c)

    def check(self, r, n, c=None):
        """Rows are those of the plain table: all of them where they are few, else rows of its."""
        lost = wanted = 0
        for _ in range(n):
            parts = [self.condition(r) for _ in range(r.choice([1, 1, 2]))]
            condition = " AND ".join(p[0] for p in parts)
            values = [v for p in parts for v in p[1]]
            q = blob([r.gauss(0, 1) for _ in range(DIM)])
            near = self.rows("SELECT rowid, kith_distance(e, ?) AS d FROM twin WHERE %s ORDER BY d, rowid" % condition, q, *values, c=c)
            got = self.rows("SELECT rowid, distance FROM docs WHERE e MATCH ? AND k = 12 AND %s" % condition, q, *values, c=c)
            self.assertEqual(len(got), min(12, len(near)), (condition, values))
            self.assertLessEqual(set(got), set(near), (condition, values))
            if len(near) <= 12:
                self.assertEqual(got, near, (condition, values))
            self.assertEqual(got, sorted(got, key=lambda row: (row[1], row[0])))
            lost += len(set(near[:12]) - set(got))
            wanted += min(12, len(near))
        self.assertLess(lost, 0.08 * wanted + 3)

    def kept(self, c=None):
        """Whether columns are in memory: the index needs more of it than without."""
        return int([line for line in self.column("SELECT kith_stats('docs')", c=c)[0].split("\n") if line.startswith("kith_sql_index_memory_bytes")][0].split()[-1])

    def test_conditions(self):
        for index in ("HNSW12", "HNSW12,SQ8", "IVF16,Flat", "HNSW12,SQ8,RFlat"):
            with self.subTest(index=index):
                r = random.Random(3)
                self.make(r, index)
                self.rows("SELECT rowid FROM docs WHERE e MATCH ? AND k = 3", blob([0] * DIM))
                before = self.kept()
                self.check(r, 150)
                self.assertGreater(self.kept(), before + 5 * 2 * self.rows_)
                self.rows("DROP TABLE docs")
                self.rows("DROP TABLE twin")

    def test_changes(self):
        r = random.Random(4)
        a, b = connect(self.path()), connect(self.path())
        self.make(r, "HNSW12", a)
        for step in range(12):
            c, other = (a, b) if step % 2 else (b, a)
            self.check(r, 12, a)
            self.rows("BEGIN", c=c)
            for table in ("docs", "twin"):
                name = NAMES[step % len(NAMES)]
                self.rows("UPDATE %s SET %s = ?, s = 'changed' WHERE rowid %% 7 = ?" % (table, name), self.value(random.Random(step), name), step % 7, c=c)
                self.rows("DELETE FROM %s WHERE rowid %% 50 = ?" % table, step, c=c)
            for i in range(30):
                self.put(r, 2000 + 31 * step + i, c)
            self.check(r, 12, c)
            self.rows("ROLLBACK" if step % 3 == 2 else "COMMIT", c=c)
            self.check(r, 12, other)
            self.integrity(c=c)

    def test_metadata_alone_makes_no_new_snapshot(self):
        r = random.Random(5)
        self.make(r, "HNSW12")
        self.check(r, 5)
        piece = self.rows("SELECT data FROM docs_idx")
        for table in ("docs", "twin"):
            self.rows("UPDATE %s SET small = rowid" % table)
        self.assertEqual(self.rows("SELECT data FROM docs_idx"), piece)
        self.assertEqual(self.column("SELECT count(*) FROM docs_changes"), [0])
        self.integrity()
        self.check(r, 20)
        self.assertEqual(self.column("SELECT rowid FROM docs WHERE e MATCH ? AND k = 5 AND small = 77", blob([0] * DIM)), [77])

    def test_partitions(self):
        r = random.Random(6)
        self.make(r, "HNSW12", more=", p INTEGER PARTITION KEY")
        for table in ("docs", "twin"):
            self.rows("UPDATE %s SET p = rowid > 1300" % table)
        self.rows("INSERT INTO docs(docs, rank) VALUES('index-from', 100)")
        self.check(r, 60)
        self.integrity()

    def test_utf16(self):
        c = connect(self.path())
        self.rows("PRAGMA encoding = 'UTF-16le'", c=c)
        r = random.Random(7)
        self.make(r, "HNSW12", c)
        self.check(r, 100, c)


if __name__ == "__main__":
    unittest.main()
