"""Tables and sweeps of benchmarks/peers. Most of it needs no other library; of those that are there, each is swept."""
import json
import os
import shutil
import subprocess
import sys

from support import BIN, ROOT, Case

PEERS = os.path.join(ROOT, "benchmarks", "peers")
sys.path.insert(0, PEERS)
sys.dont_write_bytecode = True

import libraries  # noqa: E402
import ratios  # noqa: E402
import sweep  # noqa: E402


def python_with(module):
    """The Python that has NumPy and this module, or None."""
    for python in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        done = os.path.exists(python) and subprocess.run(
            [python, "-c", f"import numpy, {module}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done and done.returncode == 0:
            return python
    return None


# hnswlib as sweep.py sees it, but exact, and with a note of every index that is built or loaded.
PRETENDED = """
import os
import numpy

__version__ = "0.0-pretended"


def note(text):
    with open(os.environ["NOTES"], "a") as file:
        file.write(text + "\\n")


class Index:
    def __init__(self, space, dim):
        assert space == "l2" and dim == 4

    def init_index(self, max_elements, M, ef_construction, random_seed):
        note(f"built M={M} efConstruction={ef_construction}")

    def set_num_threads(self, n):
        pass

    def set_ef(self, ef):
        self.ef = ef

    def add_items(self, x, num_threads):
        self.x = x

    def save_index(self, path):
        if os.environ.get("FULL"):
            raise RuntimeError("the disk is full")
        with open(path, "wb") as file:
            numpy.save(file, self.x)

    def load_index(self, path):
        note("loaded")
        with open(path, "rb") as file:
            self.x = numpy.load(file)

    def knn_query(self, q, k, num_threads):
        distances = ((q[:, None] - self.x[None]) ** 2).sum(axis=2)
        ids = numpy.argsort(distances, axis=1, kind="stable")[:, :k].astype(numpy.uint64)
        return ids, numpy.take_along_axis(distances, ids.astype(int), axis=1)
"""


def point(recall, qps, times=None):
    return {"recall": recall, "qps": qps, "settings": {}, "latency_seconds": times}


class Peers(Case):
    def report(self, library, entries, **other):
        report = {"format": "kith-bench", "version": 1, "library": library, "library_version": "1",
                  "machine": {"cpu": "a CPU"}, "data": {"base": {"n": 1000, "dim": 4}, "query": {"n": 10},
                                                       "metric": "l2"},
                  "protocol": {"k": 10, "threads": 1, "batch": 0},
                  "indexes": [{"index": name, "points": [point(*p) for p in points], "build_seconds": 2.0,
                               "bytes_per_vector": 64.0} for name, points in entries.items()]}
        return self.write(f"{library}.json", json.dumps(dict(report, **other)).encode())

    def ratios(self, *args, code=0):
        done = subprocess.run([sys.executable, os.path.join(PEERS, "ratios.py"), *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return (done.stdout if code == 0 else done.stderr).decode()

    def test_front(self):
        points = [point(0.5, 100), point(0.9, 50), point(0.8, 40), point(0.9, 45), point(1, 10)]
        self.assertEqual([(p["recall"], p["qps"]) for p in ratios.front(points)], [(0.5, 100), (0.9, 50), (1, 10)])

    def test_between_points_the_logarithm_is_straight(self):
        points = [point(0.8, 1000), point(1.0, 10)]
        self.assertAlmostEqual(ratios.qps_at(points, 0.9), 100)
        self.assertAlmostEqual(ratios.qps_at(points, 0.95), 10 ** 1.5)
        self.assertEqual((ratios.qps_at(points, 0.8), ratios.qps_at(points, 1.0)), (1000, 10))
        self.assertEqual(ratios.qps_at(points, 0.5), 1000)
        self.assertIsNone(ratios.qps_at(points[:1], 0.9))
        self.assertIsNone(ratios.qps_at([], 0.9))

    def test_table(self):
        mine = self.report("kith", {"A": [(0.9, 3000), (1, 300, {"p50": 2e-5, "p99": 5e-5})], "B": [(0.5, 9)]})
        theirs = self.report("faiss", {"A": [(0.9, 1000), (1, 100)], "C": [(1, 5)]})
        text = self.ratios(mine, theirs)
        self.assertIn("| `A` | kith | 3 k | 949 | 378 | 2 | 64 | 20 / 50 |", text)
        self.assertIn("| `A` | faiss | 1 k (3.00×) | 316 (3.00×) | 126 (3.00×) | 2 (1.00×) | 64 | – |", text)
        self.assertIn("| `B` | kith | – | – | – | 2 | 64 | – |", text)
        self.assertIn("| `C` | faiss | 5 | 5 | 5 | 2 | 64 | – |", text)
        begin, end = "<!-- begin: x -->", "<!-- end: x -->"
        other = "<!-- begin: ratios -->\nnot this one\n<!-- end: ratios -->"
        page = self.write("p.md", f"before\n{other}\n{begin}\nold\n{end}\nafter\n".encode())
        for _ in range(2):
            self.ratios("--into", page, "--name", "x", mine, theirs)
            with open(page, encoding="utf-8") as file:
                self.assertEqual(file.read(), f"before\n{other}\n{begin}\n{text}{end}\nafter\n")

    def test_one_graph_under_two_names_and_plain_graphs_beside_codes(self):
        mine = self.report("kith", {"HNSW16,Flat": [(1, 600)], "HNSW16,SQ8,RFlat": [(1, 900)], "IVF8,SQ8": [(1, 5)]})
        theirs = self.report("hnswlib", {"HNSW16": [(1, 300)], "IVF8": [(1, 1)]})
        codes = self.report("pyglass", {"HNSW16,SQ8,RFlat": [(1, 450)], "HNSW16,PQ4": [(1, 7)]})
        rows = [line.split(" | ")[:3] for line in self.ratios(mine, theirs, codes).splitlines() if "| `" in line]
        self.assertEqual(rows, [["| `HNSW16`", "kith", "600"], ["| `HNSW16`", "hnswlib", "300 (2.00×)"],
                                ["| `HNSW16,SQ8,RFlat`", "kith", "900"],
                                ["| `HNSW16,SQ8,RFlat`", "hnswlib `HNSW16`", "300 (3.00×)"],
                                ["| `HNSW16,SQ8,RFlat`", "pyglass", "450 (2.00×)"],
                                ["| `IVF8,SQ8`", "kith", "5"], ["| `IVF8,SQ8`", "hnswlib `IVF8`", "1 (5.00×)"],
                                ["| `IVF8`", "hnswlib", "1"], ["| `HNSW16,PQ4`", "pyglass", "7"]])

    def test_table_of_exact_search(self):
        results = [{"case": "single", "library": library, "queries": 30, "at_once": 1, "k": 10, "qps": qps}
                   for library, qps in (("kith", 90.0), ("faiss", 45.0))]
        results.append(dict(results[0], case="batch10", queries=10_000, at_once=10_000, qps=1502))
        report = {"environment": {"cpu": "a CPU", "threads": 1, "base": 1000, "dim": 4, "type": "uint8",
                                  "kith": "1", "faiss": "2"}, "cases": {"single": "alone"}, "results": results}
        path = self.write("peers.json", json.dumps(report).encode())
        text = self.ratios(path)
        self.assertIn("1,000 vectors of dimension 4 (uint8), 1 thread; a CPU; kith 1, faiss 2.", text)
        self.assertIn("| `single`: 30 one by one, k = 10 | 90 | 45 (2.00×) |", text)
        self.assertIn("| `batch10`: 10,000 in one call, k = 10 | 1.5 k | – |", text)
        self.assertIn("cannot be combined", self.ratios(path, path, code=1))

    def test_every_page_has_its_markers(self):
        for page, names in (("README.md", ("exact", "lists", "graphs")),
                            ("docs/choosing-an-index.md", ("lists", "graphs"))):
            with open(os.path.join(ROOT, page), encoding="utf-8") as file:
                text = file.read()
            for name in names:
                self.assertEqual(text.count(f"<!-- begin: {name} -->"), 1, f"{page}: {name}")
                self.assertLess(text.index(f"<!-- begin: {name} -->"), text.index(f"<!-- end: {name} -->"))

    def test_bad(self):
        mine = self.report("kith", {"A": [(1, 1)]})
        self.assertIn("cannot be compared", self.ratios(
            mine, self.report("faiss", {"A": [(1, 1)]}, protocol={"k": 5, "threads": 1, "batch": 0}), code=1))
        self.assertIn("neither a report", self.ratios(self.write("x.json", b"{}"), code=1))
        self.assertIn("neither a report", self.ratios(self.write("y.json", b"[]"), code=1))
        self.assertIn("none.json", self.ratios(self.path("none.json"), code=1))
        self.assertIn("lacks the lines", self.ratios("--into", self.write("p.md", b"text"), mine, code=1))

    def test_sweep_values_are_those_of_kith_bench(self):
        self.assertEqual(sweep.sweep_values("1:6,8"), [1, 2, 4, 6, 8])
        self.assertEqual(sweep.sweep_values("16:512"), [16, 32, 64, 128, 256, 512])
        self.assertEqual(sweep.sweep_values("1.5,2"), [1.5, 2])


class Sweeps(Case):
    """sweep.py and compare.py as a user calls them."""

    def setUp(self):
        super().setUp()
        self.python = python_with("numpy")
        if not self.python:
            self.skipTest("no Python with NumPy")
        rows = [[float((i * j) % 61), float(i % 53), float(j), float(i * i % 59)] for i, j in
                ((i, i % 7 + 1) for i in range(300))]
        self.vectors("base.fvecs", rows)
        self.vectors("query.fvecs", [[v + 0.25 for v in row] for row in rows[::30]])
        self.write("hnswlib.py", PRETENDED.encode())
        self.cache = self.path("cache")

    def call(self, script, *args, code=0, python=None, env=None):
        done = subprocess.run([python or self.python, os.path.join(PEERS, script), *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=300, env=dict(os.environ, **(env or {})))
        self.assertEqual(done.returncode, code, (done.stdout + done.stderr).decode())
        return (done.stdout if code == 0 else done.stderr).decode()

    def pretended(self, name, *args, full=False, code=0):
        env = {"PYTHONPATH": self.folder, "NOTES": self.path("notes"), "FULL": "1" if full else ""}
        return self.call("sweep.py", "--library", "hnswlib", "--base", self.path("base.fvecs"), "--query",
                         self.path("query.fvecs"), "--truth", self.truth(), "--runs", "1", "--json", self.path(name),
                         "--index", "HNSW8", "--sweep", "efSearch=16,32", *args, env=env, code=code)

    def truth(self):
        path = self.path("truth.ivecs")
        if not os.path.exists(path):
            self.ok("knn", self.path("base.fvecs"), self.path("query.fvecs"), "-k", 10, "--ids", path)
        return path

    def notes(self):
        if not os.path.exists(self.path("notes")):
            return []
        with open(self.path("notes")) as file:
            lines = file.read().splitlines()
        os.remove(self.path("notes"))
        return lines

    def entry(self, name):
        with open(self.path(name)) as file:
            report = json.load(file)
        return report["indexes"][0]

    def test_cache(self):
        keep = ("--cache", self.cache, "--set", "efConstruction=30")
        self.pretended("a.json", *keep)
        self.assertEqual(self.notes(), ["built M=8 efConstruction=30"])
        first = self.entry("a.json")
        self.assertEqual([p["recall"] for p in first["points"]], [1, 1])
        self.assertGreater(first["points"][0]["latency_seconds"]["p99"], 0)
        # Loaded by another run, with what building took then.
        self.pretended("b.json", *keep)
        self.assertEqual(self.notes(), ["loaded"])
        second = self.entry("b.json")
        for part in ("train_seconds", "add_seconds", "build_seconds", "peak_rss_bytes", "memory_bytes"):
            self.assertEqual(second[part], first[part], part)
        self.assertEqual((first["cached"], second["cached"]), (False, True))
        # A report that is complete needs no index; one that lacks points loads it.
        self.pretended("b.json", *keep)
        self.assertEqual(self.notes(), [])
        self.pretended("b.json", *keep, "--sweep", "efSearch=16,32,64")
        self.assertEqual(self.notes(), ["loaded"])
        # Other settings, other threads and other vectors are other indexes.
        self.pretended("c.json", *keep, "--set", "efConstruction=31")
        self.pretended("d.json", *keep, "--threads", "2")
        self.vectors("base.fvecs", [[1.0, 2.0, 3.0, float(i)] for i in range(300)])
        self.pretended("e.json", *keep)
        self.assertEqual([note.split()[0] for note in self.notes()], ["built"] * 3)

    def test_cache_is_never_believed_half_written(self):
        keep = ("--cache", self.cache)
        self.pretended("a.json", *keep, full=True, code=1)
        self.assertEqual(os.listdir(self.cache), [])
        self.pretended("b.json", *keep)
        names = sorted(os.listdir(self.cache))
        self.assertEqual(len(names), 2)
        self.assertEqual(names[0] + ".json", names[1])
        kept = os.path.join(self.cache, names[0])
        for damage in (lambda: os.truncate(kept, 100), lambda: self.write(f"cache/{names[1]}", b"{"),
                       lambda: os.remove(kept)):
            damage()
            self.notes()
            self.pretended(f"{damage.__code__.co_firstlineno}.{len(os.listdir(self.folder))}.json", *keep)
            self.assertEqual([note.split()[0] for note in self.notes()], ["built"])

    def test_without_cache_nothing_is_left(self):
        before = set(os.listdir(self.folder))
        self.pretended("a.json")
        self.assertEqual(set(os.listdir(self.folder)) - before, {"a.json", "notes", "truth.ivecs", "__pycache__"}
                         & set(os.listdir(self.folder)))
        self.assertEqual(self.entry("a.json")["memory_bytes"], 300 * 4 * 4 + 128)

    def test_compare(self):
        os.mkdir(self.path("tools"))
        os.symlink(os.path.realpath(BIN), self.path("tools/kith"))
        page = self.write("page.md", b"<!-- begin: graphs -->\n<!-- end: graphs -->\n")
        args = ("--build", self.folder, "--data", self.folder, "--out", self.path("out"), "--runs", "1", "--latency",
                "5", "--graphs", "--cache", self.cache, "--into", page, "--without", "faiss,pyglass")
        env = {"PYTHONPATH": self.folder, "NOTES": self.path("notes")}
        out = self.call("compare.py", *args, env=env)
        self.assertEqual(self.notes(), [f"built M={m} efConstruction=200" for m in (16, 32)])
        with open(self.path("out/kith.json")) as file:
            mine = json.load(file)["indexes"]
        self.assertEqual([(i["index"], len(i["points"]), i["build"]) for i in mine],
                         [(f"HNSW{m}{codes}", n, {"seed": 1234, "efConstruction": 200}) for codes, n in
                          ((",Flat", 11), (",SQ8,RFlat", 22)) for m in (16, 32)])
        with open(page, encoding="utf-8") as file:
            text = file.read()
        for m in (16, 32):
            self.assertIn(f"| `HNSW{m}` | hnswlib | ", text)
            self.assertIn(f"| `HNSW{m},SQ8,RFlat` | hnswlib `HNSW{m}` | ", text)
        self.assertIn(text.split("\n", 1)[1].rsplit("\n<!--", 1)[0], out)
        self.assertEqual(os.path.exists(self.path("out/recall.svg")), bool(shutil.which("gnuplot")))
        # What was measured is not measured again, whatever becomes of the cache.
        shutil.rmtree(self.cache)
        self.call("compare.py", *args, env=env)
        self.assertEqual(self.notes(), [])
        self.assertIn("unknown library faissx", self.call("compare.py", *args, "--without", "faissx", code=2))

    def test_picture(self):
        """One command measures and draws; without data the figures are those of the README's tables."""
        if not shutil.which("gnuplot"):
            self.skipTest("no gnuplot")
        os.mkdir(self.path("tools"))
        os.symlink(os.path.realpath(BIN), self.path("tools/kith"))
        args = ("--build", self.folder, "--out", self.path("picture.svg"))
        out = self.call("picture.py", *args, "--data", self.folder, "--results", self.path("out"), "--index", "HNSW8", "--runs", "1",
                        "--latency", "5", env={"PYTHONPATH": self.folder, "NOTES": self.path("notes")})
        self.assertIn("picture.svg", out)
        with open(self.path("picture.svg"), encoding="utf-8") as file:
            drawn = file.read()
        for library in ("kith", "hnswlib"):
            self.assertIn(library, drawn)
            self.assertTrue(os.path.exists(self.path(f"out/{library}.json")))
        os.remove(self.path("picture.svg"))
        self.call("picture.py", *args, "--readme", os.path.join(ROOT, "README.md"))
        with open(self.path("picture.svg"), encoding="utf-8") as file:
            self.assertIn("faiss", file.read())
        self.call("picture.py", *args, "--data", self.folder, code=2)

    def test_tables(self):
        """The pages get their tables; a report that is there is not made again."""
        os.makedirs(self.path("pages/docs"))
        os.mkdir(self.path("tools"))
        os.mkdir(self.path("out"))
        os.symlink(os.path.realpath(BIN), self.path("tools/kith"))
        empty = "".join(f"<!-- begin: {name} -->\n<!-- end: {name} -->\n" for name in ("exact", "graphs"))
        pages = [self.write(f"pages/{page}", empty.encode()) for page in ("README.md", "docs/choosing-an-index.md")]
        exact = {"environment": {"cpu": "a CPU", "threads": 1, "base": 300, "dim": 4, "type": "uint8", "kith": "1"},
                 "cases": {}, "results": [{"case": "single", "library": "kith", "queries": 30, "at_once": 1, "k": 10,
                                           "qps": 90.0}]}
        self.write("out/exact.json", json.dumps(exact).encode())
        env = {"PYTHONPATH": self.folder, "NOTES": self.path("notes")}
        self.call("tables.py", "--build", self.folder, "--data", self.folder, "--out", self.path("out"), "--runs", "1",
                  "--cache", self.cache, "--only", "exact,graphs", "--pages", self.path("pages"), env=env)
        texts = []
        for page in pages:
            with open(page, encoding="utf-8") as file:
                texts.append(file.read())
        self.assertIn("| `single`: 30 one by one, k = 10 | 90 |", texts[0])
        self.assertNotIn("| single", texts[1])
        for text in texts:
            self.assertIn("| `HNSW32,SQ8,RFlat` | kith | ", text)
        # A page without the markers is found before anything is measured.
        before = os.listdir(self.path("out"))
        for script, options in (("tables.py", ("--only", "lists", "--pages", self.path("pages"))),
                                ("compare.py", ("--lists", "--into", pages[0]))):
            self.assertIn("lacks the lines <!-- begin: lists -->", self.call(
                script, "--build", self.folder, "--data", self.folder, "--out", self.path("out"), *options, code=1))
        self.assertEqual(os.listdir(self.path("out")), before)
        self.assertIn("unknown table graph;", self.call("tables.py", "--data", "x", "--out", "x", "--only",
                                                             "graph", code=2))

    def test_sql(self):
        """Without the others: every system of kith's, and the table that it makes."""
        python = python_with("sqlite3; sqlite3.Connection.enable_load_extension")
        build = os.path.dirname(os.path.dirname(os.path.abspath(BIN)))
        if not python or not os.path.exists(os.path.join(build, "sqlite", "kith_sqlite.so")):
            self.skipTest("no SQLite extension, or no python3 that loads it")
        done = subprocess.run([python, os.path.join(PEERS, "sql.py"), "--build", build, "--rows", "1500", "--trickle", "40", "--json", self.path("r.json")],
                              capture_output=True, text=True, timeout=100, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("sqlite-vec was not given, so it was not measured", done.stdout)
        with open(self.path("r.json"), encoding="utf-8") as file:
            results = json.load(file)["systems"]
        self.assertEqual([one["name"] for one in results],
                         ["kith, exact", "kith, HNSW16,SQ8", "kith, HNSW16,SQ8, u INDEXED", "kith, HNSW32"])
        for one in results:
            self.assertEqual(list(one["queries"]), ["all", "50%", "10%", "1%", "0.1%", "0.01%"])
            for name, query in one["queries"].items():
                self.assertGreaterEqual(query["recall"], 1 if one["name"] == "kith, exact" else 0.9, f"{one['name']} {name}")

    def test_each_library_that_is_there(self):
        """The real ones, built, kept and loaded: recall must be that of an index which holds these vectors."""
        modules = {"faiss": "faiss", "hnswlib": "hnswlib", "pyglass": "glass"}
        self.assertEqual(set(modules), set(libraries.LIBRARIES))
        os.remove(self.path("hnswlib.py"))
        self.ok("gen", "--n", 3000, "--dim", 20, "--queries", 50, "--truth", 10, "--out", self.path("g"))
        swept = 0
        for name, module in modules.items():
            python = python_with(module)
            if not python or module == "glass" and not python_with("glass, sys; glass.Searcher"):
                continue
            for turn in ("build", "load"):
                self.call("sweep.py", "--library", name, "--base", self.path("g/base.fvecs"), "--query",
                          self.path("g/query.fvecs"), "--truth", self.path("g/groundtruth.ivecs"), "--runs", "1",
                          "--latency", "5", "--cache", self.cache, "--index", "HNSW16", "--index",
                          "HNSW16,SQ8,RFlat", "--index", "IVF16,Flat", "--sweep", "efSearch=200", "--sweep",
                          "k_factor=4", "--sweep", "nprobe=16", "--set", "efConstruction=100", "--json",
                          self.path(f"{name}-{turn}.json"), python=python)
            with open(self.path(f"{name}-build.json")) as file:
                built = json.load(file)["indexes"]
            with open(self.path(f"{name}-load.json")) as file:
                loaded = json.load(file)["indexes"]
            self.assertEqual([i["index"] for i in built],
                             {"faiss": ["HNSW16", "HNSW16,SQ8,RFlat", "IVF16,Flat"], "hnswlib": ["HNSW16"],
                              "pyglass": ["HNSW16,SQ8,RFlat"]}[name])
            for a, b in zip(built, loaded):
                self.assertEqual((a["cached"], b["cached"]), (False, True))
                self.assertEqual(a["build_seconds"], b["build_seconds"])
                self.assertGreater(a["bytes_per_vector"], 20 * 4)
                self.assertGreater(a["points"][0]["recall"], 0.95, f"{name} {a['index']}")
                self.assertAlmostEqual(a["points"][0]["recall"], b["points"][0]["recall"], delta=0.01)
            swept += 1
        if not swept:
            self.skipTest("none of the libraries is there")
