"""Two processes that write and four that read one table: what a reader sees in a transaction is one state of the table, and
its searches are right for that state, with an index and without.

KITH_TEST_LONG=1: for minutes.
"""
import os
import random
import subprocess
import sys
import unittest

from support import Case, blob, connect, distance, floats

DIM = 6
LONG = os.environ.get("KITH_TEST_LONG") == "1"


def vector(r):
    return blob([r.gauss(0, 1) for _ in range(DIM)])


def write(path, me, steps):
    """Each transaction leaves as many rows as there were: readers count on it."""
    c = connect(path, timeout=60)
    r = random.Random(me)
    mine = [i for i in range(1200) if i % 2 == me]
    for step in range(steps):
        c.execute("BEGIN IMMEDIATE")
        for _ in range(r.randrange(1, 30)):
            i = r.choice(mine)
            what = r.randrange(4)
            if what == 0:
                c.execute("DELETE FROM docs WHERE rowid = ?", (i,))
                c.execute("INSERT INTO docs(rowid, e, t, n) VALUES(?, ?, ?, ?)", (i, vector(r), r.choice("ab"), step))
            elif what == 1:
                c.execute("UPDATE docs SET e = ? WHERE rowid = ?", (vector(r), i))
            elif what == 2:
                c.execute("REPLACE INTO docs(rowid, e, t, n) VALUES(?, ?, ?, ?)", (i, vector(r), r.choice("ab"), step))
            else:
                c.execute("UPDATE docs SET t = ?, n = ? WHERE rowid = ?", (r.choice("ab"), step, i))
        if r.random() < 0.2:
            c.execute("DELETE FROM docs")
            c.execute("ROLLBACK")
        else:
            c.execute("COMMIT")
        if step % 40 == 39:
            c.execute("INSERT INTO docs(docs) VALUES('integrity-check')")


def read(path, me, steps, exact):
    c = connect(path, timeout=60)
    r = random.Random(me)
    hit = all_ = 0
    for _ in range(steps):
        c.execute("BEGIN")
        rows = {i: (floats(e), t) for i, e, t in c.execute("SELECT rowid, e, t FROM docs")}
        assert len(rows) == 1200, len(rows)
        for condition, passes in (("true", lambda t: True), ("t = 'a'", lambda t: t == "a")):
            q = vector(r)
            want = sorted((distance("L2", floats(q), e), i) for i, (e, t) in rows.items() if passes(t))[:10]
            got = c.execute("SELECT distance, rowid FROM docs WHERE e MATCH ? AND k = 10 AND " + condition, (q,)).fetchall()
            assert len(got) == len(want), (len(got), len(want))
            for d, i in got:
                assert passes(rows[i][1]) and abs(d - distance("L2", floats(q), rows[i][0])) < 1e-9, (d, i)
            hit += len({i for _, i in got} & {i for _, i in want})
            all_ += len(want)
        c.execute("COMMIT")
    assert hit >= (1 if exact else 0.9) * all_, (hit, all_)


class Processes(Case):
    def run_all(self, index):
        path = self.path("exact" if not index else "index")
        c = connect(path)
        c.execute("PRAGMA journal_mode = WAL")
        c.execute("PRAGMA synchronous = OFF")
        c.execute("CREATE VIRTUAL TABLE docs USING kith(e FLOAT[%d]%s, t TEXT, n INTEGER)" % (DIM, " INDEX '%s'" % index if index else ""))
        r = random.Random(9)
        c.execute("BEGIN")
        for i in range(1200):
            c.execute("INSERT INTO docs(rowid, e, t, n) VALUES(?, ?, ?, 0)", (i, vector(r), r.choice("ab")))
        c.execute("COMMIT")
        steps = 1500 if LONG else 60
        calls = [("write", 0), ("write", 1)] + [("read", i) for i in range(2, 6)]
        running = [subprocess.Popen([sys.executable, __file__, name, path, str(me), str(steps if name == "write" else steps // 3), index or "exact"])
                   for name, me in calls]
        self.assertEqual([p.wait() for p in running], [0] * 6)
        self.integrity(c=c)

    def test_exact(self):
        self.run_all(None)

    def test_index(self):
        self.run_all("HNSW16")


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[1] == "write":
        write(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif len(sys.argv) > 3 and sys.argv[1] == "read":
        read(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "exact")
    else:
        unittest.main()
