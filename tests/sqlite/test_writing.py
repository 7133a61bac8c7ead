"""Writing: conflicts, keys, partitions, transactions, connections, processes, the file."""
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

import support
from support import Case, blob, connect

KNN = "SELECT rowid FROM docs WHERE e MATCH '[0,0]' AND k = 100"


class Writing(Case):
    def make(self, c=None, columns="e FLOAT[2], t TEXT PARTITION KEY, n INTEGER NOT NULL, +body TEXT"):
        self.rows("CREATE VIRTUAL TABLE docs USING kith(%s)" % columns, c=c)

    def put(self, rowid, x=None, t="a", n=0, verb="INSERT", c=None):
        self.rows(verb + " INTO docs(rowid, e, t, n, body) VALUES(?,?,?,?,?)", rowid, blob([rowid if x is None else x, 0]), t, n,
                  "b%s" % rowid, c=c)

    def near(self, c=None):
        return self.column(KNN, c=c)

    def test_conflicts(self):
        self.make()
        for i in range(1, 6):
            self.put(i, t="ab"[i % 2])
        self.refused("UNIQUE.*docs.rowid", "INSERT INTO docs(rowid, e, n) VALUES(3, '[0,0]', 1)", kind=sqlite3.IntegrityError)
        self.refused("NOT NULL.*n", "INSERT INTO docs(rowid, e) VALUES(9, '[0,0]')", kind=sqlite3.IntegrityError)
        self.refused("UNIQUE", "UPDATE docs SET rowid = 3 WHERE rowid = 4", kind=sqlite3.IntegrityError)
        self.refused("integer", "UPDATE docs SET rowid = NULL WHERE rowid = 4")
        self.refused("mismatch|integer", "INSERT INTO docs(rowid, e, n) VALUES('x', '[0,0]', 1)")
        self.put(3, 0.5, "z", verb="INSERT OR IGNORE")
        self.assertEqual(self.near(), [1, 2, 3, 4, 5])
        self.put(3, 0.5, "z", verb="REPLACE")
        self.rows("UPDATE OR REPLACE docs SET rowid = 3, t = 'b' WHERE rowid = 5")
        self.rows("UPDATE OR IGNORE docs SET rowid = 3 WHERE rowid = 1")
        self.assertEqual(self.rows("SELECT rowid, t, body FROM docs ORDER BY rowid"),
                         [(1, "b", "b1"), (2, "a", "b2"), (3, "b", "b5"), (4, "a", "b4")])
        self.assertEqual(self.near(), [1, 2, 4, 3])
        self.rows("BEGIN")
        self.put(8)
        self.refused("UNIQUE", "INSERT OR ROLLBACK INTO docs(rowid, e, n) VALUES(3, '[0,0]', 1)")
        self.assertFalse(self.c.in_transaction)
        many = "INSERT%s INTO docs(rowid, e, n) SELECT value, '[9,9]', 0 FROM json_each('[20,21,3,22]')"
        self.refused("UNIQUE", many % "")
        self.assertEqual(len(self.near()), 4)
        self.refused("UNIQUE", many % " OR FAIL")
        self.assertEqual(len(self.near()), 6)
        self.rows(many % " OR IGNORE")
        self.assertEqual(len(self.near()), 7)
        self.integrity()

    def test_keys(self):
        self.make(columns="id TEXT PRIMARY KEY, e FLOAT[2]")
        for i, key in enumerate(("a", "A", "01", "1", 7, "🐦")):
            self.rows("INSERT INTO docs(id, e) VALUES(?, ?)", key, blob([i, 0]))
        self.assertEqual(self.column("SELECT id FROM docs WHERE e MATCH '[0,0]'"), ["a", "A", "01", "1", "7", "🐦"])
        self.refused("UNIQUE.*docs.id", "INSERT INTO docs(id, e) VALUES('7', '[0,0]')", kind=sqlite3.IntegrityError)
        self.refused("NOT NULL.*docs.id", "INSERT INTO docs(e) VALUES('[0,0]')", kind=sqlite3.IntegrityError)
        self.refused("UNIQUE.*docs.id", "UPDATE docs SET id = 'a' WHERE id = 'A'", kind=sqlite3.IntegrityError)
        self.rows("REPLACE INTO docs(rowid, id, e) VALUES(2, '1', '[0.5,0]')")  # takes the place of two
        self.assertEqual(self.column("SELECT id FROM docs WHERE e MATCH '[0,0]'"), ["a", "1", "01", "7", "🐦"])
        self.rows("UPDATE docs SET id = 'a' WHERE id = 'a'")
        self.rows("UPDATE OR REPLACE docs SET id = 'a' WHERE id = '7'")
        self.assertEqual(self.rows("SELECT rowid, id FROM docs ORDER BY rowid"), [(2, "1"), (3, "01"), (5, "a"), (6, "🐦")])
        self.integrity()

    def test_integer_keys_are_rowids(self):
        self.make(columns="e FLOAT[2], id INTEGER PRIMARY KEY, t TEXT PARTITION KEY, n, +body TEXT")
        self.rows("CREATE TABLE twin(e, id INTEGER PRIMARY KEY, t, n, body)")
        def both(sql, *values):
            out = []
            for table in ("docs", "twin"):
                try:
                    out.append(self.rows(sql.replace("TABLE", table), *values))
                except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
                    out.append(type(error).__name__ + (" mismatch" if "mismatch" in str(error) or "must be an integer" in str(error) else ""))
            self.assertEqual(*out, (sql, values))
            return out[0]
        for values in ((5, "a"), ("7", "b"), (8.0, "a"), (None, "a"), (-3, None), (2 ** 63 - 1, "b"), (5, "a"), ("x", "a"), (8.5, "a"), (b"1", "a"), (1e19, "a")):
            both("INSERT INTO TABLE(id, t, e, n, body) VALUES(?, ?, '[1,2]', 3, 'words')", *values)
        for sql in ("SELECT id, rowid, t FROM TABLE ORDER BY id", "SELECT id FROM TABLE ORDER BY id DESC LIMIT 2", "SELECT id FROM TABLE WHERE id IN (5, 7, 9, 100)", "SELECT id FROM TABLE WHERE id = '7'",
                    "UPDATE TABLE SET id = 20 WHERE id = 5", "UPDATE TABLE SET id = 7 WHERE id = 20", "UPDATE TABLE SET id = NULL WHERE id = 20", "UPDATE TABLE SET id = 'x' WHERE id = 20",
                    "UPDATE TABLE SET rowid = 21 WHERE id = 20", "UPDATE OR REPLACE TABLE SET id = 21, t = 'c' WHERE id = 7", "UPDATE TABLE SET id = id + 100 WHERE id < 0", "UPDATE TABLE SET n = 9 WHERE id = 21",
                    "REPLACE INTO TABLE(id, e, t) VALUES(21, '[4,4]', 'a')", "INSERT INTO TABLE(rowid, e) VALUES(33, '[4,4]')", "DELETE FROM TABLE WHERE id = 33",
                    "SELECT id, rowid, t, n, body FROM TABLE ORDER BY rowid", "SELECT max(id), count(id) FROM TABLE WHERE id > 0"):
            both(sql)
            self.integrity()
        self.assertEqual(self.rows("SELECT id, rowid FROM docs WHERE e MATCH '[4,4]' AND k = 9 AND id = 21"), [(21, 21)])
        self.assertEqual(self.rows("SELECT id FROM docs WHERE e MATCH '[4,4]' AND k = 9 AND filter = 'id BETWEEN ?1 AND 21' AND filter_args = '[20]'"), [(21,)])
        self.assertEqual(self.column("SELECT id FROM docs WHERE e MATCH '[4,4]' ORDER BY distance, id")[0], 21)
        self.refused("UNIQUE.*docs.id", "INSERT INTO docs(id, e) VALUES(21, '[0,0]')", kind=sqlite3.IntegrityError)
        self.assertEqual(self.rows("SELECT * FROM docs WHERE id = 21"), self.rows("SELECT * FROM docs WHERE rowid = 21"))

    def test_parts_come_and_go(self):
        self.make()
        r = random.Random(3)
        model = {}
        for step in range(3000):
            i = r.randrange(150)
            t = r.choice("abc")
            if i not in model:
                self.put(i, t=t)
                model[i] = t
            elif r.random() < 0.5:
                self.rows("DELETE FROM docs WHERE rowid = ?", i)
                del model[i]
            else:
                self.rows("UPDATE docs SET t = ? WHERE rowid = ?", t, i)
                model[i] = t
            if step % 300 == 0:
                self.integrity()
        self.assertEqual(dict(self.rows("SELECT rowid, t FROM docs")), model)
        self.assertEqual(self.near(), sorted(model)[:100])
        for t in "abc":
            self.rows("DELETE FROM docs WHERE t = ?", t)
            self.integrity()
        self.assertEqual(self.column("SELECT count(*) FROM docs_parts") + self.column("SELECT count(*) FROM docs_v0"), [0, 0])

    def test_columns_that_do_not_change_are_not_written(self):
        self.make()
        for i in range(9):
            self.put(i)
        self.rows("UPDATE docs SET n = n + 1, body = body || 'x'")
        self.rows("UPDATE docs SET t = 'other' WHERE rowid = 3")
        self.rows("UPDATE docs SET rowid = 33, e = '[0.5,0]' WHERE rowid = 3")
        self.assertEqual(self.rows("SELECT rowid, t, n, body FROM docs WHERE n > 0 AND rowid > 7 ORDER BY rowid"),
                         [(8, "a", 1, "b8x"), (33, "other", 1, "b3x")])
        self.assertEqual(self.near(), [0, 33, 1, 2, 4, 5, 6, 7, 8])
        self.integrity()

    def test_rollback_and_savepoints(self):
        self.make()
        for i in range(1, 6):
            self.put(i)
        self.rows("BEGIN")
        self.rows("DELETE FROM docs WHERE rowid = 1")
        self.rows("SAVEPOINT s")
        self.put(9, 0.1, "new")
        self.rows("UPDATE docs SET e = '[0.2,0]' WHERE rowid = 5")
        self.assertEqual(self.near(), [9, 5, 2, 3, 4])
        self.rows("ROLLBACK TO s")
        self.assertEqual(self.near(), [2, 3, 4, 5])
        self.put(10, 0.3)
        self.rows("RELEASE s")
        self.assertEqual(self.near(), [10, 2, 3, 4, 5])
        self.integrity()
        self.rows("ROLLBACK")
        self.assertEqual(self.near(), [1, 2, 3, 4, 5])
        self.rows("BEGIN")
        self.rows("ALTER TABLE docs RENAME TO d2")
        self.rows("ROLLBACK")
        self.put(6)
        self.assertEqual(self.near(), [1, 2, 3, 4, 5, 6])
        self.integrity()

    def test_a_second_connection(self):
        for mode in ("WAL", "DELETE"):
            a = connect(self.path(mode))
            self.rows("PRAGMA journal_mode = " + mode, c=a)
            self.make(a)
            self.put(1, c=a)
            b = connect(self.path(mode), timeout=0.05)
            self.assertEqual(self.near(b), [1])
            self.rows("BEGIN IMMEDIATE", c=a)
            self.put(2, c=a)
            self.assertEqual((self.near(a), self.near(b)), ([1, 2], [1]))
            self.refused("locked", "DELETE FROM docs", c=b)
            self.rows("COMMIT", c=a)
            self.rows("BEGIN", c=b)
            self.assertEqual(self.near(b), [1, 2])
            if mode == "WAL":
                self.rows("DELETE FROM docs WHERE rowid = 1", c=a)
                self.assertEqual((self.near(a), self.near(b)), ([2], [1, 2]))
            self.rows("COMMIT", c=b)
            self.rows("ALTER TABLE docs RENAME TO d2", c=a)
            self.assertEqual(self.column("SELECT rowid FROM d2 WHERE e MATCH '[0,0]' AND k = 1", c=b), [2 if mode == "WAL" else 1])
            self.rows("DROP TABLE d2", c=a)
            self.refused("no such table", "SELECT * FROM d2", c=b)
            self.assertEqual(self.rows("SELECT name FROM sqlite_master", c=a), [])

    def test_copies(self):
        c = connect(self.path())
        self.make(c)
        for i in range(50):
            self.put(i, t="ab"[i % 2], c=c)
        self.rows("DELETE FROM docs WHERE rowid % 3 = 0", c=c)
        want = [i for i in range(50) if i % 3]
        self.rows("VACUUM", c=c)
        self.rows("VACUUM INTO ?", self.path("v"), c=c)
        d = connect()
        c.backup(d)
        e = connect()
        e.deserialize(c.serialize())
        self.rows("ATTACH ? AS x", self.path("v"))
        self.assertEqual(self.column("SELECT rowid FROM x.docs WHERE e MATCH '[0,0]' AND k = 99"), want)
        for other in (c, d, e, connect(self.path("v"))):
            self.assertEqual(self.near(other), want)
            self.put(1000, -0.5, c=other)
            self.assertEqual(self.near(other), [1000] + want)
            self.integrity(c=other)

    def test_dump_of_the_shell(self):
        if os.environ.get("KITH_NO_SHELL"):
            self.skipTest("the shell has another SQLite")
        self.make(connect(self.path()))
        c = connect(self.path())
        for i in range(20):
            self.put(i, t="ab"[i % 2], c=c)
        c.close()
        load = ".load %s" % os.path.splitext(support.EXTENSION)[0]
        try:
            text = subprocess.run(["sqlite3", self.path(), load, ".dump"], capture_output=True, text=True, check=True).stdout
        except FileNotFoundError:
            self.skipTest("there is no sqlite3 shell")
        out = subprocess.run(["sqlite3", self.path("r"), "-cmd", load], input=text, capture_output=True, text=True, check=True)
        self.assertEqual(out.stderr, "")
        r = connect(self.path("r"))
        self.assertEqual(self.near(r), list(range(20)))
        self.integrity(c=r)

    def test_size_of_the_file(self):
        c = connect(self.path())
        self.make(c, "e FLOAT[384], n INTEGER")
        self.rows("BEGIN", c=c)
        for i in range(2000):
            self.rows("INSERT INTO docs(e, n) VALUES(?, ?)", blob([i] + [1] * 383), i, c=c)
        self.rows("COMMIT", c=c)
        size = os.path.getsize(self.path())
        self.assertLessEqual(size, 1.1 * 2000 * 384 * 4)
        self.rows("DELETE FROM docs WHERE rowid % 10 <> 0", c=c)
        self.rows("VACUUM", c=c)
        self.assertLessEqual(os.path.getsize(self.path()), 0.15 * size)
        self.integrity(c=c)

    def test_small_parts_are_small(self):
        c = connect(self.path())
        self.make(c, "e FLOAT[96], t INTEGER PARTITION KEY")
        self.rows("BEGIN", c=c)
        for i in range(4000):
            self.rows("INSERT INTO docs(e, t) VALUES(?, ?)", blob([i] * 96), i % 1000, c=c)
        self.rows("COMMIT", c=c)
        self.assertLessEqual(os.path.getsize(self.path()), 1.6 * 4000 * 96 * 4)

    def test_kill(self):
        script = """
import sys
sys.path.insert(0, sys.argv[2])
import support
c = support.connect(sys.argv[1])
print(flush=True)
n = c.execute("SELECT coalesce(max(n), 0) FROM log").fetchone()[0]
while True:
    c.execute("BEGIN IMMEDIATE")
    for i in range(5):
        n += 1
        c.execute("INSERT INTO docs(rowid, e, t, n, body) VALUES(?, ?, ?, ?, 'b')", (n, support.blob([n, 0]), "ab"[n % 2], n))
    c.execute("DELETE FROM docs WHERE rowid = ?", (n - 17,))
    c.execute("UPDATE docs SET t = 'c' WHERE rowid = ?", (n - 9,))
    c.execute("INSERT INTO log VALUES(?)", (n,))
    c.execute("COMMIT")
"""
        for mode in ("WAL", "DELETE"):
            c = connect(self.path(mode))
            self.rows("PRAGMA journal_mode = " + mode, c=c)
            self.make(c)
            self.rows("CREATE TABLE log(n)", c=c)
            for round in range(300 if os.environ.get("KITH_TEST_LONG") else 6):
                p = subprocess.Popen([sys.executable, "-c", script, self.path(mode), os.path.dirname(__file__)], stdout=subprocess.PIPE)
                p.stdout.readline()
                time.sleep(0.01 + 0.013 * (round % 7))
                p.send_signal(signal.SIGKILL)
                p.wait()
                p.stdout.close()
                self.integrity(c=c)
                last = self.rows("SELECT coalesce(max(n), 0) FROM log", c=c)[0][0]
                rows = [n for n in range(1, last + 1) if (n + 17) > last or (n + 17) % 5]
                self.assertEqual(self.column("SELECT rowid FROM docs ORDER BY rowid", c=c), rows)
                self.assertEqual(self.near(c), rows[:100])
            c.close()

    def test_two_writers_and_two_readers(self):
        script = """
import sys
sys.path.insert(0, sys.argv[2])
import support
c = support.connect(sys.argv[1], timeout=60)
me = int(sys.argv[3])
for i in range(60):
    if me < 2:
        n = me * 1000 + i + 1
        c.execute("INSERT INTO docs(rowid, e, t, n) VALUES(?, ?, ?, 0)", (n, support.blob([n, 0]), "ab"[me]))
    else:
        got = [r[0] for r in c.execute("SELECT rowid FROM docs WHERE e MATCH '[0,0]' AND k = 100 AND t = ?", "ab"[me - 2])]
        assert got == list(range((me - 2) * 1000 + 1, (me - 2) * 1000 + 1 + len(got))), got
"""
        c = connect(self.path())
        self.rows("PRAGMA journal_mode = WAL", c=c)
        self.make(c)
        all_ = [subprocess.Popen([sys.executable, "-c", script, self.path(), os.path.dirname(__file__), str(i)]) for i in range(4)]
        self.assertEqual([p.wait() for p in all_], [0] * 4)
        self.assertEqual(self.rows("SELECT t, count(*) FROM docs GROUP BY t ORDER BY t", c=c), [("a", 60), ("b", 60)])
        self.integrity(c=c)


if __name__ == "__main__":
    unittest.main()
