"""kith import and kith export: vectors and metadata into a table of SQLite's and out again; datasets/debian."""
import csv
import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import unittest

from support import BIN, ROOT, Case, Run, read_vecs, stop

ROWS, DIM = 700, 6
HAVE = "without SQLite" not in Run(["export", "none.db", "t", "x.fvecs"]).err


@unittest.skipUnless(HAVE, "this kith was built without SQLite")
class Db(Case):
    def setUp(self):
        super().setUp()
        self.x = [[(i * 31 + j * 7) % 23 - 4.5 for j in range(DIM)] for i in range(ROWS)]
        self.base = self.vectors("base.fvecs", self.x)
        self.db = self.path("t.db")
        self.head = ["category", "price", "n", "code", "body"]
        self.records = [[f"c{i % 5}", repr(i / 4), str(i), f"{i:03}", f'text "{i}", of\ntwo lines'] for i in range(ROWS)]
        self.records[9] = ["", "", "", "", ""]
        self.metadata = self.path("m.csv")
        with open(self.metadata, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self.head] + self.records)

    def import_(self, *more, vectors=None):
        return self.ok("import", vectors or self.base, self.db, "docs", *more)

    def query(self, sql):
        """Shadow tables are plain ones, so that this needs no extension."""
        with sqlite3.connect(self.db) as db:
            rows = db.execute(sql).fetchall()
        db.close()
        return rows

    def test_there_and_back(self):
        run = self.import_("--metadata", self.metadata, "--partition", "category", "--indexed", "price", "--auxiliary", "body")
        self.assertIn(f"table docs, {ROWS} x {DIM} FLOAT, 5 columns of metadata", run.out)
        self.ok("export", self.db, "docs", self.path("out.fvecs"), "--metadata", self.path("out.csv"), "--ids", self.path("ids.npy"))
        self.assertEqual(read_vecs(self.path("out.fvecs")), read_vecs(self.base))
        with open(self.path("out.csv"), newline="", encoding="utf-8") as file:
            got = list(csv.reader(file))
        self.assertEqual(got[0], self.head)
        self.assertEqual(got[1:], self.records)
        with open(self.path("ids.npy"), "rb") as file:
            self.assertEqual(struct.unpack(f"<{ROWS}q", file.read()[-8 * ROWS:]), tuple(range(ROWS)))
        (sql,), = self.query("SELECT sql FROM sqlite_master WHERE name = 'docs'")
        for declared in ('"category" TEXT PARTITION KEY', '"price" REAL INDEXED', '"n" INTEGER', '"code" TEXT', '+"body" TEXT'):
            self.assertIn(declared, sql)
        self.assertEqual(sorted(os.listdir(self.folder)), ["base.fvecs", "ids.npy", "m.csv", "out.csv", "out.fvecs", "t.db"])

    def test_types(self):
        rows = [[i % 250, 7, 0] for i in range(40)]
        path = self.path("b.u8bin")
        with open(path, "wb") as file:
            file.write(struct.pack("<2i", 40, 3) + bytes(v for row in rows for v in row))
        self.import_(vectors=path)
        self.ok("export", self.db, "docs", self.path("c.u8bin"), "--where", "rowid >= 38", "--ids", self.path("i.ivecs"))
        with open(self.path("c.u8bin"), "rb") as file:
            self.assertEqual(file.read(), struct.pack("<2i", 2, 3) + bytes(rows[38] + rows[39]))
        self.assertEqual(read_vecs(self.path("i.ivecs")), [[38], [39]])
        self.ok("import", path, self.db, "halves", "--type", "float16", "--column", "v", "--metric", "cosine")
        self.ok("export", self.db, "halves", self.path("h.fvecs"))
        self.ok("convert", path, self.path("f.fvecs"))
        self.assertEqual(read_vecs(self.path("h.fvecs")), read_vecs(self.path("f.fvecs")))

    def test_append_and_resume(self):
        self.import_("--metadata", self.metadata)
        self.fails(1, "import", self.base, self.db, "docs", says=["has a table 'docs' already", "--resume"])
        more = json.loads(self.import_("--metadata", self.metadata, "--append", "--json").out)
        self.assertEqual((more["rows"], more["rows_before"]), (ROWS, 0))
        self.ok("export", self.db, "docs", self.path("twice.fvecs"))
        self.assertEqual(read_vecs(self.path("twice.fvecs")), 2 * read_vecs(self.base))
        half = self.vectors("half.fvecs", self.x[:300])
        self.ok("import", half, self.db, "part")
        run = self.ok("import", self.base, self.db, "part", "--resume")
        self.assertIn("400 x 6 FLOAT after 300 that were there", run.out)
        self.ok("export", self.db, "part", self.path("part.fvecs"))
        self.assertEqual(read_vecs(self.path("part.fvecs")), read_vecs(self.base))
        other = self.vectors("other.fvecs", [[v + 1 for v in row] for row in self.x] * 2)
        self.fails(1, "import", other, self.db, "part", "--resume", says=["row 699", "of another file"])
        self.fails(1, "import", half, self.db, "part", "--resume", says=["700 rows", "no part of"])

    def test_interrupted(self):
        big = self.path("big.fvecs")
        block = b"".join(struct.pack("<i64f", 64, *[(i * 7 + j) % 100 for j in range(64)]) for i in range(1000))
        with open(big, "wb") as file:
            for _ in range(300):
                file.write(block)
        process = subprocess.Popen([BIN, "import", big, self.db, "docs"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = stop(process, signal.SIGINT, first=0.3)
        if process.returncode == 0:
            self.skipTest("it was over before the signal came")
        self.assertEqual((process.returncode, out), (130, b""))
        self.assertRegex(err.decode(), r"^kith import: interrupted; (nothing was written|\d+ rows? (is|are) in the table; --resume goes on)\n$")
        self.ok("import", big, self.db, "docs", "--resume")
        self.ok("export", self.db, "docs", self.path("out.fvecs"))
        with open(big, "rb") as a, open(self.path("out.fvecs"), "rb") as b:
            self.assertEqual(a.read(), b.read())

    def csv_fails(self, text, *says):
        with open(self.path("bad.csv"), "w", newline="", encoding="utf-8") as file:
            file.write(text)
        self.fails(1, "import", self.base, self.db, "docs", "--metadata", self.path("bad.csv"), says=says)

    def test_bad_metadata(self):
        self.csv_fails("a,b\n1,2\n3\n", "line 3: 1 field, but the header has 2")
        self.csv_fails('a\n"1\n2\n', "line 2", "never closed")
        self.csv_fails('a\n"1"2\n', "line 2", "behind its closing quote")
        self.csv_fails("a\n1\n2\n", "has 2 records", f"has {ROWS} vectors")
        self.csv_fails("a,a\n" + "1,2\n" * ROWS, "two columns are called 'a'")
        self.csv_fails("", "is empty")
        self.fails(1, "import", self.base, self.db, "new", "--metadata", self.metadata, "--indexed", "colour", says=["--indexed", "'colour'"])
        self.fails(2, "import", self.base, self.db, "new", "--partition", "category", says=["--metadata"])
        self.fails(2, "import", self.base, self.db, "new", "--append", "--resume", says=["exclude each other"])

    def test_bad_databases(self):
        self.fails(1, "export", self.db, "docs", self.path("x.fvecs"), says=["no such file"])
        self.import_()
        self.fails(1, "export", self.db, "nothing", self.path("x.fvecs"), says=["has no table 'nothing'"])
        self.fails(1, "export", self.db, "docs", self.path("x.fvecs"), "--column", "price", says=["no vector column 'price'"])
        self.fails(1, "export", self.db, "docs", self.path("x.fvecs"), "--where", "colour = 1", says=["colour"])
        self.fails(1, "export", self.db, "docs", self.path("x.fvecs"), "--where", "rowid < 0", says=["no such rows"])
        self.fails(1, "export", self.base, "docs", self.path("x.fvecs"), says=["not a database"])
        self.fails(2, "export", self.db, "docs", self.db, says=["named twice"])
        self.fails(1, "import", self.vectors("d.fvecs", [[1.0, 2.0]]), self.db, "docs", "--append", says=["dimensions differ"])
        self.assertEqual(sorted(os.listdir(self.folder)), ["base.fvecs", "d.fvecs", "m.csv", "t.db"])


class Packages(Case):
    """datasets/debian on a few packages of three topics: who is near is of the same one."""

    TOPICS = [("games", "board", "chess opening player"), ("libs", "codec", "audio stream decoder"), ("editors", "text", "editor with syntax colours")]

    def dump(self):
        paragraphs = []
        for i in range(90):
            section, tag, synopsis = self.TOPICS[i % 3]
            words = synopsis.split()
            paragraphs.append(f"Package: p{i}\nVersion: 1\nInstalled-Size: {i}\nSection: {section}\nPriority: optional\nSize: {i * 7}\n"
                              f"Tag: use::{tag}, role::program,\n works::{words[i % len(words)]}\nDescription: {words[0]} {words[i % len(words)]}, number {i}\n"
                              f"Depends: lib-{tag} (>= 1), libc6 | libc7\n")
        paragraphs.append(paragraphs[0])  # another version of the same
        return "\n".join(paragraphs)

    def test_made_anew(self):
        python = next((name for name in dict.fromkeys((sys.executable, "/usr/bin/python3"))
                       if os.path.exists(name) and subprocess.run([name, "-c", "import numpy"], capture_output=True).returncode == 0), None)
        if not python:
            self.skipTest("no NumPy")
        with open(self.path("dump.txt"), "w", encoding="utf-8") as file:
            file.write(self.dump())
        run = subprocess.run([python, os.path.join(ROOT, "datasets", "debian"), "--input", self.path("dump.txt"), "--out", self.path("set"),
                              "--dim", "8"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        tables = {}
        for name, rows in (("base", 81), ("query", 9)):
            with open(self.path(f"set/{name}.csv"), newline="", encoding="utf-8") as file:
                tables[name] = list(csv.DictReader(file))
            x = read_vecs(self.path(f"set/{name}.fvecs"))
            self.assertEqual((len(x), len(tables[name])), (rows, rows))
            for row in x:
                self.assertAlmostEqual(sum(v * v for v in row), 1, places=5)
        for one, ids in zip(tables["query"], read_vecs(self.path("set/groundtruth_cosine.ivecs"))):
            self.assertEqual([tables["base"][id]["section"] for id in ids[:20]], [one["section"]] * 20)
        first = next(one for one in tables["base"] if one["name"] == "p4")
        self.assertEqual(first["tags"], "use::codec;role::program;works::stream")
        self.assertEqual((first["installed_kb"], first["size"], first["synopsis"]), ("4", "28", "audio stream, number 4"))
        if HAVE:
            self.ok("import", self.path("set/base.fvecs"), self.path("t.db"), "packages", "--metadata", self.path("set/base.csv"), "--metric", "cosine")

    def test_too_few(self):
        with open(self.path("dump.txt"), "w", encoding="utf-8") as file:
            file.write("Package: one\n")
        run = subprocess.run([sys.executable, os.path.join(ROOT, "datasets", "debian"), "--input", self.path("dump.txt")], capture_output=True,
                             text=True, timeout=60, check=False)
        self.assertNotEqual(run.returncode, 0)
