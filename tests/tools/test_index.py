"""kith build, search, and info on index files."""
import json
import math
import os
import random
import signal
import subprocess

from support import BIN, Case, brute_force, float32, read_vecs, stop


class Index(Case):
    def setUp(self):
        super().setUp()
        rng = random.Random(7)
        self.base = [[float32(rng.gauss(0, 1)) for _ in range(12)] for _ in range(500)]
        self.queries = [[float32(rng.gauss(0, 1)) for _ in range(12)] for _ in range(9)]
        self.b, self.q = self.vectors("b.fvecs", self.base), self.vectors("q.fvecs", self.queries)
        self.index = self.path("i.kith")

    def build(self, spec, *options):
        return json.loads(self.ok("build", self.b, "--index", spec, "-o", self.index, "--json", *options).out)

    def bytes(self):
        with open(self.index, "rb") as file:
            return file.read()

    def search(self, *options):
        return json.loads(self.ok("search", self.index, self.q, "--json", *options).out)

    def test_flat_is_exact(self):
        for metric in ("l2", "ip", "cosine", "l1", "linf"):
            report = self.build("Flat", "--metric", metric)
            self.assertEqual((report["n"], report["dim"], report["index"], report["metric"]),
                             (500, 12, "Flat", metric))
            self.assertEqual(report["bytes"], os.path.getsize(self.index))
            truth = [[i for _, i in row] for row in brute_force(metric, self.base, self.queries, 20)]
            t, ids, dist = self.vectors("t.ivecs", truth), self.path("o.ivecs"), self.path("o.fvecs")
            report = self.search("-k", 15, "--truth", t, "--ids", ids, "--distances", dist)
            self.assertEqual(report["recall"], {"1": 1, "10": 1, "15": 1})
            self.assertEqual([r[:15] for r in truth], read_vecs(ids))
            self.assertEqual([len(r) for r in read_vecs(dist)], [15] * 9)

    def test_ivf(self):
        train = self.vectors("t.fvecs", self.base[:300])
        report = self.build("IVF8,Flat", "--train", train, "--train-size", 200, "--set", "seed=5")
        self.assertEqual((report["train_vectors"], report["settings"]), (200, {"seed": 5}))
        first = self.bytes()
        self.build("IVF8,Flat", "--train", train, "--train-size", 200, "--set", "seed=5", "--threads", 3)
        self.assertEqual(self.bytes(), first, "threads must not matter")
        self.build("IVF8,Flat", "--train", train, "--train-size", 200, "--set", "seed=6")
        self.assertNotEqual(self.bytes(), first)
        truth = [[i for _, i in row] for row in brute_force("l2", self.base, self.queries, 10)]
        t = self.vectors("t.ivecs", truth)
        few = self.search("--truth", t, "--set", "nprobe=1", "--batch", 1)
        everything = self.search("--truth", t, "--set", "nprobe=8,max_codes=100000")
        self.assertEqual((few["calls"], everything["calls"]), (9, 1))
        self.assertEqual(everything["recall"], {"1": 1, "10": 1})
        self.assertLess(few["recall"]["10"], 1)
        self.assertLess(few["pairs_per_query"], everything["pairs_per_query"])
        self.assertEqual(few["settings"], {"nprobe": 1})

    def test_reorder(self):
        plain = self.build("HNSW4")
        first, found = self.bytes(), [self.path("a.ivecs"), self.path("b.ivecs")]
        self.search("--ids", found[0])
        self.assertEqual(plain["reorder_seconds"], 0)
        report = self.build("HNSW4", "--reorder", "--threads", 1)
        self.assertEqual((report["n"], report["index"]), (500, "HNSW4,Flat"))
        self.assertGreater(report["reorder_seconds"], 0)
        moved = self.bytes()
        self.assertNotEqual(moved, first)
        self.search("--ids", found[1])
        self.assertEqual(read_vecs(found[0]), read_vecs(found[1]))
        self.ok("verify", self.index)
        self.build("HNSW4", "--reorder", "--threads", 2)
        self.assertEqual(self.bytes(), moved)
        self.build("IVF4,Flat")
        first = self.bytes()
        self.warned("--reorder has no effect: IVF4,Flat has no graph", "build", self.b, "-i", "IVF4,Flat", "-o",
                    self.index, "--reorder")
        self.assertEqual(self.bytes(), first)
        self.assertIn("reorder  0.", self.ok("build", self.b, "-i", "HNSW4", "--reorder", "-o", self.index).out)

    def test_bytes(self):
        rows = [[i * j % 256 for j in range(12)] for i in range(100)]
        b, q = self.vectors("b.bvecs", rows), self.vectors("q.bvecs", rows[:5])
        self.ok("build", b, "--index", "SQ8_direct", "-o", self.index)
        report = json.loads(self.ok("search", self.index, q, "-k", 1, "--ids", self.path("o.ivecs"), "--json").out)
        self.assertEqual(report["index"], "SQ8_direct")
        self.assertEqual(read_vecs(self.path("o.ivecs")), [[0], [1], [2], [3], [4]])

    def test_text(self):
        out = self.ok("build", self.b, "-i", "IVF4,Flat", "-o", self.index).out
        for word in ("IVF4,Flat", "500 x 12", "train ", "add ", "bytes per vector", self.index):
            self.assertIn(word, out)
        out = self.ok("search", self.index, self.q, "-s", "nprobe=2").out
        for word in ("query 4 ", "nprobe = 2", "queries/s", "IVF4,Flat"):
            self.assertIn(word, out)

    def test_info(self):
        self.build("IVF4,Flat", "--metric", "ip")
        info = json.loads(self.ok("info", self.index, "--json").out)
        self.assertEqual((info["index"], info["metric"], info["n"], info["dim"], info["trained"]),
                         ("IVF4,Flat", "ip", 500, 12, True))
        self.assertEqual(info["parts"]["codes"], 500 * 12 * 4)
        self.assertEqual(info["parts"]["centroids"], 4 * 12 * 4)
        self.assertEqual(sum(info["parts"].values()), os.path.getsize(self.index))
        out = self.ok("info", self.index).out
        for word in ("IVF4,Flat", "codes", "centroids", "per vector"):
            self.assertIn(word, out)

    def test_truth_with_gaps(self):
        # Fewer true neighbours than k: found all there are.
        self.vectors("b.fvecs", self.base[:3])
        self.build("Flat")
        truth = [[i for _, i in row] for row in brute_force("l2", self.base[:3], self.queries, 10)]
        report = self.search("--truth", self.vectors("t.ivecs", truth))
        self.assertEqual(report["recall"], {"1": 1, "10": 1})

    def test_bad_build(self):
        other = self.vectors("o.fvecs", [[1, 2, 3]])
        nan = self.vectors("nan.fvecs", [[math.nan] * 12])
        for code, args, says in (
                (2, (self.b, "-o", self.index), "--index"),
                (2, (self.b, "-i", "Flat"), "--out"),
                (2, (self.b, "-i", "Flat", "-o", self.index, "--set", "sed=1"), "'seed'"),
                (2, (self.b, "-i", "Flat", "-o", self.index, "--set", "seed=x"), "'x'"),
                (2, (self.b, "-i", "Flat", "-o", self.index, "--set", "seed"), "NAME=NUMBER"),
                (1, (self.b, "-i", "Flatt", "-o", self.index), ["--index", "Flatt"]),
                (1, (self.b, "-i", "Flat", "-o", self.b), "another name"),
                (1, (self.b, "-i", "Flat", "-o", self.folder), "directory"),
                (1, (self.b, "-i", "Flat", "-o", self.path("no/such/i.kith")), "No such file"),
                (1, (self.path("none.fvecs"), "-i", "Flat", "-o", self.index), "none.fvecs"),
                (1, (self.b, "-i", "IVF4,Flat", "-o", self.index, "--train", other), "dimensions differ"),
                (1, (self.b, "-i", "IVF4,Flat", "-o", self.index, "--train-size", 501), "only 500"),
                (1, (self.b, "-i", "IVF600,Flat", "-o", self.index), "600"),
                (1, (nan, "-i", "Flat", "-o", self.index), ["nan.fvecs", "finite"]),
                (1, (self.b, "-i", "Flat", "-o", "/dev/full"), "space")):
            with self.subTest(args=args):
                self.fails(code, "build", *args, says=says)
                self.assertFalse(os.path.exists(self.index))
        self.assertEqual([f for f in os.listdir(self.folder) if "tmp" in f], [])

    def test_bad_search(self):
        self.build("Flat")
        other = self.vectors("o.fvecs", [[1, 2, 3]])
        short = self.vectors("t.ivecs", [[1, 2, 3]])
        cut = self.write("cut.kith", self.bytes()[:-9])
        for code, args, says in (
                (1, (self.path("none.kith"), self.q), "none.kith"),
                (1, (self.b, self.q), "not a kith index"),
                (1, (cut, self.q), ["cut.kith", "cut off"]),
                (1, (self.index, other), "dimensions differ"),
                (1, (self.index, self.q, "--truth", short), ["1 row,", "9 queries"]),
                (1, (self.index, self.q, "--truth", self.q), "integers"),
                (1, (self.index, self.q, "--ids", self.index), "another name"),
                (2, (self.index, self.q, "--ids", "x.npy", "--distances", "x.npy"), "one file"),
                (2, (self.index, self.q, "--set", "nprobes=3"), "'nprobe'"),
                (2, (self.index, self.q, "--set", "nprobe=0"), "from 1"),
                (2, (self.index, self.q, "--set", "nprobe=1.5"), "whole number"),
                (2, (self.index, self.q, "-k", 0), "-k"),
                (2, (self.index,), "files are needed")):
            with self.subTest(args=args):
                self.fails(code, "search", *args, says=says)
        self.fails(1, "info", cut, says=["cut.kith", "cut off"])

    def test_interrupted(self):
        self.ok("gen", "--n", 60000, "--dim", 64, "--out", self.path("big"))
        process = subprocess.Popen([BIN, "build", self.path("big/base.fvecs"), "-i", "IVF4096,Flat", "-t", "1",
                                    "-o", self.index], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = stop(process, signal.SIGINT)
        self.assertEqual((process.returncode, out), (130, b""))
        self.assertIn(b"interrupted; nothing was written", err)
        self.assertEqual([f for f in os.listdir(self.folder) if "kith" in f], [])

    def test_verify(self):
        self.build("PCA4,IVF4,SQ8,RFlat")
        self.assertIn("good, 500 vectors", self.ok("verify", self.index).out)
        self.assertTrue(json.loads(self.ok("verify", self.index, "--json").out)["good"])
        whole = self.bytes()
        for cut in (0, 100, len(whole) // 2, len(whole) - 1):
            with open(self.index, "wb") as file:
                file.write(whole[:cut])
            self.fails(1, "verify", self.index, says="i.kith")
        with open(self.index, "wb") as file:
            file.write(whole[:5000] + bytes([whole[5000] ^ 4]) + whole[5001:])
        self.fails(1, "verify", self.index, says=("section COD0 of node 0", "damaged"))
        report = json.loads(subprocess.run([BIN, "verify", self.index, "--json"], stdout=subprocess.PIPE).stdout)
        self.assertFalse(report["good"])
        self.assertIn("COD0", report["problem"])
        with open(self.index, "wb") as file:
            file.write(whole + b"KITHLOG")
        self.fails(1, "verify", self.index, says="7 bytes")
        with open(self.index, "wb") as file:
            file.write(whole)
        generation = json.loads(self.ok("info", self.index, "--json").out)["generation"]
        self.assertIn(generation, self.ok("info", self.index).out)
        self.ok("verify", self.index, "--generation", generation)
        self.fails(1, "verify", self.index, "-g", "0123456789abcdef", says=("i.kith", "generation"))
        for bad in ("1", "g" * 16, "0" * 16, "-123456789abcdef"):
            self.fails(2, "verify", self.index, "--generation=" + bad, says="kith info")
        self.fails(1, "verify", self.path("absent.kith"), says="absent.kith")
        self.fails(2, "verify")

    def test_structure(self):
        self.build("PCA4,IVF4,SQ8,RFlat")
        info = json.loads(self.ok("info", self.index, "--json").out)
        self.assertEqual([(node["depth"], node["what"], node["n"]) for node in info["structure"]],
                         [(0, "refinement RFlat", 500), (1, "transform PCA4", 500), (2, "inverted file IVF4,SQ8", 500)])
        self.assertLess(sum(node["bytes"] for node in info["structure"]), info["bytes"])
        self.assertEqual((info["tags"], info["note"], info["appended_bytes"]), ({}, "", 0))
        self.build("Shards3(Flat)")
        text = self.ok("info", self.index).out
        self.assertEqual(text.count("  index Flat"), 3)
        self.assertIn("written by   kith", text)
