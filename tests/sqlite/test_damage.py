"""Shadow tables that something else has written to: an error, never a crash, and integrity-check notices.

KITH_TEST_LONG=1: 10,000 mutants.
"""
import os
import random
import sqlite3
import unittest

from support import Case, blob, connect

STATEMENTS = [
    ("SELECT rowid, body, e, t FROM docs WHERE e MATCH '[1,2,3]' AND k = 9", ()),
    ("SELECT rowid, e, t, body FROM docs WHERE e MATCH '[1,2,3]' AND n < 9 AND t = 'a'", ()),
    ("SELECT * FROM docs", ()),
    ("INSERT INTO docs(docs) VALUES('integrity-check')", ()),
    ("INSERT INTO docs(e, t, n) VALUES('[1,1,1]', 'a', 3)", ()),
    ("UPDATE docs SET e = '[5,5,5]' WHERE n = 3", ()),
    ("UPDATE docs SET t = 'b', body = 'x' WHERE rowid < 9", ()),
    ("UPDATE docs SET rowid = rowid + 1000 WHERE rowid > 30", ()),
    ("DELETE FROM docs WHERE rowid % 2 = 0", ()),
    ("DELETE FROM docs", ()),
]


class Damage(Case):
    def make(self):
        c = connect()
        c.execute("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[3], t TEXT PARTITION KEY, n INTEGER, +body TEXT)")
        for i in range(40):
            c.execute("INSERT INTO docs(e, t, n, body) VALUES(?, ?, ?, 'b')", (blob([i, 1, 2]), "ab"[i % 2], i % 10))
        return c

    def use(self, c):
        """Whether some statement said that the table is damaged."""
        told = False
        for sql, values in STATEMENTS:
            try:
                c.execute(sql, values).fetchall()
            except sqlite3.DatabaseError as error:
                self.assertRegex(str(error), "damaged|malformed|UNIQUE|NOT NULL|datatype|(newer|older) version|no such|partition|must be an integer", sql)
                told = True
        return told

    def test_each_table_emptied_dropped_or_of_another_shape(self):
        tables = [r[0] for r in self.make().execute("SELECT name FROM sqlite_master WHERE name LIKE 'docs!_%' ESCAPE '!' AND sql NOT NULL")]
        self.assertEqual(len(tables), 8)
        for table in tables:
            for sql in ("DELETE FROM %s", "DROP TABLE %s", "DELETE FROM %s WHERE rowid = (SELECT min(rowid) FROM %s)",
                        "ALTER TABLE %s RENAME TO other", "DROP TABLE %s; CREATE TABLE %s(x)"):
                if table in ("docs_config", "docs_changes") and "rowid" in sql or table in ("docs_changes", "docs_idx") and "DELETE" in sql:
                    continue # there are none, or they have no rowid
                for again in (False, True):
                    c = self.make()
                    if again: # the table has read its configuration already
                        c.execute("SELECT * FROM docs").fetchall()
                    try:
                        c.executescript(sql.replace("%s", table))
                    except sqlite3.OperationalError:
                        continue
                    with self.assertRaises(sqlite3.DatabaseError):
                        c.execute("INSERT INTO docs(docs) VALUES('integrity-check')")
                    self.assertTrue(self.use(c), (table, sql))

    def mutate(self, r, c):
        table, column = r.choice([("config", "value"), ("rows", "kith_pos"), ("rows", "kith_rowid"), ("rows", "t"), ("rows", "n"),
                                  ("aux", "body"), ("aux", "kith_rowid"), ("parts", "kith_n"), ("parts", "kith_part"), ("parts", "t"),
                                  ("chunks", "ids"), ("chunks", "chunk"), ("v0", "data"), ("v0", "chunk")])
        old = c.execute("SELECT %s FROM docs_%s ORDER BY random() LIMIT 1" % (column, table)).fetchone()[0]
        if isinstance(old, bytes) and old and r.random() < 0.8:
            b = bytearray(old)
            if r.random() < 0.5:
                for _ in range(r.randint(1, 8)):
                    b[r.randrange(len(b))] = r.randrange(256)
            else:
                b = b[:r.randrange(len(b))] if r.random() < 0.7 else b + bytes(100)
            new = bytes(b)
        else:
            new = r.choice([0, -1, 1, 7, 255, 256, 1 << 31, 1 << 32, (1 << 63) - 1, -1 << 63, None, "x", b"", 1.5, old, r.randrange(1000)])
        try:
            c.execute("UPDATE docs_%s SET %s = ? WHERE %s IS ?" % (table, column, column), (new, old))
        except (sqlite3.IntegrityError, sqlite3.OperationalError):
            pass

    def test_mutants(self):
        for seed in range(10000 if os.environ.get("KITH_TEST_LONG") else 250):
            r = random.Random(seed)
            c = self.make()
            for _ in range(r.choice([1, 1, 2, 4])):
                self.mutate(r, c)
            self.use(c)
            c.close()


if __name__ == "__main__":
    unittest.main()
